"""A data set of simulated radiographs in MVTec layout, with calibration images, masks and everything that was drawn."""

import json
import math
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import TypeAdapter

from urushi import __version__, atomic_file
from urushi.data.progress import Track, untracked
from urushi.data.writing import claim, finish, write_image
from urushi.errors import InputError
from urushi.xray.phantoms.detector import Pattern, quantised
from urushi.xray.phantoms.radiograph import Radiograph, Scene, find_product, render
from urushi.xray.phantoms.scene import VISIBLE_CHANGE, Defect
from urushi.xray.phantoms.settings import COMBINED, Settings

N_CALIBRATION_ROWS = 256  # of a line detector; an area detector has as many rows as columns


@dataclass(frozen=True)
class Place:
    """Where an image goes: its folder, which item of its split it shows, that item's number, and which scan this is."""

    folder: str
    index: int
    item: int
    scan: int

    @property
    def split(self) -> str:
        """train or test; both have items of their own, which good and defective images of test share."""
        return self.folder.partition("/")[0]

    @property
    def kind(self) -> str:
        """good, a kind of defect, or combined."""
        return self.folder.partition("/")[2]

    @property
    def name(self) -> str:
        """The name of the file without its ending: images of one item have the same number."""
        return f"item-{self.item:03}_scan-{self.scan}"


def simulate(folder: Path, settings: Settings, *, n_train: int, track: Track = untracked) -> list[Path]:
    """Write a data set with `n_train` good items to train, and return the paths of all images.

    There are a quarter as many good items to test, and of these as many with defects, shared evenly by the kinds; both
    rounded up. Each is scanned settings.n_scans times. What is item k of a split does not depend on how many there are.
    Same settings, same bytes. `track` shows how many are written.
    Raises InputError for n_train < 1, or if the folder is a file, or holds anything but the same data set.
    """
    if n_train < 1:
        raise InputError(f"-n is {n_train}; give 1 or more items to train with.")
    settings.scanner().beam()  # a tube that cannot be is found before anything is written
    claim(folder, _title(settings, n_train), _about(settings))
    _write_calibration(folder / "calibration", settings)
    with atomic_file.growing(folder / "phantoms.jsonl") as lines:
        places = _places(settings, n_train)
        shown = track(places, "simulating", len(places))
        written = [_write(folder, place, settings, lines) for place in shown]
    finish(folder)
    return written


def replay(line: str) -> Radiograph:
    """The image and masks of one line of phantoms.jsonl, computed again from its numbers alone."""
    record = json.loads(line)
    settings = Settings(**record["settings"])
    scene = Scene(
        TypeAdapter(find_product(settings.product)).validate_python(record["scene"]["product"]),
        TypeAdapter(tuple[Defect, ...]).validate_python(record["scene"]["defects"]),
        record["scene"]["noise_seed"],
    )
    return _rendered(scene, settings)


def _places(settings: Settings, n_train: int) -> list[Place]:
    kinds = settings.kinds()
    n_test = math.ceil(n_train / 4)
    n_each = math.ceil(n_test / len(kinds))
    counts = {"train/good": n_train, "test/good": n_test} | {f"test/{kind}": n_each for kind in kinds}
    return [
        Place(folder, index, index if folder == "train/good" else n_train + index, scan)
        for folder, n_items in counts.items()
        for index in range(n_items)
        for scan in range(settings.n_scans)
    ]


def _rng(seed: int, what: str, *numbers: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(what.encode()), *numbers])


def _pattern(settings: Settings) -> Pattern:
    return settings.scanner().detector.pattern(_rng(settings.seed, "scanner"))


def _rendered(scene: Scene, settings: Settings) -> Radiograph:
    return render(scene, _pattern(settings), scanner=settings.scanner(), bits=settings.bits)


def _write_calibration(folder: Path, settings: Settings) -> None:
    scanner = settings.scanner()
    beam, detector = scanner.beam(), scanner.detector
    n_rows = N_CALIBRATION_ROWS if detector.is_line else detector.n_columns
    rng = _rng(settings.seed, "calibration")
    images = detector.calibration(beam.open_signal, beam.n_photons, n_rows, _pattern(settings), rng)
    for name, levels in zip(("exposure_on", "exposure_off"), images, strict=True):
        write_image(folder / f"{name}.png", quantised(levels, settings.bits))


def _scene(place: Place, settings: Settings) -> Scene:
    """The item of a place, laid down and scanned anew; its defects lie where they lay in it before."""
    product, seed = find_product(settings.product), settings.seed
    scan_rng, defect_rng = _rng(seed, place.folder, place.index, place.scan), _rng(seed, place.folder, place.index)
    angle = product.max_angle_degrees if settings.max_angle_degrees is None else settings.max_angle_degrees
    laid = product.draw(_rng(seed, place.split, place.index)).laid(scan_rng, angle)
    kinds = _kinds(place.kind, settings, defect_rng)
    defects = tuple(laid.draw_defect(kind, defect_rng) for kind in kinds)
    return Scene(laid, defects, int(scan_rng.integers(2**32)))


