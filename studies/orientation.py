"""python -m studies.orientation [--places screw,texture] [--architecture strided] [--side 64] [--repeats 3] …

The four strategies of orientation normalisation (S4, tables 3–9), CPU-sized: on `screw`, on its defects thread_top
alone, on other categories by their names, and on a texture in all orientations (tiles of scikit-image's `brick`,
synthetic defects). All strategies learn the same error of the centre. MSE and SSIM of the rebuilt centre of good test
images; pixel ROC-AUC, PRC-AUC and IoU-AUC of the SSIM and the squared residual of the centre; mean ranks. The source
has `--architecture inspection --latent-dimension 100 --side 128`. What was interrupted goes on.
Results: studies/results/orientation.json and .md.
"""

import argparse
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks import command_line, record

from studies import DATA, RESULTS, jobs
from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.defects import apply, draw
from urushi.data.masks import read_mask
from urushi.data.writing import write_image
from urushi.evaluation import evaluate
from urushi.recipe import Part

STRATEGIES = ("none", "random", "pretrained_finetuned", "pretrained_frozen")
SCORES = (Part(name="ssim"), Part(name="squared_error"))
ABOUT = (
    "Means ± standard errors of {repeats} repeats. Images of {side} px, padded and turned; {epochs} epochs of the "
    "method ({architecture}, {latent_dimension} latent numbers), {pretraining_epochs} of the localisation network. The "
    "texture's defects are synthetic. All figures are of the image alone: the frame of the padding counts in none, and "
    "no strategy learns it."
)
PIXEL_FIGURES = ("roc_auc", "pr_auc", "iou_auc")
FIGURES = ("mse", "ssim", *(f"{metric} {score.name}" for metric in PIXEL_FIGURES for score in SCORES))
TILE_PX = 96


def texture(folder: Path, seed: int = 0) -> Path:
    """Tiles of a brick wall turned by any angle; training and test tiles share no pixel."""
    from skimage import data

    rng, wall = np.random.default_rng(seed), data.brick()
    for part, n, (low, high) in (
        ("train/good", 120, (70, 240)),
        ("test/good", 30, (378, 442)),
        ("test/x", 40, (378, 442)),
    ):
        for number in range(n):
            tile = turned(wall, (rng.integers(low, high), rng.integers(70, 442)), rng.uniform(0, 360))
            if part == "test/x":
                tile, mask = apply(tile, draw(rng, tile.shape, kinds=["scratch", "blob", "crack", "hole"]))
                write_image(folder / "ground_truth" / "x" / f"{number:03}_mask.png", mask)
            write_image(folder / part / f"{number:03}.png", tile)
    return folder


def turned(wall: np.ndarray, centre: tuple[int, int], degrees: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, 1.0)
    matrix[:, 2] += TILE_PX / 2 - np.array(centre)
    return cv2.warpAffine(wall, matrix, (TILE_PX, TILE_PX), flags=cv2.INTER_CUBIC)


def recipe(strategy: str, options: argparse.Namespace) -> Recipe:
    side = {"preprocessing.resize.height": options.side, "preprocessing.resize.width": options.side}
    model = {"model.strategy": strategy, "model.pretraining_epochs": options.pretraining_epochs}
    network = {"architecture": options.architecture, "latent_dimension": options.latent_dimension}
    inner = {"model.inner": {"name": "autoencoder", **network}}
    return Recipe.find("oriented").with_settings(side | model | inner | {"training.max_epochs": options.epochs})


def measure(
    place: str, strategy: str, seed: int, texture_folder: Path, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Figures of one fit on all test images and, on screws, on thread_top alone."""
    dataset = find_dataset(texture_folder if place == "texture" else DATA / place)
    good = [sample.path for sample in dataset.normal_training()]
    detectors = Detector.fit_scores(good, recipe(strategy, options), SCORES, seed=seed)
    results = [
        list(zip(dataset.test(), d.inspect_many(s.path for s in dataset.test()), strict=True)) for d in detectors
    ]
    kinds = {sample.defect for sample in dataset.test()}
    for name in ("all", *({"thread_top"} & kinds)):
        chosen = [[(s, r) for s, r in one if name == "all" or s.defect == name or not s.label] for one in results]
        found = figures([evaluate(one, read_mask=read_mask, n_resamples=2).to_json() for one in chosen])
        yield {"data": place if name == "all" else f"{place}, {name}", "figures": found}


def figures(found: list[dict[str, Any]]) -> dict[str, float]:
    rebuilt = found[0]["reconstruction"]
    values = {"mse": rebuilt["mse"]["value"], "ssim": rebuilt["ssim"]["value"]}
    for score, one in zip(SCORES, found, strict=True):
        pixels = one["pixel"]["metrics"]
        values |= {f"{metric} {score.name}": pixels[metric]["value"] for metric in PIXEL_FIGURES}
    return values


def ranks(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The mean rank of each strategy over data sets that all have, and figures, by means over repeats; 1 is best."""
    groups: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    for data in sorted({row["data"] for row in rows}):
        if {row["strategy"] for row in rows if row["data"] == data} != set(STRATEGIES):
            continue  # the study is not done
        for figure in FIGURES:
            means = [mean_of(rows, data, strategy, figure)[0] for strategy in STRATEGIES]
            order = np.argsort(np.argsort([m if figure == "mse" else -m for m in means]))
            for strategy, rank in zip(STRATEGIES, order, strict=True):
                groups[strategy].append(1 + float(rank))
    return {strategy: float(np.mean(found)) for strategy, found in groups.items() if found}


def mean_of(rows: list[dict[str, Any]], data: str, strategy: str, figure: str) -> tuple[float, float]:
    """Mean and standard error over repeats; NaN where there are none."""
    values = [row["figures"][figure] for row in rows if row["data"] == data and row["strategy"] == strategy]
    return record.mean_and_error(values) if values else (float("nan"), float("nan"))


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Four strategies of orientation normalisation", "", found["about"], ""]
    for data in sorted({row["data"] for row in found["rows"]}):
        lines += [f"## {data}", "", "| figure | " + " | ".join(STRATEGIES) + " |", "|---" * (len(STRATEGIES) + 1) + "|"]
        for figure in FIGURES:
            cells = (mean_of(found["rows"], data, strategy, figure) for strategy in STRATEGIES)
            lines.append(f"| {figure} | " + " | ".join(f"{mean:.4f} ± {error:.4f}" for mean, error in cells) + " |")
        lines.append("")
    lines += ["## Mean rank", "", "| strategy | mean rank |", "|---|---|"]
    means = sorted(ranks(found["rows"]).items(), key=lambda one: one[1])
    lines += [f"| {strategy} | {rank:.2f} |" for strategy, rank in means]
    return "\n".join(lines)


def main() -> None:
    how: dict[str, Any] = {"side": 64, "latent_dimension": 64, "epochs": 40, "pretraining_epochs": 150, "repeats": 3}
    parser = command_line.parser(__doc__, RESULTS, places=("screw", "texture"), **how)
    parser.add_argument("--architecture", choices=("strided", "inspection"), default="strided")
    options = parser.parse_args()
    wanted = product(range(options.repeats), options.places, STRATEGIES)
    columns = ({"place": place, "strategy": strategy, "seed": seed} for seed, place, strategy in wanted)
    settings = {name: getattr(options, name) for name in ("architecture", *how) if name != "repeats"}
    about = ABOUT.format(**settings, repeats=options.repeats)
    with tempfile.TemporaryDirectory() as scratch:
        fitting = partial(measure, texture_folder=texture(Path(scratch) / "texture"), options=options)
        jobs.run((options.results, "orientation"), columns, fitting, markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
