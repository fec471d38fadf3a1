"""python -m studies.learning_curves [--recipes gan,…] [--categories …] [--seeds 0] [--steps 1500] [--side 64]

Why networks that rebuild pixels stay behind principal components, where they have none beside them. Each is fitted as
in `recipe_scores`, with a checkpoint every fifth of its epochs. With the weights of each: the image ROC-AUC on the test
images by `relative`; how well good images that were held out are rebuilt; and how much of a planted defect is rebuilt
with the rest of the image, which is what no score can see. The same of `pixel-pca` beside it. How much of the final
score is the image's own texture: the image ROC-AUC of its mean gradient alone, and the rank correlation of score and
gradient over good test images. Test images are looked at only to draw the curve; nothing is chosen by them.
Results: studies/results/learning_curves.json, .md and .png; a run that was interrupted goes on.
"""

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks import command_line
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch import Tensor

from studies import DATA, RESULTS, jobs
from studies.recipe_scores import HELD_OUT, SCORES, graph_of, prepared, read
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.fitting.model_selection import planted
from urushi.reporting.plots.learning_curves import read_learning_curves
from urushi.reporting.plots.style import REFERENCE_COLOUR, line_style, new_figure, write
from urushi.runtime.torch_backend import TorchBackend
from urushi.training.run import most_epochs

WHOLE_IMAGES = "studies/convolutional_bigan_whole.toml"
RECIPES = ("siren-inpainting", "partial-diffusion", WHOLE_IMAGES, "attribute-restoration")
CATEGORIES = ("screw_head", "xray_weld", "magnetic_tile", "screw")
YARDSTICK = "pixel-pca"
SCORE = SCORES["relative, average then max"]
N_POINTS, N_PLANTED = 5, 16
ABOUT = (
    "{side} px, at most {steps} gradient steps, without principal components beside the networks. Each cell: after "
    "every fifth of the epochs, and of 32 principal components in brackets. ROC-AUC: of test images by `relative`. "
    "Error: mean squared error of good images that were held out, over that of components. Passed: how much of a "
    "planted defect is rebuilt with the image, in the direction of the defect: 0 is none of it, 1 all. Texture: "
    "ROC-AUC of the mean gradient of the image alone, and the rank correlation of the final score with it over good "
    "test images."
)
FIGURES = {"auc": "ROC-AUC", "error": "error", "passed": "passed"}


class Looked:
    """The images of a category as a pipeline prepares them, (n, C, H, W)."""

    def __init__(self, detector: Detector, dataset: Dataset, seed: int) -> None:
        good = [sample.path for sample in dataset.normal_training()]
        held_out = [good[place] for place in detector.card["fit"]["held_out"]][:N_PLANTED]
        self.labels = [bool(sample.label) for sample in dataset.test()]
        self.test, self.clean, self.spoilt = (
            torch.tensor(np.stack(list(read(detector.pipeline, images))))
            for images in (
                [sample.path for sample in dataset.test()],
                held_out,
                planted(held_out, seed, detector.pipeline),
            )
        )

    @cached_property
    def gradients(self) -> np.ndarray:
        """Of each test image its mean gradient."""
        steps = np.gradient(self.test.numpy(), axis=(2, 3))
        return np.abs(np.stack(steps)).mean(axis=(0, 2, 3, 4))


def measure(recipe: str, category: str, seed: int, *, steps: int, side: int) -> Iterator[dict[str, Any]]:
    dataset, known = find_dataset(DATA / category), of_components(category, seed, side)
    with tempfile.TemporaryDirectory() as scratch:
        folder, start = Path(scratch) / "training", time.monotonic()
        kept = with_checkpoints(scored_by_relative(recipe, steps, side), dataset)
        good = [sample.path for sample in dataset.normal_training()]
        detector = Detector.fit(good, kept, seed=seed, folder=folder)
        row = {"fit_seconds": round(time.monotonic() - start, 1), "components": known}
        yield row | curve(detector, Looked(detector, dataset, seed), folder)


@cache  # the same beside each method
def of_components(category: str, seed: int, side: int) -> dict[str, float]:
    dataset = find_dataset(DATA / category)
    good = [sample.path for sample in dataset.normal_training()]
    detector = Detector.fit(good, scored_by_relative(YARDSTICK, 0, side), seed=seed)  # learns without steps
    return figures(detector, Looked(detector, dataset, seed))[0]


def scored_by_relative(recipe: str, steps: int, side: int) -> Recipe:
    found = prepared(Recipe.find(recipe), steps, side, networks_alone=True)
    return found.model_copy(update={"score": SCORE})


def with_checkpoints(recipe: Recipe, dataset: Dataset) -> Recipe:
    assert recipe.training is not None
    n_learnt = len(dataset.normal_training()) * (1 - HELD_OUT["split.calibration_fraction"])
    epochs = most_epochs(recipe.training, round(n_learnt))
    return recipe.with_settings({"training.checkpoint_epochs": math.ceil(epochs / N_POINTS)})


def curve(detector: Detector, looked: Looked, folder: Path) -> dict[str, Any]:
    """Figures at every checkpoint and at the best epoch, the losses, and what texture has to do with it."""
    best, scores = figures(detector, looked)
    training = detector.card["fit"]["training"]
    found = {"best_epoch": training["best_epoch"], "concern": training.get("concern"), "best": best}
    found |= {"losses": read_learning_curves(folder).losses} | texture(looked, scores)
    epochs = sorted(int(path.stem.split("-")[1]) for path in folder.glob("epoch-*.ckpt"))
    by_epoch = {epoch: figures(with_weights(detector, folder, epoch), looked)[0] for epoch in epochs}
    return found | {"by_epoch": by_epoch}


