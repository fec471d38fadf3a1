"""python -m studies.luminance [--category xray_fishbone] [--gamma 1.8] [--seeds 0,1,2,3,4]

Does equalisation take out a change of exposure? The good training images of a category of URUSHI_DATA are parted into
two halves by a seed, one is darkened by a gamma, and the distance of the halves is measured before and after each step.
Results are studies/results/luminance-<category>.json and .md; they take seconds, so each run starts anew.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy
from benchmarks import command_line, record
from scipy.stats import wasserstein_distance

from studies import DATA, RESULTS
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.evaluation import mean_and_standard_error
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Image, Step
from urushi.preprocessing.gamma import gamma
from urushi.preprocessing.grey import Grey
from urushi.preprocessing.histogram_matching import HistogramMatching
from urushi.preprocessing.midway_equalization import MidwayEqualization
from urushi.preprocessing.min_max import MinMax
from urushi.preprocessing.scale import Scale

Distances = dict[str, dict[str, float]]  # step -> measure -> 8-bit grey levels
Prepare = Callable[[Image], np.ndarray]

MEASURES = {"mean_luminance": "mean luminance per image", "grey_levels": "pooled grey levels"}


def measure(images: Sequence[Image], exponent: float, seed: int) -> Distances:
    """Distances of two random halves, the second of them darkened but for the first line."""
    order = np.random.default_rng(seed).permutation(len(images))
    half = [images[i] for i in order[: len(images) // 2]]
    rest = [images[i] for i in order[len(images) // 2 :]]
    darkened = [gamma(image, exponent) for image in rest]
    steps: dict[str, Prepare] = {
        "none": _prepare(half),
        "min_max": _prepare(half, MinMax()),
        "histogram_matching, fitted on the first half": _prepare(half, HistogramMatching()),
        "midway_equalization, fitted on the first half": _prepare(half, MidwayEqualization()),
        "histogram_matching, fitted on both": _prepare([*half, *darkened], HistogramMatching()),
        "midway_equalization, fitted on both": _prepare([*half, *darkened], MidwayEqualization()),
    }
    found = {"none, and nothing darkened": _distances(half, rest, steps["none"])}
    return found | {name: _distances(half, darkened, prepare) for name, prepare in steps.items()}


def _prepare(training: Sequence[Image], *steps: Step) -> Prepare:
    pipeline = Pipeline((Grey(), *steps, Scale())).fit(training)
    return lambda image: pipeline.prepare(image).pixels * 255


def _distances(first: Iterable[Image], second: Iterable[Image], prepare: Prepare) -> dict[str, float]:
    """1-Wasserstein distances, in 8-bit grey levels."""
    halves = [[prepare(image) for image in half] for half in (first, second)]
    means = [[image.mean(dtype=np.float64) for image in half] for half in halves]
    pixels = [np.concatenate([image.ravel() for image in half]) for half in halves]
    return {"mean_luminance": wasserstein_distance(*means), "grey_levels": wasserstein_distance(*pixels)}


def markdown(study: dict[str, Any]) -> str:
    """A table with a line per step, from the record alone."""
    settings, rows, environment = study["settings"], study["rows"], study["environment"]
    lines = [["step", *MEASURES.values()], ["---"] * (1 + len(MEASURES))]
    lines += [[name, *(_cell(rows, name, which) for which in MEASURES)] for name in rows[0]["distances"]]
    dirty = " with uncommitted changes" if environment["is_dirty"] else ""
    facts = {
        "command": f"`{environment['command']}`",
        "data": f"{settings['n_images']} good training images of {settings['category']}, {study['data_fingerprint']}",
        "seeds": ", ".join(str(row["seed"]) for row in rows),
        "commit": f"{environment['commit']}{dirty}",
        "versions": ", ".join(f"{name} {version}" for name, version in environment["versions"].items()),
        "machine": f"{environment['cpu']}, {environment['n_cores']} cores",
        "date": environment["date"][:10],
    }
    return "\n".join(
        [
            f"# Luminance: {settings['category']}, one half darkened by a gamma of {settings['gamma']:g}\n",
            *("| " + " | ".join(cells) + " |" for cells in lines),
            "\n- 1-Wasserstein distance of two halves of the images, in grey levels 0…255; mean ± standard error over "
            "random halves.",
            "- *fitted on the first half*: as in use, where the exposure changes after training; *on both*: where the "
            "training images vary already.",
            "- The distance says whether a step takes out the change; it doesn't say whether defects survive it.\n",
            *(f"- {name}: {value}" for name, value in facts.items()),
        ]
    )


def _cell(rows: Sequence[dict[str, Any]], step: str, which: str) -> str:
    found = mean_and_standard_error([row["distances"][step][which] for row in rows])
    return f"{found.mean:.2f}" + ("" if found.standard_error is None else f" ± {found.standard_error:.2f}")


def main() -> None:
    options = _options()
    dataset = find_dataset(DATA / options.category)
    samples = dataset.normal_training()
    environment = record.environment()
    images = [read_image(sample.path) for sample in samples]
    rows = [{"seed": seed, "distances": measure(images, options.gamma, seed)} for seed in options.seeds]
    study = {
        "settings": {"category": options.category, "gamma": options.gamma, "n_images": len(images)},
        "data_fingerprint": dataset.fingerprint(samples),
        "environment": environment | {"versions": environment["versions"] | {"scipy": scipy.__version__}},
        "rows": rows,
    }
    record.publish(options.results, f"luminance-{options.category}", study, markdown)


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, RESULTS, seeds=(0, 1, 2, 3, 4))
    parser.add_argument("--category", default="xray_fishbone")
    parser.add_argument("--gamma", type=float, default=1.8, help="above 1 darkens")
    return parser.parse_args()


if __name__ == "__main__":
    main()
