"""Makes the pictures and figures of the method cards: python docs/method_pictures.py [NAME…].

Each method is fitted on 100 pictures of a part and shown on test pictures, the first of each kind. The part is one coin
of scikit-image's `coins`, shifted, turned, lit and with noise as if photographed anew each time; the defects are
synthetic, so the figures say nothing about real ones.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from skimage import data

from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.defects import apply
from urushi.data.defects import draw as draw_defect
from urushi.data.masks import read_mask
from urushi.data.writing import write_image
from urushi.evaluation import evaluate
from urushi.reporting.plots.reconstruction_grid import FirstOfEachKind, reconstruction_grid_figure

FOLDER = Path(__file__).parent / "methods"
SMALL = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64}
LARGE = {"preprocessing.resize.height": 256, "preprocessing.resize.width": 256}
EPOCHS = {"training.max_epochs": 100, "split.calibration_fraction": 0.3}
DEFECTS = ("scratch", "blob", "crack", "hole", "stain")
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "autoencoder": ("autoencoder", {"model.corruption": "blocks"}),
    "variational_autoencoder": ("variational-autoencoder", {}),
    "adversarial_autoencoder": ("autoencoder", {"model.name": "adversarial_autoencoder"}),
    "orientation_normalisation": ("oriented", {"model.pretraining_epochs": 100}),
    "feature_pyramid": ("default", {}),
    "feature_reconstruction": ("default", {"model.name": "feature_reconstruction", "score.top_fraction": 0.03}),
    "feature_autoencoder": ("feature-autoencoder", LARGE),
    "padim": ("padim", LARGE),
    "dfm": ("dfm", LARGE),
    "pixel_pca": ("pixel-pca", {"split.n_folds": 20}),
    "gan": ("gan", {}),
    "bigan": ("bigan", {}),
    "convolutional_bigan": ("bigan", {"model.name": "convolutional_bigan", "score.opinion": "posterior"}),
    "ganomaly": ("ganomaly", {}),
    "attribute_restoration": ("attribute-restoration", {}),
    "siren_inpainting": ("siren-inpainting", {}),
    "sparse_dictionary": ("sparse-dictionary", {"model.patch_px": 8, "model.stride": 4, "split.n_folds": 0}),
    "partial_diffusion": ("partial-diffusion", {"training.max_epochs": 40}),
}


def make_parts(folder: Path, *, degrees: float) -> Path:
    """A data set in MVTec layout: 100 to train, 20 good and 5 of each defect to test."""
    rng = np.random.default_rng(0)
    counts = {"train/good": 100, "test/good": 20} | {f"test/{kind}": 5 for kind in DEFECTS}
    for place, n in counts.items():
        for number in range(n):
            picture, kind = _photograph(rng, degrees), place.partition("/")[2]
            if kind != "good":
                picture, mask = apply(picture, draw_defect(rng, picture.shape, kinds=[kind]))
                write_image(folder / "ground_truth" / kind / f"{number}_mask.png", mask)
            write_image(folder / place / f"{number}.png", picture)
    return folder


def _photograph(rng: np.random.Generator, degrees: float) -> np.ndarray:
    """(84, 84) uint8."""
    x, y = 47 + rng.uniform(-2, 2), 262 + rng.uniform(-2, 2)
    matrix = cv2.getRotationMatrix2D((x, y), rng.uniform(-degrees, degrees), 1.0)
    matrix[:, 2] += 42 - np.array([x, y])
    coin = cv2.warpAffine(data.coins(), matrix, (84, 84), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.clip(coin * rng.uniform(0.95, 1.05) + rng.normal(0, 3, coin.shape), 0, 255).astype(np.uint8)


def recipe(name: str) -> Recipe:
    """What a method is shown with."""
    base, settings = SETTINGS[name]
    return Recipe.find(base).with_settings(settings if base == "default" else EPOCHS | SMALL | settings)


def draw(name: str, folder: Path) -> None:
    """One picture, and one line with the figures."""
    dataset = find_dataset(make_parts(folder / name, degrees=180 if name == "orientation_normalisation" else 3))
    detector = Detector.fit([sample.path for sample in dataset.normal_training()], recipe(name))
    found = detector.inspect_many([sample.path for sample in dataset.test()])
    results, shown = list(zip(dataset.test(), found, strict=True)), FirstOfEachKind(1)
    for sample, result in results:
        if isinstance(result, Inspection):
            shown.offer(result, sample.defect)
    figure = reconstruction_grid_figure(shown.kept(), title=name)
    figure.savefig(FOLDER / f"{name}.png", dpi=80)
    with Image.open(FOLDER / f"{name}.png") as saved:
        saved.convert("RGB").quantize(128).save(FOLDER / f"{name}.png", optimize=True)
    auc = evaluate(results, read_mask=read_mask).to_json()["image"]["roc_auc"]
    print(
        f"{name}: ROC-AUC {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}], {detector.card['fit']['seconds']} s"
    )


def main() -> None:
    """All of them, or those that are named."""
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or SETTINGS:
            draw(name, Path(folder))


if __name__ == "__main__":
    main()
