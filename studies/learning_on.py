"""python -m studies.learning_on [--repeats 40] [--seed 0] [--results DIR]

What learning on gives, beside a fit from scratch on the same images. *Real*: three categories; the first two thirds of
the training images are fitted and a third is added; then the third is removed again; the third fitted by itself is
merged. Of test images: the largest difference of maps, relative to the highest value of the map, and of scores;
thresholds, and what they decide; seconds; bytes of the file without and with sums. *Simulated*: does the stated rate
hold? Inputs of the default's method are drawn from one law, so that held-out and new images are alike by construction;
60 images are fitted, then ten times 20 are added, and 400 new ones inspected after each round: as they come, or only
those that were called anomalous, with their scores and without (`--selected`); and two detectors of 60 images each are
merged, of one law, or of two whose means differ by a tenth, three tenths or all of the deviation.
Results: studies/results/learning_on.json and .md.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line
from numpy.typing import NDArray

from studies import DATA, RESULTS, jobs
from studies.pyramid_rates import RECIPE, SHAPE, crossed, law, score
from urushi import Detector
from urushi.calibration.conformal import Conformal
from urushi.data.loader import Rows
from urushi.fitting.closed_form import summed
from urushi.models import build_model
from urushi.models.base import Reconstructor, added

CATEGORIES = ("magnetic_tile", "solar_cell", "screw_head")
RATE, N_FIRST, N_MORE, N_ROUNDS, N_NEW = 0.05, 60, 20, 10, 400
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
    return [(one.anomaly_map, one.score, path.parent.name == "good") for path, one in found]  # type: ignore[union-attr]


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


def rounds(kind: str, repeats: int, seed: int) -> Iterator[dict[str, Any]]:
    """Mean share of new images above the threshold after each round, in each repeat."""
    model = build_model(RECIPE.model, SHAPE)
    rates = []
    for repeat in range(repeats):
        draw = law(np.random.default_rng([seed, repeat]), n_values(model))
        rates.append(list(one_by_one(model, draw, kind)))
    yield {"rates": rates, "rates_of_fit": [from_scratch(model, seed, repeat) for repeat in range(repeats)]}


def one_by_one(model: Reconstructor, draw: Any, kind: str) -> Iterator[float]:
    """The rate after the fit and after each round, on images that are never learnt."""
    new, learnt = draw(N_NEW), draw(N_FIRST)
    held_out = crossed(model, learnt)["held out"]
    yield rate(model, held_out, new)
    for _ in range(N_ROUNDS):
        more = draw(N_MORE if kind == "as they come" else 10 * N_MORE)
        scores = score(model, more)
        if kind != "as they come":
            more, scores = (some[scores > threshold(held_out)] for some in (more, scores))
        if kind != "selected":
            held_out = np.concatenate([held_out, scores])
        learnt = np.concatenate([learnt, more])
        learn(model, [learnt])
        yield rate(model, held_out, new)


def from_scratch(model: Reconstructor, seed: int, repeat: int) -> float:
    """The rate of a fit on as many images as there are after all rounds."""
    draw = law(np.random.default_rng([seed, repeat]), n_values(model))
    new, learnt = draw(N_NEW), draw(N_FIRST + N_ROUNDS * N_MORE)
    return rate(model, crossed(model, learnt)["held out"], new)


def stations(shift: float, repeats: int, seed: int) -> Iterator[dict[str, Any]]:
    """The rate of two detectors that were merged, on new images of both, in each repeat."""
    model = build_model(RECIPE.model, SHAPE)
    rates = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        draw = law(rng, n_values(model))
        apart = shift * draw(200).std(axis=0) * rng.normal(size=n_values(model)).astype("f4")
        learnt, new = [draw(N_FIRST), draw(N_FIRST) + apart], np.concatenate([draw(N_NEW), draw(N_NEW) + apart])
        held_out = np.concatenate([crossed(model, some)["held out"] for some in learnt])
        learn(model, learnt)
        rates.append(rate(model, held_out, new))
    yield {"rates": rates}


def n_values(model: Reconstructor) -> int:
    return RECIPE_INPUTS.setdefault("n", count_values(model))


RECIPE_INPUTS: dict[str, int] = {}


def count_values(model: Reconstructor) -> int:
    import torch

    return int(model.embed(torch.zeros(1, *SHAPE)).shape[1])


def learn(model: Reconstructor, parts: list[Inputs]) -> None:
    """From the sums of each part, as in a detector file."""
    import torch

    sums = [summed(model, Rows(part, np.arange(len(part))).batches(32)) for part in parts]
    model.learn(added(one.statistics for one in sums), torch.cat([one.descriptors for one in sums]))


def threshold(held_out: NDArray[np.float64]) -> float:
    return Conformal(false_alarm_rate=RATE).fit(held_out).value


def rate(model: Reconstructor, held_out: NDArray[np.float64], new: Inputs) -> float:
    return float((score(model, new) > threshold(held_out)).mean())


# --- the page ---------------------------------------------------------------------------------------------------------


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Learning on, beside a fit from scratch", "", found["about"], ""]
    lines += ["| category | what | map | score | threshold, of a fit | found, by a fit | false alarms, by a fit | s, of a fit |"]
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
    lines += ["", f"Simulated, stated rate {RATE:.0%}: mean ± standard error.", "", "| added | fit | 1 | 3 | 10 rounds | fit on all |"]
    lines += ["|---" * 6 + "|"]
    for row in found["rows"]:
        if "kind" in row:
            after = [mean_of([rates[n] for rates in row["rates"]]) for n in (0, 1, 3, 10)]
            last = mean_of(row["rates_of_fit"]) if row["kind"] == "as they come" else ""
            lines.append(f"| {row['kind']} | {' | '.join(after)} | {last} |")
    lines += ["", "| merged: means apart by, in deviations | rate |", "|---|---|"]
    lines += [f"| {row['shift']} | {mean_of(row['rates'])} |" for row in found["rows"] if "shift" in row]
    return "\n".join(lines)


def real_line(row: dict[str, Any]) -> str:
    here, fit = row["decided"], row["decided_by_fit"]
    return (
        f"| {row['category']} | {row['what']} | {row['map_difference']:.1e} | {row['score_difference']:.1e} | "
        f"{row['threshold']:.2f}, {row['threshold_of_fit']:.2f} | {here['found']:.0%}, {fit['found']:.0%} | "
        f"{here['false_alarms']:.0%}, {fit['false_alarms']:.0%} | {row['seconds']:.1f}, {row['seconds_of_fit']:.1f} |"
    )


def mean_of(rates: list[float]) -> str:
    error = statistics.stdev(rates) / len(rates) ** 0.5 if len(rates) > 1 else float("nan")
    return f"{statistics.fmean(rates):.3f} ± {error:.3f}"


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, repeats=40, seed=0).parse_args()
    how = {"repeats": options.repeats, "seed": options.seed}
    todo: list[dict[str, Any]] = [{"category": category} for category in CATEGORIES]
    todo += [{"kind": kind, **how} for kind in ("as they come", "false alarms", "selected")]
    todo += [{"shift": shift, **how} for shift in SHIFTS]

    def measure(**one: Any) -> Iterator[dict[str, Any]]:
        yield from real(**one) if "category" in one else rounds(**one) if "kind" in one else stations(**one)

    jobs.run((options.results, "learning_on"), todo, measure, markdown, about=ABOUT, settings=how)


if __name__ == "__main__":
    main()
