"""The whole path of an image: decode → preprocess → reconstruction → anomaly map → score → decision."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from urushi import catalogue
from urushi.calibration import Calibration, HeldOut, Threshold, ThresholdRule, p_values
from urushi.calibration.conformal import Conformal
from urushi.catalogue import options
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.data.images import ImageSource, Stated, as_stated
from urushi.data.levels import LearntLevels, Levels
from urushi.data.pages import images_of
from urushi.data.samples import Problem
from urushi.data.stream import Decoded, batches, evenly, side_by_side, stream
from urushi.detector_file import archive, members
from urushi.errors import CalibrationError, DetectorFileError, ExportError, UnreadableImageError
from urushi.inspection import Caution, Inspection, MapScale, Unreadable
from urushi.inspection.regions import find_regions
from urushi.preprocessing import Pipeline, Prepared
from urushi.recipe import Part, Recipe
from urushi.runtime.backend import Backend, Output, Row
from urushi.runtime.choice import GRAPHS, Wish
from urushi.runtime.names import Engine, Precision, Runtime
from urushi.runtime.tiling import TileGrid

if TYPE_CHECKING:
    from urushi.exporting import Made
    from urushi.fitting.fit import Fitted

_N_LOOKED_AT = 20  # good images, spread evenly, tell their bit depth


@dataclass(frozen=True)
class Detector:
    """Preprocessing, model, score and threshold: everything that is needed to decide on an image."""

    recipe: Recipe
    pipeline: Pipeline
    backend: Backend
    held_out: HeldOut
    threshold: Threshold
    card: Mapping[str, Any] = field(default_factory=dict)  # where it comes from: data, versions, seed
    graphs: Mapping[str, bytes] = field(default_factory=dict)  # weights and exported graphs, as they lie in the file
    unreadable: tuple[Unreadable, ...] = ()  # training images that could not be read
    pattern: np.ndarray | None = None  # (tile, tile): what a place within a tile adds to the map by being there
    familiar: Familiar | None = None  # what its good images looked like; None of a file of an older version
    other_calibrations: Mapping[str, Calibration] = field(default_factory=dict)  # of what else the file can be run in

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
        progress: Literal["bar", "none"] = "none",
        card: Mapping[str, Any] | None = None,
        bits: int | None = None,
        bgr: bool = False,
    ) -> "Detector":
        """A detector from images of good parts; `defects` serve only threshold rules that need them.

        `bits` a channel, from 1 to 16, are those of images that do not say so themselves; the detector keeps them for
        images that are inspected. With `bgr` the channels of arrays and tensors are blue, green, red instead of RGB.
        Methods that are trained keep checkpoints and logs in `folder` (a temporary one if none is given), and with
        `resume` go on from there. Raises DatasetError, RecipeError, CalibrationError, TrainingError.
        """
        how = {"seed": seed, "folder": folder, "resume": resume, "progress": progress, "card": card, "bits": bits}
        how |= {"bgr": bgr}
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
        progress: Literal["bar", "none"] = "none",
        card: Mapping[str, Any] | None = None,
        bits: int | None = None,
        bgr: bool = False,
    ) -> "tuple[Detector, ...]":
        """As `fit`, but one detector for each of `scores`, all with the same model; without any, that of the recipe."""
        require("torch", "train")
        from urushi.fitting import model_selection
        from urushi.fitting.fit import fit
        from urushi.fitting.learning import Run

        good, defects = (tuple(as_stated(images_of(some), bits=bits, bgr=bgr)) for some in (good, defects))
        name = recipe if isinstance(recipe, str) else "of one's own"
        recipe = Recipe.find(recipe) if isinstance(recipe, str) else recipe
        rule = _rule(recipe.threshold, n_defects=len(defects))
        with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
            run = Run(seed, folder or Path(scratch), resume, progress)
            made = {"recipe": name, **(card or {}), "seed": seed}
            looked_at = map(Levels.of, Decoded(evenly(good, _N_LOOKED_AT)))
            made["levels"] = LearntLevels.of(looked_at, bits).to_json()
            if recipe.trial.candidates:
                recipe, made["trial"] = model_selection.choose(good, recipe, run, rule.check, defects=defects)
            fitted = fit(good, recipe, run, rule.check, scores=scores, defects=defects)
        recipes = [
            recipe.model_copy(update={"score": part, "model": found.model})
            for part, found in zip(scores or (recipe.score,), fitted, strict=True)
        ]
        detectors = (cls._of(one, found, made) for one, found in zip(recipes, fitted, strict=True))
        return tuple(detector.calibrate(recipe.threshold, defects=defects) for detector in detectors)

    @classmethod
    def _of(cls, recipe: Recipe, fitted: "Fitted", card: Mapping[str, Any]) -> "Detector":
        any_threshold = Conformal().fit(np.array(fitted.held_out.scores))  # until the recipe's rule has chosen
        parts = (recipe, fitted.pipeline, fitted.backend, fitted.held_out, any_threshold)
        graphs = {members.WEIGHTS: fitted.backend.weights()}
        card = {**card, "fit": fitted.facts}
        return cls(*parts, card, graphs, fitted.unreadable, fitted.pattern, fitted.familiar)

    def inspect(self, source: ImageSource, *, bits: int | None = None, bgr: bool = False) -> Inspection:
        """The decision on one image and what explains it; raises UnreadableImageError, for a file of several, too.

        `bits` and `bgr` as in `fit`; without bits, those of the fit.
        """
        (found,) = self._inspect_batch([self.prepare(Stated.of(source, bits=bits, bgr=bgr))])
        if isinstance(found, Unreadable):
            raise UnreadableImageError(found.source, found.reason)
        return found

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
        size = self.batch_size if self.grid or batch_size is None else batch_size
        ahead = 1 if self.grid else size + 2 * self.n_parallel
        images = as_stated(images_of(sources, notice), bits=bits, bgr=bgr)
        ready = stream(self.prepare, images, n_threads=self.backend.n_threads, ahead=ahead)
        for results in side_by_side(self._inspect_batch, batches(ready, size), self.n_parallel):
            yield from results

    def calibrate(self, rule: Part, *, defects: Sequence[ImageSource] = ()) -> "Detector":
        """The same detector with its threshold chosen anew from the held-out normals; raises CalibrationError.

        An int8 graph is left out: that it decides as PyTorch does was proved for the old threshold.
        """
        if self.backend.precision == "int8":
            raise CalibrationError("a threshold is chosen in float, and this detector runs in int8; load it without")
        chosen = _rule(rule, n_defects=len(defects))
        scores, unreadable = self.scores_of_defects(defects)
        exports = [entry for entry in self.card.get("exports", []) if entry["precision"] != "int8"]
        return replace(
            self,
            threshold=self.held_out.qualified(chosen.fit(self.held_out.scores, scores)),
            recipe=self.recipe.model_copy(update={"threshold": rule}),
            graphs=self._graphs({}),
            card={k: v for k, v in self.card.items() if k != "exports"} | ({"exports": exports} if exports else {}),
            unreadable=(*self.unreadable, *unreadable),
            other_calibrations={},
        )

    def export(
        self,
        normal: Iterable[ImageSource],
        *,
        to: Engine = "onnx",
        precision: Precision = "fp32",
        seed: int = 0,
        learnt: Iterable[ImageSource] = (),
    ) -> "Detector":
        """The same detector with a graph that needs no PyTorch, once that has passed the parity gate.

        The gate compares both on `normal` images, best those held out, and on synthetic defects planted in them. An
        int8 graph takes its ranges from those `learnt` from, or else from `normal`, and gets a threshold of its own.
        Raises ExportError if the graph cannot be made or the gate does not open; MissingPackageError.
        """
        require("torch", "train")
        from urushi import exporting

        if self.recipe.tiling.one_pass:
            raise ExportError("a graph takes images of one size, and this detector any; fit with tiling.one_pass=false")

        sources, calibrations = list(images_of(normal)), self._calibrations()
        reference = members.torch_backend(self.recipe, self.graphs, self.card, Wish())
        own = exporting.Recalibration(
            calibrations[members.FLOAT].held_out,
            lambda: _rule(self.recipe.threshold, n_defects=0),
            reference,
            lambda backend: (output for image in self._pixels(sources) for output in self._outputs(backend, [image])),
            is_apart=bool(learnt := list(images_of(learnt))),
        )
        made = exporting.export(
            reference,
            exporting.Good(self._pixels(sources), self._pixels(learnt or sources)),
            own,
            exporting.Judge.of(calibrations[members.FLOAT]),
            to=to,
            precision=precision,
            seed=seed,
            present=(present := self._graphs(calibrations)),
        )
        if made.calibration:
            calibrations[to] = made.calibration
        return replace(self._exported(made, calibrations), graphs={**present, **made.graphs})

    def _exported(self, made: "Made", calibrations: dict[str, Calibration]) -> "Detector":
        """With a new entry in the card, which takes the place of one of its kind; int8 without a calibration goes."""
        way = itemgetter("runtime", "precision")
        others = [entry for entry in self.card.get("exports", []) if way(entry) != way(made.facts)]
        others = [e for e in others if e["precision"] == "fp32" or e["runtime"] in calibrations]
        own = calibrations.pop(members.way_of(self.backend))
        return replace(
            self,
            held_out=own.held_out,
            threshold=own.threshold,
            other_calibrations=calibrations,
            card={**self.card, "exports": [*others, made.facts]},
        )

    def _graphs(self, calibrations: Mapping[str, Calibration]) -> dict[str, bytes]:
        """Without an int8 graph that has no calibration, as older files have it."""
        is_int8 = calibrations.keys() - {members.FLOAT}
        return {name: graph for name, graph in self.graphs.items() if is_int8 or name != GRAPHS["int8"]}

    def at_bits(self, bits: int | None) -> "Detector":
        """The same detector for images of so many bits a channel, from 1 to 16, as of another camera; None: as fitted.

        Raises InputError.
        """
        if bits is None:
            return self
        Stated("", bits)
        return replace(self, card={**self.card, "levels": replace(self.levels, bits=bits).to_json()})

    def scores_of_defects(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
        """As `scores_of`; raises CalibrationError if one is a good image that the detector was fitted on."""
        stated = tuple(as_stated(images_of(sources), bits=self.levels.bits, bgr=False))
        if self.familiar is not None:
            self.familiar.require_apart(stated)
        return self.scores_of(stated)

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
        runtime, precision, device = self.backend.runtime, self.backend.precision, self.backend.device
        # PyTorch's number of threads is a setting of the whole process, and another process has its own.
        how = (
            (runtime, None, device, None)
            if runtime == "torch"
            else (runtime, precision, device, self.backend.n_threads)
        )
        return _from_bytes, (archive.packed(self._members(), self.card), *how)

    def _members(self) -> dict[str, bytes]:
        parts = (self.recipe, self.pipeline, self._calibrations(), self.graphs, self.pattern, self.familiar)
        return members.to_members(*parts)

    def _calibrations(self) -> dict[str, Calibration]:
        """Of every way in which it can be run."""
        own = Calibration(self.held_out, self.threshold)
        return {**self.other_calibrations, members.way_of(self.backend): own}

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
        found, card = archive.read(Path(path))
        try:
            return cls(**members.from_members(found, card, Wish(runtime, precision, device, n_threads)))
        except DetectorFileError as error:
            raise DetectorFileError(f"{path} cannot be used: {error}") from None

    @cached_property
    def map_scale(self) -> MapScale:
        """The fixed colour scale of all its maps."""
        return self.held_out.map_scale()

    @cached_property
    def grid(self) -> TileGrid | None:
        """How images are tiled, or None where they are inspected whole."""
        return TileGrid.of(self.recipe.tiling)

    @cached_property
    def levels(self) -> LearntLevels:
        """At what bit depth it was fitted; nothing is known of a file of an older version."""
        return LearntLevels.from_json(self.card.get("levels"))

    @property
    def batch_size(self) -> int:
        """How many images are best inspected at once; large ones that are tiled come one by one."""
        return 1 if self.grid else self.backend.batch_size

    @property
    def n_parallel(self) -> int:
        """How many batches are best inspected side by side; the tiles of an image are already."""
        return 1 if self.grid else self.backend.n_parallel

    def prepare(self, source: ImageSource) -> Prepared | Unreadable:
        """An image as the network gets it, or why it cannot be inspected."""
        # Recipes without `resize` take images of one size; and a file's word on its size is not trusted.
        prepared = self.pipeline.read(Stated.of(source, bits=self.levels.bits))
        if isinstance(prepared, Unreadable) or (problem := self._problem(prepared.pixels.shape)) is None:
            return prepared
        return Unreadable(prepared.source, problem)

    def outputs(self, images: Sequence[np.ndarray]) -> Iterator[Output]:
        """What the network says of prepared images (C, H, W), in order: in one batch, or in one each if tiled."""
        yield from self._outputs(self.backend, images)

    def _outputs(self, backend: Backend, images: Sequence[np.ndarray]) -> Iterator[Output]:
        if self.grid:
            yield from (self.grid.run(backend, image, self.pattern) for image in images)
        elif images:
            yield backend.run(np.stack(images))

    def _pixels(self, sources: Iterable[ImageSource]) -> Iterator[np.ndarray]:
        """Of those that can be read, prepared."""
        prepared = (self.prepare(source) for source in sources)
        return (item.pixels for item in prepared if isinstance(item, Prepared))

    def _problem(self, shape: tuple[int, ...]) -> str | None:
        """Why the network cannot take a prepared image (C, H, W), or None."""
        expected = tuple(self.card.get("fit", {}).get("image_shape", shape))
        if self.grid and shape[0] == expected[0]:
            return self.grid.problem(shape)
        if shape == expected:
            return None
        return f"after preprocessing it is (C, H, W) = {shape}, but the detector takes {expected}"

    def _inspect_batch(self, batch: list[Prepared | Unreadable]) -> list[Inspection | Unreadable]:
        readable = [item for item in batch if isinstance(item, Prepared)]
        rows = [row for output in self.outputs([item.pixels for item in readable]) for row in output.rows()]
        p = p_values([row.score for row in rows], self.held_out.scores).tolist()
        found = map(self._inspection, readable, rows, p)
        return [next(found) if isinstance(item, Prepared) else item for item in batch]

    def _inspection(self, item: Prepared, row: Row, p_value: float) -> Inspection:
        score, anomaly_map = row.score, row.anomaly_map
        limit = self.map_scale.region_threshold
        return Inspection(
            source=item.source,
            score=score,
            threshold=self.threshold.value,
            warn_threshold=self.threshold.warn_value,
            decision=self.threshold.decide(score),
            p_value=p_value,
            regions=find_regions(anomaly_map, limit, item.to_original, item.original_size),
            original_size=item.original_size,
            to_original=item.to_original,
            image=item.pixels.transpose(1, 2, 0),
            anomaly_map=anomaly_map,
            map_scale=self.map_scale,
            reconstruction=None if row.reconstruction is None else row.reconstruction.transpose(1, 2, 0),
            shows_similar="n_pictures" in self.card["fit"],
            cautions=tuple(self._cautions(item, anomaly_map)),
            content=item.appearance.content,
        )

    def _cautions(self, item: Prepared, anomaly_map: np.ndarray) -> Iterator[Caution]:
        if self.grid and (text := self.held_out.caution(self.grid.n_tiles(anomaly_map.shape))):
            yield Caution("tiles", text)
        if text := self.levels.doubt(item.levels):
            yield Caution("depth", text)
        if self.familiar is not None:
            share = (anomaly_map > self.map_scale.region_threshold).mean()
            yield from self.familiar.cautions(item.appearance, float(share))


def _from_bytes(content: bytes, *how: Any) -> Detector:
    """A detector from what its file holds; `how` is the wish that it be run as before."""
    return Detector(**members.from_members(*archive.unpacked(content), Wish(*how)))


def _rule(part: Part, *, n_defects: int) -> ThresholdRule:
    rule = options.build(catalogue.load("urushi.calibration", part.name, ThresholdRule), part.options, "threshold")
    if rule.needs_defects and not n_defects:
        raise CalibrationError(f"the threshold rule {part.name} needs images of defects; give them with --defects DIR")
    return rule
