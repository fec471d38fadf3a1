"""Frames of a camera: a device, a stream by RTSP or HTTP, or a video file in the place of one."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np

from urushi.backoff import Backoff
from urushi.data._quiet import quiet_decoders
from urushi.data.limits import max_pixels
from urushi.errors import CameraError, InputError
from urushi.printable import printable

SCHEMES = ("rtsp", "http", "https")
_OPEN_MS, _READ_MS = 10_000, 10_000


class Frame(NamedTuple):
    """(H, W, 3) RGB of uint8, and its number in the source, from 1."""

    image: np.ndarray
    number: int


class Capture(Protocol):
    """What OpenCV gives to read from."""

    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, what: int) -> float: ...
    def release(self) -> None: ...


@dataclass(frozen=True)
class CameraSource:
    """Where frames come from."""

    text: str
    kind: Literal["device", "stream", "file"]

    @classmethod
    def of(cls, text: str) -> "CameraSource":
        """From the number of a device, an rtsp or http(s) URL, or the path of a video file; raises InputError."""
        if text.isascii() and text.isdigit() and len(text) < 4:
            return cls(text, "device")
        if "://" in text:
            _check_url(text)
            return cls(text, "stream")
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

    def _capture(self) -> cv2.VideoCapture:
        if self.kind == "device":
            return cv2.VideoCapture(int(self.text))
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS]
        return cv2.VideoCapture(self.text, cv2.CAP_FFMPEG, limits)  # others take a path for a pattern or a program


class VideoFile:
    """The frames of a file, none left out but those that were not asked for."""

    def __init__(self, source: CameraSource) -> None:
        """Raises CameraError where it is no video."""
        self.name, self._number, self._reading = source.name, 0, threading.Lock()
        if (capture := source.open()) is None:
            raise CameraError(f"{self.name} is no video that can be read")
        self._capture = capture

    def shot(self, skip: int = 0, seconds: float | None = None) -> Frame:  # noqa: ARG002  a file is never waited for
        """The next frame after so many; raises CameraError after the last."""
        with self._reading:
            for _ in range(skip + 1):
                if not self._capture.grab():
                    raise CameraError(f"{self.name} has ended", has_ended=self._number > 0)
                self._number += 1
            return Frame(_pixels(self._capture), self._number)

    def frames(self, *, every: int = 1, seconds: float | None = None) -> Iterator[Frame]:
        """The first and then each that is so many further, or so much later in the video; until it ends."""
        per_second = self._capture.get(cv2.CAP_PROP_FPS)
        step = every if seconds is None else max(1, round(seconds * per_second))
        skip = 0
        while True:
            try:
                yield self.shot(skip)
            except CameraError as error:
                if not error.has_ended:
                    raise
                return
            skip = step - 1

    def close(self) -> None:
        """No more is read."""
        with self._reading:
            self._capture.release()


@dataclass(eq=False)
class _Wish:
    """The first frame from a number on, once it is there."""

    number: int
    frame: Frame | None = None


class LiveCamera:
    """The frames of a device or a stream, read all the time, so that none is an old one out of a buffer.

    What is asked for is the first that comes afterwards. Where the connection is lost, it is made anew.
    """

    def __init__(
        self,
        source: CameraSource,
        *,
        report: Callable[[str], None] = print,
        backoff: Backoff = Backoff(0.5, 30),  # noqa: B008  frozen
        open_capture: Callable[[], Capture | None] | None = None,
    ) -> None:
        self.name, self._report, self._backoff = source.name, report, backoff
        self._open = open_capture or source.open
        self._n_grabbed, self._wishes = 0, list[_Wish]()
        self._changed, self._is_closing, self._is_lost = threading.Condition(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="urushi-camera", daemon=True)
        self._thread.start()

    def shot(self, skip: int = 0, seconds: float | None = None) -> Frame:
        """The first frame from now on after so many; raises CameraError if none comes in time, or it is closed."""
        with self._changed:
            return self._await(self._n_grabbed + 1 + skip, seconds)

    def frames(self, *, every: int = 1, seconds: float | None = None) -> Iterator[Frame]:
        """One and then the first that is so many further, or so much later; until it is closed."""
        number, due = 1, time.monotonic()
        while True:
            try:
                with self._changed:
                    frame = self._await(max(number, self._n_grabbed + 1), None)
            except CameraError:
                return
            yield frame
            number, due = frame.number + every, max(due + (seconds or 0), time.monotonic())
            if self._is_closing.wait(due - time.monotonic()):
                return

    def close(self) -> None:
        """Lets go of the camera and of who waits for a frame."""
        self._is_closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def _await(self, number: int, seconds: float | None) -> Frame:
        self._wishes.append(wish := _Wish(number))
        try:
            self._changed.wait_for(lambda: wish.frame is not None or self._is_closing.is_set(), seconds)
            if wish.frame is None:
                raise CameraError(f"no frame came from {self.name}" + "; it cannot be reached" * self._is_lost)
            return wish.frame
        finally:
            self._wishes.remove(wish)

    def _run(self) -> None:
        n_failures = 0
        while not self._is_closing.is_set():
            n_failures = 1 if self._read_all() else n_failures + 1
            if self._is_closing.is_set():
                return
            if not self._is_lost:
                self._is_lost = True
                self._report(f"{self.name} cannot be reached; tries again")
            self._is_closing.wait(self._backoff.seconds(n_failures))

    def _read_all(self) -> bool:
        """Until it is lost or closed; whether any frame came."""
        before, capture = self._n_grabbed, None
        try:
            if (capture := self._open()) is None:
                return False
            while not self._is_closing.is_set() and capture.grab():
                self._take(capture)
        except CameraError as error:
            self._report(str(error))
        finally:
            if capture is not None:
                capture.release()
        return self._n_grabbed > before

    def _take(self, capture: Capture) -> None:
        with self._changed:
            self._n_grabbed += 1
            wishes = [wish for wish in self._wishes if wish.number <= self._n_grabbed]
        if self._is_lost:
            self._is_lost = False
            self._report(f"{self.name} gives frames again")
        if wishes:
            frame = Frame(_pixels(capture), self._n_grabbed)
            with self._changed:
                for wish in wishes:
                    wish.frame = frame
                self._changed.notify_all()


def open_camera(source: CameraSource, report: Callable[[str], None]) -> VideoFile | LiveCamera:
    """A camera to take frames from; raises CameraError for a file that is no video."""
    return VideoFile(source) if source.kind == "file" else LiveCamera(source, report=report)


def _pixels(capture: Capture) -> np.ndarray:
    is_there, image = capture.retrieve()
    if not is_there:
        raise CameraError("a frame cannot be decoded")
    colour = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, colour))


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
