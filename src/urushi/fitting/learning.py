"""Learning from some of the images: preprocessing, model, and scores that learn. Imported only when fitting."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from urushi.data.images import ImageSource
from urushi.data.loader import Rows
from urushi.data.progress import Track, untracked
from urushi.data.splits import split
from urushi.data.stream import batches, stream
from urushi.errors import TrainingError
from urushi.fitting.closed_form import ClosedForm, Sums
from urushi.fitting.open_options import choose
from urushi.fitting.training_images import TrainingImages, Vary
from urushi.inspection import Unreadable
from urushi.models import build_model
from urushi.models.base import Reconstruction, Reconstructor, seed_all
from urushi.preprocessing import Pipeline
from urushi.recipe import Part, Recipe
from urushi.runtime.tiling import pattern_of
from urushi.runtime.torch_backend import TorchBackend
from urushi.scoring import ScoringGraph, build_score
from urushi.training import digest, finish, held, open_folder, require_run, train


@dataclass(frozen=True)
class Run:
    """How a fit is run: everything that is no property of the detector."""

    seed: int
    folder: Path  # checkpoints and logs of methods that are trained
    resume: bool = False
    checkpoint: str | None = None  # of an earlier run in the folder: its weights are taken, and nothing is trained
    track: Track = untracked


@dataclass(frozen=True)
class Learnt:
    """A fit on some of the images: one model, and a graph of it with each score."""

    pipeline: Pipeline
    model: Part
    backends: tuple[TorchBackend, ...]
    patterns: tuple[np.ndarray | None, ...]  # of tiles, by graph
    inputs: np.ndarray  # of all images, as this pipeline prepares them
    facts: dict[str, Any]
    images: np.ndarray  # that it is a fit on
    sums: Sums | None  # what it learnt from, where that adds up over images


@dataclass(frozen=True)
class Learner:
    """Fits preprocessing and graphs on whichever of the images it is told to."""

    images: TrainingImages
    run: Run
    scores: tuple[Part, ...]
    defects: Sequence[ImageSource]

    @property
    def recipe(self) -> Recipe:
        return self.images.recipe

    @cached_property
    def prototype(self) -> Reconstructor:
        """The method with its initial weights, to ask what kind it is; it learns nothing."""
        return build_model(self.recipe.model, self.images.shape, self.run.seed)

    def _model(self) -> Reconstructor:
        """With initial weights; one that learns from sums is made once, for that writes all of its state anew."""
        is_fresh = not self.prototype.is_additive
        return build_model(self.recipe.model, self.images.shape, self.run.seed) if is_fresh else self.prototype

    @property
    def has_epochs(self) -> bool:
        """Whether the method sees the images themselves again and again, so that they may be varied each time."""
        return not (self.prototype.is_closed_form or _has_front(self.prototype))

    def learn(self, images: np.ndarray, subfolder: str) -> Learnt:
        """A fit on some images, by their places, that leaves the others alone."""
        part, model = self.recipe.model, self._model()
        backends = self._backends(model)
        pipeline, inputs = self.images.inputs_for(images, backends[0].embed if _has_front(model) else None)
        training, validation = (images, images) if model.is_closed_form else self.divided(images)
        facts, sums = self._train(backends[0], inputs, training, validation, subfolder)
        if model.choices():
            how = {"seed": self.run.seed, "device": _device(self.recipe), "ignored": pipeline.ignored_places}
            part, model, chosen = choose(model, part, self.scores[0], inputs[validation], **how)  # type: ignore[arg-type]
            backends, facts = self._backends(model), facts | {"chosen": chosen}
        for backend in backends:
            self._teach(backend, pipeline, inputs, self.images.rows_of(images))
        patterns = tuple(self._pattern(backend, inputs, images) for backend in backends)
        return Learnt(pipeline, part, backends, patterns, inputs, facts, images, sums)

    def pictured(self, learnt: Learnt) -> np.ndarray:
        """The images of which the method keeps a picture, in its order."""
        return self.images.spread(learnt.images, learnt.backends[0].graph.model.n_pictures)

    def final(self, images: np.ndarray) -> Learnt:
        """The fit that becomes the detector: the only one whose pictures are ever shown."""
        learnt = self.learn(images, "")
        backend = learnt.backends[0]
        if n := backend.graph.model.n_pictures:
            examples = self.images.examples(learnt.pipeline, images, n)
            backend.graph.model.keep(torch.from_numpy(examples).to(backend.device))
        return learnt

    def _backends(self, model: Reconstructor) -> tuple[TorchBackend, ...]:
        ignored = self.images.pipeline.ignored_places
        graphs = [ScoringGraph(model, build_score(part, model.space), ignored) for part in self.scores]
        return tuple(TorchBackend(graph, device=_device(self.recipe)) for graph in graphs)

    def divided(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images that gradient steps see, and those that early stopping watches."""
        fraction = self.recipe.split.validation_fraction
        shares, groups = {"training": 1 - fraction, "validation": fraction}, self.images.groups_of(images)
        parts = split(len(images), shares, seed=self.run.seed, groups=groups)
        return images[parts["training"]], images[parts["validation"]]

    def _train(
        self, backend: TorchBackend, inputs: np.ndarray, training: np.ndarray, validation: np.ndarray, subfolder: str
    ) -> tuple[dict[str, Any], Sums | None]:
        model, facts = backend.graph.model, {"n_training": len(training)}
        if model.is_closed_form:
            sums = self._closed_form.fit(model, inputs, training)
            return {**facts, **model.facts()}, sums
        learnt_from = self.images.with_copies(self.images.rows_of(training))
        data = (
            Rows(inputs, learnt_from, Vary.of(self.recipe, self.run.seed)),
            Rows(inputs, self.images.rows_of(validation)),
        )
        if self.run.checkpoint is None:
            _pretrain(model, data[0].batches(self.recipe.training.batch_size, "cpu"), self.run.seed)
        how = {"seed": self.run.seed, "folder": self.run.folder / subfolder, "resume": self.run.resume}
        how |= {"checkpoint": self.run.checkpoint}
        trained = train(model, *data, self.recipe.training, **how, track=self.run.track)  # type: ignore[arg-type]
        model.to(backend.device)  # the trainer leaves it on the CPU
        return {**facts, "n_validation": len(validation), "training": asdict(trained), **model.facts()}, None

    @cached_property
    def _closed_form(self) -> ClosedForm:
        return ClosedForm(len(self.images.sources), self._places, self._batches)

    def _places(self, images: np.ndarray) -> np.ndarray:
        return self.images.with_copies(self.images.rows_of(images))

    def _batches(self, inputs: np.ndarray, rows: np.ndarray) -> Iterable[torch.Tensor]:
        return Rows(inputs, rows).batches(self.recipe.training.batch_size, _device(self.recipe))

    def _teach(self, backend: TorchBackend, pipeline: Pipeline, inputs: np.ndarray, rows: np.ndarray) -> None:
        """Scores that learn see all of the fit's images and no held-out one: a conformal promise stays exact."""
        score = backend.graph.score
        if score.learns:
            normal = Rows(inputs, rows).batches(self.recipe.training.batch_size, backend.device)
            height, width = self.images.shape[1:]
            score.fit(_pairs(backend, normal), (height, width), _pairs(backend, self._defects(backend, pipeline)))

    def _defects(self, backend: TorchBackend, pipeline: Pipeline) -> Iterator[torch.Tensor]:
        """Inputs of the readable labelled defects."""
        found = (item.pixels for item in stream(pipeline.read, self.defects) if not isinstance(item, Unreadable))
        for batch in batches(found, self.recipe.training.batch_size):
            yield torch.from_numpy(backend.embed(np.stack(batch))).to(backend.device)

    def _pattern(self, backend: TorchBackend, inputs: np.ndarray, images: np.ndarray) -> np.ndarray | None:
        if not self.recipe.tiling.tile_px or self.recipe.tiling.one_pass:
            return None
        rows = Rows(inputs, self.images.rows_of(images)).batches(self.recipe.training.batch_size)
        return pattern_of(backend.run_inputs(batch.numpy()) for batch in rows)


