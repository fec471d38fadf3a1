"""From images of good parts to a fitted graph and the scores of held-out normals. Imported only when fitting."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from urushi.building import build_graph
from urushi.calibration import HeldOut
from urushi.data.cache import cache
from urushi.data.images import ImageSource, name_of, read_image
from urushi.data.loader import Rows
from urushi.data.splits import folds, split
from urushi.data.stream import batches, stream
from urushi.errors import DatasetError, RecipeError, UnreadableImageError
from urushi.inspection import Unreadable
from urushi.models.base import Reconstructor
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe
from urushi.runtime.torch_backend import TorchBackend
from urushi.training import Progress, digest, finish, open_folder, train

_PACKAGES = ("torch", "lightning", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Fitted:
    """What fitting gives; the threshold is chosen from `held_out` afterwards."""

    pipeline: Pipeline
    backend: TorchBackend
    held_out: HeldOut
    facts: dict[str, Any]  # for the card
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class Run:
    """How a fit is run: everything that is no property of the detector."""

    seed: int
    folder: Path  # checkpoints and logs of methods that are trained
    resume: bool = False
    progress: Progress = "none"


def fit(sources: Sequence[ImageSource], recipe: Recipe, run: Run, check: Callable[[int], None]) -> Fitted:
    """Fits preprocessing and model on normal images and scores those it held out.

    `check` is called with the number of held-out images before any training, and may refuse it. Raises DatasetError
    if there are too few images, RecipeError, TrainingError.
    """
    start = time.monotonic()
    pipeline = Pipeline.of(recipe).fit(_Decoded(sources))
    prepared, unreadable = _prepare(sources, pipeline)
    _require(len(prepared), 2, unreadable)
    check(_n_held_out(recipe, len(prepared), run.seed))
    shape = prepared.shape[1:]
    backend = TorchBackend(build_graph(recipe, shape, run.seed), device=_device(recipe))
    inputs = _embed(backend, prepared, recipe.training.batch_size)
    rows = _Fit(recipe, shape, inputs, run)
    with _claimed(rows, is_trained=not backend.graph.model.is_closed_form):
        held_out, facts = rows.cross(backend) if recipe.split.n_folds else rows.split(backend)
    facts |= {"image_shape": list(shape), "n_images": len(prepared), "seconds": round(time.monotonic() - start, 1)}
    facts["versions"] = {package: version(package) for package in _PACKAGES}
    return Fitted(pipeline, backend, held_out, facts, unreadable)


@dataclass(frozen=True)
class _Fit:
    """Fits a graph on some rows of the cached inputs and scores the others."""

    recipe: Recipe
    shape: tuple[int, int, int]
    inputs: np.ndarray
    run: Run

    def split(self, backend: TorchBackend) -> tuple[HeldOut, dict[str, Any]]:
        """One split: the calibration part never touches the model."""
        parts = _parts(self.recipe, len(self.inputs), self.run.seed)
        facts = self._learn(backend, parts["training"], "")
        return self._held_out([self._score(backend, parts["calibration"])], "split"), facts

    def cross(self, backend: TorchBackend) -> tuple[HeldOut, dict[str, Any]]:
        """Every image is scored by a fit that has not seen it; the detector's own fit sees them all."""
        everything = np.arange(len(self.inputs))
        scored = []
        for number, part in enumerate(folds(len(everything), self.recipe.split.n_folds, seed=self.run.seed)):
            other = TorchBackend(build_graph(self.recipe, self.shape, self.run.seed), device=backend.device)
            self._learn(other, np.setdiff1d(everything, part), f"fold-{number}")
            scored.append(self._score(other, part))
        facts = self._learn(backend, everything, "")
        return self._held_out(scored, "cross"), facts

    def _learn(self, backend: TorchBackend, rows: np.ndarray, subfolder: str) -> dict[str, Any]:
        model, settings, seed = backend.graph.model, self.recipe.training, self.run.seed
        if model.is_closed_form:
            model.fit(Rows(self.inputs, rows).batches(settings.batch_size, backend.device))
            return {"n_training": len(rows)}
        fraction = self.recipe.split.validation_fraction
        parts = split(len(rows), {"training": 1 - fraction, "validation": fraction}, seed=seed)
        training, validation = rows[parts["training"]], rows[parts["validation"]]
        folder = self.run.folder / subfolder
        how = {"seed": seed, "folder": folder, "resume": self.run.resume, "progress": self.run.progress}
        trained = train(model, self.inputs, training, validation, settings, **how)  # type: ignore[arg-type]
        model.to(backend.device)  # the trainer leaves it on the CPU
        return {"n_training": len(training), "n_validation": len(validation), "training": asdict(trained)}

    def _score(self, backend: TorchBackend, rows: np.ndarray) -> list[tuple[float, float, float]]:
        """(score, highest and median value of the map) of each row."""
        found = []
        for batch in Rows(self.inputs, rows).batches(self.recipe.training.batch_size):
            output = backend.run_inputs(batch.numpy())
            for score, anomaly_map in zip(output.scores, output.anomaly_maps, strict=True):
                found.append((float(score), float(anomaly_map.max()), float(np.median(anomaly_map))))
        return found

    def _held_out(self, scored: list[list[tuple[float, float, float]]], method: Any) -> HeldOut:
        scores, peaks, medians = zip(*(row for part in scored for row in part), strict=True)
        return HeldOut(scores, peaks, medians, method)


