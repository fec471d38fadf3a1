"""One export: graph, precision, gate and speed."""

import statistics
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from urushi.catalogue.extras import is_installed
from urushi.data.defects import planted
from urushi.errors import DatasetError, ExportError
from urushi.exporting._int8 import N_FLOAT, quantised
from urushi.exporting._onnx import to_onnx
from urushi.exporting._parity import Judge, Parity
from urushi.runtime.backend import Backend, Output
from urushi.runtime.choice import GRAPHS, Exported, open_export
from urushi.runtime.names import Engine, Precision
from urushi.runtime.torch_backend import TorchBackend

N_IMAGES = 100  # at most so many normal ones go through the gate, and as many defects
_N_TIMED = 20
_PACKAGES = ("torch", "onnx", "onnxruntime", "openvino")


class Made(NamedTuple):
    """New members of the detector file by name, and an entry for its card."""

    graphs: dict[str, bytes]
    facts: dict[str, Any]


def export(
    reference: TorchBackend,
    normal: Iterable[np.ndarray],
    judge: Judge,
    *,
    to: Engine,
    precision: Precision,
    seed: int,
    present: Mapping[str, bytes],
) -> Made:
    """A graph that gives on prepared normal images (C, H, W), and on synthetic defects in them, what PyTorch gives.

    A graph of this precision that is `present` already, since it serves another runtime, is not made again: one that
    differed from it would not have passed that one's gate; and int8 is made from fp32. Raises ExportError if there is
    none, DatasetError if there are no images, MissingPackageError.
    """
    shape = reference.graph.model.image_shape
    gate = _Gate.of(reference, [_middle(image, shape) for image in islice(normal, N_IMAGES)], judge, seed)
    if GRAPHS[precision] in present:
        return gate.accept(present[GRAPHS[precision]], to, precision)
    graph = present.get(GRAPHS["fp32"]) or to_onnx(reference.graph)
    return gate.accept(graph, to, precision) if precision == "fp32" else _int8(gate, graph, to)


def _int8(gate: "_Gate", graph: bytes, to: Engine) -> Made:
    """The most that can be quantised without the gate closing."""
    problems = []
    for n_float in N_FLOAT:
        try:
            return gate.accept(quantised(graph, gate.normal, n_float=n_float), to, "int8", n_float=n_float)
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

    @classmethod
    def of(cls, reference: TorchBackend, normal: list[np.ndarray], judge: Judge, seed: int) -> "_Gate":
        if not normal:
            raise DatasetError("an export is checked on good images, and there are none; give some with --images DIR")
        images = [*normal, *planted(normal, seed)]
        return cls(reference, images, len(normal), [reference.run(image[None]) for image in images], judge)

    @property
    def normal(self) -> list[np.ndarray]:
        return self.images[: self.n_normal]

    def accept(self, graph: bytes, to: Engine, precision: Precision, n_float: int = 0) -> Made:
        """The graph, if the gate opens."""
        files = {GRAPHS[precision]: graph}
        shape = self.reference.graph.model.image_shape
        backend = open_export(files, Exported(to, precision, 0.0), shape, None)
        found = self.judge.compare(self.outputs, [backend.run(image[None]) for image in self.images], self.n_normal)
        found.require(precision)
        return Made(files, self._facts(found, backend, to, precision) | ({"n_float": n_float} if n_float else {}))

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
