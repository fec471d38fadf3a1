"""Runs an exported graph in ONNX Runtime."""

from functools import partial
from typing import Any

import numpy as np

from urushi.errors import DetectorFileError
from urushi.printable import counted
from urushi.runtime._forking import Remade
from urushi.runtime._signature import INPUT, Shape, Signature, output_of
from urushi.runtime.backend import Output
from urushi.runtime.names import Precision, Runtime


class OnnxBackend:
    """Sessions on the CPU: one that gives an image all threads, one in which each image has a thread to itself.

    Threads that share an image wait for each other at every layer, so that of many images more are done in a second by
    one thread each.
    """

    runtime: Runtime = "onnx"
    device = "cpu"
    batch_size = 1  # images side by side keep the cores busier than a batch in one call, and wait for nobody

    def __init__(self, graph: bytes, image_shape: Shape, *, precision: Precision, n_threads: int) -> None:
        import onnxruntime

        self.precision, self.n_threads, self.n_parallel = precision, n_threads, n_threads
        self.description = f"ONNX Runtime {onnxruntime.__version__} ({precision}, {counted(n_threads, 'thread')})"
        self._beside = Remade(partial(open_session, graph, 1))
        several = Remade(partial(open_session, graph, n_threads), at_once=False)
        self._alone = self._beside if n_threads == 1 else several
        inputs, outputs = self._beside().get_inputs(), self._beside().get_outputs()
        Signature(_shapes(inputs), _shapes(outputs)).check(image_shape)
        self._names = [output.name for output in outputs]

    def run(self, images: np.ndarray) -> Output:
        """The output for prepared images (B, C, H, W) float32 in [0, 1]."""
        return self._output(self._alone(), images)

    def run_beside(self, images: np.ndarray) -> Output:
        """The same, by one thread."""
        return self._output(self._beside(), images)

    def _output(self, session: Any, images: np.ndarray) -> Output:
        found = session.run(self._names, {INPUT: np.ascontiguousarray(images)})
        return output_of(dict(zip(self._names, found, strict=True)))


def open_session(graph: bytes, n_threads: int) -> Any:
    """ONNX Runtime with a graph; raises DetectorFileError for one that is damaged, or that points to other files."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    # Threads that spin while they wait take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        reason = " ".join(str(error).split())[:200]
        raise DetectorFileError(f"ONNX Runtime cannot load its graph: {reason}") from None


def _shapes(values: Any) -> dict[str, list[int | None]]:
    return {v.name: [n if isinstance(n, int) else None for n in v.shape[1:]] for v in values}