def _kinds(kind: str, settings: Settings, rng: np.random.Generator) -> list[str]:
    """The kinds of an item's defects: none, one to `max_defects` of its folder's kind, or two and more, combined."""
    if kind == "good":
        return []
    n_defects = int(rng.integers(2 if kind == COMBINED else 1, settings.max_defects + 1))
    if kind != COMBINED:
        return [kind] * n_defects
    known = find_product(settings.product).defects
    unlike = rng.choice(known, 2, replace=False)
    return [str(one) for one in (*unlike, *rng.choice(known, n_defects - 2))]


def _write(folder: Path, place: Place, settings: Settings, lines: TextIO) -> Path:
    scene = _scene(place, settings)
    radiograph = _rendered(scene, settings)
    path = Path(place.folder) / f"{place.name}.png"
    write_image(folder / path, radiograph.image)
    if scene.defects:
        mask = np.logical_or.reduce(radiograph.masks)
        write_image(folder / "ground_truth" / place.kind / f"{place.name}_mask.png", mask)
    lines.write(json.dumps(_record(path, place, settings, scene, radiograph)) + "\n")
    return folder / path


def _record(path: Path, place: Place, settings: Settings, scene: Scene, radiograph: Radiograph) -> dict[str, Any]:
    height, width = radiograph.image.shape
    is_dead = _pattern(settings).is_dead
    defects = [_facts(*found, is_dead) for found in zip(scene.defects, radiograph.masks, strict=True)]
    return {
        "file": path.as_posix(),
        "simulated": True,
        "item": place.item,
        "scan": place.scan,
        "height_px": height,
        "width_px": width,
        "defects": defects,
        "settings": asdict(settings),
        "scene": asdict(scene),
    }


def _facts(defect: Defect, mask: np.ndarray, is_dead: np.ndarray) -> dict[str, Any]:
    return {
        "kind": defect.kind,
        "material": defect.material,
        "sizes_mm": dict(defect.sizes_mm),
        "box_px": _box_px(mask),
        "n_mask_px": int(mask.sum()),
        "n_dead_px": int((mask & is_dead).sum()),  # of these; where it is all of them, the image shows nothing
    }


def _box_px(mask: np.ndarray) -> dict[str, int] | None:
    """Right and bottom are the first pixel outside; none where the image shows nothing, as of a hole in a hole."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return {
        "left": int(columns[0]),
        "top": int(rows[0]),
        "right": int(columns[-1]) + 1,
        "bottom": int(rows[-1]) + 1,
    }


def _title(settings: Settings, n_train: int) -> str:
    """All that decides about the bytes, so that a folder is only claimed again for the same data set."""
    chosen = ", ".join(f"{name} {value}" for name, value in asdict(settings).items() if value not in (None, {}))
    return f"SIMULATED radiographs, by Urushi {__version__}: n {n_train}, {chosen}."


def _about(settings: Settings) -> str:
    scanner = settings.scanner()
    detector, exposure, tube = scanner.detector, scanner.exposure, scanner.tube
    filters = _listed(f"{mm:g} mm {name}" for name, mm in tube.filters_mm.items())
    current_ma, n_photons = exposure.current_at(scanner.voltage_kv), scanner.beam().n_photons
    return f"""Everything here is SIMULATED: no image shows a real {settings.product}. Figures measured on these images
say nothing about real products; never report them beside figures of real data without saying so.
Written anew by the same command with the same options: keep nothing of your own here.

tube              {scanner.voltage_kv:g} kV, {current_ma:.3g} mA, target {tube.target}, filters: {filters}
exposure          {exposure.time_ms:g} ms {"a line" if detector.is_line else "an image"}, \
{exposure.distance_mm:g} mm from the focal spot
photons           {n_photons:.0f} of the open beam are detected by each pixel (they give the noise)
pixel             {detector.pitch_mm:g} mm
grey levels       of full scale: open beam {detector.open_level:.1%} (by the gain), no beam {detector.dark_level:.1%}

train/, test/     images of one product each, named by item and scan: scans of one item show the same product, laid down
                  anew. Good and defective images of test/ with the same number show the same product as well
ground_truth/     masks: the pixels whose sharp, noise-free signal the defects change by {VISIBLE_CHANGE:.1%} or more of
                  the open beam (of a defect where no pixel reaches that, the one that it changes most)
calibration/      the open beam without product (exposure_on), and no beam (exposure_off); dead pixels are 0 in both
phantoms.jsonl    one line per image: all that was drawn, and each defect's material, size and place;
                  urushi.xray.phantoms.simulation.replay(line) computes the image again

Sizes and materials of the foreign objects: Alina Sode, Automatic Detection of Foreign Objects in X-Ray Images, master's
thesis, University of Copenhagen 2021, table 5.1. What it does not say (shapes, textures, noise) is assumed.
"""


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "none"
