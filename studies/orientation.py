"""python -m studies.orientation [--places screw,magnetic_tile,brick] [--repeats 3] [--steps 1500] [--checkpoints DIR] …

The four strategies of orientation normalisation (S4, tables 3–9) with the source's network (table 1, d = 100, 128 px):
on `screw` and on its defects thread_top alone, on another category whose images are each turned by an angle of their
own, and on `brick`, tiles of scikit-image's wall in all orientations with synthetic defects. All strategies learn the
same error of the centre. MSE and SSIM of the rebuilt centre of good test images; pixel ROC-AUC, PRC-AUC and IoU-AUC of
the SSIM and the squared residual of the centre; mean ranks. What was interrupted goes on: with the next fit, and with
--checkpoints within a fit. Results: studies/results/orientation.json and .md; other options than the defaults get files
of their own. The page of claims: `python -m studies.claims`.
"""

import argparse
import tempfile
import time
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
from urushi.data.dataset import Dataset, Sample, find_dataset
from urushi.data.defects import apply, draw
from urushi.data.images import read_image
from urushi.data.masks import read_mask
from urushi.data.writing import write_image
from urushi.errors import DatasetError
from urushi.evaluation import evaluate
from urushi.recipe import Part

STRATEGIES = ("none", "random", "pretrained_finetuned", "pretrained_frozen")
SCORES = (Part(name="ssim"), Part(name="squared_error"))
ABOUT = (
    "Means ± standard errors over repeats: {repeats} are planned. Images of {side} px, padded and turned; {steps} "
    "gradient steps of {batch} images (architecture `{architecture}`, {latent_dimension} latent numbers), "
    "{pretraining_epochs} epochs of the localisation network. `magnetic_tile` is turned, each image by an angle of its "
    "own; the defects of `brick` are synthetic. All figures are of the image alone: the frame of the padding counts in "
    "none, and no strategy learns it."
)
DEFAULTS: dict[str, Any] = {
    **{"architecture": "inspection", "latent_dimension": 100, "side": 128},
    **{"steps": 1500, "batch": 16, "pretraining_epochs": 300},
}
PLACES = ("screw", "magnetic_tile", "brick")
UPRIGHT = ("magnetic_tile", "xray_weld", "solar_cell")  # categories that lie one way
PIXEL_FIGURES = ("roc_auc", "pr_auc", "iou_auc")
FIGURES = ("mse", "ssim", *(f"{metric} {score.name}" for metric in PIXEL_FIGURES for score in SCORES))
TILE_PX = 96
RATE = 5e-4  # S4 has 2e-4 and some ten times as many steps


def dataset_of(place: str, scratch: Path) -> Dataset:
    """In all orientations: as it is, turned, or cut out of the wall; made once below `scratch`."""
    if place != "brick" and place not in UPRIGHT:
        return find_dataset(DATA / place)
    if not (folder := scratch / place).exists():
        bricks(folder) if place == "brick" else all_turned(find_dataset(DATA / place), folder)
    return find_dataset(folder)


def bricks(folder: Path, seed: int = 0) -> None:
    """Tiles of a brick wall turned by any angle; training and test tiles share no pixel."""
    from skimage import data

    rng, wall = np.random.default_rng(seed), data.brick()
    for part, n, (low, high) in (
        ("train/good", 120, (70, 240)),
        ("test/good", 30, (378, 442)),
        ("test/x", 40, (378, 442)),
    ):
        for number in range(n):
            tile = turned(wall, (int(rng.integers(low, high)), int(rng.integers(70, 442))), rng.uniform(0, 360))
            if part == "test/x":
                tile, mask = apply(tile, draw(rng, tile.shape, kinds=["scratch", "blob", "crack", "hole"]))
                write_image(folder / "ground_truth" / "x" / f"{number:03}_mask.png", mask)
            write_image(folder / part / f"{number:03}.png", tile)


