"""Cameras of a station: one takes pictures by itself, or when a trigger comes by HTTP or MQTT."""

import logging
import threading
from pathlib import Path

from urushi.data.camera import Frame, LiveCamera, VideoFile, open_camera
from urushi.data.camera_source import CameraSource
from urushi.data.writing import write_image
from urushi.errors import CameraError, InputError
from urushi.printable import printable
from urushi.serving.history import SIMULATED, About, Received
from urushi.serving.line.arrivals import key_of
from urushi.serving.line.recorder import EndingError, Recorder
from urushi.serving.line.settings import Camera
from urushi.serving.messages.inspections import Triggered
from urushi.serving.station import Station

_log = logging.getLogger("urushi.serving")


class StationCamera:
    """One camera and the detector of its pictures."""

    def __init__(self, name: str, settings: Camera, base: Path, station: Station) -> None:
        """Raises InputError for a source that is none, NotFoundError where there is no such detector."""
        self.name, self.detector, self._settings = name, settings.detector, settings
        self._source = CameraSource.of(settings.address(base), settings.timeout_seconds)
        self._recorder = Recorder.of(station, settings.detector, f"camera {name}")
        self._frames: VideoFile | LiveCamera | None = None
        self._thread = threading.Thread(target=self._run, name=f"urushi-camera-{name}", daemon=True)

    @property
    def is_triggered(self) -> bool:
        """Else it takes pictures by itself."""
        return self._settings.every_frames is None and self._settings.every_seconds is None

    def begin(self) -> None:
        """Opens it; raises InputError for a file that is no video."""
        self._recorder.arrivals.forget()
        try:
            self._frames = open_camera(self._source, _log.warning)
        except CameraError as error:
            raise InputError(str(error)) from None
        if not self.is_triggered:
            self._thread.start()

    def close(self) -> None:
        """Ends once the pictures at hand are recorded."""
        self._recorder.is_ending.set()
        if self._frames is not None:
            self._frames.close()
        if self._thread.is_alive():
            self._thread.join()

    def inspect(self, trigger: Triggered, author: str | None = None) -> int:
        """The number of the inspection of a picture taken now, or of the one that was taken for a trigger of this id.

        Raises CameraError where there is no picture, EndingError, OSError.
        """
        key = None if trigger.id is None else key_of(trigger.id)
        if key is not None and (known := self._recorder.arrivals.found(key)) is not None:
            return known
        if self._frames is None:
            raise CameraError(f"the camera {self.name} is not open")
        frame = self._frames.shot(self._settings.skip_frames, self._settings.timeout_seconds)
        return self._recorded(frame, self._about(trigger, author), key)

    def _run(self) -> None:
        every, seconds = self._settings.every_frames or 1, self._settings.every_seconds
        try:
            for frame in self._frames.frames(every=every, seconds=seconds) if self._frames else ():
                self._recorded(frame, self._about(Triggered(), None), None)
            if not self._recorder.is_ending.is_set():
                _log.warning("camera %s: %s has ended", self.name, self._source.name)
        except EndingError:
            pass
        except Exception:
            _log.exception("camera %s takes no more pictures", self.name)

    def _recorded(self, frame: Frame, about: About, key: str | None) -> int:
        def receive() -> Received:
            place = self._recorder.station.objects.incoming_place(".png")
            try:
                write_image(place, frame.image)
            except InputError as error:
                raise OSError(str(error)) from None
            return Received(place, f"{printable(self.name)}-{frame.number}.png")

        return self._recorder.recorded(receive, about, key)

    def _about(self, trigger: Triggered, author: str | None) -> About:
        said = trigger.model_dump(exclude={"id"})
        simulated = [SIMULATED] if self._source.kind == "file" else []
        tags = [*self._settings.tags, *said.pop("tags"), *simulated]
        station = said.pop("station") or self._settings.station
        return About(author or self._recorder.name, **said, station=station, tags=tags)
