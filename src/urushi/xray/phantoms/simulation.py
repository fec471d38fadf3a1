"""A data set of simulated radiographs in MVTec layout, with calibration images, masks and everything that was drawn."""

import json
import math
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import TypeAdapter

from urushi import __version__, atomic_file
from urushi.data.progress import Track, untracked
from urushi.data.writing import claim, finish, write_image
from urushi.errors import InputError
from urushi.xray.phantoms.products.base import Product
from urushi.xray.phantoms.radiograph import Radiograph, Scene, draw, find_product, render, spectrum_of
from urushi.xray.phantoms.scanner import Pattern, quantised
from urushi.xray.phantoms.scene import VISIBLE_CHANGE, Defect

N_CALIBRATION_ROWS = 256  # of a line detector; an area detector has as many rows as columns

Place = tuple[str, int]  # folder and number of an image


@dataclass(frozen=True)
class Settings:
    """What all images of a data set share."""

    product: str
    seed: int = 0
    voltage_kv: float | None = None  # None: as the product is usually scanned
    bits: int = 8
    max_angle_degrees: float | None = None  # None: as the product usually lies

    def __post_init__(self) -> None:
        find_product(self.product)
        if self.seed < 0:
            raise InputError(f"the seed is {self.seed}; give 0 or more.")
        if self.bits not in (8, 16):
            raise InputError(f"images of {self.bits} bits cannot be written; give 8 or 16.")
        if self.max_angle_degrees is not None and not 0 <= self.max_angle_degrees <= 180:
            raise InputError(f"the angle is {self.max_angle_degrees:g} degrees; give 0 to 180, to either side.")


def simulate(folder: Path, settings: Settings, *, n_train: int, track: Track = untracked) -> list[Path]:
    """Write a data set with `n_train` good images to train, and return the paths of all images.

    There are a quarter as many good test images, and the same number of defective ones, shared evenly by the kinds of
    defect; both rounded up. Image k of a folder does not depend on how many there are. Same settings, same bytes.
    `track` shows how many are written.
    Raises InputError for n_train < 1, or if the folder is a file, or holds anything but the same data set.
    """
    if n_train < 1:
        raise InputError(f"-n is {n_train}; give 1 or more images to train with.")
    product = find_product(settings.product)
    spectrum_of(product, settings.voltage_kv)  # a voltage that cannot be is found before anything is written
    claim(folder, _title(settings, n_train), _about(product, settings))
    _write_calibration(folder / "calibration", product, settings)
    with atomic_file.growing(folder / "phantoms.jsonl") as lines:
        places = _places(product, n_train)
        shown = track(places, "simulating", len(places))
        written = [_write(folder, place, index, settings, lines) for place, index in shown]
    finish(folder)
    return written


def replay(line: str) -> Radiograph:
    """The image and masks of one line of phantoms.jsonl, computed again from its numbers alone."""
    record = json.loads(line)
    settings = Settings(**record["settings"])
    product = find_product(settings.product)
    scene = Scene(
        TypeAdapter(product).validate_python(record["scene"]["product"]),
        TypeAdapter(tuple[Defect, ...]).validate_python(record["scene"]["defects"]),
        record["scene"]["noise_seed"],
    )
    return render(scene, _pattern(product, settings), voltage_kv=settings.voltage_kv, bits=settings.bits)


def _places(product: type[Product], n_train: int) -> list[Place]:
    n_test = math.ceil(n_train / 4)
    n_each = math.ceil(n_test / len(product.defects))
    counts = {"train/good": n_train, "test/good": n_test} | {f"test/{kind}": n_each for kind in product.defects}
    return [(place, index) for place, n_images in counts.items() for index in range(n_images)]


def _rng(seed: int, place: str, index: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(place.encode()), index])


def _pattern(product: type[Product], settings: Settings) -> Pattern:
    return product.scanner.pattern(_rng(settings.seed, "scanner"))


