"""python -m studies.station_drift [--categories …] [--runs 20] [--results DIR]

How often the station says that something has moved though nothing has, and how soon it says so when something has: the
default recipe, exported, on the good training images of a category; its good test images, which no fit has seen, are
inspected as they are and changed. A line is drawn from these with replacement, the same images for the reference (the
first 100) and for what follows; a change comes after 1,000 normal images. Results: studies/results/station_drift.json
and .md.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks import command_line

from studies import DATA, RESULTS, jobs
from studies.readable import require_readable
from urushi import Detector
from urushi.data.appearance import FULL_SCALES
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.serving.drift.monitor import SCORE, Monitor, references

Values = dict[str, float]
BEFORE, MOST, UNSHIFTED = 1000, 2000, 2000
TREND_STEPS, TREND_IMAGES = 11, 1000
ABOUT = (
    "Recipe `default`, seed 0, in ONNX. Without a change: runs of 2,000 images; one false alarm in 100,000 normal "
    "images is stated, so at most 2 % of such runs may raise one. Changes come after 1,000 normal images; images until "
    "the alarm are all that come from the first changed one on, normal or not. Trend: light grows by 30 % over 1,000 "
    "images. From the file: the reference is what the detector's file has of its own good images, and images are "
    "changed from the first on; without a change each test image comes once."
)


def ramp(image: np.ndarray) -> np.ndarray:
    """Light from the left."""
    across = np.linspace(1.2, 0.8, image.shape[1])
    return image * (across[:, None] if image.ndim == 3 else across)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gamma 0.8": lambda image: image**0.8,
    "gamma 1.25": lambda image: image**1.25,
    "blur, σ 1 px": lambda image: cv2.GaussianBlur(image, (0, 0), 1),
    "light + 5 %": lambda image: image * 1.05,
    "light from the left": ramp,
}


def measure(category: str, runs: int) -> Iterator[dict[str, Any]]:
    dataset = find_dataset(DATA / category)
    training = [sample.path for sample in dataset.normal_training()]
    detector = exported(Detector.fit(training), training)
    good = [read_image(sample.path) for sample in dataset.test() if not sample.label]
    plain = seen(detector, good, lambda image: image)
    yield {"change": "none", **unshifted(plain, runs)}
    for name, change in CHANGES.items():
        changed = seen(detector, good, change)
        yield {"change": name, **found([delay(plain, [changed], run) for run in range(runs)])}
        yield {"change": f"{name}, from the file", **found([at_once(detector, changed, run) for run in range(runs)])}
    steps = [seen(detector, good, partial(np.multiply, gain)) for gain in np.linspace(1, 1.3, TREND_STEPS)]
    yield {"change": "trend", **found([delay(plain, steps, run) for run in range(runs)])}
    yield {"change": "none, from the file", **found([at_once(detector, plain, 0, once=True)])}


def exported(detector: Detector, images: Sequence[Path]) -> Detector:
    with tempfile.TemporaryDirectory() as scratch:
        detector.export(images[:50]).save(path := Path(scratch) / "part.urushi")
        return Detector.load(path)


def seen(
    detector: Detector, images: Sequence[np.ndarray], change: Callable[[np.ndarray], np.ndarray]
) -> list[Values | None]:
    """What the station would see of each image; None of one that is not normal."""
    inspected = map(require_readable, detector.inspect_many([changed(image, change) for image in images]))
    return [{SCORE: one.score, **one.light} if one.decision == "normal" else None for one in inspected]


def changed(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    full = FULL_SCALES[str(image.dtype)]
    new = change(image.astype(np.float64) / full).clip(0, 1) * full
    return (new if full == 1 else new.round()).astype(image.dtype)


def unshifted(values: list[Values | None], runs: int) -> dict[str, Any]:
    alarms = 0
    for run in range(runs):
        monitor, rng = Monitor.begun({}, run), np.random.default_rng([run, 0])
        alarms += any(see(monitor, values[number]) for number in rng.integers(0, len(values), UNSHIFTED))
    return {"runs": runs, "alarms": alarms, "share_normal": share_normal(values)}


def delay(plain: list[Values | None], steps: Sequence[list[Values | None]], run: int) -> tuple[int | None, str, float]:
    """After how many changed images the alarm comes, what it says, and the share of them that was normal."""
    monitor, rng = Monitor.begun({}, run), np.random.default_rng([run, 1])
    n_before = 0
    while monitor.n_images < BEFORE:
        n_before += 1
        if see(monitor, plain[rng.integers(len(plain))]):
            return 0, "before the change", 1.0
    for number in range(MOST):
        step = steps[min(number * len(steps) // TREND_IMAGES, len(steps) - 1)]
        if see(monitor, step[rng.integers(len(step))]):
            return number + 1, monitor.message or "", share_normal(step)
    return None, "", share_normal(steps[-1])


def at_once(
    detector: Detector, values: list[Values | None], run: int, *, once: bool = False
) -> tuple[int | None, str, float]:
    """The same with the reference of the file, from the first image on; each image `once`, or drawn."""
    monitor, rng = Monitor.begun(references(detector), run), np.random.default_rng([run, 2])
    order = rng.permutation(len(values)) if once else rng.integers(0, len(values), MOST)
    for number, place in enumerate(order):
        if see(monitor, values[place]):
            return number + 1, monitor.message or "", share_normal(values)
    return None, "", share_normal(values)


def see(monitor: Monitor, values: Values | None) -> bool:
    return values is not None and monitor.see(values)


def share_normal(values: Sequence[Values | None]) -> float:
    return round(float(np.mean([one is not None for one in values])), 3)


def found(results: Sequence[tuple[int | None, str, float]]) -> dict[str, Any]:
    delays = [n for n, _, _ in results if n is not None]
    middle = {"median": float(np.median(delays)), "most": max(delays)} if delays else {"median": None, "most": None}
    says = next((words for n, words, _ in results if n is not None), "")
    return {"runs": len(results), "alarms": len(delays), **middle, "share_normal": results[0][2], "says": says}


def markdown(result: dict[str, Any]) -> str:
    lines = ["# Drift", "", result["about"], ""]
    lines += ["| images of | change | runs | alarms | images until then: median | most | normal | the first says |"]
    lines.append("|---" * 8 + "|")
    for row in result["rows"]:
        cells = [row["category"], row["change"], row["runs"], row["alarms"], row.get("median", ""), row.get("most", "")]
        lines.append(f"| {' | '.join(map(str, [*cells, row['share_normal'], row.get('says', '')]))} |")
    return "\n".join(lines)


def main() -> None:
    options = command_line.parser(__doc__, RESULTS, categories=("magnetic_tile", "solar_cell"), runs=20).parse_args()
    each = ({"category": category, "runs": options.runs} for category in options.categories)
    jobs.run((options.results, "station_drift"), each, measure, markdown, about=ABOUT)


if __name__ == "__main__":
    main()
