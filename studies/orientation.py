"""python -m studies.orientation [--side 64] [--epochs 40] [--repeats 3]

The four strategies of orientation normalisation (S4, tables 3–9), CPU-sized: on `screw`, on its defects thread_top
alone, and on a texture in all orientations (tiles of scikit-image's `brick`, synthetic defects). MSE and SSIM of the
rebuilt good test images; pixel ROC-AUC, PRC-AUC and IoU-AUC of the SSIM and the squared residual; mean ranks.
Results: studies/results/orientation.json and .md.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks import command_line, record

from studies import DATA, RESULTS
from urushi import Detector, Recipe
from urushi.data.dataset import Dataset, find_dataset
from urushi.data.defects import apply, draw
from urushi.data.masks import read_mask
from urushi.data.writing import write_image
from urushi.evaluation import evaluate
from urushi.recipe import Part

STRATEGIES = ("none", "random", "pretrained_finetuned", "pretrained_frozen")
SCORES = (Part(name="ssim"), Part(name="squared_error"))
ABOUT = (
    "Means ± standard errors of {repeats} repeats. Images of {side} px, padded and turned; {epochs} epochs of the "
    "method, {pretraining_epochs} of the localisation network. The texture's defects are synthetic. Outside the "
    "central square nothing is rebuilt or counted as residual; MSE and SSIM are of whole images, in which that part "
    "is perfect."
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
    inner = {"model.inner": {"name": "autoencoder", "latent_dimension": 64}}
    return Recipe.find("oriented").with_settings(side | model | inner | {"training.max_epochs": options.epochs})


def measure(
    dataset: Dataset, strategy: str, seed: int, options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of one fit on all test images and, on screws, on thread_top alone."""
    good = [sample.path for sample in dataset.normal_training()]
    detectors = Detector.fit_scores(good, recipe(strategy, options), SCORES, seed=seed)
    results = [
        list(zip(dataset.test(), d.inspect_many(s.path for s in dataset.test()), strict=True)) for d in detectors
    ]
    kinds = {sample.defect for sample in dataset.test()}
    for name in ("all", *({"thread_top"} & kinds)):
        chosen = [[(s, r) for s, r in one if name == "all" or s.defect == name or not s.label] for one in results]
        yield name, figures([evaluate(one, read_mask=read_mask, n_resamples=2).to_json() for one in chosen])
    print(dataset.root.name, strategy, seed, detectors[0].card["fit"]["seconds"], "s", flush=True)


def figures(found: list[dict[str, Any]]) -> dict[str, float]:
    rebuilt = found[0]["reconstruction"]
    values = {"mse": rebuilt["mse"]["value"], "ssim": rebuilt["ssim"]["value"]}
    for score, one in zip(SCORES, found, strict=True):
        pixels = one["pixel"]["metrics"]
        values |= {f"{metric} {score.name}": pixels[metric]["value"] for metric in PIXEL_FIGURES}
    return values


def ranks(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The mean rank of each strategy over data sets and figures, by means over repeats; 1 is best."""
    groups: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
    for data in sorted({row["data"] for row in rows}):
        for figure in FIGURES:
            means = [mean_of(rows, data, strategy, figure)[0] for strategy in STRATEGIES]
            order = np.argsort(np.argsort([m if figure == "mse" else -m for m in means]))
            for strategy, rank in zip(STRATEGIES, order, strict=True):
                groups[strategy].append(1 + float(rank))
    return {strategy: float(np.mean(found)) for strategy, found in groups.items()}


def mean_of(rows: list[dict[str, Any]], data: str, strategy: str, figure: str) -> tuple[float, float]:
    """Mean and standard error over repeats."""
    values = [row["figures"][figure] for row in rows if row["data"] == data and row["strategy"] == strategy]
    return record.mean_and_error(values)


def markdown(found: dict[str, Any]) -> str:
    lines = ["# Four strategies of orientation normalisation", "", found["about"], ""]
    for data in sorted({row["data"] for row in found["rows"]}):
        lines += [f"## {data}", "", "| figure | " + " | ".join(STRATEGIES) + " |", "|---" * (len(STRATEGIES) + 1) + "|"]
        for figure in FIGURES:
            cells = (mean_of(found["rows"], data, strategy, figure) for strategy in STRATEGIES)
            lines.append(f"| {figure} | " + " | ".join(f"{mean:.4f} ± {error:.4f}" for mean, error in cells) + " |")
        lines.append("")
    lines += ["## Mean rank", "", "| strategy | mean rank |", "|---|---|"]
    lines += [
        f"| {strategy} | {rank:.2f} |" for strategy, rank in sorted(found["ranks"].items(), key=lambda one: one[1])
    ]
    return "\n".join(lines)


def run(places: dict[str, Path], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per fit, and one more for thread_top."""
    for seed, (data, place), strategy in product(range(options.repeats), places.items(), STRATEGIES):
        for name, found in measure(find_dataset(place), strategy, seed, options):
            label = data if name == "all" else f"{data}, {name}"
            yield {"data": label, "strategy": strategy, "seed": seed, "figures": found}


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, side=64, epochs=40, pretraining_epochs=150, repeats=3)
    options, environment, rows = parser.parse_args(), record.environment(), []
    with tempfile.TemporaryDirectory() as scratch:
        places = {"screw": DATA / "screw", "texture": texture(Path(scratch) / "texture")}
        for row in run(places, options):
            rows.append(row)
            record.write(options.results, "orientation", environment | {"rows": rows})  # what is done is not lost
    settings = command_line.settings(options)
    found = environment | {"about": ABOUT.format(**settings), "settings": settings, "ranks": ranks(rows), "rows": rows}
    record.publish(options.results, "orientation", found, markdown)


if __name__ == "__main__":
    main()
