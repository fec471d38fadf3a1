"""One run of a study: fit once, then every test image through every score. The only part that fits anything."""

import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from urushi.data.dataset import Dataset, find_dataset
from urushi.data.groups import digest_of, groups_of
from urushi.data.images import luminance
from urushi.data.masks import read_mask
from urushi.data.stream import batches, stream
from urushi.detector import Detector
from urushi.errors import DatasetError, UnreadableImageError
from urushi.evaluation.pixel_collection import PixelCollection
from urushi.inspection import Inspection, Unreadable
from urushi.preprocessing import Prepared
from urushi.recipe import Recipe
from urushi.reporting.plots.learning_curves import read_learning_curves
from urushi.study.plan import Run, label_of
from urushi.study.records import FORMAT, Record

DETECTORS, RECORDS = "detectors", "records"
PRELOAD = ("urushi.study.measuring", "urushi.fitting.model_selection")  # what every run needs
_N_TIMED = 20  # images that are inspected one by one to tell how long one takes


class Measured(NamedTuple):
    """What was measured, and the file of one detector."""

    record: Record
    detector: bytes


def measure(run: Run, dataset: Dataset, key: str) -> Measured:
    """Fits the run's recipe on the good training images and scores the test split.

    Raises DatasetError, RecipeError, CalibrationError, TrainingError, MissingPackageError.
    """
    good = [sample.path for sample in dataset.normal_training()]
    require_apart(run.recipe, dataset)
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        detectors = Detector.fit_scores(good, run.recipe, run.scores, seed=run.seed, folder=Path(scratch))
        losses = _losses(detectors[0], Path(scratch))
        detectors[0].save(file := Path(scratch) / "detector.urushi")
        content = file.read_bytes()
    columns = _inspect(detectors, dataset)
    facts = {"inspection_seconds": _seconds_per_image(detectors[0], dataset), "n_bytes": len(content)}
    labels = [label_of(detector.recipe.score) for detector in detectors]
    record = Record(
        format=FORMAT,
        key=key,
        data=run.data.name,
        method=run.method.name,
        value=run.value,
        seed=run.seed,
        held_out={name: list(one.held_out.scores) for name, one in zip(labels, detectors, strict=True)},
        method_of_holding_out=detectors[0].held_out.method,
        scores=dict(zip(labels, columns.pop("by_score"), strict=True)),
        losses=losses,
        facts=dict(detectors[0].card["fit"]) | facts,
        environment=_environment(),
        held_out_groups=list(detectors[0].held_out.groups),
        **columns,
    )
    return Measured(record, content)


def _seconds_per_image(detector: Detector, dataset: Dataset) -> float | None:
    """The median over images that are inspected one by one, after a first one; None where there are none."""
    seconds = []
    for sample in dataset.test()[: _N_TIMED + 1]:
        start = time.perf_counter()
        with suppress(UnreadableImageError):
            detector.inspect(sample.path)
            seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])) if len(seconds) > 1 else None


def require_apart(recipe: Recipe, dataset: Dataset) -> None:
    """Raises DatasetError if a product that is learnt is tested, too, where the recipe tells products."""
    parts = (dataset.normal_training(), dataset.test())
    train, test = (set(groups_of([sample.path for sample in part], recipe.groups)) for part in parts)
    if both := sorted(train & test):
        raise DatasetError(
            f"{dataset.root}: {len(both)} products are learnt and tested, the first: {both[0]}; all images of one must "
            "lie in the one split or the other"
        )


def labelled(folder: Path) -> Dataset:
    """A data set with good training images and a labelled test split; raises DatasetError where one is missing."""
    dataset = find_dataset(folder)
    kinds = {sample.label for sample in dataset.test()}
    if not dataset.normal_training() or kinds != {0, 1}:
        raise DatasetError(
            f"{folder} must have good training images and, in its test split, good and defective ones; "
            f"`urushi doctor {folder}` shows what it has"
        )
    return dataset


def _losses(detector: Detector, folder: Path) -> dict[str, dict[int, float]]:
    return read_learning_curves(folder).losses if "training" in detector.card["fit"] else {}


def _inspect(detectors: tuple[Detector, ...], dataset: Dataset) -> dict[str, Any]:
    """Each image is decoded and prepared once; all detectors of a run have the same preprocessing."""
    samples = dataset.test()
    paths = [sample.path for sample in samples]
    prepared = stream(detectors[0].prepare, paths, ahead=2 * detectors[0].network.batch_size)
    rows, unreadable = [], []
    groups = groups_of(paths, detectors[0].recipe.groups) or [""] * len(paths)
    pixels, has_masks = PixelCollection(), any(sample.mask for sample in samples)
    for sample, group, found in zip(samples, groups, _scored(detectors, prepared, shows=has_masks), strict=True):
        if isinstance(found, Unreadable):
            unreadable.append(f"{sample.path.relative_to(dataset.root)}: {found.reason}")
            continue
        stands_for = digest_of(group) if group else ""
        rows.append((str(sample.path.relative_to(dataset.root)), sample.defect, stands_for, *found[:-1]))
        if found.inspection is not None:
            pixels.add(sample, str(sample.defect), found.inspection, read_mask)
    sources, kinds, own, luminances, errors, by_score = map(list, zip(*rows, strict=True))
    return {
        "sources": sources,
        "kinds": kinds,
        "groups": [group for group in own if group],
        "luminances": luminances,
        "errors": None if None in errors else errors,
        "by_score": np.array(by_score).T.tolist(),
        "unreadable": unreadable,
        **_of_pixels(pixels),
    }


def _of_pixels(collected: PixelCollection) -> dict[str, Any]:
    """Figures with their intervals, or why there are none."""
    found = collected.close()
    if not found.n_components:
        return {"pixel": None, "pixel_reason": collected.reason}
    return {"pixel": {name: one.to_json() for name, one in found.figures().metrics.items()}}


class _Found(NamedTuple):
    luminance: float
    error: float | None  # squared
    scores: list[float]  # one per detector
    inspection: Inspection | None  # by the first detector, where its map is looked at


def _scored(
    detectors: tuple[Detector, ...], prepared: Iterable[Prepared | Unreadable], *, shows: bool
) -> Iterator[_Found | Unreadable]:
    for batch in batches(prepared, detectors[0].network.batch_size):
        found = _score(detectors, [item for item in batch if isinstance(item, Prepared)], shows=shows)
        for item in batch:
            yield next(found) if isinstance(item, Prepared) else item


def _score(detectors: tuple[Detector, ...], images: list[Prepared], *, shows: bool) -> Iterator[_Found]:
    pixels = [image.pixels for image in images]
    first, *others = [[row for out in one.network.outputs(pixels) for row in out.rows()] for one in detectors]
    inspections = detectors[0].decisions.inspections(images, first) if shows else [None] * len(images)
    for image, inspection, row, *rows in zip(pixels, inspections, first, *others, strict=True):
        rebuilt = row.reconstruction
        error = None if rebuilt is None else float(((rebuilt - image) ** 2).mean())
        yield _Found(luminance(image), error, [one.score for one in (row, *rows)], inspection)


def _environment() -> dict[str, Any]:
    packages = ("urushi", "torch", "numpy", "opencv-python-headless")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),  # where Urushi runs from its repository
        "is_dirty": bool(_git("status", "--porcelain", "--", "src")),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def _git(*arguments: str) -> str | None:
    """What git says of the folder that Urushi runs from; None where there is no git or no repository."""
    repository = Path(__file__).parents[3]
    try:
        found = subprocess.run(["git", "-C", repository, *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
