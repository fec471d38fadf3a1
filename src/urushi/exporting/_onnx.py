"""Model and score as one ONNX graph for any number of images."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from urushi import __version__
from urushi.catalogue.extras import require
from urushi.errors import ExportError
from urushi.scoring import ScoringGraph

OPSET = 20
_INPUT = "images"


class _Outputs(nn.Module):
    """What the seam needs of the graph: rebuilt features are not given out."""

    def __init__(self, graph: ScoringGraph) -> None:
        super().__init__()
        self.scoring = graph
        self.names = ["anomaly_map", "score"]
        self.names += ["reconstruction"] if graph.model.shows else []

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        reconstruction, anomaly_map, score = self.scoring(images)
        found = {"anomaly_map": anomaly_map, "score": score, "reconstruction": reconstruction}
        return tuple(found[name] for name in self.names)


def require_exportable(graph: ScoringGraph) -> None:
    """Raises ExportError with the method's own reason if it has one, MissingPackageError."""
    require("onnxscript", "train")
    if isinstance(graph.model.exportable, str):
        raise ExportError(f"this detector cannot be exported: {graph.model.exportable}")


def to_onnx(graph: ScoringGraph) -> bytes:
    """The graph on the CPU and in evaluation mode as an ONNX file that holds its weights.

    It takes `images` (B, C, H, W) float32 in [0, 1] and gives `anomaly_map` (B, 1, H, W), `score` (B,) and, where
    there is a picture to show, `reconstruction` (B, C, H, W). Raises ExportError, with the method's own reason if it
    has one.
    """
    require_exportable(graph)
    module = _Outputs(graph).eval()
    example = torch.rand(2, *graph.model.image_shape)
    shapes = ({0: torch.export.Dim("images")},)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                dynamic_shapes=shapes,
                opset_version=OPSET,
                input_names=[_INPUT],
                output_names=module.names,
                verbose=False,
            )
    except Exception as error:  # the exporter lets through whatever an operation raises
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise ExportError(f"PyTorch cannot export this graph: {reason}") from error
    assert program is not None  # only without dynamo there is none
    return _labelled(program.model_proto)


def _labelled(model: object) -> bytes:
    """With what somebody needs to know who finds the graph alone."""
    model.producer_name, model.producer_version = "urushi", __version__  # type: ignore[attr-defined]
    about = "float32 (B, C, H, W) in [0, 1], prepared as recipe.toml of the detector file says"
    entry = model.metadata_props.add()  # type: ignore[attr-defined]
    entry.key, entry.value = _INPUT, about
    return bytes(model.SerializeToString())  # type: ignore[attr-defined]


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter speaks of packages that it misses and of its own old calls; neither is the user's business."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
