"""The whole path of an image: decode → preprocess → reconstruction → anomaly map → score → decision."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.calibration import Calibration, HeldOut, Threshold, build_rule
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.data.images import ImageSource, Stated, as_stated
from urushi.data.learnt_images import LearntImages
from urushi.data.pages import images_of
from urushi.data.progress import Shown, track_of
from urushi.data.samples import Problem
from urushi.data.stream import batches, side_by_side, stream
from urushi.decisions import Decisions
from urushi.detector_file import archive, members
from urushi.errors import CalibrationError, InputError, UnreadableImageError
from urushi.inspection import Inspection, MapScale, Unreadable
from urushi.inspection.results import as_bright
from urushi.inspection.turning import as_original_lies
from urushi.preprocessing import Pipeline, Prepared
from urushi.printable import Summarised
from urushi.recipe import Part, Recipe
from urushi.runtime.backend import Backend
from urushi.runtime.choice import Wish
from urushi.runtime.names import Engine, Precision, Runtime
from urushi.runtime.network import Network
from urushi.runtime.tiling import TileGrid
from urushi.runtime.ways import FLOAT, Ways

if TYPE_CHECKING:
    from urushi.fitting.incremental.present import Present


@dataclass(frozen=True, repr=False)
class Detector(Summarised):
    """Preprocessing, model, score and threshold: everything that is needed to decide on an image."""

    recipe: Recipe
    pipeline: Pipeline
    backend: Backend
    ways: Ways  # in which it can be run: graphs, and what decides
    origin: Mapping[str, Any] = field(default_factory=dict)  # where it comes from: data, versions, seed
    bits: int | None = None  # a channel, of images that do not say so themselves
    unreadable: tuple[Unreadable, ...] = ()  # training images that could not be read
    pattern: np.ndarray | None = None  # (tile, tile): what a place within a tile adds to the map by being there
    familiar: Familiar | None = None  # what its good images looked like; None of a file of an older version
    learnt: LearntImages | None = field(default=None, compare=False)  # what learning can go on from; None: it cannot
    file: Path | None = field(default=None, compare=False)  # that it was loaded from

    @classmethod
    def fit(
        cls,
        good: Sequence[ImageSource],
        recipe: Recipe | str = "default",
        *,
        defects: Sequence[ImageSource] = (),
        seed: int = 0,
        folder: Path | None = None,
        resume: bool = False,
        checkpoint: str | None = None,
        progress: Shown = "none",
        card: Mapping[str, Any] | None = None,
        bits: int | None = None,
        bgr: bool = False,
    ) -> "Detector":
        """A detector from images of good parts; `defects` serve only threshold rules that need them.

        `bits` a channel, from 1 to 16, are those of images that do not say so themselves; the detector keeps them for
        images that are inspected. With `bgr` the channels of arrays and tensors are blue, green, red instead of RGB.
        Methods that are trained keep checkpoints and logs in `folder` (a temporary one if none is given), and with
        `resume` go on from there; with a `checkpoint` in it, "epoch-9", they take its weights as they are. Raises
        DatasetError, RecipeError, CalibrationError, TrainingError.
        """
        how = {"seed": seed, "folder": folder, "resume": resume, "checkpoint": checkpoint, "card": card, "bits": bits}
        how |= {"progress": progress, "bgr": bgr}
        (detector,) = cls.fit_scores(good, recipe, (), defects=defects, **how)  # type: ignore[arg-type]
        return detector

    @classmethod
    def fit_scores(
        cls,
        good: Sequence[ImageSource],
        recipe: Recipe | str,
        scores: Sequence[Part],
        *,
        defects: Sequence[ImageSource] = (),
        seed: int = 0,
        folder: Path | None = None,
        resume: bool = False,
        checkpoint: str | None = None,
        progress: Shown = "none",
        card: Mapping[str, Any] | None = None,
        bits: int | None = None,
        bgr: bool = False,
    ) -> "tuple[Detector, ...]":
        """As `fit`, but one detector for each of `scores`, all with the same model; without any, that of the recipe."""
        require("torch", "train")
        from urushi.fitting.learning import Run
        from urushi.fitting.model_selection import fit_chosen

        good, defects = (tuple(as_stated(images_of(some), bits=bits, bgr=bgr)) for some in (good, defects))
        name = recipe if isinstance(recipe, str) else "of one's own"
        recipe = Recipe.find(recipe) if isinstance(recipe, str) else recipe
        with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
            run = Run(seed, folder or Path(scratch), resume, checkpoint, track_of(progress))
            fitted = fit_chosen(good, recipe, run, scores, defects)
        origin = {"recipe": name, **(card or {}), "seed": seed}
        detectors = (cls(**one.fields(origin), bits=bits) for one in fitted)
        return tuple(one.calibrate(one.recipe.threshold, defects=defects, progress=progress) for one in detectors)

    def inspect(
        self, source: ImageSource, *, bits: int | None = None, bgr: bool = False, is_alone: bool = True
    ) -> Inspection:
        """The decision on one image and what explains it; raises UnreadableImageError, for a file of several, too.

        `bits` and `bgr` as in `fit`; without bits, those of the fit. An image that `is_alone` has all computing
        threads; give False where other threads inspect others meanwhile.
        """
        (found,) = self._inspect_batch([self.prepare(Stated.of(source, bits=bits, bgr=bgr))], is_alone=is_alone)
        if isinstance(found, Unreadable):
            raise UnreadableImageError(found.source, found.reason)
        return found

    def picture(self, source: ImageSource) -> np.ndarray:
        """An image as `Inspection.picture` shows it, without inspecting it; raises UnreadableImageError."""
        prepared = self.prepare(source)
        if isinstance(prepared, Unreadable):
            raise UnreadableImageError(prepared.source, prepared.reason)
        shown = as_bright(prepared.pixels.transpose(1, 2, 0), prepared.light_factor)
        return as_original_lies(shown, prepared.to_original, prepared.original_size)

    def inspect_many(
        self,
        sources: Iterable[ImageSource],
        *,
        batch_size: int | None = None,
        notice: Callable[[Problem], None] | None = None,
        bits: int | None = None,
        bgr: bool = False,
    ) -> Iterator[Inspection | Unreadable]:
        """One result per image, in order; memory does not grow with their number.

        Each page, frame or slice of a file is an image: stack.tif#1, stack.tif#2 … `notice` is told of smaller copies
        of pages, which are left out. `bits` and `bgr` as in `fit`; without bits, those of the fit.

        Decoding, network and decisions run side by side, each a few images ahead of the next. Without a batch size it
        is the one that suits the backend. Images that are tiled are inspected one after the other.
        """
        is_tiled, n_parallel = self.network.grid is not None, self.network.n_parallel
        size = self.network.batch_size if is_tiled or batch_size is None else batch_size
        ahead = 1 if is_tiled else size + 2 * n_parallel
        images = as_stated(images_of(sources, notice), bits=bits, bgr=bgr)
        ready = stream(self.prepare, images, n_threads=self.backend.n_threads, ahead=ahead)
        for results in side_by_side(self._inspect_batch, batches(ready, size), n_parallel):
            yield from results

    def calibrate(self, rule: Part, *, defects: Sequence[ImageSource] = (), progress: Shown = "none") -> "Detector":
        """The same detector with its threshold chosen anew from the held-out normals; raises CalibrationError.

        An int8 graph is left out: that it decides as PyTorch does was proved for the old threshold.
        """
        self._require_float()
        build_rule(rule, n_defects=len(defects))  # what is wrong with it is said before defects are scored
        scores, unreadable = self.scores_of_defects(defects, progress=progress)
        return replace(self.calibrate_on(rule, self.held_out, scores), unreadable=(*self.unreadable, *unreadable))

    def calibrate_on(self, rule: Part, held_out: HeldOut, defect_scores: np.ndarray) -> "Detector":
        """The same from scores that are known: of normals, which may be more than were held out, and (m,) of defects.

        Raises CalibrationError.
        """
        self._require_float()
        threshold = held_out.fitted(build_rule(rule, n_defects=len(defect_scores)), defect_scores)
        recipe = self.recipe.model_copy(update={"threshold": rule})
        return replace(self, recipe=recipe, ways=self.ways.calibrated(Calibration(held_out, threshold)))

    def export(
        self,
        normal: Iterable[ImageSource],
        *,
        to: Engine = "onnx",
        precision: Precision = "fp32",
        seed: int = 0,
        learnt: Iterable[ImageSource] = (),
        progress: Shown = "none",
    ) -> "Detector":
        """The same detector with a graph that needs no PyTorch, once that has passed the parity gate.

        The gate compares both on `normal` images, best those held out, and on synthetic defects planted in them. An
        int8 graph takes its ranges from those `learnt` from, or else from `normal`, and gets a threshold of its own.
        Raises ExportError if the graph cannot be made or the gate does not open; MissingPackageError.
        """
        require("torch", "train")
        from urushi import exporting

        reference = members.torch_backend(self.recipe, self.pipeline, self.ways.graphs, self.origin, Wish())
        good = exporting.Good(list(images_of(normal)), list(images_of(learnt)), self.prepare, self.network)
        how = {"to": to, "precision": precision, "seed": seed, "track": track_of(progress)}
        made = exporting.export(self.ways, self.recipe, reference, good, **how)  # type: ignore[arg-type]
        return replace(self, ways=made)

    def add(
        self,
        good: Iterable[ImageSource],
        *,
        defects: Sequence[ImageSource] = (),
        is_selected: bool = False,
        bits: int | None = None,
        bgr: bool = False,
        now: datetime | None = None,
    ) -> "Detector":
        """The same detector, having learnt more good images, each of which it scored before; the card says which.

        Their scores join those of the held-out images, and the threshold is chosen anew by the same rule. With
        `is_selected`, of images that were chosen for their scores, as false alarms are, they do not: they would raise
        it. Images that it knows are left out, exported graphs too. `defects`, `bits` and `bgr` as in `fit`.

        Raises DatasetError if no image is new, InputError if learning cannot go on.
        """
        present, sources = self._present(), tuple(as_stated(images_of(good), bits=bits, bgr=bgr))
        from urushi.fitting.incremental import adding

        judgement = adding.Judgement(self.ways.calibrations[FLOAT].threshold.value, self.decisions.far)
        learnt, given = adding.add(present, self.prepare, sources, judgement, is_selected=is_selected)
        facts = {"what": "added", **given.facts(), "is_selected": is_selected}
        return self._gone_on(learnt, facts, now, defects, tuple(given.unreadable))

    def remove(
        self,
        images: Iterable[ImageSource],
        *,
        defects: Sequence[ImageSource] = (),
        bits: int | None = None,
        bgr: bool = False,
        now: datetime | None = None,
    ) -> "Detector":
        """The same detector as if it had never learnt some images, known by their pixels; their scores go, too.

        Raises DatasetError if one was never learnt, cannot be read, or too few are left; InputError as `add`.
        """
        present, sources = self._present(), tuple(as_stated(images_of(images), bits=bits, bgr=bgr))
        from urushi.fitting.incremental.removing import remove

        learnt, n_images = remove(present, self.prepare, sources)
        return self._gone_on(learnt, {"what": "removed", "n_images": n_images}, now, defects)

    def merge(
        self,
        *others: "Detector",
        base: "Detector | None" = None,
        defects: Sequence[ImageSource] = (),
        now: datetime | None = None,
    ) -> "Detector":
        """One detector that has learnt what this one and others have, which share recipe, network and preprocessing.

        `base` is the one from which all of them went on: its images count once. Raises InputError if they do not go
        together, if images other than those of the base were learnt by several, or as `add`.
        """
        first, *rest = [one._present() for one in (self, *others)]
        from urushi.fitting.incremental.merging import merge
        from urushi.fitting.incremental.rounds import history

        learnt = merge(first, rest, base._present() if base else None)
        n_images = len(learnt.images.contents) - len(first.images.contents)
        facts = {"what": "merged", "n_images": n_images, "others": [history(one.origin) for one in others]}
        return self._gone_on(learnt, facts, now, defects)

    def final(self) -> "Detector":
        """The same without what learning would go on from, which says something of each image."""
        return replace(self, learnt=None)

    def at_bits(self, bits: int | None) -> "Detector":
        """The same detector for images of so many bits a channel, 1 to 16; None: as it is. Raises InputError."""
        return self if bits is None else replace(self, bits=Stated("", bits).bits)

    def scores_of_defects(
        self, sources: Sequence[ImageSource], *, progress: Shown = "none"
    ) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
        """As `scores_of`; raises CalibrationError if one is a good image that the detector was fitted on."""
        stated = tuple(as_stated(images_of(sources), bits=self.bits, bgr=False))
        if self.familiar is not None:
            self.familiar.require_apart(stated)
        return self.scores_of(track_of(progress)(stated, "scoring defects", len(stated)))

    def scores_of(self, sources: Iterable[ImageSource]) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
        """The scores (m,) of those images that can be read, and what could not be."""
        # Of each inspection only the score is kept: its maps would fill the memory.
        found = [item if isinstance(item, Unreadable) else item.score for item in self.inspect_many(sources)]
        unreadable = tuple(item for item in found if isinstance(item, Unreadable))
        return np.array([item for item in found if not isinstance(item, Unreadable)]), unreadable

    def save(self, path: Path | str) -> None:
        """Writes the detector file atomically; raises InputError if the place can't be written."""
        archive.write(Path(path), self._members(), self.card)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process gets it as its file, which is checked there, and runs it as this one does."""
        return _from_bytes, (archive.packed(self._members(), self.card), *Wish.of(self.backend))

    def _require_float(self) -> None:
        if self.backend.precision == "int8":
            raise CalibrationError("a threshold is chosen in float, and this detector runs in int8; load it without")

    def _present(self) -> "Present":
        """What it has learnt, in PyTorch and its own; raises InputError if learning cannot go on."""
        require("torch", "train")
        from urushi.fitting.incremental.obstacle import refusal
        from urushi.fitting.incremental.present import Present

        wish = Wish(device=getattr(self.backend, "device", "cpu"))
        backend = members.torch_backend(self.recipe, self.pipeline, self.ways.graphs, self.origin, wish)
        if self.learnt is None:
            raise InputError(refusal(self.recipe, backend.graph))
        held_out = self.ways.calibrations[FLOAT].held_out
        seed = int(self.origin.get("seed", 0))
        return Present(self.recipe, self.pipeline, self.bits, backend, self.learnt, held_out, seed)

    def _gone_on(
        self,
        now: "Present",
        facts: Mapping[str, Any],
        when: datetime | None,
        defects: Sequence[ImageSource],
        unreadable: tuple[Unreadable, ...] = (),
    ) -> "Detector":
        """The detector of what has been learnt, with one more round in its card; exported graphs are of the old one."""
        from urushi.fitting.incremental.rounds import with_round

        changed = replace(
            self,
            backend=now.backend,
            ways=Ways.of_fit(now.backend.weights(), now.held_out),
            origin=with_round(self.origin, now, facts, self.ways.calibrations[FLOAT].threshold.value, when),
            unreadable=unreadable,
            familiar=Familiar.of(now.images.appearances),
            learnt=now.images,
            file=None,
        )
        return changed.calibrate(self.recipe.threshold, defects=defects)

    def _members(self) -> dict[str, bytes]:
        return members.to_members(self.recipe, self.pipeline, self.ways, self.pattern, self.familiar, self.learnt)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        runtime: Runtime | None = None,
        precision: Precision | None = None,
        device: str = "cpu",
        n_threads: int | None = None,
    ) -> "Detector":
        """A detector from its file, without running anything in it but its checked graph.

        It runs in the fastest runtime that is installed and that the file was exported for, else in PyTorch, unless one
        is named. `device` is PyTorch's name of where to compute: cpu, cuda, mps. `n_threads` computing threads; None:
        one per core. Raises DetectorFileError, InputError if it cannot be run as asked.
        """
        return cls(**members.read(Path(path), Wish(runtime, precision, device, n_threads)), file=Path(path))

    @property
    def card(self) -> dict[str, Any]:
        """What its file says of it: where it comes from, its bits where they were stated, and what was exported."""
        return members.card_of(self.origin, self.bits, self.ways)

    @property
    def held_out(self) -> HeldOut:
        """The scores of held-out normals as it is run now."""
        return self.ways.calibration(self.backend).held_out

    @property
    def threshold(self) -> Threshold:
        """The threshold as it is run now: int8 has its own."""
        return self.ways.calibration(self.backend).threshold

    def summary(self) -> Mapping[str, Any]:
        """What tells it from others, in short values; `false_alarm_rate` is the stated one."""
        return {
            "recipe": self.origin.get("recipe"),
            "method": self.recipe.model.name,
            "n_good_images": self.origin["fit"].get("n_images"),
            "threshold": self.threshold.value,
            "false_alarm_rate": self.threshold.false_alarm_rate,
            "rate_kind": self.threshold.rate_kind,
            **({} if self.pipeline.ignored is None else {"ignored_share": self.pipeline.ignored.share}),
            **self.ways.summary(),
        }

    @property
    def map_scale(self) -> MapScale:
        """The fixed colour scale of all its maps."""
        return self.decisions.map_scale

    @cached_property
    def decisions(self) -> Decisions:
        """What turns the network's word on prepared images into decisions, as it is run now."""
        calibration, fit = self.ways.calibration(self.backend), self.origin["fit"]
        return Decisions(calibration, self.pipeline, self.recipe.score, fit, self.familiar, self.network.grid)

    @cached_property
    def network(self) -> Network:
        """What looks at its prepared images, whole or in tiles."""
        shape = tuple(self.origin["fit"]["image_shape"])
        return Network(self.backend, TileGrid.of(self.recipe.tiling), self.pattern, shape)

    def prepare(self, source: ImageSource) -> Prepared | Unreadable:
        """An image as the network gets it, or why it cannot be inspected."""
        # Recipes without `resize` take images of one size; and a file's word on its size is not trusted.
        prepared = self.pipeline.read(Stated.of(source, bits=self.bits))
        if isinstance(prepared, Unreadable) or (problem := self.network.problem(prepared.pixels.shape)) is None:
            return prepared
        return Unreadable(prepared.source, problem)

    def _inspect_batch(
        self, batch: list[Prepared | Unreadable], *, is_alone: bool = False
    ) -> list[Inspection | Unreadable]:
        readable = [item for item in batch if isinstance(item, Prepared)]
        outputs = self.network.outputs([item.pixels for item in readable], is_alone=is_alone)
        found = iter(self.decisions.inspections(readable, [row for output in outputs for row in output.rows()]))
        return [next(found) if isinstance(item, Prepared) else item for item in batch]


def _from_bytes(content: bytes, *how: Any) -> Detector:
    """A detector from what its file holds; `how` is the wish that it be run as before."""
    return Detector(**members.from_members(*archive.unpacked(content), Wish(*how)))
