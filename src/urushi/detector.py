"""The whole path of an image: decode → preprocess → reconstruction → anomaly map → score → decision."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from urushi import catalogue
from urushi.calibration import HeldOut, Threshold, ThresholdRule, p_values
from urushi.calibration.conformal import Conformal
from urushi.catalogue import options
from urushi.catalogue.extras import require
from urushi.data.familiar import Familiar
from urushi.data.images import ImageSource
from urushi.data.stream import batches, side_by_side, stream
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
    from urushi.fitting.fit import Fitted


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
    ) -> "Detector":
        """A detector from images of good parts; `defects` serve only threshold rules that need them.

        Methods that are trained keep checkpoints and logs in `folder` (a temporary one if none is given), and with
        `resume` go on from there. Raises DatasetError, RecipeError, CalibrationError, TrainingError.
        """
        how = {"seed": seed, "folder": folder, "resume": resume, "progress": progress, "card": card}
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
    ) -> "tuple[Detector, ...]":
        """As `fit`, but one detector for each of `scores`, all with the same model; without any, that of the recipe."""
        require("torch", "train")
        from urushi.fitting import model_selection
        from urushi.fitting.fit import fit
        from urushi.fitting.learning import Run

        name = recipe if isinstance(recipe, str) else "of one's own"
        recipe = Recipe.find(recipe) if isinstance(recipe, str) else recipe
        rule = _rule(recipe.threshold, n_defects=len(defects))
        with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
            run = Run(seed, folder or Path(scratch), resume, progress)
            made = {"recipe": name, **(card or {}), "seed": seed}
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

    def inspect(self, source: ImageSource) -> Inspection:
        """The decision on one image and what explains it; raises UnreadableImageError."""
        (found,) = self._inspect_batch([self.prepare(source)])
        if isinstance(found, Unreadable):
            raise UnreadableImageError(found.source, found.reason)
        return found

    def inspect_many(
        self, sources: Iterable[ImageSource], *, batch_size: int | None = None
    ) -> Iterator[Inspection | Unreadable]:
        """One result per image, in order; memory does not grow with their number.

        Decoding, network and decisions run side by side, each a few images ahead of the next. Without a batch size it
        is the one that suits the backend. Images that are tiled are inspected one after the other.
        """
        size = self.batch_size if self.grid or batch_size is None else batch_size
        ahead = 1 if self.grid else size + 2 * self.n_parallel
        ready = stream(self.prepare, sources, n_threads=self.backend.n_threads, ahead=ahead)
        for results in side_by_side(self._inspect_batch, batches(ready, size), self.n_parallel):
            yield from results

    def calibrate(self, rule: Part, *, defects: Sequence[ImageSource] = ()) -> "Detector":
        """The same detector with its threshold chosen anew from the held-out normals; raises CalibrationError.

        An int8 graph is left out: that it decides as PyTorch does was proved for the old threshold.
        """
        chosen = _rule(rule, n_defects=len(defects))
        scores, unreadable = self.scores_of_defects(defects)
        exports = [entry for entry in self.card.get("exports", []) if entry["precision"] != "int8"]
        return replace(
            self,
            threshold=self.held_out.qualified(chosen.fit(self.held_out.scores, scores)),
            recipe=self.recipe.model_copy(update={"threshold": rule}),
            graphs={name: graph for name, graph in self.graphs.items() if name != GRAPHS["int8"]},
            card={k: v for k, v in self.card.items() if k != "exports"} | ({"exports": exports} if exports else {}),
            unreadable=(*self.unreadable, *unreadable),
        )

    def export(
        self, normal: Iterable[ImageSource], *, to: Engine = "onnx", precision: Precision = "fp32", seed: int = 0
    ) -> "Detector":
        """The same detector with a graph that needs no PyTorch, once that has passed the parity gate.

        The gate compares both on `normal` images, best those held out, and on synthetic defects planted in them.
        Raises ExportError if the graph cannot be made or the gate does not open; MissingPackageError.
        """
        require("torch", "train")
        from urushi import exporting

        if self.recipe.tiling.one_pass:
            raise ExportError("a graph takes images of one size, and this detector any; fit with tiling.one_pass=false")

        reference = members.torch_backend(self.recipe, self.graphs, self.card, Wish())
        prepared = (self.prepare(source) for source in normal)
        pixels = (item.pixels for item in prepared if isinstance(item, Prepared))
        judge = exporting.Judge(self.threshold, self.map_scale, self.held_out.scores)
        made = exporting.export(reference, pixels, judge, to=to, precision=precision, seed=seed, present=self.graphs)
        others = [e for e in self.card.get("exports", []) if (e["runtime"], e["precision"]) != (to, precision)]
        card = {**self.card, "exports": [*others, made.facts]}
        return replace(self, graphs={**self.graphs, **made.graphs}, card=card)

    def scores_of_defects(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
        """As `scores_of`; raises CalibrationError if one is a good image that the detector was fitted on."""
        if self.familiar is not None:
            self.familiar.require_apart(sources)
        return self.scores_of(sources)

    def scores_of(self, sources: Iterable[ImageSource]) -> tuple[np.ndarray, tuple[Unreadable, ...]]:
        """The scores (m,) of those images that can be read, and what could not be."""
        # Of each inspection only the score is kept: its maps would fill the memory.
        found = [item if isinstance(item, Unreadable) else item.score for item in self.inspect_many(sources)]
        unreadable = tuple(item for item in found if isinstance(item, Unreadable))
        return np.array([item for item in found if not isinstance(item, Unreadable)]), unreadable

    def save(self, path: Path | str) -> None:
        """Writes the detector file atomically; raises InputError if the place can't be written."""
        parts = (self.recipe, self.pipeline, self.held_out, self.threshold, self.graphs, self.pattern, self.familiar)
        archive.write(Path(path), members.to_members(*parts), self.card)

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
        prepared = self.pipeline.read(source)
        if isinstance(prepared, Unreadable) or (problem := self._problem(prepared.pixels.shape)) is None:
            return prepared
        return Unreadable(prepared.source, problem)

    def outputs(self, images: Sequence[np.ndarray]) -> Iterator[Output]:
        """What the network says of prepared images (C, H, W), in order: in one batch, or in one each if tiled."""
        if self.grid:
            yield from (self.grid.run(self.backend, image, self.pattern) for image in images)
        elif images:
            yield self.backend.run(np.stack(images))

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
        )

    def _cautions(self, item: Prepared, anomaly_map: np.ndarray) -> Iterator[Caution]:
        if self.grid and (text := self.held_out.caution(self.grid.n_tiles(anomaly_map.shape))):
            yield Caution("tiles", text)
        if self.familiar is not None:
            share = (anomaly_map > self.map_scale.region_threshold).mean()
            yield from self.familiar.cautions(item.appearance, float(share))


def _rule(part: Part, *, n_defects: int) -> ThresholdRule:
    rule = options.build(catalogue.load("urushi.calibration", part.name, ThresholdRule), part.options, "threshold")
    if rule.needs_defects and not n_defects:
        raise CalibrationError(f"the threshold rule {part.name} needs images of defects; give them with --defects DIR")
    return rule
