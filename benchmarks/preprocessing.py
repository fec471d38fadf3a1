"""python -m benchmarks.preprocessing [--presets potato,potato-line-scanner,chocolate] [--images 120] [--repeats 5]

Preprocessing a folder of radiographs by the X-ray presets against the same OpenCV calls written out, in images per
second.

Folder: `stream(Pipeline.read, paths)`: decode in threads, check, every step of the recipe, and the way back.
Bare: the same files in as many threads through `cv2.imread` and the OpenCV calls of the preset, and nothing else; both
sides give the same pixels to a level or so, which is checked before anything is timed.
Beside it: the same without files, one image after the other, both sides on decoded images in memory.

The images are simulated radiographs (`urushi xray simulate`), as the presets expect them.
"""

import argparse
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import command_line, record
from urushi import Recipe
from urushi.data.images import read_image
from urushi.data.stream import stream
from urushi.preprocessing import Pipeline
from urushi.preprocessing.inpainting import dead_pixel_mask
from urushi.xray.phantoms.settings import Settings
from urushi.xray.phantoms.simulation import simulate

AT_LEAST = 0.7
PRODUCTS = {"potato": "potato", "potato-line-scanner": "potato", "chocolate": "chocolate"}
_LARGEST_DIFFERENCE = 0.02  # of full scale, on average over the pixels: the same operations, rounded elsewhere
Bare = Callable[[np.ndarray], np.ndarray]  # (H, W) uint8 -> (128, 128) float32


def potato(image: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(image, (0, 0), 2)
    _, dark = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    _, _, parts, _ = cv2.connectedComponentsWithStats(dark)
    left, top, width, height, _ = parts[1 + parts[1:, cv2.CC_STAT_AREA].argmax()]
    image = image[max(top - 3, 0) : top + height + 3, max(left - 3, 0) : left + width + 3]
    image = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    image = cv2.LUT(cv2.LUT(image, _stretch(30, 140)), _gamma(0.6))
    return cv2.bilateralFilter(image, 5, 20, 15).astype(np.float32) / np.float32(255)


def potato_line_scanner(image: np.ndarray) -> np.ndarray:
    image = cv2.LUT(cv2.LUT(image, _stretch(12, 140)), _gamma(0.7))
    image = cv2.bilateralFilter(image, 5, 10, 15)
    return _stretched(cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA))


def chocolate(image: np.ndarray, *, dead: np.ndarray) -> np.ndarray:
    image = cv2.bilateralFilter(cv2.inpaint(image, dead, 20, cv2.INPAINT_NS), 10, 25, 20)
    image = cv2.LUT(cv2.LUT(image, _stretch(170, 240)), _gamma(0.8))
    return _stretched(cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA))


def _stretch(low: int, high: int) -> np.ndarray:
    return np.interp(np.arange(256), [low, high], [0, 255]).round().astype(np.uint8)


def _gamma(exponent: float) -> np.ndarray:
    return (255 * (np.arange(256) / 255) ** exponent).round().astype(np.uint8)


def _stretched(image: np.ndarray) -> np.ndarray:
    return cv2.normalize(image, np.empty(0), 0, 1, cv2.NORM_MINMAX, cv2.CV_32F)


