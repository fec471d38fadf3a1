"""python -m studies.default_choice [--candidates …] [--results DIR]

How the default's settings are chosen: each candidate is fitted on all good training images of each of the seven
categories and scores the test images. The setting is chosen on the mean over categories; what it is worth is told by
leaving out one category at a time: the candidate that is best on the other six is scored on the seventh. Methods here
are in closed form, no seed matters. Results: studies/results/default_choice.json and .md.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from benchmarks import command_line
from sklearn.metrics import roc_auc_score

from studies import CATEGORIES, DATA, RESULTS, jobs
from urushi import Recipe, Unreadable
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.preprocessing import Pipeline
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph

NO_EXPOSURE = {"preprocessing": [{"name": "rgb"}, {"name": "resize", "height": 256, "width": 256}, {"name": "scale"}]}
BASE = {"model.variance": 0.97}
CANDIDATES: dict[str, dict[str, Any]] = {
    "base": {},
    "cells alone, no exposure, top 1 % (before)": NO_EXPOSURE | {"model.windows": [], "score.top_fraction": 0.01},
    "cells alone": {"model.windows": []},
    "no exposure": NO_EXPOSURE,
    "exposure 0.2": {"preprocessing.exposure.mean": 0.2},
    "exposure 0.4": {"preprocessing.exposure.mean": 0.4},
    "windows 4": {"model.windows": [4]},
    "windows 0": {"model.windows": [0]},
    "windows 3, 0": {"model.windows": [3, 0]},
    "windows 8, 0": {"model.windows": [8, 0]},
    "windows 4, 8, 0": {"model.windows": [4, 8, 0]},
    "variance 0.95": {"model.variance": 0.95},
    "variance 0.99": {"model.variance": 0.99},
    "top 1 %": {"score.top_fraction": 0.01},
    "top 10 %": {"score.top_fraction": 0.1},
    "windows see 10, 14": {"model.window_blocks": [10, 14]},
    "blocks 7, 10, 14, 15": {"model.blocks": [7, 10, 14, 15]},
    "variance 0.99, exposure 0.2": {"model.variance": 0.99, "preprocessing.exposure.mean": 0.2},
    "variance 0.99, lite1": {"model.variance": 0.99, "model.backbone": "efficientnet_lite1"},
    "variance 0.99, lite2": {"model.variance": 0.99, "model.backbone": "efficientnet_lite2"},
    "variance 0.99, nearest": {"model.variance": 0.99, "model.kind": "nearest"},
    "nearest, cells alone": {"model.kind": "nearest", "model.windows": []},
}
ABOUT = (
    "Image ROC-AUC. Base: the recipe `default` with 97 % of the variance, the first guess; the other lines change one "
    "thing of it, unless they name more. The default is a line near the top by `mean`: test images chose nothing else."
)


def measure(candidate: str, category: str) -> Iterator[dict[str, Any]]:
    """Fits on all good training images, scores all test images."""
    table = Recipe.find("default").model_dump(exclude_none=True)
    settings = BASE | CANDIDATES[candidate]
    table["preprocessing"] = settings.pop("preprocessing", table["preprocessing"])
    auc, seconds = test_auc(Recipe.from_table(table, candidate).with_settings(settings), category)
    yield {"auc": auc, "fit_seconds": seconds}


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
    pipeline, found = Pipeline.of(recipe), []
    for path in paths:
        item = pipeline.read(path)
        assert not isinstance(item, Unreadable), item.reason
        found.append(item.pixels)
    return np.stack(found)


def embedded(backend: TorchBackend, images: np.ndarray) -> np.ndarray:
    return np.concatenate([backend.embed(images[i : i + 4]) for i in range(0, len(images), 4)])


def left_out(rows: list[dict[str, Any]]) -> dict[str, tuple[str, float]]:
    """By category: the candidate that is best on the others, and its figure here."""
    auc = {(row["candidate"], row["category"]): row["auc"] for row in rows}
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    found = {}
    for category in CATEGORIES:
        others = [other for other in CATEGORIES if other != category]
        best = max(names, key=lambda name: statistics.fmean(auc[name, other] for other in others))
        found[category] = (best, auc[best, category])
    return found


def markdown(found: dict[str, Any]) -> str:
    lines = ["# How the default's settings are chosen", "", found["about"], ""]
    lines += [f"| candidate | mean | {' | '.join(CATEGORIES)} |", "|---" * (len(CATEGORIES) + 2) + "|"]
    complete = [rows for name in CANDIDATES if len(rows := rows_of(found, name)) == len(CATEGORIES)]
    for rows in complete:
        cells = [f"{row['auc']:.3f}" for row in rows]
        mean = statistics.fmean(row["auc"] for row in rows)
        lines.append(f"| {rows[0]['candidate']} | {mean:.4f} | {' | '.join(cells)} |")
    if complete:
        chosen = left_out([row for rows in complete for row in rows])
        cells = [f"{auc:.3f} ({name})" for name, auc in chosen.values()]
        mean = statistics.fmean(auc for _, auc in chosen.values())
        lines.append(f"| **each category left out** | **{mean:.4f}** | {' | '.join(cells)} |")
    return "\n".join(lines)


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
