"""From images of good parts to fitted graphs and the scores of held-out normals. Imported only when fitting."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from urushi.building import build_model, build_score
from urushi.calibration import HeldOut, suspicion, suspicious
from urushi.choosing import choose
from urushi.closed_form import ClosedForm
from urushi.data.images import ImageSource
from urushi.data.loader import Rows
from urushi.data.splits import folds, split
from urushi.data.stream import batches, stream
from urushi.errors import CalibrationError, DatasetError, RecipeError
from urushi.inspection import Unreadable
from urushi.models.base import Reconstruction, Reconstructor
from urushi.preprocessing import Pipeline
from urushi.recipe import Part, Recipe
from urushi.runtime import Output
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph
from urushi.scoring.base import Score
from urushi.tiling import TileGrid, pattern_of
from urushi.training import Progress, digest, finish, open_folder, train
from urushi.training_images import TrainingImages, Vary

_PACKAGES = ("torch", "lightning", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Fitted:
    """What fitting gives for one score; the threshold is chosen from `held_out` afterwards."""

    pipeline: Pipeline
    backend: TorchBackend
    held_out: HeldOut
    pattern: np.ndarray | None  # of tiles; None where images are inspected whole
    model: Part  # of the recipe, with nothing left open
    facts: dict[str, Any]  # for the card
    unreadable: tuple[Unreadable, ...]


@dataclass(frozen=True)
class Run:
    """How a fit is run: everything that is no property of the detector."""

    seed: int
    folder: Path  # checkpoints and logs of methods that are trained
    resume: bool = False
    progress: Progress = "none"


def fit(
    sources: Sequence[ImageSource],
    recipe: Recipe,
    run: Run,
    check: Callable[[int], None],
    *,
    scores: Sequence[Part] = (),
    defects: Sequence[ImageSource] = (),
) -> tuple[Fitted, ...]:
    """Fits preprocessing and model on normal images once, and scores those it held out by each of `scores`.

    Without `scores`, by that of the recipe. `defects` are for scores that learn from them. `check` is called with the
    number of held-out images before any training, and may refuse it. Raises DatasetError if there are too few images,
    RecipeError, TrainingError.
    """
    start = time.monotonic()
    images = TrainingImages.of(sources, recipe, run.seed)
    n = len(images.sources)
    unreadable = tuple(images.unreadable.values())
    _require(n, 2, unreadable)
    check(n_held_out(recipe, n, run.seed))
    model = build_model(recipe.model, images.shape, run.seed)
    scores = tuple(scores) or (recipe.score,)
    built = [build_score(part, model.space) for part in scores]
    _require_defects(built, defects, is_tiled=recipe.tiling.tile_px > 0)
    _require_one_pass(model, scores, recipe)
    _require_choice(model, built, recipe)
    vary = Vary.of(recipe, run.seed, has_epochs=not (model.is_closed_form or _has_front(model)))
    rows = _Fit(images, run, vary, scores, defects)
    with _claimed(rows, is_trained=not model.is_closed_form):
        final, held_out = rows.cross() if recipe.split.n_folds else rows.split()
    facts = final.facts | {"image_shape": list(images.shape), "n_images": n}
    facts |= {} if recipe.split.n_folds else {"held_out": images.given(_parts(recipe, n, run.seed)["calibration"])}
    facts |= {"seconds": round(time.monotonic() - start, 1), "versions": {p: version(p) for p in _PACKAGES}}
    found = zip(final.backends, held_out, final.patterns, strict=True)
    made = partial(Fitted, final.pipeline, model=final.model, facts=facts, unreadable=unreadable)
    return tuple(made(backend, held, pattern) for backend, held, pattern in found)


@dataclass(frozen=True)
class _Learnt:
    """A fit on some of the images: one model, and a graph of it with each score."""

    pipeline: Pipeline
    model: Part
    backends: tuple[TorchBackend, ...]
    patterns: tuple[np.ndarray | None, ...]  # of tiles, by graph
    inputs: np.ndarray  # of all images, as this pipeline prepares them
    facts: dict[str, Any]


_Scored = list[tuple[float, float, float, tuple[int, ...]]]  # score, highest and median of the map, tiles, by image


@dataclass(frozen=True)
class _Fit:
    """Fits preprocessing and graphs on some of the images and scores the others."""

    images: TrainingImages
    run: Run
    vary: Vary | None
    scores: tuple[Part, ...]
    defects: Sequence[ImageSource]

    @property
    def recipe(self) -> Recipe:
        return self.images.recipe

    def split(self) -> tuple[_Learnt, list[HeldOut]]:
        """One split: the calibration part touches neither the preprocessing nor the model."""
        parts = _parts(self.recipe, len(self.images.sources), self.run.seed)
        learnt = self._final(parts["training"])
        return learnt, [_held_out([scored], "split") for scored in self._score(learnt, parts["calibration"])]

    def cross(self) -> tuple[_Learnt, list[HeldOut]]:
        """Every image is scored by a fit that has not seen it; the detector's own fit sees them all.

        Or all but the suspicious ones, where the recipe asks for it: those left are then crossed anew.
        """
        images = np.arange(len(self.images.sources))
        order, held_out = self._crossed(images, "fold")
        found = self._suspicious(order, held_out[0])
        if self.recipe.split.leave_out_suspicious and found:
            left = np.setdiff1d(images, [one["image"] for one in found])
            order, held_out = self._crossed(left, "left-fold")
            found = [one | {"is_left_out": True} for one in found] + self._suspicious(order, held_out[0])
            images = left
        learnt = self._final(images)
        places = [one | {"image": self.images.given(np.array([one["image"]]))[0]} for one in found]
        return replace(learnt, facts=learnt.facts | {"suspicious": places}), held_out

    def _crossed(self, images: np.ndarray, subfolder: str) -> tuple[np.ndarray, list[HeldOut]]:
        """Some images in the order in which they were scored, each by a fit without it, and the scores."""
        parts = [images[part] for part in _folds(len(images), self.recipe.split.n_folds, self.run.seed)]
        learnt = (self._learn(np.setdiff1d(images, part), f"{subfolder}-{n}") for n, part in enumerate(parts))
        scored = [self._score(other, part) for other, part in zip(learnt, parts, strict=True)]
        return np.concatenate(parts), [_held_out(parts, "cross") for parts in zip(*scored, strict=True)]

    @staticmethod
    def _suspicious(order: np.ndarray, held_out: HeldOut) -> list[dict[str, Any]]:
        """Worst first."""
        p, found = suspicion(held_out.scores), suspicious(held_out.scores)
        rows = [
            {"image": int(order[i]), "p_value": float(p[i]), "score": held_out.scores[i], "is_left_out": False}
            for i in np.flatnonzero(found)
        ]
        return sorted(rows, key=lambda row: row["p_value"])

    def _final(self, images: np.ndarray) -> _Learnt:
        """The fit that becomes the detector: the only one whose pictures are ever shown."""
        learnt = self._learn(images, "")
        backend = learnt.backends[0]
        if n := backend.graph.model.n_pictures:
            examples = self.images.examples(learnt.pipeline, images, n)
            backend.graph.model.keep(torch.from_numpy(examples).to(backend.device))
        return learnt

    def _learn(self, images: np.ndarray, subfolder: str) -> _Learnt:
        part, model = self.recipe.model, build_model(self.recipe.model, self.images.shape, self.run.seed)
        backends = self._backends(model)
        embed = backends[0].embed if _has_front(model) else None
        pipeline, inputs = self.images.inputs_for(images, embed)
        training, validation = (images, images) if model.is_closed_form else self._divided(images)
        facts = self._train(backends[0], inputs, training, validation, subfolder)
        if model.choices():
            part, model, chosen = choose(
                model, part, self.scores[0], inputs[validation], seed=self.run.seed, device=_device(self.recipe)
            )
            backends, facts = self._backends(model), facts | {"chosen": chosen}
        for backend in backends:
            self._teach(backend, pipeline, inputs, self.images.rows_of(images))
        patterns = tuple(self._pattern(backend, inputs, images) for backend in backends)
        return _Learnt(pipeline, part, backends, patterns, inputs, facts)

    def _backends(self, model: Reconstructor) -> tuple[TorchBackend, ...]:
        graphs = [ScoringGraph(model, build_score(part, model.space)) for part in self.scores]
        return tuple(TorchBackend(graph, device=_device(self.recipe)) for graph in graphs)

    def _pattern(self, backend: TorchBackend, inputs: np.ndarray, images: np.ndarray) -> np.ndarray | None:
        if not self.recipe.tiling.tile_px or self.recipe.tiling.one_pass:
            return None
        rows = Rows(inputs, self.images.rows_of(images)).batches(self.recipe.training.batch_size)
        return pattern_of(backend.run_inputs(batch.numpy()) for batch in rows)

    def _divided(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images that gradient steps see, and those that early stopping watches."""
        fraction = self.recipe.split.validation_fraction
        parts = split(len(images), {"training": 1 - fraction, "validation": fraction}, seed=self.run.seed)
        return images[parts["training"]], images[parts["validation"]]

    def _train(
        self, backend: TorchBackend, inputs: np.ndarray, training: np.ndarray, validation: np.ndarray, subfolder: str
    ) -> dict[str, Any]:
        model, settings, seed = backend.graph.model, self.recipe.training, self.run.seed
        if model.is_closed_form:
            self.closed_form.fit(model, inputs, training)
            return {"n_training": len(training), **model.facts()}
        learnt_from = self.images.with_copies(self.images.rows_of(training))
        data = Rows(inputs, learnt_from, self.vary), Rows(inputs, self.images.rows_of(validation))
        _pretrain(model, data[0].batches(settings.batch_size, "cpu"), seed)
        folder = self.run.folder / subfolder
        how = {"seed": seed, "folder": folder, "resume": self.run.resume, "progress": self.run.progress}
        trained = train(model, *data, settings, **how)  # type: ignore[arg-type]
        model.to(backend.device)  # the trainer leaves it on the CPU
        return {
            "n_training": len(training),
            "n_validation": len(validation),
            "training": asdict(trained),
            **model.facts(),
        }

    @cached_property
    def closed_form(self) -> ClosedForm:
        return ClosedForm(len(self.images.sources), self._batches)

    def _batches(self, inputs: np.ndarray, images: np.ndarray) -> Iterable[torch.Tensor]:
        rows = self.images.with_copies(self.images.rows_of(images))
        return Rows(inputs, rows).batches(self.recipe.training.batch_size, _device(self.recipe))

    def _teach(self, backend: TorchBackend, pipeline: Pipeline, inputs: np.ndarray, rows: np.ndarray) -> None:
        """Scores that learn see all of the fit's images and no held-out one: a conformal promise stays exact."""
        score, size = backend.graph.score, self.recipe.training.batch_size
        if score.learns:
            normal = Rows(inputs, rows).batches(size, backend.device)
            height, width = self.images.shape[1:]
            score.fit(_pairs(backend, normal), (height, width), _pairs(backend, self._defects(backend, pipeline)))

    def _defects(self, backend: TorchBackend, pipeline: Pipeline) -> Iterator[torch.Tensor]:
        """Inputs of the readable labelled defects."""
        found = (item.pixels for item in stream(pipeline.read, self.defects) if not isinstance(item, Unreadable))
        for batch in batches(found, self.recipe.training.batch_size):
            yield torch.from_numpy(backend.embed(np.stack(batch))).to(backend.device)

    def _score(self, learnt: _Learnt, images: np.ndarray) -> list[_Scored]:
        """Of each image by each score; a tiled one as a whole, as it will be inspected."""
        found: list[_Scored] = [[] for _ in learnt.backends]
        grid = TileGrid.of(self.recipe.tiling)
        for outputs in self._tiled(learnt, images, grid) if grid else self._whole(learnt, images):
            for output, scored in zip(outputs, found, strict=True):
                for _, anomaly_map, score in output.rows():
                    tiles = (grid.n_tiles(anomaly_map.shape),) if grid else ()
                    scored.append((score, float(anomaly_map.max()), float(np.median(anomaly_map)), tiles))
        return found

    def _whole(self, learnt: _Learnt, images: np.ndarray) -> Iterator[list[Output]]:
        """Outputs of all backends, batch by batch, from what was prepared for the fit."""
        for batch in Rows(learnt.inputs, images).batches(self.recipe.training.batch_size):
            yield [backend.run_inputs(batch.numpy()) for backend in learnt.backends]

    def _tiled(self, learnt: _Learnt, images: np.ndarray, grid: TileGrid) -> Iterator[list[Output]]:
        """Outputs of all backends, image by image; large images are read anew and not kept."""
        for item in stream(learnt.pipeline.read, [self.images.sources[image] for image in images], ahead=1):
            if isinstance(item, Unreadable):
                raise DatasetError(f"{item.source} could be read before, and now: {item.reason}")
            pairs = zip(learnt.backends, learnt.patterns, strict=True)
            yield [grid.run(backend, item.pixels, pattern) for backend, pattern in pairs]


