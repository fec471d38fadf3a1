"""python -m studies.worked_examples [--specimens 3] [--pictures FOLDER]

S2's figure 6.17 rebuilt: a digit a, another digit b, a slightly deformed copy c of a, and d, which is c brightened by
70 grey levels. Beside these: a moved by one pixel; e, which is c at half its contrast; and f, which is e brightened,
where nothing is cut off at 255. What do the scores of S2 §6.4.2 say, and do the source's claims hold?

The digits are scikit-learn's, 8×8 px, enlarged to 28×28, because MNIST does not come with a package: the source's
figures stand beside ours for their order, not for their values. Enlarged digits are smooth, so the same is done with
their middle lines, one pixel wide. b is the next digit's specimen of the same number, so nothing is picked. Results are
studies/results/worked_examples.json and .md; the run takes seconds.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import sklearn
import torch
from benchmarks import command_line, record
from skimage.morphology import skeletonize
from sklearn.datasets import load_digits

from studies import RESULTS
from urushi.data.writing import write_image
from urushi.models.base import Reconstruction
from urushi.scoring.gmsd import Gmsd
from urushi.scoring.imed import Imed
from urushi.scoring.squared_error import SquaredError
from urushi.scoring.ssim import global_ssim
from urushi.scoring.zncc import global_zncc

SIDE_PX, BRIGHTER = 28, 70  # as in the source
TURN_DEGREES, MOVE_PX = 8, 1
KINDS = ("enlarged digits", "their middle lines")
PAIRS = ("a, b", "a, c", "a, d", "c, d", "a, a", "a, moved", "e, f")
SOURCE = {  # S2 §6.4.2
    "ED": {"a, b": 117.85, "a, c": 123.74, "c, d": 126.62},
    "IMED": {"a, b": 1707.42, "a, c": 1308.18, "c, d": 1366.77},
    "SSIM": {"a, b": 0.12, "a, c": 0.68, "a, d": 0.61, "c, d": 0.92},
    "ZNCC": {"a, b": 0.04, "a, c": 0.72, "c, d": 0.99},
    "GMSD": {"a, b": 0.40, "a, c": 0.26, "a, d": 0.27, "c, d": 0.08, "a, a": 0.00},
}
NOTES = (
    f"a: a digit; b: the next digit; c: a, turned by {TURN_DEGREES}°; d: c, brighter by {BRIGHTER} and cut off at 255; "
    f"moved: a, {MOVE_PX} px to the right; e: c at half its contrast; f: e, brighter by {BRIGHTER}, where nothing is "
    "cut off. 28×28 px, grey levels 0…255. SSIM and ZNCC: 1 is alike; the others: 0 is.",
    "The source's ED can't be the Euclidean distance of its images: with σ = 1, no row of G sums to more than 1.00, so "
    "IMED can't exceed ED, and there it does, more than tenfold. Arithmetic in 8 bits, which wraps at 256, can't give "
    "more than √(784·255) = 447, whatever the pair. The source's remark that ED ranks the pairs wrongly may rest on "
    "it.",
    "IMED forgives a small move of thin lines. Enlarged digits are about as smooth as its Gaussian, and it forgives "
    "them no more than ED does.",
    "SSIM does change with brightness here: 70 grey levels are much for images whose background is black. ZNCC does "
    "not. GMSD does where grey edges are cut off at 255, of which enlarged digits have many and thin lines hardly any.",
)
Figures = dict[str, dict[str, float]]  # measure -> pair -> value


def wrapped(x: np.ndarray, y: np.ndarray) -> float:
    """The Euclidean distance if difference and square are kept in 8 bits and wrap at 256: a slip, not a score."""
    difference = x - y
    return float(np.sqrt((difference * difference).sum(dtype=np.int64)))


def _by(score: Callable[[Reconstruction], torch.Tensor]) -> Callable[[np.ndarray, np.ndarray], float]:
    """A score of [0, 1] images as a measure of 8-bit ones."""

    def measure(x: np.ndarray, y: np.ndarray) -> float:
        return float(
            score(Reconstruction(*(torch.from_numpy(image / np.float32(255))[None, None] for image in (x, y))))
        )

    return measure


def _image_score(cls: type[Any]) -> Callable[[Reconstruction], torch.Tensor]:
    return lambda pair: cls("pixels")(pair, (SIDE_PX, SIDE_PX))[1]


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ED": _by(lambda pair: 255 * _image_score(SquaredError)(pair).sqrt()),
    "ED, wrapped at 8 bits": wrapped,
    "IMED": _by(lambda pair: 255 * _image_score(Imed)(pair).sqrt()),
    "SSIM": _by(global_ssim),
    "ZNCC": _by(global_zncc),
    "GMSD": _by(_image_score(Gmsd)),
}

CLAIMS: dict[str, Callable[[Figures], bool]] = {
    "ED: the other digit is nearer than the deformed one": lambda f: f["ED"]["a, b"] < f["ED"]["a, c"],
    "IMED: the deformed digit is nearer than the other one": lambda f: f["IMED"]["a, c"] < f["IMED"]["a, b"],
    "IMED: a move by 1 px is a smaller part of (a, b) than by ED": lambda f: _moved(f, "IMED") < _moved(f, "ED"),
    "IMED: that part is less than two thirds of ED's": lambda f: _moved(f, "IMED") < 2 / 3 * _moved(f, "ED"),
    "IMED is not above ED": lambda f: all(f["IMED"][pair] <= f["ED"][pair] + 1e-3 for pair in PAIRS),
    "ED and IMED: d is further from c than a is": lambda f: all(f[m]["c, d"] > f[m]["a, c"] for m in ("ED", "IMED")),
    "SSIM(c, d) ≥ 0.9": lambda f: f["SSIM"]["c, d"] >= 0.9,
    "SSIM(a, d) is at most 0.1 below SSIM(a, c)": lambda f: f["SSIM"]["a, c"] - f["SSIM"]["a, d"] <= 0.1,
    "SSIM: d is more like a than b is": lambda f: f["SSIM"]["a, d"] > f["SSIM"]["a, b"],
    "ZNCC(c, d) ≥ 0.98": lambda f: f["ZNCC"]["c, d"] >= 0.98,
    "ZNCC(a, d) differs from ZNCC(a, c) by at most 0.05": lambda f: abs(f["ZNCC"]["a, c"] - f["ZNCC"]["a, d"]) <= 0.05,
    "GMSD: the deformed digit is nearer than the other one": lambda f: f["GMSD"]["a, c"] < f["GMSD"]["a, b"],
    "GMSD(c, d) is less than half of GMSD(a, c)": lambda f: f["GMSD"]["c, d"] < f["GMSD"]["a, c"] / 2,
    "GMSD(a, a) = 0": lambda f: f["GMSD"]["a, a"] == 0,
    "GMSD(e, f) = 0 and ZNCC(e, f) = 1": lambda f: f["GMSD"]["e, f"] < 1e-6 and f["ZNCC"]["e, f"] > 1 - 1e-6,
}


def _moved(figures: Figures, measure: str) -> float:
    return figures[measure]["a, moved"] / figures[measure]["a, b"]


def images(kind: str, digit: int, specimen: int) -> dict[str, np.ndarray]:
    """The images of one example, (28, 28) uint8."""
    a, b = _digit(kind, digit, specimen), _digit(kind, (digit + 1) % 10, specimen)
    middle = (SIDE_PX - 1) / 2
    c = cv2.warpAffine(a, cv2.getRotationMatrix2D((middle, middle), TURN_DEGREES, 1.0), a.shape)
    brighter = cv2.add(c, np.full_like(c, BRIGHTER))
    moved = cv2.warpAffine(a, np.array([[1, 0, MOVE_PX], [0, 1, 0]], np.float32), a.shape)
    return {
        "a": a,
        "b": b,
        "c": c,
        "d": brighter,
        "moved": moved,
        "e": c // 2,
        "f": c // 2 + BRIGHTER,
    }


def _digit(kind: str, digit: int, specimen: int) -> np.ndarray:
    digits = load_digits()
    small = digits.images[digits.target == digit][specimen] * (255 / 16)
    enlarged = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC).round().clip(0, 255)
    return (enlarged if kind == KINDS[0] else 255 * skeletonize(enlarged > 127)).astype(np.uint8)


def measure(shown: Mapping[str, np.ndarray]) -> Figures:
    """Every measure of every pair."""
    named = {pair: [shown[name] for name in pair.split(", ")] for pair in PAIRS}
    return {name: {pair: one(*two) for pair, two in named.items()} for name, one in MEASURES.items()}


def markdown(study: dict[str, Any]) -> str:
    """Tables and claims, from the record alone."""
    environment, n = study["environment"], study["n_examples"]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    claims = [["claim", *(f"holds for {kind}" for kind in KINDS)]]
    claims += [[claim, *(f"{held[kind]} of {n}" for kind in KINDS)] for claim, held in study["claims"].items()]
    parts = ["# Worked examples: S2's figure 6.17 with scikit-learn's digits"]
    parts += [
        f"Medians over {n} examples, {kind}; in brackets the source's one example, from MNIST.\n\n"
        + _figures(study, kind)
        for kind in KINDS
    ]
    facts = {
        "command": f"`{environment['command']}`",
        "commit": f"{environment['commit']}{dirty}",
        "versions": ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
        "date": environment["date"][:10],
    }
    notes = [*NOTES, *(f"{name}: {value}" for name, value in facts.items())]
    return "\n\n".join([*parts, _table(claims), "\n".join(f"- {note}" for note in notes)])


def _figures(study: dict[str, Any], kind: str) -> str:
    rows = [row["figures"] for row in study["rows"] if row["kind"] == kind]
    lines = [[name, *(_cell(rows, name, pair) for pair in PAIRS)] for name in rows[0]]
    return _table([["measure", *(f"({pair})" for pair in PAIRS)], *lines])


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [lines[0], ["---"] * len(lines[0]), *lines[1:]])


def _cell(rows: Sequence[Figures], name: str, pair: str) -> str:
    digits = 2 if name in ("SSIM", "ZNCC", "GMSD") else 0
    ours, source = np.median([figures[name][pair] for figures in rows]), SOURCE.get(name, {}).get(pair)
    return f"{ours:.{digits}f}" + ("" if source is None else f" ({source:.2f})")


def write_sheet(path: Path, examples: Sequence[Mapping[str, np.ndarray]]) -> None:
    """One line per example, five times as large."""
    lines = [
        np.concatenate([np.pad(image, 1, constant_values=128) for image in shown.values()], 1) for shown in examples
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.kron(np.concatenate(lines), np.ones((5, 5), np.uint8)))


def main() -> None:
    options = _options()
    environment = record.environment()
    chosen = [(kind, digit, one) for kind in KINDS for one in range(options.specimens) for digit in range(10)]
    examples = [images(*example) for example in chosen]
    rows = [
        {"kind": kind, "digit": digit, "specimen": one, "figures": measure(shown)}
        for (kind, digit, one), shown in zip(chosen, examples, strict=True)
    ]
    study = {
        "n_examples": 10 * options.specimens,
        "source": SOURCE,
        "environment": environment | {"versions": environment["versions"] | {"scikit-learn": sklearn.__version__}},
        "claims": {claim: _held(rows, holds) for claim, holds in CLAIMS.items()},
        "rows": rows,
    }
    record.publish(options.results, "worked_examples", study, markdown)
    if options.pictures:
        write_sheet(options.pictures / "worked_examples.png", examples[:: options.specimens])


def _held(rows: Sequence[dict[str, Any]], holds: Callable[[Figures], bool]) -> dict[str, int]:
    return {kind: sum(holds(row["figures"]) for row in rows if row["kind"] == kind) for kind in KINDS}


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS)
    parser.add_argument("--specimens", type=int, default=3, help="of each digit, at most 100")
    parser.add_argument("--pictures", type=Path, help="write a sheet of the images here, to be looked at")
    return parser.parse_args()


if __name__ == "__main__":
    main()
