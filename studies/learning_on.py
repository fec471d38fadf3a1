"""python -m studies.learning_on [--repeats 8] [--seed 0] [--results DIR]

What learning on gives, beside a fit from scratch on the same images. *Real*: three categories; the first two thirds of
the training images are fitted and a third is added; then the third is removed again; the third fitted by itself is
merged. Of test images: the largest difference of maps, relative to the highest value of the map, and of scores;
thresholds, and what they decide; seconds; bytes of the file without and with sums. *Simulated*: does the stated rate
hold? Inputs of the default's method are drawn from one law, so that held-out and new images are alike by construction;
60 images are fitted, with 20 folds, then ten times 20 are added, and 400 new ones inspected after each round: as they
come, or only those of 200 that were called anomalous, with their scores and without (`--selected`); and two detectors
of 60 images each are merged, of one law, or of two whose means differ by a tenth, three tenths or all of the deviation.
Where maps and scores differ by 0.0e+00, they are the same bits: on a CPU each image goes through the network by itself.
Before, in batches of 32 and the few that were left over, the same rows had up to 7.3e-7 and 2.3e-6: from 16 images on,
layers round otherwise. With the same features, sums in two parts gave the same bits then, too.
Results: studies/results/learning_on.json and .md.
"""

import hashlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from numpy.typing import NDArray

from studies import DATA, RESULTS, jobs
from studies.pyramid_rates import RECIPE as WITH_FIFTY
from studies.pyramid_rates import SHAPE, crossed, law, score
from studies.readable import require_readable
from urushi import Detector
from urushi.calibration import HeldOut
from urushi.calibration.conformal import Conformal
from urushi.data.appearance import Appearance
from urushi.data.learnt_images import LearntImages
from urushi.data.loader import Rows
from urushi.fitting.incremental.adding import Judgement, add
from urushi.fitting.incremental.merging import merge
from urushi.fitting.incremental.present import Present
from urushi.models import build_model
from urushi.models.base import summed
from urushi.preprocessing import Pipeline, Prepared
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score

RECIPE = WITH_FIFTY.with_settings({"split.n_folds": 20})  # of the simulation alone, which takes long enough
CATEGORIES = ("magnetic_tile", "solar_cell", "screw_head")
RATE, N_FIRST, N_MORE, N_ROUNDS, N_NEW = 0.05, 60, 20, 10, 400
KINDS = ("as they come", "false alarms alone", "false alarms alone, --selected")
SHIFTS = (0.0, 0.1, 0.3, 1.0)
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
Inputs = NDArray[np.float32]


# --- real images ------------------------------------------------------------------------------------------------------


def real(category: str) -> Iterator[dict[str, Any]]:
    """One row for each of add, remove and merge."""
    good = sorted((DATA / category / "train" / "good").iterdir())
    test = sorted(path for path in (DATA / category / "test").rglob("*") if path.is_file())
    n_first = 2 * len(good) // 3
    first, seconds_first = timed(lambda: Detector.fit(good[:n_first]))
    rest, _ = timed(lambda: Detector.fit(good[n_first:]))
    whole, seconds_whole = timed(lambda: Detector.fit(good))
    with tempfile.TemporaryDirectory() as folder:
        size, size_final = (saved(one, Path(folder)) for one in (whole, whole.final()))
    facts = {"category": category, "n_good": len(good), "n_first": n_first, "n_test": len(test)}
    facts |= {"bytes": size, "bytes_without_sums": size_final}
    whole_looks, first_looks = looks(whole, test), looks(first, test)
    added_on, seconds = timed(lambda: first.add(good[n_first:]))
    how = {"seconds": seconds, "seconds_of_fit": seconds_whole}
    yield {**facts, "what": "add", **how, **compared(added_on, whole, looks(added_on, test), whole_looks)}
    less, seconds = timed(lambda: whole.remove(good[n_first:]))
    how = {"seconds": seconds, "seconds_of_fit": seconds_first}
    yield {**facts, "what": "remove", **how, **compared(less, first, looks(less, test), first_looks)}
    merged, seconds = timed(lambda: first.merge(rest))
    how = {"seconds": seconds, "seconds_of_fit": seconds_whole}
    yield {**facts, "what": "merge", **how, **compared(merged, whole, looks(merged, test), whole_looks)}


