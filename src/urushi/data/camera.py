"""Frames of a camera: all that are asked for of a video file, and of a live one never an old one."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from urushi.backoff import Backoff
from urushi.data.camera_source import CameraSource, Capture
from urushi.errors import CameraError


class Frame(NamedTuple):
    """(H, W, 3) RGB of uint8, and its number in the source, from 1."""

    image: np.ndarray
    number: int


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

    def frames(
        self,
        *,
        every: int = 1,
        seconds: float | None = None,
        idle_seconds: float | None = None,  # noqa: ARG002  nor here
    ) -> Iterator[Frame]:
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
        self.name, self._source, self._report, self._backoff = source.name, source, report, backoff
        self._open = open_capture or source.open
        self._n_grabbed, self._n_held, self._wishes = 0, 1, list[_Wish]()
        self._changed, self._is_closing, self._is_lost = threading.Condition(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="urushi-camera", daemon=True)
        self._thread.start()

    def shot(self, skip: int = 0, seconds: float | None = None) -> Frame:
        """The first frame taken from now on after so many; raises CameraError if none comes in time or it closes."""
        with self._changed:
            return self._await(self._n_grabbed + self._n_held + 1 + skip, seconds)

    def frames(
        self, *, every: int = 1, seconds: float | None = None, idle_seconds: float | None = None
    ) -> Iterator[Frame]:
        """One and then the first that is so many further, or so much later; until it is closed.

        Raises CameraError where the camera gives none for as long as `idle_seconds`.
        """
        number, due = 1, time.monotonic()
        while True:
            try:
                frame = self._next(number, idle_seconds)
            except CameraError:
                if self._is_closing.is_set():
                    return
                raise
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

    def _next(self, number: int, idle_seconds: float | None) -> Frame:
        """The first from now on that has this number or a higher one."""
        with self._changed:
            while True:
                n_grabbed = self._n_grabbed
                try:
                    return self._await(max(number, n_grabbed + 1), idle_seconds)
                except CameraError:
                    if self._is_closing.is_set() or self._n_grabbed == n_grabbed:
                        raise

    def _await(self, number: int, seconds: float | None) -> Frame:
        self._wishes.append(wish := _Wish(number))
        try:
            self._changed.wait_for(lambda: wish.frame is not None or self._is_closing.is_set(), seconds)
            if wish.frame is None:
                why = "; it cannot be reached" * self._is_lost
                raise CameraError(f"no frame came from {self.name}{why}", has_ended=self._n_grabbed > 0)
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
        before, capture, asked = self._n_grabbed, None, time.monotonic()
        try:
            if (capture := self._open()) is None:
                return False
            self._n_held = self._source.n_held(capture)
            is_there = _grab_new(capture, time.monotonic() - asked)
            while is_there and not self._is_closing.is_set():
                self._take(capture)
                is_there = capture.grab()
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


def _grab_new(capture: Capture, opening_seconds: float) -> bool:
    """Whether there is a first frame that was not there already: those that gathered while FFmpeg looked at the stream,
    for seconds, come one after the other without waiting. Waiting for half a frame's time is enough, computing is none.
    """
    per_second, end = capture.get(cv2.CAP_PROP_FPS), time.monotonic() + opening_seconds  # what gathered is no longer
    enough = 0.5 / (per_second if 1 <= per_second <= 100 else 100)
    while True:
        begun = time.monotonic() - time.thread_time()
        is_there, now = capture.grab(), time.monotonic()
        if not is_there or now >= end or now - time.thread_time() - begun >= enough:
            return is_there


def _pixels(capture: Capture) -> np.ndarray:
    is_there, image = capture.retrieve()
    if not is_there:
        raise CameraError("a frame cannot be decoded")
    colour = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(image, colour))
