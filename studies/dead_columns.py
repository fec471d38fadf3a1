"""python -m studies.dead_columns [--images 30] [--seeds 0,1,2,3,4] [--pictures FOLDER]

How well are dead columns of a detector filled in? Simulated chocolate bars are rendered twice, by a scanner with dead
columns and by the same without them, so that the truth is known to the photon. The mask comes from the calibration
images, as in use. Each seed is another scanner with its own dead columns. Seeing is simulated: nothing here is real.
Results are studies/results/dead_columns.json and .md.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import command_line, record
from scipy.ndimage import label

from studies import RESULTS
from urushi.data.writing import write_image
from urushi.evaluation import mean_and_standard_error
from urushi.preprocessing.inpainting import dead_pixel_mask, inpaint
from urushi.preprocessing.median_filter import median_filter
from urushi.xray.phantoms.detector import quantised
from urushi.xray.phantoms.radiograph import draw, find_product, render

PRODUCT = "chocolate"
THICK_PX = 5  # a stripe of at least so many dead columns is thick
PLACES = {
    "all": "all dead pixels",
    "thick": f"stripes of ≥ {THICK_PX} px",
    "thin": "thinner ones",
    "bar": "inside the bar",
}
Repair = Callable[[np.ndarray, np.ndarray], np.ndarray]  # image (H, W) uint8, dead (H, W) -> image


def interpolated(image: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Each line between its nearest live pixels: the plainest thing that could be done."""
    columns, alive = np.arange(image.shape[1]), ~dead
    rows = [np.interp(columns, columns[live], line[live]) for line, live in zip(image, alive, strict=True)]
    return np.rint(rows).astype(image.dtype)


REPAIRS: dict[str, Repair] = {
    "none": lambda image, _: image,
    "median_filter, 5 px": lambda image, dead: np.where(dead, median_filter(image, 5), image),
    "columns interpolated (numpy.interp)": interpolated,
    "inpainting, radius 3 px": partial(inpaint, radius_px=3),
    "inpainting, radius 20 px (S2)": partial(inpaint, radius_px=20),
}


def measure(n_images: int, seed: int, pictures: Path | None) -> dict[str, dict[str, float]]:
    """Mean absolute error in grey levels 0…255 by repair and place."""
    errors: dict[str, dict[str, list[float]]] = {name: {place: [] for place in PLACES} for name in REPAIRS}
    for number, (truth, image, dead) in enumerate(_images(n_images, seed)):
        where = _places(truth, dead)
        for name, repair in REPAIRS.items():
            repaired = repair(image, dead)
            difference = np.abs(repaired.astype(float) - truth)
            for place, mask in where.items():
                errors[name][place].append(float(difference[mask].mean()))
            if pictures and number < 3:
                write_image(pictures / f"{seed}-{number}-{name.split(',')[0].split(' ')[0]}-{len(name)}.png", repaired)
        if pictures and number < 3:
            write_image(pictures / f"{seed}-{number}-truth.png", truth)
    return {
        name: {place: float(np.mean(found)) for place, found in by_place.items()} for name, by_place in errors.items()
    }


def _images(n_images: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The true image, the image with dead columns, and the mask that the calibration images give."""
    product, rng = find_product(PRODUCT), np.random.default_rng(seed)
    beam, detector = product.scanner.beam(), product.scanner.detector
    pattern = detector.pattern(rng)
    sound = replace(pattern, is_dead=np.zeros_like(pattern.is_dead))
    frames = detector.calibration(beam.open_signal, beam.n_photons, detector.n_columns, pattern, rng)
    on, off = (quantised(levels, 8) / 255 for levels in frames)
    dead = dead_pixel_mask(on, off)
    for _ in range(n_images):
        scene = draw(product, (), rng)
        yield render(scene, sound).image, render(scene, pattern).image, dead


def _places(truth: np.ndarray, dead: np.ndarray) -> dict[str, np.ndarray]:
    stripes, _ = label(dead[0])
    widths = np.bincount(stripes)[stripes] * dead[0]
    thick = dead & (widths >= THICK_PX)
    return {"all": dead, "thick": thick, "thin": dead & ~thick, "bar": dead & (truth < 240)}


def markdown(study: dict[str, Any]) -> str:
    """A table with a line per repair, from the record alone."""
    rows, environment = study["rows"], study["environment"]
    lines = [["repair", *PLACES.values()], ["---"] * (1 + len(PLACES))]
    lines += [[name, *(_cell(rows, name, place) for place in PLACES)] for name in rows[0]["errors"]]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    return "\n".join(
        [
            "# Dead columns of simulated radiographs, filled in\n",
            *("| " + " | ".join(cells) + " |" for cells in lines),
            "\n- Mean absolute error inside the mask, in grey levels 0…255; mean ± standard error over scanners "
            f"(seeds), {study['settings']['n_images']} chocolate bars each. The images are SIMULATED.",
            "- The truth has photon noise of its own, which no repair can guess: it is part of every figure.\n",
            f"- command: `{environment['command']}`",
            f"- seeds: {', '.join(str(row['seed']) for row in rows)}",
            f"- commit: {environment['commit']}{dirty}",
            f"- versions: {', '.join(f'{name} {version}' for name, version in environment['versions'].items())}",
            f"- machine: {environment['cpu']}, {environment['n_cores']} cores",
            f"- date: {environment['date'][:10]}",
        ]
    )


def _cell(rows: Sequence[dict[str, Any]], repair: str, place: str) -> str:
    found = mean_and_standard_error([row["errors"][repair][place] for row in rows])
    return f"{found.mean:.2f}" + ("" if found.standard_error is None else f" ± {found.standard_error:.2f}")


def main() -> None:
    options = _options()
    environment = record.environment()
    rows = [{"seed": seed, "errors": measure(options.images, seed, options.pictures)} for seed in options.seeds]
    study = {"settings": {"product": PRODUCT, "n_images": options.images}, "environment": environment, "rows": rows}
    record.publish(options.results, "dead_columns", study, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, seeds=(0, 1, 2, 3, 4))
    parser.add_argument("--images", type=int, default=30, help="by scanner")
    parser.add_argument("--pictures", type=Path, help="write the first images of each scanner here, to be looked at")
    return parser.parse_args()


if __name__ == "__main__":
    main()
