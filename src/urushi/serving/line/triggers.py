"""Messages that ask a camera for a picture: whatever comes is checked, and acknowledged once its result is recorded."""

import logging
import queue
import threading
from contextlib import suppress
from typing import Annotated, Any, Protocol

from pydantic import Field, ValidationError

from urushi.errors import UrushiError
from urushi.serving.line.recorder import EndingError
from urushi.serving.messages.fields import Word
from urushi.serving.messages.inspections import Triggered
from urushi.serving.station import Camera

_MOST_BYTES = 4096
_MOST_WAITING = 64
_log = logging.getLogger("urushi.serving")


class _Named(Triggered):
    """A message may come twice: without an id, so would the picture."""

    id: Annotated[Word, Field()]


class Broker(Protocol):
    """What messages come from."""

    def acknowledge(self, message: Any) -> None: ...
    def tell_problem(self, camera: str, trigger: str | None, reason: str) -> None: ...
    def count(self, camera: str, outcome: str) -> None: ...


class Triggers:
    """Of one camera; a thread of its own takes one after the other."""

    def __init__(self, camera: Camera, broker: Broker) -> None:
        self._camera, self._broker, self._is_closing = camera, broker, threading.Event()
        self._waiting: queue.Queue[tuple[Any, _Named] | None] = queue.Queue(_MOST_WAITING)
        self._has_told = False  # of a message that is none, since the last that was one
        self._thread = threading.Thread(target=self._run, name=f"urushi-triggers-{camera.name}", daemon=True)
        self._thread.start()

    def add(self, message: Any) -> None:
        """Never waits; what does not fit is not acknowledged, so that it comes again."""
        if self._is_closing.is_set():
            return
        if message.retain:
            self._refuse(message, "a message that the broker has kept is not taken for a trigger")
            return
        try:
            trigger = _trigger(message.payload)
        except ValueError as error:
            self._refuse(message, str(error))
            return
        self._has_told = False
        try:
            self._waiting.put_nowait((message, trigger))
        except queue.Full:
            self._tell(f"more than {_MOST_WAITING} triggers wait; the broker sends more than it was asked for")

    def close(self) -> None:
        """Ends once the trigger at hand is done."""
        self._is_closing.set()
        with suppress(queue.Full):  # then it ends with the next one that it takes
            self._waiting.put_nowait(None)
        self._thread.join()

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None and not self._is_closing.is_set():
            message, trigger = one
            try:
                self._camera.inspect(trigger)
                self._broker.count(self._camera.name, "taken")
            except EndingError:
                return
            except Exception as error:
                self._fail(trigger, error)
            self._broker.acknowledge(message)

    def _fail(self, trigger: _Named, error: Exception) -> None:
        reason = str(error) if isinstance(error, UrushiError) else "unexpected; see the station's log"
        _log.error("camera %s: no picture for the trigger %s: %s", self._camera.name, trigger.id, error)
        self._broker.count(self._camera.name, "failed")
        self._broker.tell_problem(self._camera.name, trigger.id, reason)

    def _refuse(self, message: Any, reason: str) -> None:
        self._tell(reason)
        self._broker.count(self._camera.name, "refused")
        self._broker.tell_problem(self._camera.name, None, reason)
        self._broker.acknowledge(message)

    def _tell(self, reason: str) -> None:
        if not self._has_told:
            self._has_told = True
            _log.warning("camera %s: a message is no trigger: %s", self._camera.name, reason)


def _trigger(payload: bytes) -> _Named:
    """Raises ValueError with a reason in one line."""
    if len(payload) > _MOST_BYTES:
        raise ValueError(f"{len(payload)} bytes; at most {_MOST_BYTES}")
    try:
        return _Named.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}"[:200] if where else first["msg"][:200]) from None