@contextmanager
def run_folder(learner: Learner) -> Iterator[None]:
    """The run's folder as this run's own; methods in closed form are done in seconds and need none."""
    if learner.prototype.is_closed_form:
        if learner.run.checkpoint:
            raise TrainingError(f"{learner.recipe.model.name} is fitted in one go and keeps no checkpoints")
        yield
        return
    recipe = learner.recipe.model_dump(mode="json", exclude={"threshold", "description"})
    identity = {"recipe": recipe, "seed": learner.run.seed, "images": digest(learner.images.prepared)}
    with held(learner.run.folder):
        if learner.run.checkpoint:
            require_run(learner.run.folder, identity)
            yield
            return
        open_folder(learner.run.folder, identity, resume=learner.run.resume)
        yield
        finish(learner.run.folder)


def _pretrain(model: Reconstructor, batches: Iterable[torch.Tensor], seed: int) -> None:
    """Where training starts, the model is on the CPU."""
    with torch.random.fork_rng():
        seed_all(seed)
        model.cpu().train().pretrain(batches)


def _pairs(backend: TorchBackend, inputs: Iterable[torch.Tensor]) -> Iterator[Reconstruction]:
    for batch in inputs:
        with torch.no_grad():
            yield backend.graph.model.reconstruct(batch)


def _has_front(model: Reconstructor) -> bool:
    return type(model).embed is not Reconstructor.embed


def _device(recipe: Recipe) -> str:
    chosen = recipe.training.accelerator
    if chosen != "auto":
        return "cuda" if chosen == "gpu" else chosen
    return "cuda" if torch.cuda.is_available() else "cpu"
