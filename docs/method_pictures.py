"""Makes the pictures and figures of the method cards: python docs/method_pictures.py [NAME…].

Each method is fitted on the demo's tiles of a real photograph (scikit-image's `brick`, CC0) and shown on test tiles,
the first of each kind; their defects are synthetic, so the figures say nothing about real ones.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from urushi import Detector, Inspection, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.demo import make_demo
from urushi.data.images import read_mask
from urushi.evaluation import evaluate
from urushi.reporting.plots.reconstruction_grid import FirstOfEachKind, reconstruction_grid_figure

FOLDER = Path(__file__).parent / "methods"
DENOISING = {"model.corruption": {"name": "blocks", "n_blocks": 6}, "model.loss": "ssim", "score.name": "ssim"}
SETTINGS: dict[str, dict[str, Any]] = {
    "autoencoder": DENOISING | {"model.architecture": "inspection"},
    "variational_autoencoder": {},
    "adversarial_autoencoder": {"model.name": "adversarial_autoencoder", "model.latent_dimension": 32},
    "orientation_normalisation": {},
    "feature_reconstruction": {},
}
EPOCHS = 60


def recipe(name: str) -> Recipe:
    """What a method is shown with."""
    if name == "feature_reconstruction":
        return Recipe.find("default")
    base = Recipe.find("variational-autoencoder" if name == "variational_autoencoder" else "autoencoder")
    if name == "orientation_normalisation":
        base = Recipe.find("oriented")
    return base.with_settings({"training.max_epochs": EPOCHS, **SETTINGS[name]})


def draw(name: str, demo: Path) -> None:
    """One picture, and one line with the figures."""
    dataset = find_dataset(demo)
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
        demo = make_demo(Path(folder) / "demo")
        for name in sys.argv[1:] or SETTINGS:
            draw(name, demo)


if __name__ == "__main__":
    main()