def timed(work: Any) -> tuple[Detector, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def saved(detector: Detector, folder: Path) -> int:
    detector.save(folder / "part.urushi")
    return (folder / "part.urushi").stat().st_size


def looks(detector: Detector, images: list[Path]) -> list[tuple[NDArray[np.float32], float, bool]]:
    """Map, score, and whether it is a good image, of each."""
    found = zip(images, detector.inspect_many(images), strict=True)
    shown = ((path, require_readable(one)) for path, one in found)
    return [(one.anomaly_map, one.score, path.parent.name == "good") for path, one in shown]


def compared(one: Detector, other: Detector, looks: list[Any], expected: list[Any]) -> dict[str, Any]:
    pairs = list(zip(looks, expected, strict=True))
    maps = max(float(np.abs(a[0] - b[0]).max() / np.abs(b[0]).max()) for a, b in pairs)
    scores = max(abs(a[1] / b[1] - 1) for a, b in pairs)
    found = {"map_difference": maps, "score_difference": scores, "threshold": one.threshold.value}
    found |= {"threshold_of_fit": other.threshold.value}
    return found | {"decided": decided(one, looks), "decided_by_fit": decided(other, expected)}


def decided(detector: Detector, looks: list[Any]) -> dict[str, float]:
    above = np.array([score > detector.threshold.value for _, score, _ in looks])
    is_good = np.array([good for *_, good in looks])
    return {"false_alarms": float(above[is_good].mean()), "found": float(above[~is_good].mean())}


# --- simulated --------------------------------------------------------------------------------------------------------


class Simulated:
    """The default's method on drawn inputs: what an image is elsewhere is an input here."""

    def __init__(self) -> None:
        self.model = build_model(RECIPE.model, SHAPE)
        self.n_values = int(self.model.embed(torch.zeros(1, *SHAPE)).shape[1])
        self.model.image_shape = (self.n_values, 1, 1)
        self.model.embed = lambda images: images.flatten(1)  # type: ignore[method-assign]
        self.backend = TorchBackend(ScoringGraph(self.model, build_score(RECIPE.score, "features")))

    def fitted(self, inputs: Inputs) -> Present:
        """A fit with the default's folds."""
        rows = np.arange(len(inputs))
        seen = tuple(prepared(one).appearance for one in inputs)
        statistics, descriptors = summed(self.model, Rows(inputs, rows).batches(32))
        images = LearntImages(
            seen,
            tuple(one.content for one in seen),
            tuple(t.numpy() for t in statistics),
            descriptors.numpy(),
        )
        scores = tuple(crossed(self.model, inputs, RECIPE.split.n_folds)["held out"].tolist())
        none = (0.0,) * len(scores)
        held_out = HeldOut(scores, none, none, "cross", contents=images.contents, summands=none)
        present = Present(RECIPE, Pipeline(()), None, self.backend, images, held_out, 0)
        summands = tuple(present.summands(images)[content] for content in images.contents)
        return present.learnt(images, replace(held_out, summands=summands), present.pictures)

    def rate(self, held_out: HeldOut, new: Inputs) -> float:
        """Share of new inputs above the threshold."""
        return float((score(self.model, new) > threshold(held_out)).mean())


def prepared(one: NDArray[np.float32]) -> Prepared:
    digits = hashlib.blake2b(one.tobytes(), digest_size=8).hexdigest()
    return Prepared(one[:, None, None], np.eye(3), (1, 1), Appearance(digits, 1, 1, "uint8", 1.0, 0.5, 0.1, 0.0))


def threshold(held_out: HeldOut) -> float:
    return Conformal(false_alarm_rate=RATE).fit(held_out.scores).value


def rounds(kind: str, repeat: int, seed: int) -> Iterator[dict[str, Any]]:
    """Share of new images above the threshold after each round, and of a fit on as many images."""
    simulated, draw = Simulated(), partial(law, np.random.default_rng([seed, repeat]))
    found = {"rates": list(one_by_one(simulated, draw(simulated.n_values), kind))}
    yield found | ({"rate_of_fit": from_scratch(simulated, draw(simulated.n_values))} if kind == KINDS[0] else {})


def one_by_one(simulated: Simulated, draw: Any, kind: str) -> Iterator[float]:
    """The rate after the fit and after each round, on images that are never learnt."""
    new, present = draw(N_NEW), simulated.fitted(draw(N_FIRST))
    yield simulated.rate(present.held_out, new)
    for _ in range(N_ROUNDS):
        more, limit = draw(N_MORE if kind == KINDS[0] else 10 * N_MORE), threshold(present.held_out)
        more = more if kind == KINDS[0] else more[score(simulated.model, more) > limit]
        if len(more):
            judgement = Judgement(limit, np.inf)
            present, _ = add(present, prepared, list(more), judgement, is_selected=kind == KINDS[2])  # type: ignore[arg-type]
        yield simulated.rate(present.held_out, new)


def from_scratch(simulated: Simulated, draw: Any) -> float:
    new, present = draw(N_NEW), simulated.fitted(draw(N_FIRST + N_ROUNDS * N_MORE))
    return simulated.rate(present.held_out, new)


def stations(shift: float, repeat: int, seed: int) -> Iterator[dict[str, Any]]:
    """The rate of two detectors that were merged, on new images of both."""
    one, other, rng = Simulated(), Simulated(), np.random.default_rng([seed, repeat])
    draw = law(rng, one.n_values)
    apart = (shift * draw(200).std(axis=0) * rng.normal(size=one.n_values)).astype(np.float32)
    new = np.concatenate([draw(N_NEW), draw(N_NEW) + apart])
    merged = merge(one.fitted(draw(N_FIRST)), [other.fitted(draw(N_FIRST) + apart)], None)
    yield {"rate": one.rate(merged.held_out, new)}


# --- the page ---------------------------------------------------------------------------------------------------------


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Learning on, beside a fit from scratch", "", found["about"], ""]
    lines += [
        "| category | what | map | score | threshold, of a fit | found, by a fit | false alarms, by a fit | s, of it |"
    ]
    lines += ["|---" * 8 + "|"]
    files = {}
    for row in found["rows"]:
        if "category" in row:
            lines.append(real_line(row))
            files[row["category"]] = row
    lines += ["", "| category | good images | file, MB | of it sums, MB |", "|---" * 4 + "|"]
    for row in files.values():
        size, sums = row["bytes"] / 1e6, (row["bytes"] - row["bytes_without_sums"]) / 1e6
        lines.append(f"| {row['category']} | {row['n_good']} | {size:.1f} | {sums:.1f} |")
    lines += [
        "",
        f"Simulated, stated rate {RATE:.0%}: mean ± standard error.",
        "",
        "| added | repeats | fit | 1 | 3 | 10 rounds | fit on all |",
    ]
    lines += ["|---" * 7 + "|"]
    for kind in KINDS:
        rows = [row for row in found["rows"] if row.get("kind") == kind]
        after = [mean_of([row["rates"][n] for row in rows]) for n in (0, 1, 3, 10)]
        last = mean_of([row["rate_of_fit"] for row in rows if "rate_of_fit" in row])
        lines.append(f"| {kind} | {len(rows)} | {' | '.join(after)} | {last} |")
    lines += ["", "| merged: means apart by, in deviations | repeats | rate |", "|---" * 3 + "|"]
    for shift in SHIFTS:
        merged = [row["rate"] for row in found["rows"] if row.get("shift") == shift]
        lines.append(f"| {shift} | {len(merged)} | {mean_of(merged)} |")
    return "\n".join(lines)


def real_line(row: dict[str, Any]) -> str:
    here, fit = row["decided"], row["decided_by_fit"]
    return (
        f"| {row['category']} | {row['what']} | {row['map_difference']:.1e} | {row['score_difference']:.1e} | "
        f"{row['threshold']:.2f}, {row['threshold_of_fit']:.2f} | {here['found']:.0%}, {fit['found']:.0%} | "
        f"{here['false_alarms']:.0%}, {fit['false_alarms']:.0%} | {row['seconds']:.1f}, {row['seconds_of_fit']:.1f} |"
    )


def mean_of(rates: list[float]) -> str:
    if len(rates) < 2:
        return "".join(f"{rate:.3f}" for rate in rates)
    return f"{statistics.fmean(rates):.3f} ± {statistics.stdev(rates) / len(rates) ** 0.5:.3f}"


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, repeats=8, seed=0).parse_args()
    todo: list[dict[str, Any]] = [{"category": category} for category in CATEGORIES]
    for repeat in range(options.repeats):
        how = {"repeat": repeat, "seed": options.seed}
        todo += [{"kind": kind, **how} for kind in KINDS] + [{"shift": shift, **how} for shift in SHIFTS]

    def measure(**one: Any) -> Iterator[dict[str, Any]]:
        yield from real(**one) if "category" in one else rounds(**one) if "kind" in one else stations(**one)

    jobs.run((options.results, "learning_on"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
