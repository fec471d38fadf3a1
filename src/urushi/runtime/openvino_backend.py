"""Runs an exported graph in OpenVINO, which reads the same ONNX file."""

import sys
from functools import partial
from types import ModuleType
from typing import Any, cast

import numpy as np

from urushi.catalogue.extras import require
from urushi.errors import DetectorFileError
from urushi.printable import counted
from urushi.runtime._forking import Remade
from urushi.runtime._signature import INPUT, Shape, Signature, output_of
from urushi.runtime.backend import Output
from urushi.runtime.names import Precision, Runtime
from urushi.runtime.onnx_backend import open_session

_TELEMETRY = "openvino_telemetry"


class OpenvinoBackend:
    """One compiled model on the CPU that gives each call all its threads; calls from several threads take turns."""

    runtime: Runtime = "openvino"
    device = "cpu"
    n_parallel = 2  # the second waits for the first, which meanwhile looks at its maps
    batch_size = 4

    def __init__(self, graph: bytes, image_shape: Shape, *, precision: Precision, n_threads: int) -> None:
        openvino = _openvino()
        self.precision, self.n_threads = precision, n_threads
        version = openvino.__version__.partition("-")[0]
        self.description = f"OpenVINO {version} ({precision}, {counted(n_threads, 'thread')})"
        self._compiled = Remade(partial(_Compiled, graph, n_threads))
        model = self._compiled().model
        Signature(_shapes(model.inputs), _shapes(model.outputs)).check(image_shape)
        # OpenVINO prepares its exchange with NumPy at the first use: two threads that are first at once wait forever.
        openvino.Tensor(np.zeros(1, np.float32)).data  # noqa: B018

    def run(self, images: np.ndarray) -> Output:
        """The output for prepared images (B, C, H, W) float32 in [0, 1]."""
        return output_of(self._compiled().infer({INPUT: np.ascontiguousarray(images)}))

    def run_beside(self, images: np.ndarray) -> Output:
        """The same: calls take turns."""
        return self.run(images)


class _Compiled:
    """A compiled model and those of its requests that nobody uses; a request belongs to one caller at a time."""

    def __init__(self, graph: bytes, n_threads: int) -> None:
        self.model = _compiled(graph, n_threads)
        self.idle: list[Any] = []

    def infer(self, images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            request = self.idle.pop()
        except IndexError:
            request = self.model.create_infer_request()
        try:
            return {port.any_name: np.array(value) for port, value in request.infer(images).items()}
        finally:
            self.idle.append(request)


def _openvino() -> ModuleType:
    """The package, which takes the stub that it brings where its telemetry can't be imported.

    That would report every import, and leave a lasting id of this user in the home folder.
    """
    require("openvino", "openvino")
    telemetry = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # Python's way to say that there is none
    try:
        import openvino
    finally:
        del sys.modules[_TELEMETRY]
        if telemetry is not None:
            sys.modules[_TELEMETRY] = telemetry
    return cast("ModuleType", openvino)


def _compiled(graph: bytes, n_threads: int) -> Any:
    openvino = _openvino()
    open_session(graph, 1)  # refuses weights in other files, which OpenVINO would read wherever they are
    settings = {
        "INFERENCE_NUM_THREADS": n_threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # else machines that have bfloat16 would round to it
    }
    try:
        core = openvino.Core()
        return core.compile_model(core.read_model(graph), "CPU", settings)
    except Exception as error:  # OpenVINO raises RuntimeErrors and others
        reason = " ".join(str(error).split())[:200]
        raise DetectorFileError(f"OpenVINO cannot load its graph: {reason}") from None


def _shapes(ports: Any) -> dict[str, list[int | None]]:
    return {
        port.any_name: [d.get_length() if d.is_static else None for d in list(port.partial_shape)[1:]] for port in ports
    }