def _pretrain(model: Reconstructor, batches: Iterable[torch.Tensor], seed: int) -> None:
    """Where training starts, the model is on the CPU."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.cpu().train().pretrain(batches)


def _held_out(scored: Sequence[_Scored], method: Any) -> HeldOut:
    scores, peaks, medians, n_tiles = zip(*(row for part in scored for row in part), strict=True)
    return HeldOut(scores, peaks, medians, method, tuple(n for tiles in n_tiles for n in tiles))


def _pairs(backend: TorchBackend, inputs: Iterable[torch.Tensor]) -> Iterator[Reconstruction]:
    for batch in inputs:
        with torch.no_grad():
            yield backend.graph.model.reconstruct(batch)


def _parts(recipe: Recipe, n: int, seed: int) -> dict[str, np.ndarray]:
    fraction = recipe.split.calibration_fraction
    return split(n, {"training": 1 - fraction, "calibration": fraction}, seed=seed)


def n_held_out(recipe: Recipe, n: int, seed: int) -> int:
    """How many of n images will be scored by a fit that has not seen them; raises DatasetError if n is too small."""
    n_folds = recipe.split.n_folds
    return sum(map(len, _folds(n, n_folds, seed))) if n_folds else len(_parts(recipe, n, seed)["calibration"])


def _folds(n: int, n_folds: int, seed: int) -> list[np.ndarray]:
    """As many as asked for, or one of each image where there are fewer."""
    return folds(n, max(2, min(n, n_folds)), seed=seed)


def _has_front(model: Reconstructor) -> bool:
    return type(model).embed is not Reconstructor.embed


@contextmanager
def _claimed(fit: _Fit, *, is_trained: bool) -> Iterator[None]:
    """The run's folder as this run's own; methods in closed form are done in seconds and need none."""
    if not is_trained:
        yield
        return
    recipe = fit.recipe.model_dump(mode="json", exclude={"threshold", "description"})
    identity = {"recipe": recipe, "seed": fit.run.seed, "images": digest(fit.images.prepared)}
    open_folder(fit.run.folder, identity, resume=fit.run.resume)
    yield
    finish(fit.run.folder)


def _require(n: int, needed: int, unreadable: tuple[Unreadable, ...]) -> None:
    if n >= needed:
        return
    first = f" The first: {unreadable[0].source}: {unreadable[0].reason}." if unreadable else ""
    raise DatasetError(
        f"{n} readable images were found, {len(unreadable)} could not be read; at least {needed} good ones are needed."
        + first
    )


def _require_one_pass(model: Reconstructor, scores: Sequence[Part], recipe: Recipe) -> None:
    if not recipe.tiling.one_pass:
        return
    if not model.stride_px:
        raise RecipeError(
            f"tiling.one_pass = true, but {recipe.model.name} takes images of one size only here; "
            "convolutional_bigan takes any, and partial_diffusion with model.attention=false. Set tiling.one_pass=false"
        )
    if pooled := [part.name for part in scores if part.options.get("pooling", "mean") != "mean"]:
        raise RecipeError(f"in one pass a score is the mean of its map; take pooling away from {', '.join(pooled)}")


def _require_choice(model: Reconstructor, scores: Sequence[Score], recipe: Recipe) -> None:
    if not model.choices():
        return
    names = ", ".join(f"model.{name}" for name in model.choices())
    if recipe.split.n_folds:
        raise RecipeError(f"{names}: each fold would choose its own and their scores not go together; set a value")
    if any(score.learns for score in scores):
        raise RecipeError(f"{names}: to be chosen by a score that itself learns from the choice; set a value")


def _require_defects(scores: Sequence[Score], defects: Sequence[ImageSource], *, is_tiled: bool) -> None:
    """Before the training, not after it."""
    if not any(score.needs_defects for score in scores):
        return
    if is_tiled:
        raise RecipeError(
            "the score learns its weights from images of defects, and with tiling nobody knows in which tile a defect "
            "lies; take another score.combination, or tiling.tile_px=0"
        )
    if not defects:
        raise CalibrationError(
            "the score learns its weights from images of defects; give them with --defects DIR, or take another "
            "score.combination"
        )


def _device(recipe: Recipe) -> str:
    chosen = recipe.training.accelerator
    if chosen != "auto":
        return "cuda" if chosen == "gpu" else chosen
    return "cuda" if torch.cuda.is_available() else "cpu"
