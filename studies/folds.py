"""python -m studies.folds [--categories …] [--results DIR]

How many folds the default needs. The detector's own fit sees all good images, the fits that give held-out scores a fold
fewer: with few folds they rebuild normal images worse than the detector will, their scores are higher than those of new
good parts, and the threshold is too high for what it promises. By number of folds: the median held-out score over that
of good test images (1 would be fair), and recall and false alarms on the test images at a stated rate of 5 %.
Results: studies/results/folds.json and .md.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from benchmarks import command_line

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.default_choice import embedded, prepared
from urushi import Recipe
from urushi.calibration.conformal import Conformal
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.data.splits import folds
from urushi.fitting.closed_form import ClosedForm
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph

N_FOLDS = (5, 10, 20, 50, 100)
RATE = 0.05
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())


def measure(category: str) -> Iterator[dict[str, Any]]:
    recipe, dataset = Recipe.find("default").with_settings({"model.pictures": 0}), find_dataset(DATA / category)
    samples = list(dataset.test())
    good = prepared(recipe, [sample.path for sample in dataset.normal_training()])
    backend = TorchBackend(build_graph(recipe, good.shape[1:]))
    test = embedded(backend, prepared(recipe, [sample.path for sample in samples]))
    good, is_defect = embedded(backend, good), np.array([bool(sample.label) for sample in samples])
    backend.graph.model.fit(Rows(good, np.arange(len(good))).batches(32))
    scores = scored(backend, test)
    row: dict[str, Any] = {"n_good": len(good), "by_folds": {}}
    for k in N_FOLDS:
        start, held_out = time.monotonic(), crossed(backend, good, k)
        threshold = Conformal(false_alarm_rate=RATE).fit(held_out).value
        row["by_folds"][str(k)] = {
            "median_over_fair": float(np.median(held_out) / np.median(scores[~is_defect])),
            "recall": float((scores[is_defect] > threshold).mean()),
            "false_alarms": float((scores[~is_defect] > threshold).mean()),
            "seconds": time.monotonic() - start,
        }
    yield row


def crossed(backend: TorchBackend, features: np.ndarray, k: int) -> np.ndarray:
    fits = ClosedForm(len(features), lambda images: images, lambda inputs, rows: Rows(inputs, rows).batches(32))
    held_out, everything = np.zeros(len(features)), np.arange(len(features))
    for fold in folds(len(features), min(k, len(features)), seed=0):
        fits.fit(backend.graph.model, features, np.setdiff1d(everything, fold))
        held_out[fold] = scored(backend, features[fold])
    return held_out


def scored(backend: TorchBackend, features: np.ndarray) -> np.ndarray:
    return np.concatenate([backend.run_inputs(features[i : i + 16]).scores for i in range(0, len(features), 16)])


def markdown(found: dict[str, Any]) -> str:
    lines = ["# How many folds", "", found["about"], ""]
    lines += [
        "| category | good | " + " | ".join(f"{k} folds" for k in N_FOLDS) + " |",
        "|---" * (len(N_FOLDS) + 2) + "|",
    ]
    lines += [
        f"| {row['category']} | {row['n_good']} | {' | '.join(cells(row['by_folds']))} |" for row in found["rows"]
    ]
    means = {
        str(k): {key: statistics.fmean(row["by_folds"][str(k)][key] for row in found["rows"]) for key in KEYS}
        for k in N_FOLDS
    }
    lines.append(f"| **mean** | | {' | '.join(cells(means))} |")
    return "\n".join([*lines, "", "In each cell: median over fair, recall, false alarms, seconds of one busy core."])


KEYS = ("median_over_fair", "recall", "false_alarms", "seconds")


def cells(by_folds: dict[str, dict[str, float]]) -> list[str]:
    return [
        f"{one[KEYS[0]]:.2f}, {one[KEYS[1]]:.0%}, {one[KEYS[2]]:.0%}, {one[KEYS[3]]:.0f} s" for one in by_folds.values()
    ]


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    categories = ({"category": category} for category in options.categories)
    jobs.run((options.results, "folds"), categories, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
