"""Inspects what comes by itself, from one source for one detector, whatever is in the way for a while."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from urushi.errors import BusyError
from urushi.serving.history import About, Also, Received, forget
from urushi.serving.inspecting import Task
from urushi.serving.line.arrivals import Arrivals
from urushi.serving.station import Station

_BUSY_SECONDS = 0.2
_TROUBLE_SECONDS = 5.0
_log = logging.getLogger("urushi.serving")


class EndingError(Exception):
    """The station ends; what was not recorded is taken up after its next start."""


@dataclass(frozen=True)
class Recorder:
    """Waits where the queue is full, and tries again where the disk is."""

    station: Station
    detector: str
    name: str  # of the source
    arrivals: Arrivals
    is_ending: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, station: Station, detector: str, name: str) -> "Recorder":
        """Raises NotFoundError where there is no such detector."""
        station.detectors.get(detector)
        return cls(station, detector, name, Arrivals(station.database, name))

    def recorded(
        self, receive: Callable[[], Received], about: About, key: str | None, *, records_unreadable: bool = True
    ) -> int:
        """The number of the inspection of what `receive` gives, or of what came under this key before.

        Raises EndingError; UnreadableImageError from `receive`, or unless that is to be recorded.
        """
        also = () if key is None else (self.arrivals.arrived(key),)
        while not self.is_ending.is_set():
            try:
                if key is not None and (known := self.arrivals.found(key)) is not None:
                    return known
                task = self._accepted(receive(), about, also, records_unreadable=records_unreadable)
                return task.future.result().id
            except IntegrityError:  # another was quicker with this key, and is found the next time
                self.is_ending.wait(_BUSY_SECONDS)
            except (OSError, SQLAlchemyError) as error:
                _log.error("%s: a result cannot be recorded now, and is tried again: %s", self.name, error)
                self.is_ending.wait(_TROUBLE_SECONDS)
        raise EndingError

    def _accepted(self, received: Received, about: About, also: Sequence[Also], *, records_unreadable: bool) -> Task:
        while not self.is_ending.is_set():
            loaded = self.station.detectors.get(self.detector)
            try:
                (task,) = self.station.inspector.accept(
                    loaded, [received], about, [also], records_unreadable=records_unreadable
                )
                return task
            except BusyError:
                self.is_ending.wait(_BUSY_SECONDS)
        forget(received)
        raise EndingError
