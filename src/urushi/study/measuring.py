"""One run of a study: fit once, then every test image through every score. The only part that fits anything."""

import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from urushi.data.dataset import Dataset, find_dataset
from urushi.data.groups import digest_of, groups_of
from urushi.data.images import luminance
from urushi.data.stream import batches, stream
from urushi.detector import Detector
from urushi.errors import DatasetError
from urushi.inspection import Unreadable
from urushi.preprocessing import Prepared
from urushi.recipe import Recipe
from urushi.reporting.plots.learning_curves import read_learning_curves
from urushi.study.plan import Run, label_of
from urushi.study.records import FORMAT, Record

DETECTORS, RECORDS = "detectors", "records"


def measure(run: Run, dataset: Dataset, key: str, folder: Path) -> Record:
    """Fits the run's recipe on the good training images and scores the test split; keeps one detector below `folder`.

    Raises DatasetError, RecipeError, CalibrationError, TrainingError.
    """
    good = [sample.path for sample in dataset.normal_training()]
    require_apart(run.recipe, dataset)
    with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
        detectors = Detector.fit_scores(good, run.recipe, run.scores, seed=run.seed, folder=Path(scratch))
        losses = _losses(detectors[0], Path(scratch))
    detectors[0].save(folder / DETECTORS / f"{run.name}.urushi")
    columns = _inspect(detectors, dataset)
    labels = [label_of(detector.recipe.score) for detector in detectors]
    return Record(
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
        facts=dict(detectors[0].card["fit"]),
        environment=_environment(),
        held_out_groups=list(detectors[0].held_out.groups),
        **columns,
    )


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
    for sample, group, found in zip(samples, groups, _scored(detectors, prepared), strict=True):
        if isinstance(found, Unreadable):
            unreadable.append(f"{sample.path.relative_to(dataset.root)}: {found.reason}")
        else:
            stands_for = digest_of(group) if group else ""
            rows.append((str(sample.path.relative_to(dataset.root)), sample.defect, stands_for, *found))
    sources, kinds, own, luminances, errors, by_score = map(list, zip(*rows, strict=True))
    return {
        "sources": sources,
        "kinds": kinds,
        "groups": [group for group in own if group],
        "luminances": luminances,
        "errors": None if None in errors else errors,
        "by_score": np.array(by_score).T.tolist(),
        "unreadable": unreadable,
    }


_Found = tuple[float, float | None, list[float]]  # luminance, squared error, one score per detector


def _scored(
    detectors: tuple[Detector, ...], prepared: Iterable[Prepared | Unreadable]
) -> Iterator[_Found | Unreadable]:
    for batch in batches(prepared, detectors[0].network.batch_size):
        readable = [item.pixels for item in batch if isinstance(item, Prepared)]
        found = _score(detectors, readable)
        for item in batch:
            yield next(found) if isinstance(item, Prepared) else item


def _score(detectors: tuple[Detector, ...], images: list[np.ndarray]) -> Iterator[_Found]:
    by_detector = ([row for output in one.network.outputs(images) for row in output.rows()] for one in detectors)
    for image, *rows in zip(images, *by_detector, strict=True):
        rebuilt = rows[0].reconstruction
        error = None if rebuilt is None else float(((rebuilt - image) ** 2).mean())
        yield luminance(image), error, [row.score for row in rows]


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