def _write_calibration(folder: Path, product: type[Product], settings: Settings) -> None:
    scanner = product.scanner
    n_rows = N_CALIBRATION_ROWS if scanner.drift else scanner.n_columns
    images = scanner.calibration(n_rows, _pattern(product, settings), _rng(settings.seed, "calibration"))
    for name, levels in zip(("exposure_on", "exposure_off"), images, strict=True):
        write_image(folder / f"{name}.png", quantised(levels, settings.bits))


def _write(folder: Path, place: str, index: int, settings: Settings, lines: TextIO) -> Path:
    product, kind = find_product(settings.product), place.partition("/")[2]
    rng = _rng(settings.seed, place, index)
    scene = draw(product, None if kind == "good" else kind, rng, max_angle_degrees=settings.max_angle_degrees)
    radiograph = render(scene, _pattern(product, settings), voltage_kv=settings.voltage_kv, bits=settings.bits)
    path = Path(place) / f"{index:04}.png"
    write_image(folder / path, radiograph.image)
    for mask in radiograph.masks:
        write_image(folder / "ground_truth" / kind / f"{index:04}_mask.png", mask)
    lines.write(json.dumps(_record(path, index, settings, scene, radiograph)) + "\n")
    return folder / path


def _record(path: Path, index: int, settings: Settings, scene: Scene, radiograph: Radiograph) -> dict[str, Any]:
    height, width = radiograph.image.shape
    is_dead = _pattern(type(scene.product), settings).is_dead
    defects = [_facts(*found, is_dead) for found in zip(scene.defects, radiograph.masks, strict=True)]
    return {
        "file": path.as_posix(),
        "simulated": True,
        "index": index,
        "height_px": height,
        "width_px": width,
        "defects": defects,
        "settings": asdict(settings),
        "scene": asdict(scene),
    }


def _facts(defect: Defect, mask: np.ndarray, is_dead: np.ndarray) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return {
        "kind": defect.kind,
        "material": defect.material,
        "sizes_mm": dict(defect.sizes_mm),
        "box_px": {  # right and bottom are the first pixel outside
            "left": int(columns[0]),
            "top": int(rows[0]),
            "right": int(columns[-1]) + 1,
            "bottom": int(rows[-1]) + 1,
        },
        "n_mask_px": int(mask.sum()),
        "n_dead_px": int((mask & is_dead).sum()),  # of these; where it is all of them, the image shows nothing
    }


def _title(settings: Settings, n_train: int) -> str:
    """All that decides about the bytes, so that a folder is only claimed again for the same data set."""
    chosen = ", ".join(f"{name} {value}" for name, value in asdict(settings).items() if value is not None)
    return f"SIMULATED radiographs, by Urushi {__version__}: n {n_train}, {chosen}."


def _about(product: type[Product], settings: Settings) -> str:
    scanner = product.scanner
    filters = ", ".join(f"{mm:g} mm {name}" for name, mm in product.filters_mm.items())
    return f"""Everything here is SIMULATED: no image shows a real {settings.product}. Figures measured on these images
say nothing about real products; never report them beside figures of real data without saying so.
Written anew by the same command with the same options: keep nothing of your own here.

tube              {product.voltage_kv if settings.voltage_kv is None else settings.voltage_kv:g} kV, filters: {filters}
photons           {scanner.n_photons:g} per pixel in the open beam, at any voltage (they give the noise)
pixel             {scanner.pitch_mm:g} mm
grey levels       of full scale: open beam {scanner.open_level:.1%}, no beam {scanner.dark_level:.1%}

train/, test/     images, one product each
ground_truth/     masks: the pixels whose sharp, noise-free signal the defect changes by {VISIBLE_CHANGE:.1%} or more of
                  the open beam (where no pixel reaches that, the one that it changes most)
calibration/      the open beam without product (exposure_on), and no beam (exposure_off); dead columns are 0 in both
phantoms.jsonl    one line per image: all that was drawn, and each defect's material, size and place;
                  urushi.xray.phantoms.simulation.replay(line) computes the image again

Sizes and materials of the foreign objects: Alina Sode, Automatic Detection of Foreign Objects in X-Ray Images, master's
thesis, University of Copenhagen 2021, table 5.1. What it does not say (shapes, textures, noise) is assumed.
"""
