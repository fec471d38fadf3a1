"""python -m studies.contaminated [--categories …] [--results DIR]

Real defects smuggled into the training images: 0, 2, 5 and 10 % of them. How many are found by their cross-fitted
p-values, how many good ones are suspected with them, and the image ROC-AUC of the default with and without the
suspicious ones left out. Test images are the rest, the same at every share. Results: studies/results/contaminated.json
and .md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import Sample, find_dataset

CATEGORIES = ("magnetic_tile", "nanofiber_sem", "solar_cell")
SHARES = (0.0, 0.02, 0.05, 0.1)
ABOUT = (
    "Recipe `default`. Smuggled: defects among the training images, drawn by seed 0; the largest share holds the "
    "smaller ones. They are in no test set. Found: of the smuggled, left out; suspected: good images left out. "
    "Image ROC-AUC on the same test images, and the threshold over that of the clean training set."
)


def measure(category: str, share: float) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    defects = [sample for sample in dataset.test() if sample.label]
    most = number(len(good), max(SHARES))
    drawn = [defects[i] for i in np.random.default_rng(0).permutation(len(defects))[:most]]
    test = [sample for sample in dataset.test() if sample not in drawn]
    smuggled = [sample.path for sample in drawn[: number(len(good), share)]]
    with_all, cleaned = (fitted(good + smuggled, leave_out=leave_out) for leave_out in (False, True))
    out = {one["image"] for one in cleaned.card["fit"]["suspicious"] if one["is_left_out"]}
    yield {
        "n_good": len(good),
        "n_smuggled": len(smuggled),
        "n_found": sum(place >= len(good) for place in out),
        "n_suspected": sum(place < len(good) for place in out),
        "auc": auc(with_all, test),
        "auc_cleaned": auc(cleaned, test),
        "threshold": with_all.threshold.value,
        "threshold_cleaned": cleaned.threshold.value,
    }


def number(n_good: int, share: float) -> int:
    """How many defects make up that share of all training images."""
    return round(n_good * share / (1 - share))


def fitted(paths: list[Path], *, leave_out: bool) -> Detector:
    return Detector.fit(paths, Recipe.find("default").with_settings({"split.leave_out_suspicious": leave_out}))


def auc(detector: Detector, samples: list[Sample]) -> float:
    found = detector.inspect_many(sample.path for sample in samples)
    scores = [require_readable(one).score for one in found]
    return float(roc_auc_score([bool(sample.label) for sample in samples], scores))


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Contaminated training folders", "", found["about"], ""]
    lines.append("| category | smuggled | found | suspected good ones | ROC-AUC | cleaned | threshold | cleaned |")
    lines.append("|---" * 8 + "|")
    clean = {row["category"]: row["threshold"] for row in found["rows"] if row["share"] == 0}
    for row in found["rows"]:
        thresholds = (f"{row[key] / clean[row['category']]:.2f}" for key in ("threshold", "threshold_cleaned"))
        cells = [row["category"], f"{row['n_smuggled']} ({row['share']:.0%})", f"{row['n_found']}"]
        cells += [f"{row['n_suspected']} of {row['n_good']}", f"{row['auc']:.3f}", f"{row['auc_cleaned']:.3f}"]
        lines.append(f"| {' | '.join([*cells, *thresholds])} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    shares = ({"category": category, "share": share} for category in options.categories for share in SHARES)
    jobs.run((options.results, "contaminated"), shares, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
