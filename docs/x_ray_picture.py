"""Makes the picture of x-ray.md: python docs/x_ray_picture.py docs/x-ray.png (needs the extras train and xray)."""

import sys
import tempfile
from collections import deque
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from urushi import Recipe
from urushi.data.images import read_image
from urushi.preprocessing import Pipeline
from urushi.xray.phantoms.settings import Settings
from urushi.xray.phantoms.simulation import simulate

SHOWN = {  # seen side by side: as the scanner gives it, and as the recipe leaves it
    "potato": ("test/good/item-041", "test/needle/item-040", "test/hollow_heart/item-041"),
    "chocolate": (
        "test/good/item-040",
        "test/lead_ball/item-040",
        "test/wire/item-041",
        "test/staple/item-041",
        "test/crack/item-040",
    ),
}


def prepared(product: str, folder: Path) -> Pipeline:
    """The product's preset, with the calibration images of its scanner where it asks for them."""
    files = {f"exposure_{name}": str(folder / "calibration" / f"exposure_{name}.png") for name in ("on", "off")}
    settings = {f"preprocessing.inpainting.{name}": path for name, path in files.items()}
    recipe = Recipe.find(product)
    return Pipeline.of(recipe.with_settings(settings if product == "chocolate" else {})).fit([])


def main(picture: Path) -> None:
    """Simulate, prepare, and lay out in pairs."""
    figure = plt.figure(figsize=(10, 3.1), dpi=100, layout="constrained")
    axes = iter(figure.subplots(2, sum(map(len, SHOWN.values()))).T)
    for product, names in SHOWN.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / product
            deque(simulate(folder, Settings(product), n_train=40), maxlen=0)
            pipeline = prepared(product, folder)
            for name in names:
                image = read_image(folder / f"{name}_scan-0.png")
                for place, pixels in zip(next(axes), (image, pipeline.prepare(image).pixels[0]), strict=True):
                    place.imshow(pixels, cmap="gray", vmin=0, vmax=255 if pixels.dtype == np.uint8 else 1)
                    place.set(xticks=[], yticks=[])
                    place.set_title(name.split("/")[1].replace("_", " ") if pixels is image else "", fontsize=9)
    figure.savefig(picture)
    with Image.open(picture) as saved:
        saved.convert("L").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
