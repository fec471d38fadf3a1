"""Results of a camera's pictures, one as soon as it is taken."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from urushi.cli import _console
from urushi.data.camera import open_camera
from urushi.data.camera_source import CameraSource
from urushi.errors import CameraError, InputError
from urushi.inspection import Inspection
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.detector import Detector


def seen(
    detector: "Detector",
    source: CameraSource,
    *,
    every_frames: int | None,
    every_seconds: float | None,
    idle_seconds: float | None,
) -> Iterator[Inspection]:
    """One result per picture, until a video file ends or a camera gives no frame for as long as `idle_seconds`.

    Raises InputError for a file that is no video, and a camera that gave none at all.
    """
    stem = _stem(source)
    try:
        with closing(open_camera(source, lambda said: _console.note(printable(said)))) as camera:
            for frame in camera.frames(every=every_frames or 1, seconds=every_seconds, idle_seconds=idle_seconds):
                yield replace(detector.inspect(frame.image), source=f"{stem}_{frame.number:06}.png")
    except CameraError as error:
        if not error.has_ended:
            raise InputError(str(error)) from None
        _console.note(f"{error}; ended")


def _stem(source: CameraSource) -> str:
    """What its pictures are called: by the file, the host, or the number of the device."""
    if source.kind == "file":
        return printable(Path(source.text).stem)
    return f"camera_{source.text}" if source.kind == "device" else printable(str(urlsplit(source.text).hostname))
