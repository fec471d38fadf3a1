"""python -m studies.default_choice [--candidates …] [--results DIR]

How the default's settings are chosen: each candidate is fitted on all good training images of each of the seven
categories, its threshold comes from folds of them, and the test images are inspected. The setting is chosen on the mean
over categories of image ROC-AUC, recall at the stated rate and, where there are masks, AUPRO; what it is worth is told
by leaving out one category at a time: the candidate that is best on the other six is measured on the seventh. Results:
studies/results/default_choice.json and .md.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.data.masks import read_mask
from urushi.evaluation import evaluate
from urushi.preprocessing import Pipeline
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph

NO_EXPOSURE = {"preprocessing": [{"name": "rgb"}, {"name": "resize", "height": 256, "width": 256}, {"name": "scale"}]}
CANDIDATES: dict[str, dict[str, Any]] = {
    "default": {},
    "before": {"model.name": "feature_reconstruction", "score.top_fraction": 0.03, "split.n_folds": 20},
    "map alone": {"model.weight": 0.0},
    "weight 3": {"model.weight": 3.0},
    "weight 30": {"model.weight": 30.0},
    "whole image alone": {"model.weight": 1000.0},
    "top 1 %": {"score.top_fraction": 0.01},
    "no exposure": NO_EXPOSURE,
    "20 folds": {"split.n_folds": 20},
}
FIGURES = ("roc_auc", "recall", "false_alarms", "aupro")
ABOUT = (
    "Image ROC-AUC, recall and false alarms at the stated rate (5 %, or what so few images allow), and AUPRO@0.3 where "
    "there are masks. `before`: the method that was the default until then."
)


def measure(candidate: str, category: str) -> Iterator[dict[str, Any]]:
    """Fits on all good training images, inspects all test images."""
    table = Recipe.find("default").model_dump(exclude_none=True)
    settings = dict(CANDIDATES[candidate])
    table["preprocessing"] = settings.pop("preprocessing", table["preprocessing"])
    recipe, dataset = Recipe.from_table(table, candidate).with_settings(settings), find_dataset(DATA / category)
    start = time.monotonic()
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], recipe)
    seconds, samples = time.monotonic() - start, dataset.test()
    results = zip(samples, detector.inspect_many(sample.path for sample in samples), strict=True)
    figures = evaluate(results, read_mask=read_mask).to_json()
    image, pixel = figures["image"], (figures["pixel"] or {}).get("metrics", {})
    yield {
        "roc_auc": image["roc_auc"]["value"],
        "recall": image["recall"]["value"],
        "false_alarms": 1 - image["specificity"]["value"],
        "aupro": pixel["aupro_0.3"]["value"] if "aupro_0.3" in pixel else None,
        "fit_seconds": seconds,
    }


def test_auc(recipe: Recipe, category: str) -> tuple[float, float]:
    """Of the test images, by a method in closed form that saw all good training images; and the seconds of the fit."""
    dataset, start = find_dataset(DATA / category), time.monotonic()
    samples = list(dataset.test())
    good = prepared(recipe, [sample.path for sample in dataset.normal_training()])
    backend = TorchBackend(build_graph(recipe, good.shape[1:]))
    features = embedded(backend, good)
    backend.graph.model.fit(Rows(features, np.arange(len(features))).batches(32))
    seconds, images = time.monotonic() - start, prepared(recipe, [sample.path for sample in samples])
    scores = np.concatenate([backend.run(images[i : i + 16]).scores for i in range(0, len(images), 16)])
    return float(roc_auc_score([bool(sample.label) for sample in samples], scores)), seconds


def prepared(recipe: Recipe, paths: list[Any]) -> np.ndarray:
    pipeline = Pipeline.of(recipe)
    return np.stack([require_readable(pipeline.read(path)).pixels for path in paths])


def embedded(backend: TorchBackend, images: np.ndarray) -> np.ndarray:
    return np.concatenate([backend.embed(images[i : i + 4]) for i in range(0, len(images), 4)])


def left_out(rows: list[dict[str, Any]], figure: str) -> dict[str, tuple[str, float]]:
    """By category: the candidate that is best on the others by a figure, and its figure here."""
    values = {(row["candidate"], row["category"]): row[figure] for row in rows if row[figure] is not None}
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    categories = [category for category in CATEGORIES if (names[0], category) in values]
    found = {}
    for category in categories:
        others = [other for other in categories if other != category]
        best = max(names, key=lambda name: statistics.fmean(values[name, other] for other in others))
        found[category] = (best, values[best, category])
    return found


def markdown(found: dict[str, Any]) -> str:
    complete = [rows for name in CANDIDATES if len(rows := rows_of(found, name)) == len(CATEGORIES)]
    lines = ["# How the default's settings are chosen", "", found["about"], ""]
    lines += [
        "Means over categories; by category ROC-AUC / recall / false alarms.",
        "",
        f"| candidate | ROC-AUC | recall | false alarms | AUPRO@0.3 | {' | '.join(CATEGORIES)} |",
        "|---" * (len(CATEGORIES) + 5) + "|",
    ]
    for rows in complete:
        cells = [f"{row['roc_auc']:.3f} / {row['recall']:.2f} / {row['false_alarms']:.2f}" for row in rows]
        means = [f"{mean(rows, figure):.3f}" for figure in FIGURES]
        lines.append(f"| {rows[0]['candidate']} | {' | '.join(means)} | {' | '.join(cells)} |")
    if complete:
        lines += ["", "Each category left out in turn, chosen on the others:", ""]
        lines += [told(left_out([row for rows in complete for row in rows], figure), figure) for figure in CHOSEN_BY]
    return "\n".join(lines)


CHOSEN_BY = ("roc_auc", "recall", "aupro")


def told(chosen: dict[str, tuple[str, float]], figure: str) -> str:
    each = ", ".join(f"{category} {value:.3f} ({name})" for category, (name, value) in chosen.items())
    return f"- by {figure}: **{statistics.fmean(value for _, value in chosen.values()):.4f}**; {each}"


def mean(rows: list[dict[str, Any]], figure: str) -> float:
    known = [row[figure] for row in rows if row[figure] is not None]
    return statistics.fmean(known) if known else float("nan")


def rows_of(found: dict[str, Any], candidate: str) -> list[dict[str, Any]]:
    rows = {row["category"]: row for row in found["rows"] if row["candidate"] == candidate}
    return [rows[category] for category in CATEGORIES if category in rows]


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS)
    parser.add_argument("--candidates", type=lambda text: text.split(";"), default=tuple(CANDIDATES))
    options = parser.parse_args()
    pairs = ({"candidate": name, "category": category} for name in options.candidates for category in CATEGORIES)
    jobs.run((options.results, "default_choice"), pairs, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
