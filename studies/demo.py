"""python -m studies.demo [--seeds N] [--out DIR]

Does `urushi demo` keep its promise? For each seed the demo's images are made and fitted anew with the default recipe
at a stated false-alarm rate of 5 %, half of the good tiles held out, as `urushi demo` does, and then calibrated at 1 %
without fitting: how many of the good test images are called anomalous, and how many defects of each strength are
found. Pooled over the seeds: the share of false alarms with Wilson's 95 % interval; between which shares 95 of 100 such
studies lie if good test images and held-out ones are exchangeable (beta-binomial: the images of a seed share a
threshold), and, narrower, if every image were a draw of its own at the stated rate (binomial).
Results: studies/results/demo.json and .md.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line, record
from scipy.stats import betabinom, binom

from studies import RESULTS, jobs
from urushi import Detector
from urushi.cli.demo import HALF_HELD_OUT
from urushi.cli.fit import chosen_recipe
from urushi.data.dataset import find_dataset
from urushi.data.demo import N_GOOD, STRENGTHS, make_demo
from urushi.evaluation.intervals import wilson
from urushi.recipe import Part

RATES = (0.05, 0.01)
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def measure(seed: int) -> Iterator[dict[str, Any]]:
    load, start = record.load_average(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        dataset = find_dataset(make_demo(Path(folder) / "images", seed=seed))
        good = [sample.path for sample in dataset.normal_training()]
        detector = Detector.fit(good, chosen_recipe("default", [*HALF_HELD_OUT], RATES[0]), seed=seed)
        scores = {name: scored(detector, dataset.root / "test" / name) for name in ("good", *STRENGTHS)}
    by_rate = {str(rate): counted(detector, rate, scores) for rate in RATES}
    took = {"fit_seconds": detector.card["fit"]["seconds"], "seconds": time.monotonic() - start}
    held_out = {"median_over_fair": float(np.median(detector.held_out.scores) / np.median(scores["good"]))}
    yield {"by_rate": by_rate} | held_out | took | {"load_average_1_min_before": load}


def scored(detector: Detector, folder: Path) -> np.ndarray:
    scores, unreadable = detector.scores_of(sorted(folder.iterdir()))
    assert not unreadable
    return scores


def counted(detector: Detector, rate: float, scores: dict[str, np.ndarray]) -> dict[str, Any]:
    threshold = detector.calibrate(Part.model_validate({"name": "conformal", "false_alarm_rate": rate})).threshold
    above = {name: int((found > threshold.value).sum()) for name, found in scores.items()}
    n = {name: len(found) for name, found in scores.items()}
    rule = {"stated": threshold.false_alarm_rate, "threshold": threshold.value, "n_held_out": threshold.n_normals}
    return rule | {"above": above, "n": n}


def pooled(rows: list[dict[str, Any]], rate: float) -> dict[str, Any]:
    found = [row["by_rate"][str(rate)] for row in rows]
    above, n = ({name: sum(one[key][name] for one in found) for name in found[0]["n"]} for key in ("above", "n"))
    return {
        "stated": found[0]["stated"],
        "above": above,
        "n": n,
        "false_alarms": above["good"] / n["good"],
        "interval": wilson(above["good"], n["good"]),
        "binomial_range": [share / n["good"] for share in binom.interval(0.95, n["good"], found[0]["stated"])],
        "exchangeable_range": exchangeable_range(found[0]["n_held_out"], found[0]["stated"], len(rows)),
    }


def exchangeable_range(n_held_out: int, stated: float, n_seeds: int) -> list[float]:
    """Where 95 % of studies have their share of false alarms if the rate holds; a detector's own is Beta(k, n+1−k)."""
    k = round(stated * (n_held_out + 1))
    of_one = betabinom.pmf(np.arange(N_GOOD + 1), N_GOOD, k, n_held_out + 1 - k)
    of_all = np.ones(1)
    for _ in range(n_seeds):
        of_all = np.convolve(of_all, of_one)
    ends = np.searchsorted(np.cumsum(of_all), (0.025, 0.975))
    return [float(end / (n_seeds * N_GOOD)) for end in ends]


def markdown(found: dict[str, Any]) -> str:
    lines = [
        f"# The demo's promise, over {len(found['rows'])} seeds",
        "",
        found["about"],
        "",
        *table({str(rate): pooled(found["rows"], rate) for rate in RATES}),
        "",
    ]
    lines += [
        f"By seed, at {RATES[0]:.0%} / at {RATES[1]:.0%}; fit in seconds, on a machine that others used as well.",
        "",
    ]
    names = (f"false alarms of {N_GOOD}", *STRENGTHS, "median held-out over good test", "fit")
    lines += [f"| seed | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in found["rows"]:
        counts = [one["above"] for one in row["by_rate"].values()]
        cells = [" / ".join(str(above[name]) for above in counts) for name in counts[0]]
        ends = f"{row['median_over_fair']:.2f} | {row['fit_seconds']:.0f} s"
        lines.append(f"| {row['seed']} | {' | '.join(cells)} | {ends} |")
    return "\n".join(lines)


def table(by_rate: dict[str, dict[str, Any]]) -> list[str]:
    names = ("stated", "false alarms", "95 % interval", "if exchangeable", "binomial", *STRENGTHS)
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for one in by_rate.values():
        n, above = one["n"], one["above"]
        shares = [f"{one['stated']:.2%}", f"{one['false_alarms']:.1%} ({above['good']} of {n['good']})"]
        ranges = [" … ".join(f"{end:.1%}" for end in one[name]) for name in RANGES]
        others = [f"{above[name] / n[name]:.1%}" for name in STRENGTHS]
        lines.append(f"| {' | '.join([*shares, *ranges, *others])} |")
    return lines


RANGES = ("interval", "exchangeable_range", "binomial_range")


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, seeds=20).parse_args()
    jobs.run(
        (options.results, "demo"), ({"seed": seed} for seed in range(options.seeds)), measure, markdown, about=ABOUT
    )


if __name__ == "__main__":
    main()
