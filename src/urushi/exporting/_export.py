"""One export: graph, precision, gate and speed."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import cycle, islice
from typing import Any, NamedTuple

import numpy as np

from urushi.calibration import Calibration, build_rule
from urushi.catalogue.extras import is_installed
from urushi.data.defects import fading, planted
from urushi.data.images import ImageSource
from urushi.errors import DatasetError, ExportError
from urushi.exporting._int8 import N_FLOAT, quantised
from urushi.exporting._onnx import require_exportable, to_onnx
from urushi.exporting._parity import Judge, Parity
from urushi.exporting._recalibration import Recalibration
from urushi.inspection import Unreadable
from urushi.preprocessing import Prepared
from urushi.recipe import Recipe
from urushi.runtime.backend import Backend, Output
from urushi.runtime.choice import GRAPHS, Exported, open_export
from urushi.runtime.names import Engine, Precision
from urushi.runtime.network import Network
from urushi.runtime.torch_backend import TorchBackend
from urushi.runtime.ways import FLOAT, Ways

N_IMAGES = 100  # at most so many normal ones go through the gate
N_SPOILT = 30  # so many defects fade in them, several in each where there are fewer images
N_RANGES = 50  # at most so many images, and the same with defects, say how far the numbers go
_N_TIMED = 20
_PACKAGES = ("torch", "onnx", "onnxruntime", "openvino")


class Good(NamedTuple):
    """Good images, and what a detector makes of them."""

    normal: Sequence[ImageSource]  # for the gate, best those that the fit has not seen
    learnt: Sequence[ImageSource]  # for the ranges of integers, best those that it has; none: the normal ones
    prepare: Callable[[ImageSource], Prepared | Unreadable]
    network: Network

    def prepared(self, sources: Iterable[ImageSource]) -> Iterator[np.ndarray]:
        """Those that can be read, (C, H, W)."""
        return (found.pixels for found in map(self.prepare, sources) if isinstance(found, Prepared))

    def outputs(self, backend: Backend) -> Iterator[Output]:
        """What a backend says of the normal ones, each as a whole."""
        network = replace(self.network, backend=backend)
        return (output for image in self.prepared(self.normal) for output in network.outputs([image]))


class Made(NamedTuple):
    """New members of the detector file by name, an entry for its card, and a calibration if float's does not serve."""

    graphs: dict[str, bytes]
    facts: dict[str, Any]
    calibration: Calibration | None


def export(
    ways: Ways,
    recipe: Recipe,
    reference: TorchBackend,
    good: Good,
    *,
    to: Engine,
    precision: Precision,
    seed: int,
) -> Ways:
    """With a graph that gives on good images, and on synthetic defects in them, what PyTorch gives.

    A graph of this precision that is there already, since it serves another runtime, is not made again: one that
    differed from it would not have passed that one's gate; and int8 is made from fp32. Raises ExportError if there is
    none, DatasetError if there are no images, MissingPackageError.
    """
    if recipe.tiling.one_pass:
        raise ExportError("a graph takes images of one size, and this detector any; fit with tiling.one_pass=false")
    rule = partial(build_rule, recipe.threshold, n_defects=0)
    present, in_float = ways.trusted().graphs, ways.calibrations[FLOAT]
    if GRAPHS["fp32"] not in present:  # told before the gate is made ready, which takes a while
        require_exportable(reference.graph)
    ignored = reference.graph.ignored
    own = Recalibration(in_float.held_out, rule, reference, good.outputs, is_apart=bool(good.learnt), ignored=ignored)
    gate = _Gate.of(reference, _middles(good.prepared(good.normal), reference), Judge.of(in_float), own, seed)
    if GRAPHS[precision] in present:
        return ways.exported(*gate.accept(present[GRAPHS[precision]], to, precision))
    graph = present.get(GRAPHS["fp32"]) or to_onnx(reference.graph)
    if precision == "fp32":
        return ways.exported(*gate.accept(graph, to, precision))
    learnt = _middles(good.prepared(good.learnt or good.normal), reference)[:N_RANGES]
    defects = planted(learnt, seed + 1, ignored=reference.graph.ignored)
    return ways.exported(*_int8(gate, graph, [*learnt, *defects], to))


def _int8(gate: "_Gate", graph: bytes, images: list[np.ndarray], to: Engine) -> Made:
    """The most that can be quantised without the gate closing; the ranges hold what defects do, too, in `images`."""
    problems = []
    for n_float in N_FLOAT:
        try:
            return gate.accept(quantised(graph, images, n_float=n_float), to, "int8", n_float=n_float)
        except ExportError as error:
            problems.append(f"with {n_float} layers in float: {error}")
    raise ExportError("int8 does not serve this detector. " + " ".join(problems))


class _Gate(NamedTuple):
    """Images and what PyTorch says of them."""

    reference: TorchBackend
    images: list[np.ndarray]  # (C, H, W): normal ones, then defects
    n_normal: int
    outputs: list[Output]
    judge: Judge
    own: Recalibration

    @classmethod
    def of(
        cls, reference: TorchBackend, normal: list[np.ndarray], judge: Judge, own: Recalibration, seed: int
    ) -> "_Gate":
        if not normal:
            raise DatasetError("an export is checked on good images, and there are none; give some with --images DIR")

        def is_found(image: np.ndarray) -> bool:
            return float(reference.run(image[None]).scores[0]) > judge.threshold.value

        fades = fading(islice(cycle(normal), N_SPOILT), seed, is_found, ignored=reference.graph.ignored)
        images = [*normal, *fades]
        return cls(reference, images, len(normal), [reference.run(image[None]) for image in images], judge, own)

    def accept(self, graph: bytes, to: Engine, precision: Precision, n_float: int = 0) -> Made:
        """The graph, if the gate opens."""
        files = {GRAPHS[precision]: graph}
        shape = self.reference.graph.model.image_shape
        backend = open_export(files, Exported(to, precision, 0.0), shape, None)
        found = [backend.run(image[None]) for image in self.images]
        calibration = None if precision == "fp32" else self.own.of(backend)
        threshold = calibration.threshold if calibration else None
        parity = self.judge.compare(self.outputs, found, self.n_normal, threshold)
        parity.require(precision)
        facts = self._facts(parity, backend, to, precision)
        facts |= {"n_float": n_float} if n_float else {}
        return Made(files, facts | ({"has_own_threshold": True} if calibration else {}), calibration)

    def _facts(self, parity: Parity, backend: Backend, to: Engine, precision: Precision) -> dict[str, Any]:
        image = self.images[0][None]
        return {
            "runtime": to,
            "precision": precision,
            "milliseconds": _milliseconds(backend, image),
            "milliseconds_in_torch": _milliseconds(self.reference, image),
            "n_threads": backend.n_threads,
            "parity": parity.to_json(),
            "versions": _versions(),
        }


def _middles(images: Iterable[np.ndarray], reference: TorchBackend) -> list[np.ndarray]:
    """The middle of each of the first images, as large as the graph takes."""
    return [_middle(image, reference.graph.model.image_shape) for image in islice(images, N_IMAGES)]


def _middle(image: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The middle of a larger image, as large as the graph takes."""
    _, height, width = shape
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return np.ascontiguousarray(image[:, top : top + height, left : left + width])


def _milliseconds(backend: Backend, image: np.ndarray) -> float:
    """The median time for one image alone."""
    times = []
    for _ in range(_N_TIMED):
        start = time.perf_counter()
        backend.run(image)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times), 3)


def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES if is_installed(package)}
