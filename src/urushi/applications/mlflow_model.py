"""A detector as MLflow opens it: `mlflow.pyfunc.load_model(…).predict(images)`."""

from collections.abc import Sequence
from typing import Any

from urushi.data.images import ImageSource
from urushi.detector import Detector
from urushi.inspection import Unreadable


class Inspecting:
    """What MLflow calls for a prediction."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def predict(self, images: Any, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002  MLflow's signature
        """A row for each image, as `urushi inspect --format jsonl` prints it; one that cannot be read has a reason.

        `images` are paths or arrays, or a table whose first column holds them.
        """
        return [
            {"source": one.source, "reason": one.reason} if isinstance(one, Unreadable) else one.to_json()
            for one in self.detector.inspect_many(_sources(images))
        ]


def _sources(images: Any) -> Sequence[ImageSource]:
    if hasattr(images, "iloc"):  # a table of pandas
        return list(images.iloc[:, 0])
    return [images] if isinstance(images, str) else list(images)


def _load_pyfunc(path: str) -> Inspecting:
    """By this name MLflow asks for it; `path` is that of the detector file."""
    return Inspecting(Detector.load(path))