@dataclass(frozen=True)
class Sides:
    """Both sides of one preset, each a function of no arguments that gives its images per second."""

    pipeline: Pipeline
    bare: Bare
    paths: list[Path]
    n_threads: int

    def measures(self) -> dict[str, Callable[[], float]]:
        decoded = [read_image(path) for path in self.paths]
        works = {
            "folder": lambda: self._stream(self.pipeline.read),
            "bare": lambda: self._stream(self._read_bare),
            "in memory": lambda: deque(map(self.pipeline.prepare, decoded), maxlen=0),
            "bare in memory": lambda: deque(map(self.bare, decoded), maxlen=0),
        }
        return {name: partial(self._rate, work) for name, work in works.items()}

    def difference(self) -> float:
        """Mean absolute difference between the sides, in shares of full scale; raises ValueError where it is large."""
        found = float(np.mean(list(self._differences())))
        if found > _LARGEST_DIFFERENCE:
            raise ValueError(f"the two sides differ by {found:.3f} of full scale on average: they do not do the same")
        return found

    def _differences(self) -> Iterator[float]:
        for path in self.paths:
            image = read_image(path)
            yield float(np.abs(self.pipeline.prepare(image).pixels[0] - self.bare(image)).mean())

    def _stream(self, work: Callable[[Path], Any]) -> None:
        deque(stream(work, self.paths, n_threads=self.n_threads), maxlen=0)

    def _read_bare(self, path: Path) -> np.ndarray:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None, path
        return self.bare(image)

    def _rate(self, work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        return len(self.paths) / (time.perf_counter() - start)


def sides_of(preset: str, folder: Path, n_threads: int) -> Sides:
    """Images that `simulate` has left in `folder`; only chocolate's scanner has dead columns to be filled in."""
    recipe, bare = Recipe.find(preset), BARE[preset]
    if preset == "chocolate":
        on, off = (folder / "calibration" / f"exposure_{name}.png" for name in ("on", "off"))
        files = {"exposure_on": str(on), "exposure_off": str(off)}
        recipe = recipe.with_settings({f"preprocessing.inpainting.{name}": path for name, path in files.items()})
        dead = dead_pixel_mask(read_image(on) / 255, read_image(off) / 255)
        bare = partial(chocolate, dead=dead.astype(np.uint8))
    return Sides(Pipeline.of(recipe).fit([]), bare, sorted((folder / "train" / "good").glob("*.png")), n_threads)


BARE: dict[str, Any] = {"potato": potato, "potato-line-scanner": potato_line_scanner, "chocolate": chocolate}


def compare(preset: str, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        folder = Path(scratch) / PRODUCTS[preset]
        deque(simulate(folder, Settings(PRODUCTS[preset], seed=options.seed), n_train=options.images), maxlen=0)
        sides = sides_of(preset, folder, options.threads)
        difference = sides.difference()
        rates = record.interleave(sides.measures(), options.repeats, n_warm_up=options.warm_up)
        shape = list(read_image(sides.paths[0]).shape)
    return {
        "preset": preset,
        "image_shape": shape,
        "mean_difference_of_full_scale": difference,
        "ratio": record.judged(record.ratio(rates["folder"], rates["bare"]), at_least=AT_LEAST),
        "ratio_in_memory": record.judged(record.ratio(rates["in memory"], rates["bare in memory"]), at_least=AT_LEAST),
        "images_per_second": {side: record.spread(values) for side, values in rates.items()},
    }


def main() -> None:
    presets = tuple(PRODUCTS)
    options = command_line.parser(
        __doc__, presets=presets, images=120, repeats=5, warm_up=1, threads=2, seed=0
    ).parse_args()
    cv2.setNumThreads(1)  # the threads that decode are the ones that compute
    header = record.environment() | {"seed": options.seed, "n_threads": options.threads, "n_repeats": options.repeats}
    results = [compare(preset, options) for preset in options.presets]
    about = {"n_images": options.images, "n_warm_up": options.warm_up, "reference": "bare", "compares": __doc__}
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "preprocessing", header | after | about | {"results": results})
    columns = ("preset", "folder img/s", "bare img/s", "folder / bare", "in memory / bare")
    record.show(columns, [_row(result) for result in results])


def _row(result: dict[str, Any]) -> tuple[Any, ...]:
    rates = [f"{result['images_per_second'][side]['median']:.1f}" for side in ("folder", "bare")]
    return result["preset"], *rates, *(record.ratio_cell(result[name]) for name in ("ratio", "ratio_in_memory"))


if __name__ == "__main__":
    main()
