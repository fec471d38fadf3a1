"""python -m studies.decisions [--categories …] [--seeds 0,1,2] [--results DIR]

Which threshold the default should have. The default is fitted on the good training images of each category, and its
held-out scores are given to several rules; each is measured on the test images. A rule that states a rate should keep
it, and of those that do the one that finds most is wanted. `without the odd`: held-out images that look like no good
ones (`suspicious`) are left out of the threshold, though not of the fit; `odd image beside`: the highest held-out score
is doubled, as by one odd image that got among the good ones, to see how far it moves the threshold.
Results: studies/results/decisions.json and .md.
"""

import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from benchmarks import command_line
from numpy.typing import NDArray

from studies import CATEGORIES, DATA, RESULTS, jobs
from urushi import Detector
from urushi.calibration import ThresholdRule, suspicious
from urushi.calibration.conformal import Conformal
from urushi.calibration.pareto import Pareto
from urushi.data.dataset import find_dataset
from urushi.errors import CalibrationError

Scores = NDArray[np.float64]
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def least(rate: float) -> Callable[[int], ThresholdRule]:
    """Conformal at a rate, or the smallest that so few images allow."""
    return lambda n: Conformal(false_alarm_rate=max(rate, 1 / (n + 1)))


RULES: dict[str, tuple[float, Callable[[int], ThresholdRule]]] = {
    "conformal 1 %": (0.01, least(0.01)),
    "conformal 2 %": (0.02, least(0.02)),
    "conformal 5 %": (0.05, least(0.05)),
    "pareto 1 %": (0.01, lambda n: Pareto(false_alarm_rate=0.01, tail_fraction=min(0.5, max(0.2, 20.5 / n)))),
    "pareto 2 %": (0.02, lambda n: Pareto(false_alarm_rate=0.02, tail_fraction=min(0.5, max(0.2, 20.5 / n)))),
}


def measure(category: str, seed: int) -> Iterator[dict[str, Any]]:
    """Each rule on one detector."""
    dataset = find_dataset(DATA / category)
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], seed=seed)
    held_out = np.array(detector.held_out.scores)
    good, defects = (
        detector.scores_of(sample.path for sample in dataset.test() if bool(sample.label) is wanted)[0]
        for wanted in (False, True)
    )
    yield {
        "n": {"held_out": len(held_out), "good": len(good), "anomalous": len(defects)},
        "n_suspicious": int(suspicious(held_out).sum()),
        "outcomes": {name: outcome(rule, held_out, good, defects) for name, (_, rule) in RULES.items()},
    }


def outcome(rule: Callable[[int], ThresholdRule], held_out: Scores, good: Scores, defects: Scores) -> dict[str, Any]:
    """Recall and false alarms, as it is, without odd images, and the threshold with one more of them."""
    found = {}
    odd = np.append(held_out, 2 * held_out.max())
    usual = held_out[~suspicious(held_out)]
    for name, scores in {"as it is": held_out, "without the odd": usual, "odd image beside": odd}.items():
        threshold = value(rule, scores)
        found[name] = {
            "threshold": threshold,
            "recall": share(defects, threshold),
            "false_alarms": share(good, threshold),
        }
    return found


def value(rule: Callable[[int], ThresholdRule], scores: Scores) -> float | None:
    try:
        return rule(len(scores)).fit(scores).value
    except CalibrationError:
        return None


def share(scores: Scores, threshold: float | None) -> float | None:
    return None if threshold is None else float((np.asarray(scores) > threshold).mean())


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Which threshold", "", found["about"], ""]
    lines += [
        "*Expected*: false alarms that the stated rate would give on average; where too few images are held out for 1 "
        "or 2 %, the smallest rate that they allow is stated. *Moved*: the threshold with an odd image beside, divided "
        "by that without; the median over categories.",
        "",
        "| rule | images | recall (mean) | false alarms of all | expected | moved | "
        f"{' | '.join(CATEGORIES)} (recall / false alarms) |",
        "|---" * (len(CATEGORIES) + 6) + "|",
    ]
    lines += [line(found["rows"], rule, which) for rule in RULES for which in ("as it is", "without the odd")]
    return "\n".join(lines)


def line(rows: list[dict[str, Any]], rule: str, which: str) -> str:
    """One rule, the means over seeds."""
    cells, recalls, alarms, expected, moved = [], [], 0.0, 0.0, []
    for category in CATEGORIES:
        own = [row for row in rows if row["category"] == category]
        outcomes = [row["outcomes"][rule] for row in own]
        if not own or any(one[which]["threshold"] is None for one in outcomes):
            cells.append("–")
            continue
        recall, alarm = (statistics.fmean(one[which][k] for one in outcomes) for k in ("recall", "false_alarms"))
        n = own[0]["n"]
        recalls.append(recall)
        alarms += alarm * n["good"]
        expected += n["good"] * stated(RULES[rule][0], n["held_out"])
        moved.append(statistics.fmean(ratio(one) for one in outcomes))
        cells.append(f"{recall:.2f} / {alarm:.2f}")
    if not recalls:
        return f"| {rule}, {which} | – | – | – | – | – | {' | '.join(cells)} |"
    figures = f"{statistics.fmean(recalls):.3f} | {alarms:.1f} | {expected:.1f} | {statistics.median(moved):.2f}"
    return f"| {rule} | {which} | {figures} | {' | '.join(cells)} |"


def ratio(outcome: dict[str, Any]) -> float:
    return float(outcome["odd image beside"]["threshold"] / outcome["as it is"]["threshold"])


def stated(rate: float, n: int) -> float:
    """What conformal states for a rate that was asked for."""
    allowed = max(1, math.floor(rate * (n + 1) + 1e-9))
    return allowed / (n + 1)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES, seeds=(0, 1, 2)).parse_args()
    todo = [{"category": category, "seed": seed} for category in options.categories for seed in options.seeds]
    jobs.run((options.results, "decisions"), todo, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
