"""python -m studies.learning_curves [--categories …] [--recipes gan,…] [--seeds 0]

Why the adversarial family is near chance: fits each recipe with a checkpoint every fifth of its epochs, inspects the
test images with the weights of each, and asks how much of the final score is the image's own texture: the image ROC-AUC
of its mean gradient alone, and the rank correlation of score and gradient over good test images. Test images are looked
at only to draw the curve; nothing is chosen by them. Results: studies/results/learning_curves.json, .md and .png.
"""

import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from studies import DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.reporting.plots.learning_curves import read_learning_curves
from urushi.reporting.plots.style import REFERENCE_COLOUR, line_style, new_figure, write
from urushi.runtime.torch_backend import TorchBackend

EPOCHS = {"gan": 100, "bigan": 60, "convolutional-bigan": 5, "ganomaly": 100, "attribute-restoration": 50}
CATEGORIES = ("screw", "magnetic_tile", "xray_weld", "screw_head")
N_POINTS = 5
ABOUT = (
    "Settings of the studies of seven categories. AUC over the epochs: image ROC-AUC on the test images with the "
    "weights of that checkpoint. Texture: ROC-AUC of the mean gradient of the image alone, as the method sees it, and "
    "the rank correlation of the final score with it over the good test images."
)


def measure(recipe: str, category: str, seed: int) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        yield learnt(recipe, find_dataset(DATA / category), seed, Path(folder) / "training")


def learnt(name: str, dataset: Dataset, seed: int, folder: Path) -> dict[str, Any]:
    """Fits, and inspects the test images at every checkpoint."""
    epochs = EPOCHS[name]
    every = {"max_epochs": epochs, "patience_epochs": epochs, "checkpoint_epochs": epochs // N_POINTS}
    settings = {f"training.{key}": value for key, value in every.items()} | {"split.n_folds": 0}
    start, recipe = time.monotonic(), Recipe.find(name).with_settings(settings)
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], recipe, seed=seed, folder=folder)
    seconds, best = time.monotonic() - start, scores(detector, dataset)
    by_epoch = {epoch: auc(scores(with_weights(detector, folder, epoch), dataset), dataset) for epoch in kept(folder)}
    return (
        {"fit_seconds": round(seconds, 1)}
        | {"auc_of_best": auc(best, dataset), "auc_by_epoch": by_epoch}
        | {"losses": read_learning_curves(folder).losses, "concern": detector.card["fit"]["training"].get("concern")}
        | texture(detector, dataset, best)
    )


def kept(folder: Path) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("epoch-*.ckpt"))


def with_weights(detector: Detector, folder: Path, epoch: int) -> Detector:
    """The same detector with its model as it was after that epoch."""
    assert isinstance(detector.backend, TorchBackend)
    state = torch.load(folder / f"epoch-{epoch}.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    detector.backend.graph.model.load_state_dict(weights)
    return detector


def scores(detector: Detector, dataset: Dataset) -> np.ndarray:
    found = detector.inspect_many(sample.path for sample in dataset.test())
    return np.array([require_readable(item).score for item in found])


def auc(found: np.ndarray, dataset: Dataset) -> float:
    return float(roc_auc_score([bool(sample.label) for sample in dataset.test()], found))


def texture(detector: Detector, dataset: Dataset, found: np.ndarray) -> dict[str, float]:
    """How well the mean gradient of an image tells good from bad, and how much of the score it is."""
    images = (require_readable(detector.prepare(sample.path)) for sample in dataset.test())
    steps = (np.gradient(image.pixels, axis=(1, 2)) for image in images)
    gradients = np.array([np.abs(np.stack(step)).mean() for step in steps])
    good = np.array([not sample.label for sample in dataset.test()])
    return {
        "auc_of_texture": auc(gradients, dataset),
        "rank_correlation": float(spearmanr(gradients[good], found[good]).statistic),
    }


def draw(rows: list[dict[str, Any]], stem: Path) -> None:
    """A panel per recipe: the image ROC-AUC over the epochs in colour by category, the validation loss below it."""
    names = [name for name in EPOCHS if any(row["recipe"] == name for row in rows)]
    figure = new_figure(2.6 * len(names), 4.6)
    panels = figure.subplots(2, len(names), sharex="col", sharey="row", squeeze=False)
    for column, name in enumerate(names):
        above, below = panels[:, column]
        above.axhline(0.5, color=REFERENCE_COLOUR, linewidth=1)
        for row in (row for row in rows if row["recipe"] == name):
            style = line_style(CATEGORIES.index(row["category"])) | {"label": row["category"]}
            points = {int(epoch) + 1: value for epoch, value in row["auc_by_epoch"].items()}
            above.plot(list(points), list(points.values()), **style)
            losses = np.array(list(row["losses"]["validation"].values()))
            below.plot(np.arange(1, len(losses) + 1), losses / losses[0], **style | {"marker": ""})
        above.set(title=name, ylim=(0, 1))
        below.set(xlabel="epoch", yscale="log")
    panels[0, 0].set_ylabel("image ROC-AUC (line: chance)")
    panels[1, 0].set_ylabel("validation loss / first")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    write(figure, stem)


def markdown(found: dict[str, Any]) -> str:
    header = "| method | category | AUC over the epochs | at the best epoch | AUC of texture alone | rank correlation |"
    lines = ["# Learning curves of the adversarial family", "", found["about"], "", header, "|---" * 6 + "|"]
    for row in found["rows"]:
        curve = " → ".join(f"{value:.2f}" for value in row["auc_by_epoch"].values())
        shown = (f"{row[key]:.2f}" for key in ("auc_of_best", "auc_of_texture", "rank_correlation"))
        lines.append(f"| {' | '.join([row['recipe'], row['category'], curve, *shown])} |")
    return "\n".join([*lines, "", "![Learning curves](learning_curves.png)"])


def main() -> None:
    options = command_line.parser(
        __doc__, RESULTS, recipes=tuple(EPOCHS), categories=CATEGORIES, seeds=(0,)
    ).parse_args()
    columns = product(options.seeds, options.recipes, options.categories)
    fits = ({"recipe": recipe, "category": category, "seed": seed} for seed, recipe, category in columns)
    rows = jobs.run((options.results, "learning_curves"), fits, measure, markdown, about=ABOUT)
    draw(rows, options.results / "learning_curves")


if __name__ == "__main__":
    main()
