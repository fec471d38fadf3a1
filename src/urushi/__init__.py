"""Urushi learns from images of good parts what normal looks like, and shows where a new image differs."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pathlib import Path

    from urushi.detector import Detector
    from urushi.inspection import Inspection, Unreadable
    from urushi.recipe import Recipe
    from urushi.runtime.names import Precision, Runtime

_HOMES = {
    "Detector": "urushi.detector",
    "Inspection": "urushi.inspection",
    "Recipe": "urushi.recipe",
    "Unreadable": "urushi.inspection",
}
__all__ = ["Detector", "Inspection", "Recipe", "Unreadable", "load"]


def load(
    path: "Path | str",
    *,
    runtime: "Runtime | None" = None,
    precision: "Precision | None" = None,
    device: str = "cpu",
    n_threads: int | None = None,
) -> "Detector":
    """A detector from its file, as `Detector.load` gives it; raises DetectorFileError, InputError."""
    from urushi.detector import Detector

    return Detector.load(path, runtime=runtime, precision=precision, device=device, n_threads=n_threads)


def __getattr__(name: str) -> Any:
    """Imports what is asked for when it is asked for, so that `import urushi` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'urushi' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