def with_weights(detector: Detector, folder: Path, epoch: int) -> Detector:
    """The same detector with its model as it was after that epoch."""
    assert isinstance(detector.backend, TorchBackend)
    state = torch.load(folder / f"epoch-{epoch}.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    weights = {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    detector.backend.graph.model.load_state_dict(weights)
    return detector


def figures(detector: Detector, looked: Looked) -> tuple[dict[str, float], np.ndarray]:
    """Of one set of weights; and the scores of the test images."""
    scores, _ = rebuilt(detector, looked.test)
    (_, clean), (_, spoilt) = rebuilt(detector, looked.clean), rebuilt(detector, looked.spoilt)
    per_image = len(looked.spoilt) // len(looked.clean)
    before, made = looked.clean.repeat_interleave(per_image, dim=0), clean.repeat_interleave(per_image, dim=0)
    found = {
        "auc": float(roc_auc_score(looked.labels, scores)),
        "error": (clean - looked.clean).square().mean().item(),
        "passed": passed(looked.spoilt - before, spoilt - made),
    }
    return found, scores


def passed(defects: Tensor, changes: Tensor) -> float:
    """The median share of a defect (n, C, H, W) that the change of the reconstruction has, of defects that show."""
    defects, changes = defects.flatten(1), changes.flatten(1)
    energy = defects.square().sum(dim=1)
    seen = energy > 0
    return ((defects * changes).sum(dim=1)[seen] / energy[seen]).median().item()


@torch.no_grad()
def rebuilt(detector: Detector, images: Tensor) -> tuple[np.ndarray, Tensor]:
    """Scores (n,) and reconstructions (n, C, H, W)."""
    graph, scores, made = graph_of(detector), [], []
    for batch in images.split(8):
        pair = graph.model.reconstruct(graph.model.embed(batch))
        scores.append(graph.score(pair, tuple(batch.shape[2:]))[1])
        made.append(pair.reconstruction)
    return torch.cat(scores).numpy(), torch.cat(made)


def texture(looked: Looked, scores: np.ndarray) -> dict[str, float]:
    """How well the mean gradient of an image tells good from bad, and how much of the score it is."""
    good = ~np.array(looked.labels)
    return {
        "auc_of_texture": float(roc_auc_score(looked.labels, looked.gradients)),
        "rank_correlation": float(spearmanr(looked.gradients[good], scores[good]).statistic),
    }


# --- the page ---------------------------------------------------------------------------------------------------------


def ratios(row: dict[str, Any], figure: str) -> list[float]:
    """A figure after each checkpoint; an error over that of components."""
    by = row["components"][figure] if figure == "error" else 1.0
    return [point[figure] / by for point in row["by_epoch"].values()]


def named(recipe: str) -> str:
    return Path(recipe).stem.replace("_", "-").removesuffix("-whole")


def draw(rows: Sequence[dict[str, Any]], stem: Path) -> None:
    """A column for each method, a row for each figure, a line for each category; level lines are of components."""
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    figure = new_figure(2.6 * len(names), 6.4)
    panels = figure.subplots(len(FIGURES), len(names), sharex="col", sharey="row", squeeze=False)
    for (y, key), (x, name) in product(enumerate(FIGURES), enumerate(names)):
        for row in (row for row in rows if row["recipe"] == name):
            style = line_style(CATEGORIES.index(row["category"])) | {"label": row["category"]}
            panels[y, x].plot([int(epoch) + 1 for epoch in row["by_epoch"]], ratios(row, key), **style)
            level = 1.0 if key == "error" else row["components"][key]
            panels[y, x].axhline(level, linewidth=0.8, linestyle=":", color=style.get("color", REFERENCE_COLOUR))
    label(panels, names)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    write(figure, stem)


def label(panels: np.ndarray, names: Sequence[str]) -> None:
    for panel, name in zip(panels[0], names, strict=True):
        panel.set(title=named(name), ylim=(0, 1))
    for panel, title in zip(panels[:, 0], ("image ROC-AUC", "error / components'", "share passed"), strict=True):
        panel.set_ylabel(title)
    for panel in panels[-1]:
        panel.set_xlabel("epoch")
    panels[1, 0].set_yscale("log")


def markdown(found: dict[str, Any]) -> str:
    header = ["method", "category", "epochs", *FIGURES.values(), "texture", "rank correlation"]
    lines = ["# Learning curves without principal components", "", found["about"], ""]
    lines += [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in found["rows"]:
        cells = [named(row["recipe"]), row["category"], str(int(list(row["by_epoch"])[-1]) + 1)]
        for key in FIGURES:
            level = 1.0 if key == "error" else row["components"][key]
            cells.append(" → ".join(f"{value:.2f}" for value in ratios(row, key)) + f" ({level:.2f})")
        cells += [f"{row[key]:.2f}" for key in ("auc_of_texture", "rank_correlation")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", "![Learning curves](learning_curves.png)"])


def main() -> None:
    options = command_line.parser(
        __doc__, RESULTS, recipes=RECIPES, categories=CATEGORIES, seeds=(0,), steps=1500, side=64
    ).parse_args()
    settings = {"steps": options.steps, "side": options.side}
    columns = product(options.seeds, options.categories, options.recipes)
    fits = ({"recipe": recipe, "category": category, "seed": seed} for seed, category, recipe in columns)
    study, about = (options.results, "learning_curves"), ABOUT.format(**settings)
    rows = jobs.run(study, fits, partial(measure, **settings), markdown, about=about, settings=settings)
    draw(rows, options.results / "learning_curves")


if __name__ == "__main__":
    main()
