"""Scores of images that a fit has not seen."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from urushi.calibration import HeldOut
from urushi.data.groups import digest_of
from urushi.data.loader import Rows
from urushi.data.stream import stream
from urushi.errors import DatasetError
from urushi.fitting.learning import Learner, Learnt
from urushi.inspection import Unreadable
from urushi.inspection.regions import inspected
from urushi.runtime.backend import Output, Row
from urushi.runtime.tiling import TileGrid
from urushi.runtime.torch_backend import TorchBackend


class _Found(NamedTuple):
    """What one backend gives for some images."""

    output: Output
    summands: list[float]
    errors: list[float | None]


class Scored(NamedTuple):
    """What is kept of one held-out image: its score, highest and median value of its map, and its number of tiles."""

    score: float
    peak: float
    median: float
    n_tiles: tuple[int, ...]  # one number, or none where images are inspected whole
    content: str = ""  # what stands for its pixels
    summand: float = 0.0  # part of its score that its descriptor alone decides
    error: float | None = None  # mean squared error of its pixels, where the method rebuilds these and it is whole
    group: tuple[str, ...] = ()  # one, what stands for its product, or none where each image is of its own

    @classmethod
    def of(
        cls,
        row: Row,
        content: str,
        summand: float,
        n_tiles: tuple[int, ...] = (),
        *,
        error: float | None = None,
        group: str | None = None,
        ignored: np.ndarray | None = None,
    ) -> "Scored":
        """What a backend gave for it, outside what is ignored, (H, W) bool."""
        found = inspected(row.anomaly_map, ignored)
        own = () if group is None else (digest_of(group),)
        return cls(row.score, float(found.max()), float(np.median(found)), n_tiles, content, summand, error, own)


def scored(learner: Learner, learnt: Learnt, images: np.ndarray) -> list[list[Scored]]:
    """Some images, by their places, for each score; a tiled one as a whole, as it will be inspected."""
    found: list[list[Scored]] = [[] for _ in learnt.backends]
    grid = TileGrid.of(learner.recipe.tiling)
    contents = [learner.images.gathered.appearances[image].content for image in images]
    groups = learner.images.groups_of(images)
    for outputs in _tiled(learner, learnt, images, grid) if grid else _whole(learner, learnt, images):
        for one, rows in zip(outputs, found, strict=True):
            for row, summand, error in zip(one.output.rows(), one.summands, one.errors, strict=True):
                n_tiles = (grid.n_tiles(row.anomaly_map.shape),) if grid else ()
                content, ignored = contents[len(rows)], learnt.pipeline.ignored_places
                group = groups[len(rows)] if groups else None
                rows.append(Scored.of(row, content, summand, n_tiles, error=error, group=group, ignored=ignored))
    return found


def summands(backend: TorchBackend, inputs: torch.Tensor) -> list[float]:
    """Of each score that a backend gives for inputs, the part that its descriptor alone decides."""
    model = backend.graph.model
    if not model.is_additive:
        return [0.0] * len(inputs)
    with torch.no_grad():
        found: list[float] = backend.graph.summand(model.descriptors(inputs.to(backend.device))).double().tolist()
    return found


def held_out(parts: Sequence[Sequence[Scored]], method: Any) -> HeldOut:
    """What a threshold is chosen from: all parts, in their order."""
    columns = zip(*(row for part in parts for row in part), strict=True)
    scores, peaks, medians, n_tiles, contents, own, _, of_groups = columns
    tiles, groups = (tuple(one for some in column for one in some) for column in (n_tiles, of_groups))
    return HeldOut(scores, peaks, medians, method, tiles, contents=contents, summands=own, groups=groups)


def _whole(learner: Learner, learnt: Learnt, images: np.ndarray) -> Iterator[list[_Found]]:
    """What all backends give, batch by batch, from what was prepared for the fit."""
    for batch in Rows(learnt.inputs, images).batches(learner.recipe.training.batch_size):
        yield [_of_inputs(backend, batch) for backend in learnt.backends]


def _of_inputs(backend: TorchBackend, batch: torch.Tensor) -> _Found:
    output = backend.run_inputs(batch.numpy())
    return _Found(output, summands(backend, batch), _errors(backend, output, batch.numpy()))


def _errors(backend: TorchBackend, output: Output, inputs: np.ndarray) -> list[float | None]:
    """Mean squared errors of rebuilt pixels."""
    rebuilt = output.reconstructions
    if backend.graph.model.space != "pixels" or rebuilt is None or rebuilt.shape != inputs.shape:
        return [None] * len(inputs)
    found: list[float | None] = np.square(inputs - rebuilt).mean(axis=(1, 2, 3)).tolist()
    return found


def _tiled(learner: Learner, learnt: Learnt, images: np.ndarray, grid: TileGrid) -> Iterator[list[_Found]]:
    """What all backends give, image by image; large images are read anew and not kept."""
    for item in stream(learnt.pipeline.read, [learner.images.sources[image] for image in images], ahead=1):
        if isinstance(item, Unreadable):
            raise DatasetError(f"{item.source} could be read before, and now: {item.reason}")
        pairs = zip(learnt.backends, learnt.patterns, strict=True)
        yield [_Found(grid.run(backend, item.pixels, pattern), [0.0], [None]) for backend, pattern in pairs]
