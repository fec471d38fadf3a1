"""Where frames come from: a device, a stream by RTSP or HTTP, or a video file in the place of one."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import cv2

from urushi.data._quiet import quiet_decoders
from urushi.data.limits import max_pixels
from urushi.errors import CameraError, InputError
from urushi.printable import printable

SCHEMES = ("rtsp", "http", "https")


class Capture(Protocol):
    """What OpenCV gives to read from."""

    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


@dataclass(frozen=True)
class CameraSource:
    """Where frames come from, and how long a stream may take to open and for each frame."""

    text: str
    kind: Literal["device", "stream", "file"]
    timeout_seconds: float = 10.0

    @classmethod
    def of(cls, text: str, timeout_seconds: float = 10.0) -> "CameraSource":
        """From the number of a device, an rtsp or http(s) URL, or the path of a video file; raises InputError."""
        if text.isascii() and text.isdigit() and len(text) < 4:
            return cls(text, "device")
        if "://" in text:
            _check_url(text)
            return cls(text, "stream", timeout_seconds)
        if not Path(text).is_file():
            raise InputError(
                f"there is no video file {text!r}; a camera is the number of a device (0 is /dev/video0), a URL that "
                f"begins with {', '.join(f'{scheme}://' for scheme in SCHEMES)}, or the path of a video file"
            )
        return cls(str(Path(text).resolve()), "file")

    @property
    def name(self) -> str:
        """Without user, password and query, which may be secret."""
        if self.kind != "stream":
            return f"camera {self.text}" if self.kind == "device" else printable(self.text)
        parts = urlsplit(self.text)
        return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")

    def open(self) -> Capture | None:
        """None where nothing can be read now; raises CameraError for frames that are too large."""
        with quiet_decoders():
            capture = self._capture()
        if not capture.isOpened():
            return None
        width, height = (int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > max_pixels():
            capture.release()
            raise CameraError(f"{self.name}: {width} × {height} px are more than --max-megapixels allows")
        return capture

    def n_held(self, capture: Capture) -> int:
        """Frames that FFmpeg holds back: one, since its end is the beginning of the next; JPEG tells its end itself."""
        tells = self.kind == "device" or int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        return 0 if tells else 1

    def _capture(self) -> cv2.VideoCapture:
        if self.kind == "device":
            return cv2.VideoCapture(int(self.text))
        milliseconds = math.ceil(self.timeout_seconds * 1000)
        how = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        if self.kind == "stream":
            how += [cv2.CAP_PROP_N_THREADS, 1]  # n threads have n frames in hand, so each would come n - 1 frames late
        return cv2.VideoCapture(self.text, cv2.CAP_FFMPEG, how)  # others take a path for a pattern or a program


def _check_url(text: str) -> None:
    scheme = text.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise InputError(f"a camera's URL begins with {', '.join(f'{one}://' for one in SCHEMES)}, not {scheme!r}")
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_whole = False
    if not is_whole or not text.isprintable() or " " in text:
        raise InputError("this is no URL of a camera: it has a host, a port that is a number, and no spaces")