def all_turned(dataset: Dataset, folder: Path, seed: int = 0) -> None:
    """Of each image the largest square that fits at any angle; images whose defects lie outside are left out."""
    rng = np.random.default_rng(seed)
    for part, samples in (("train", dataset.normal_training()), ("test", dataset.test())):
        for sample in samples:
            image, degrees = read_image(sample.path), rng.uniform(0, 360)
            place = f"{sample.defect}/{sample.path.stem}"
            if sample.label:
                mask = middle(mask_of(sample).astype(np.uint8), degrees, cv2.INTER_NEAREST)
                if not mask.any():
                    continue
                write_image(folder / "ground_truth" / f"{place}_mask.png", mask.astype(bool))
            write_image(folder / part / f"{place}.png", middle(image, degrees, cv2.INTER_CUBIC))


def mask_of(sample: Sample) -> np.ndarray:
    """Where its defect is, (H, W) bool; raises DatasetError if the data set does not say."""
    if sample.mask is None:
        raise DatasetError(f"{sample.path}: it has no mask, and without one it cannot be told if its defect is kept")
    return read_mask(sample.mask)


def middle(image: np.ndarray, degrees: float, interpolation: int) -> np.ndarray:
    height, width = image.shape[:2]
    return turned(image, (width // 2, height // 2), degrees, int(min(height, width) / 2**0.5), interpolation)


def turned(
    image: np.ndarray,
    centre: tuple[int, int],
    degrees: float,
    side: int = TILE_PX,
    interpolation: int = cv2.INTER_CUBIC,
) -> np.ndarray:
    matrix = np.asarray(cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), degrees, 1.0), np.float64)
    matrix[:, 2] += side / 2 - np.array(centre)
    return cv2.warpAffine(image, matrix, (side, side), flags=interpolation)


def recipe(strategy: str, options: argparse.Namespace) -> Recipe:
    side = {"preprocessing.resize.height": options.side, "preprocessing.resize.width": options.side}
    model = {"model.strategy": strategy, "model.pretraining_epochs": options.pretraining_epochs}
    network = {"architecture": options.architecture, "latent_dimension": options.latent_dimension}
    inner = {"model.inner": {"name": "autoencoder", "learning_rate": RATE, **network}}
    training = {"max_epochs": options.steps, "patience_epochs": options.steps, "max_steps": options.steps}
    training |= {"batch_size": options.batch, "checkpoint_epochs": 100, "picture_epochs": 0}
    return Recipe.find("oriented").with_settings(
        side | model | inner | {f"training.{key}": value for key, value in training.items()}
    )


def measure(
    place: str, strategy: str, seed: int, scratch: Path, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Figures of one fit on all test images and, on screws, on thread_top alone."""
    dataset, start = dataset_of(place, scratch), time.monotonic()
    good = [sample.path for sample in dataset.normal_training()]
    with jobs.kept(options.checkpoints, f"{place}-{strategy}-{seed}") as how:
        detectors = Detector.fit_scores(good, recipe(strategy, options), SCORES, seed=seed, **how)
    seconds = round(time.monotonic() - start, 1)
    results = [
        list(zip(dataset.test(), d.inspect_many(s.path for s in dataset.test()), strict=True)) for d in detectors
    ]
    kinds = {sample.defect for sample in dataset.test()}
    for name in ("all", *({"thread_top"} & kinds)):
        chosen = [[(s, r) for s, r in one if name == "all" or s.defect == name or not s.label] for one in results]
        found = figures([evaluate(one, read_mask=read_mask, n_resamples=2).to_json() for one in chosen])
        yield {"data": place if name == "all" else f"{place}, {name}", "figures": found, "fit_seconds": seconds}


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
    whole = {name: value for name, value in DEFAULTS.items() if name != "architecture"}
    parser = command_line.parser(__doc__, RESULTS, places=PLACES, repeats=3, **whole)
    parser.add_argument("--architecture", choices=("strided", "inspection"), default=DEFAULTS["architecture"])
    parser.add_argument("--checkpoints", type=Path, help="where an interrupted fit leaves what it goes on from")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in DEFAULTS}
    wanted = product(range(options.repeats), options.places, STRATEGIES)
    columns = ({"place": place, "strategy": strategy, "seed": seed} for seed, place, strategy in wanted)
    about, study = ABOUT.format(**settings, repeats=options.repeats), jobs.named("orientation", settings, DEFAULTS)
    with tempfile.TemporaryDirectory() as scratch:
        fitting = partial(measure, scratch=Path(scratch), options=options)
        jobs.run((options.results, study), columns, fitting, markdown, about=about, settings=settings)


if __name__ == "__main__":
    main()
