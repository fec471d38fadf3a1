"""Results on their way to others: written with the result itself, and kept until each has been taken, or is too old.

So each arrives at least once, whatever is killed meanwhile; who gets one twice knows it by its key.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from pydantic_core import to_json
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.orm import Session

from urushi.backoff import Backoff
from urushi.errors import DeliveryError
from urushi.printable import counted
from urushi.serving.announcements import Announcement, Announcements
from urushi.serving.database import Database, note_change, now
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.metrics import Metrics
from urushi.serving.tables import Delivery

_AT_ONCE = 32
_LOOK_SECONDS = 60.0  # at least so often it is looked for what is too old
_AFTER_TROUBLE_SECONDS = 5.0
_LAST_SECONDS = 5.0  # in which a station that ends still sends what waits
_PATIENCE_SECONDS = 15.0  # of a station that ends, with a receiver that does not
_MOST_WAITING = 100_000  # of a destination; beyond, the oldest are given up
_log = logging.getLogger("urushi.serving")


class Destination(Protocol):
    """Where deliveries go."""

    name: str
    keep: timedelta  # after which a delivery is given up

    def send(self, delivery: Delivery) -> None:
        """Returns once it is taken; raises DeliveryError. May be called by one thread."""

    def close(self) -> None:
        """Lets go of the connection."""


class Outbox:
    """Those of a station, a thread for each destination."""

    def __init__(self, database: Database, announcements: Announcements, metrics: Metrics) -> None:
        self._database, self._announcements, self._metrics = database, announcements, metrics
        self._senders: list[_Sender] = []
        announcements.also_write(self._write)

    def open(self, destinations: Sequence[Destination], backoff: Backoff = Backoff()) -> None:  # noqa: B008  frozen
        """Begins to deliver; what waits for a destination that is not here any more is given up."""
        names = [one.name for one in destinations]
        strangers = select(Delivery.destination).where(Delivery.destination.not_in(names)).distinct()
        with self._database.writing() as session:
            for name in session.scalars(strangers).all():
                _give_up(session, name, select(Delivery.id).where(Delivery.destination == name), self._metrics)
        self._senders = [
            _Sender(one, self._database, self._announcements, self._metrics, backoff) for one in destinations
        ]

    def close(self) -> None:
        """Ends once what is being sent is taken or not; what waits is sent after the next start."""
        for sender in self._senders:
            sender.close()

    def _write(self, session: Session, announcement: Announcement) -> None:
        if not self._senders:
            return
        body, moment = body_of(announcement), now()
        for sender in self._senders:
            values = {"destination": sender.name, "body": body, "created": moment, "due": moment, "n_failures": 0}
            session.add(Delivery(key=uuid4().hex, **values))


def body_of(announcement: Announcement) -> str:
    """In JSON: its type, and as `data` what the API gives of it."""
    content = announcement.content
    data = InspectionFound.model_validate(content).model_dump() if announcement.kind == "inspection" else content
    moment = content.get("time") or now()
    return to_json({"type": announcement.kind, "timestamp": moment, "data": data}, inf_nan_mode="null").decode()


@dataclass
class _Outcome:
    """What became of some deliveries."""

    taken: list[int]
    refused: list[Delivery]
    is_reachable: bool = True


class _Sender:
    """Sends what waits for one destination, oldest first; what failed waits longer and longer."""

    def __init__(
        self,
        destination: Destination,
        database: Database,
        announcements: Announcements,
        metrics: Metrics,
        backoff: Backoff,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name = destination.name
        self._destination, self._database, self._metrics = destination, database, metrics
        self._backoff, self._clock = backoff, clock
        self._n_pauses, self._looked = 0, 0.0
        self._is_closing, self._end = threading.Event(), math.inf
        self._news = announcements.subscribe(most_waiting=1)  # that there is something to send
        self._thread = threading.Thread(target=self._run, name=f"urushi-to-{self.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end = time.monotonic() + _LAST_SECONDS
        self._is_closing.set()
        self._news.close()
        self._thread.join(_PATIENCE_SECONDS)
        if not self._thread.is_alive():  # else a receiver answers without end; what it was sent is sent again
            self._destination.close()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            seconds = self._tried()
            if self._n_pauses:
                self._is_closing.wait(seconds)  # news do not shorten a pause
            else:
                self._news.next(seconds)

        if not self._n_pauses:
            self._tried()

    def _tried(self) -> float:
        try:
            return self._round()
        except Exception:
            _log.exception("%s: deliveries cannot be sent now", self.name)
            return _AFTER_TROUBLE_SECONDS

    def _round(self) -> float:
        """Seconds until there is something to do again, unless something new comes."""
        self._look_for_old()
        with self._database.reading() as session:
            rows = list(session.scalars(self._waiting().where(Delivery.due <= self._clock()).limit(_AT_ONCE)))
        if rows:
            outcome = self._sent(rows)
            self._note(outcome)
            if not outcome.is_reachable:
                return self._backoff.seconds(self._n_pauses)
        return self._until_due()

    def _sent(self, rows: Sequence[Delivery]) -> _Outcome:
        outcome = _Outcome([], [])
        for row in rows:
            if time.monotonic() > self._end:
                break
            try:
                self._destination.send(row)
                outcome.taken.append(row.id)
                self._tell(None)
            except DeliveryError as error:
                outcome.refused.append(row)
                self._tell(error)
                if not error.is_reachable:
                    outcome.is_reachable = False
                    break
        return outcome

    def _tell(self, error: DeliveryError | None) -> None:
        """Counts, and logs what has changed."""
        self._metrics.deliveries.labels(self.name, "failed" if error else "taken").inc()
        if error is not None:
            if self._n_pauses == 0:
                _log.warning("%s: %s; tries again", self.name, error)
            self._n_pauses += not error.is_reachable
        elif self._n_pauses:
            _log.warning("%s: takes deliveries again", self.name)
            self._n_pauses = 0

    def _note(self, outcome: _Outcome) -> None:
        with self._database.writing() as session:
            session.execute(delete(Delivery).where(Delivery.id.in_(outcome.taken)))
            for row in outcome.refused:
                n_failures = row.n_failures + 1
                due = self._clock() + timedelta(seconds=self._backoff.seconds(n_failures))
                of_row = update(Delivery).where(Delivery.id == row.id)
                session.execute(of_row.values(n_failures=n_failures, due=due))

    def _look_for_old(self) -> None:
        if self._looked and time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        mine = select(Delivery.id).where(Delivery.destination == self.name)
        old = mine.where(Delivery.created < self._clock() - self._destination.keep)
        beyond = mine.order_by(Delivery.id.desc()).offset(_MOST_WAITING)
        with self._database.writing() as session:
            for which in (old, beyond):
                _give_up(session, self.name, which, self._metrics)
            n_waiting = session.scalar(select(func.count()).select_from(mine.subquery()))
        self._metrics.deliveries_waiting.labels(self.name).set(n_waiting or 0)

    def _waiting(self) -> Select[Delivery]:
        return select(Delivery).where(Delivery.destination == self.name).order_by(Delivery.due, Delivery.id)

    def _until_due(self) -> float:
        with self._database.reading() as session:
            first = session.scalar(self._waiting().limit(1))
        if first is None:
            self._metrics.deliveries_waiting.labels(self.name).set(0)
        return _LOOK_SECONDS if first is None else min(_LOOK_SECONDS, max(0.0, _seconds(first.due - self._clock())))


def _give_up(session: Session, destination: str, which: Select[int], metrics: Metrics) -> None:
    numbers = session.scalars(which).all()
    if not numbers:
        return
    _log.error("%s: %s given up", destination, counted(len(numbers), "delivery was", "deliveries were"))
    metrics.deliveries.labels(destination, "given up").inc(len(numbers))
    after = {"n_deliveries": len(numbers), "first": min(numbers), "last": max(numbers)}
    note_change(session, "outbox", "given up", destination, before={}, after=after)
    session.execute(delete(Delivery).where(Delivery.id.in_(which)))


def _seconds(span: timedelta) -> float:
    return span.total_seconds()
