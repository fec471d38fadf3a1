"""python -m studies.adversarial_scores [--epochs 150] [--tile-epochs 12] [--seeds 0,1,2] [--pictures DIR]

What the scores of S3 are worth, one fit a seed for all of them: the three of `bigan` (posterior of the discriminator,
its features, the prior's density) on `nanofiber_sem` and `xray_fishbone`, and those of `convolutional_bigan`, learnt
from 64 px tiles of the same, over α: 0 is the reconstruction error alone, 1 the opinion alone. Image ROC-AUC with its
95 % interval. DIR gets maps of whole images, and a sample four times as high and wide as a training tile. What was
interrupted goes on. Results: studies/results/adversarial_scores.json and .md.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from benchmarks import command_line
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from studies import DATA, RESULTS, jobs
from studies.contact_sheet import write_sheet
from studies.recipe_scores import read
from studies.table import interval
from urushi import Detector, Recipe
from urushi.applications.generation import Generator
from urushi.cli._grid import write_grid
from urushi.data.dataset import find_dataset
from urushi.evaluation.intervals import roc_auc_interval
from urushi.recipe import Part
from urushi.runtime.tiling import TileGrid
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph
from urushi.scoring.adversarial import Opinion

ALPHAS = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
CATEGORIES = ("nanofiber_sem", "xray_fishbone")
OPINIONS: dict[str, tuple[Opinion, ...]] = {
    "bigan": get_args(Opinion),
    "convolutional-bigan": ("posterior", "likelihood"),
}
DEFAULTS = {"epochs": 150, "tile_epochs": 12}
ALONE = {"bigan": {"model.linear_path": False}}  # the source has no principal components beside its networks
ABOUT = (
    "Image ROC-AUC [95 % interval over images, of the first seed], and its mean over the seeds. α is the share of the "
    "opinion, 0 the reconstruction error alone. Terms are joined as they are, without scaling. bigan: 64 px, {epochs} "
    "epochs; convolutional_bigan: 64 px tiles, {tile_epochs} epochs, whole images inspected in one pass."
)


def scores(opinions: Sequence[Opinion]) -> list[Part]:
    """Each opinion at each α; what α = 0 gives is the same for all, and asked for once."""
    pairs = ((name, alpha) for name in opinions for alpha in ALPHAS if alpha or name == opinions[0])
    return [Part.model_validate({"name": "adversarial", "opinion": name, "alpha": alpha}) for name, alpha in pairs]


def measure(recipe: str, category: str, seed: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row for each score, of one fit."""
    dataset = find_dataset(DATA / category)
    epochs = options.epochs if recipe == "bigan" else options.tile_epochs
    settings = {"training.max_epochs": epochs, "training.patience_epochs": epochs}
    changed = Recipe.find(recipe).with_settings(settings | ALONE.get(recipe, {}))
    parts, good = scores(OPINIONS[recipe]), [sample.path for sample in dataset.normal_training()]
    detectors = Detector.fit_scores(good, changed, parts, seed=seed)
    tested = scored(detectors, [sample.path for sample in dataset.test()])
    is_normal = np.array([not sample.label for sample in dataset.test()])
    for part, found, detector in zip(parts, tested.T, detectors, strict=True):
        yield {
            **part.options,
            "roc_auc": roc_auc(found[is_normal], found[~is_normal]),
            "fit_seconds": detector.card["fit"]["seconds"],
        }
        if options.pictures and part.options["alpha"] in (0.1, 1.0) and part.options["opinion"] == "posterior":
            results = list(zip(dataset.test(), detector.inspect_many(s.path for s in dataset.test()), strict=True))
            write_sheet(options.pictures / f"{recipe}-{category}-{seed}-{part.options['alpha']}.png", results)
    if options.pictures and recipe == "convolutional-bigan":
        write_grid(options.pictures / f"larger-{category}-{seed}.png", Generator.of(detectors[0], 256, 256).sample(4))


def scored(detectors: Sequence[Detector], paths: Sequence[Path]) -> np.ndarray:
    """(n images, n detectors), as their inspections score, but with one reconstruction of each image for all."""
    graphs = [one.backend.graph for one in detectors if isinstance(one.backend, TorchBackend)]
    return np.stack([_scores(graphs, image, detectors[0].network.grid) for image in read(detectors[0].pipeline, paths)])


@torch.no_grad()
def _scores(graphs: Sequence[ScoringGraph], image: np.ndarray, grid: TileGrid | None) -> np.ndarray:
    (height, width), stride = image.shape[1:], graphs[0].model.stride_px or 1
    inputs = F.pad(torch.from_numpy(image[None]), (0, -width % stride, 0, -height % stride), mode="reflect")
    pair, found = graphs[0].model.reconstruct(inputs), []
    for graph in graphs:
        anomaly_map, score = graph.score(pair, (inputs.shape[2], inputs.shape[3]))
        cells = anomaly_map[0, ..., :height, :width].numpy()
        tiles = [grid.cut(cells, place).mean() for place in grid.places(height, width)] if grid else [score]
        found.append(float(max(tiles)))
    return np.array(found)


def roc_auc(normal: np.ndarray, defect: np.ndarray) -> dict[str, float]:
    told = np.concatenate([np.zeros(len(normal)), np.ones(len(defect))])
    low, high = roc_auc_interval(normal, defect)
    return {"value": float(roc_auc_score(told, np.concatenate([normal, defect]))), "low": low, "high": high}


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Scores of BiGANs", "", found["about"], ""]
    for recipe, category in dict.fromkeys((row["recipe"], row["category"]) for row in found["rows"]):
        rows = [row for row in found["rows"] if (row["recipe"], row["category"]) == (recipe, category)]
        lines += [f"## {recipe}, {category}", "", "| opinion | α | ROC-AUC | mean ROC-AUC | seeds |", "|---" * 5 + "|"]
        for opinion, alpha in dict.fromkeys((row["opinion"], row["alpha"]) for row in rows):
            same = [row["roc_auc"] for row in rows if (row["opinion"], row["alpha"]) == (opinion, alpha)]
            mean = statistics.fmean(one["value"] for one in same)
            name = opinion if alpha else "reconstruction error alone"
            lines.append(f"| {name} | {alpha} | {interval(same[0])} | {mean:.3f} | {len(same)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, seeds=(0, 1, 2), **DEFAULTS)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    settings = {"epochs": options.epochs, "tile_epochs": options.tile_epochs}
    columns = product(options.seeds, CATEGORIES, OPINIONS)
    fits = ({"recipe": recipe, "category": category, "seed": seed} for seed, category, recipe in columns)
    study = options.results, jobs.named("adversarial_scores", settings, DEFAULTS)
    jobs.run(
        study, fits, partial(measure, options=options), markdown, about=ABOUT.format(**settings), settings=settings
    )


if __name__ == "__main__":
    main()
