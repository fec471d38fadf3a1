"""Static quantisation: weights and activations of the network as 8-bit integers, ranges from images."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from urushi.catalogue.extras import require
from urushi.errors import ExportError

_OPERATIONS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
N_FLOAT = (0, 8, 16)  # so many layers at the front stay in float; later ones are tried where earlier ones fail


def quantised(graph: bytes, images: Sequence[np.ndarray], *, n_float: int) -> bytes:
    """An ONNX graph whose network computes in int8, within the ranges that `images` (C, H, W) float32 bring about.

    Only layers inside the method's modules are quantised: what comes after them, such as a residual between two nearly
    equal numbers or the score, stays in float, and so do the first `n_float` layers. Raises ExportError.
    """
    require("onnx", "train")
    import onnx

    layers = [node for node in onnx.load_from_string(graph).graph.node if node.op_type in _OPERATIONS]
    inside = [node.name for node in layers if "scoring.model." in _module_of(node)]
    chosen = inside[n_float:]
    if not chosen:
        raise ExportError("the graph has no layer that could be quantised")
    try:
        with _quiet():
            return _quantise(graph, images, chosen)
    except Exception as error:  # the quantiser lets through whatever an operation raises
        raise ExportError(f"ONNX Runtime cannot quantise this graph: {' '.join(str(error).split())[:200]}") from error


def _quantise(graph: bytes, images: Sequence[np.ndarray], layers: list[str]) -> bytes:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory(prefix="urushi-") as folder:
        source, target = Path(folder) / "graph.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        quantize_static(
            source,
            target,
            _reader(images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            nodes_to_quantize=layers,
        )
        return target.read_bytes()


def _reader(images: Sequence[np.ndarray]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest: Iterator[np.ndarray] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.rest, None)
            return None if image is None else {"images": image[None]}

    return Reader()


def _module_of(node: Any) -> str:
    return "".join(entry.value for entry in node.metadata_props if entry.key == "namespace")


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises a preparation that this graph has had from its exporter."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