def _parts(recipe: Recipe, n: int, seed: int) -> dict[str, np.ndarray]:
    fraction = recipe.split.calibration_fraction
    return split(n, {"training": 1 - fraction, "calibration": fraction}, seed=seed)


def _n_held_out(recipe: Recipe, n: int, seed: int) -> int:
    """How many of n images will be scored by a fit that has not seen them; raises DatasetError if n is too small."""
    n_folds = recipe.split.n_folds
    return sum(map(len, folds(n, n_folds, seed=seed))) if n_folds else len(_parts(recipe, n, seed)["calibration"])


@contextmanager
def _claimed(fit: _Fit, *, is_trained: bool) -> Iterator[None]:
    """The run's folder as this run's own; methods in closed form are done in seconds and need none."""
    if not is_trained:
        yield
        return
    recipe = fit.recipe.model_dump(mode="json", exclude={"threshold", "description"})
    identity = {"recipe": recipe, "seed": fit.run.seed, "images": digest(fit.inputs)}
    open_folder(fit.run.folder, identity, resume=fit.run.resume)
    yield
    finish(fit.run.folder)


class _Decoded:
    """The readable ones among the images, decoded anew at each pass; for steps that learn from them."""

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self.sources = sources

    def __iter__(self) -> Iterator[np.ndarray]:
        for source in self.sources:
            try:
                yield read_image(source)
            except UnreadableImageError:
                continue  # listed when the images are prepared


def _prepare(sources: Sequence[ImageSource], pipeline: Pipeline) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
    """All readable images as one array (n, C, H, W) float32 in [0, 1], and the others."""
    unreadable: list[Unreadable] = []

    def readable() -> Iterator[np.ndarray]:
        shape: tuple[int, ...] | None = None
        for item in stream(lambda source: _prepare_one(source, pipeline), sources):
            if isinstance(item, Unreadable):
                unreadable.append(item)
                continue
            shape = shape or item.shape
            _require_same_shape(item.shape, shape)
            yield item

    return cache(readable(), len(sources)), tuple(unreadable)


def _require_same_shape(found: tuple[int, ...], first: tuple[int, ...]) -> None:
    if found != first:
        raise RecipeError(
            f"after preprocessing, images (C, H, W) of {found} and of {first} come together; give the recipe the step "
            "`resize`, and `grey` or `rgb` before it"
        )


def _prepare_one(source: ImageSource, pipeline: Pipeline) -> np.ndarray | Unreadable:
    try:
        return pipeline.prepare(read_image(source)).pixels
    except UnreadableImageError as error:
        return Unreadable(name_of(source), error.reason)


def _embed(backend: TorchBackend, prepared: np.ndarray, batch_size: int) -> np.ndarray:
    """The frozen front of the method for every image, once; the prepared images themselves where there is none."""
    if type(backend.graph.model).embed is Reconstructor.embed:
        return prepared
    return cache(_embedded(backend, prepared, batch_size), len(prepared))


def _embedded(backend: TorchBackend, prepared: np.ndarray, batch_size: int) -> Iterable[np.ndarray]:
    for rows in batches(range(len(prepared)), batch_size):
        yield from backend.embed(prepared[rows[0] : rows[-1] + 1])


def _require(n: int, needed: int, unreadable: tuple[Unreadable, ...]) -> None:
    if n >= needed:
        return
    first = f" The first: {unreadable[0].source}: {unreadable[0].reason}." if unreadable else ""
    raise DatasetError(
        f"{n} readable images were found, {len(unreadable)} could not be read; at least {needed} good ones are needed."
        + first
    )


def _device(recipe: Recipe) -> str:
    chosen = recipe.training.accelerator
    if chosen != "auto":
        return "cuda" if chosen == "gpu" else chosen
    return "cuda" if torch.cuda.is_available() else "cpu"
