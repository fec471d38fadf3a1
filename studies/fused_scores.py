"""python -m studies.fused_scores [--categories …] [--results DIR]

Does it pay to fuse what different reconstructions say? Of each image: how far cells lie from their PCA (top 3 %),
from the nearest cell in a memory (top 3 %), windows of 4 cells and of the whole image from their PCA (highest), and
pixels from the PCA of whole grey images of 64 px (top 3 %). The default adds cells and both windows. Fused by sums as
they are, and by means and maxima of z-scores of their logarithms against normal images that each was not fitted on
(five folds). Results: studies/results/fused_scores.json and .md.
"""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from studies import CATEGORIES, DATA, RESULTS, jobs
from studies.default_choice import embedded, prepared
from urushi import Recipe
from urushi.data.dataset import find_dataset
from urushi.data.loader import Rows
from urushi.data.splits import folds
from urushi.models.feature_reconstruction import FeatureReconstruction
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import build_graph

PARTS = ("cells", "windows of 4", "whole image", "nearest cells", "pixels")
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
DEFAULT = [0, 1, 2]
TOP = 0.03
SIDE_PX, VARIANCE = 64, 0.95


class Parts:
    """The five scores of an image, each fitted on the same ones."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        recipe = Recipe.find("default").with_settings({"model.name": "feature_reconstruction", "model.pictures": 0})
        nearest = recipe.with_settings({"model.kind": "nearest", "model.windows": []})
        self.linear, self.memory = (reconstruction(one, shape) for one in (recipe, nearest))
        self.backend = TorchBackend(build_graph(recipe, shape))

    def fit(self, features: np.ndarray, pixels: np.ndarray) -> None:
        rows = Rows(features, np.arange(len(features))).batches(32)
        self.linear.fit(rows)
        self.memory.fit(rows)
        self.pca = PCA(VARIANCE, svd_solver="full").fit(pixels)

    @torch.no_grad()
    def scores(self, features: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """(n, 5)."""
        inputs = torch.from_numpy(features)
        cells = [top(residual(part, inputs)) for part in (self.linear.cells, self.memory.cells)]
        windows = [residual(part, inputs).amax(dim=1) for part in self.linear.windows]
        rebuilt = self.pca.inverse_transform(self.pca.transform(pixels))
        in_pixels = top(torch.from_numpy((pixels - rebuilt) ** 2))
        return torch.stack([cells[0], *windows, cells[1], in_pixels], dim=1).numpy()


def reconstruction(recipe: Recipe, shape: tuple[int, int, int]) -> FeatureReconstruction:
    model = build_graph(recipe, shape).model
    assert isinstance(model, FeatureReconstruction)
    return model


def residual(part: Callable[..., Any], inputs: torch.Tensor) -> torch.Tensor:
    original, rebuilt = part(inputs)
    return (original - rebuilt).square().mean(dim=1).flatten(1)


def top(values: torch.Tensor) -> torch.Tensor:
    return values.topk(max(1, round(TOP * values.shape[1])), dim=1).values.mean(dim=1)


def grey(images: np.ndarray) -> np.ndarray:
    """(n, C, H, W) -> (n, 64·64)."""
    small = F.interpolate(torch.from_numpy(images).mean(dim=1, keepdim=True), SIDE_PX, mode="area")
    return small.flatten(1).numpy()


def measure(category: str) -> Iterator[dict[str, Any]]:
    dataset, recipe = find_dataset(DATA / category), Recipe.find("default")
    samples = list(dataset.test())
    good = prepared(recipe, [sample.path for sample in dataset.normal_training()])
    test = prepared(recipe, [sample.path for sample in samples])
    parts, everything = Parts(good.shape[1:]), np.arange(len(good))
    features, pixels = embedded(parts.backend, good), grey(good)
    held_out = np.zeros((len(good), len(PARTS)))
    for fold in folds(len(good), 5, seed=0):
        others = np.setdiff1d(everything, fold)
        parts.fit(features[others], pixels[others])
        held_out[fold] = parts.scores(features[fold], pixels[fold])
    parts.fit(features, pixels)
    scores, labels = parts.scores(embedded(parts.backend, test), grey(test)), [bool(sample.label) for sample in samples]
    yield {"auc": {name: float(roc_auc_score(labels, fused)) for name, fused in fusions(scores, held_out).items()}}


def fusions(scores: np.ndarray, held_out: np.ndarray) -> dict[str, np.ndarray]:
    logs, reference = np.log(scores), np.log(held_out)
    z = (logs - reference.mean(axis=0)) / reference.std(axis=0)
    found = {name: scores[:, number] for number, name in enumerate(PARTS)}
    for name, chosen in {
        "default": DEFAULT,
        "and nearest": [*DEFAULT, 3],
        "and nearest, pixels": [0, 1, 2, 3, 4],
    }.items():
        found[f"{name}: sum"] = scores[:, chosen].sum(axis=1)
        found[f"{name}: mean of z"] = z[:, chosen].mean(axis=1)
        found[f"{name}: highest z"] = z[:, chosen].max(axis=1)
    return found


def markdown(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = ["# Fused scores", "", found["about"], ""]
    lines += [
        f"| image ROC-AUC | mean | {' | '.join(row['category'] for row in rows)} |",
        "|---" * (len(rows) + 2) + "|",
    ]
    for name in rows[0]["auc"]:
        values = [row["auc"][name] for row in rows]
        lines.append(f"| {name} | {statistics.fmean(values):.4f} | {' | '.join(f'{value:.3f}' for value in values)} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=CATEGORIES).parse_args()
    categories = ({"category": category} for category in options.categories)
    jobs.run((options.results, "fused_scores"), categories, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
