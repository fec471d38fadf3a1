"""Removes what a station need not keep any more: the oldest inspections first, none of them that has a verdict."""

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, exists, func, select
from sqlalchemy.orm import Session

from urushi.serving.database import Database, note_change, now
from urushi.serving.history import History
from urushi.serving.objects import Objects
from urushi.serving.settings import Retention
from urushi.serving.tables import Inspected, Verdict

_AT_ONCE = 500
_EVERY_SECONDS = 60.0
_WITHOUT_VERDICT = ~exists().where(Verdict.inspected_id == Inspected.id)


def retain(database: Database, objects: Objects, history: History, retention: Retention, moment: datetime) -> int:
    """Removes what is beyond the limits at this moment, and gives the number of inspections."""
    n_removed = 0
    while rows := _removed(database, retention, moment):
        n_removed += len(rows)
        for digest in {digest for row in rows for digest in (row.original, row.evidence) if digest}:
            objects.remove(digest, history.names)
    return n_removed


class Retaining:
    """Does so every minute, in a thread of its own, until it is closed; without a limit, nothing."""

    def __init__(self, database: Database, objects: Objects, history: History, retention: Retention) -> None:
        self._parts, self._ending = (database, objects, history, retention), threading.Event()
        self._thread = threading.Thread(target=self._run, name="urushi-retention", daemon=True)
        if retention != Retention():
            self._thread.start()

    def close(self) -> None:
        """Ends the thread once it has done what it is at."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                retain(*self._parts, now())
            except Exception:
                logging.getLogger("urushi.serving").exception("old inspections could not be removed")
            if self._ending.wait(_EVERY_SECONDS):
                return


def _removed(database: Database, retention: Retention, moment: datetime) -> list[Inspected]:
    """Some rows that are gone from the database."""
    with database.writing() as session:
        rows = list(_beyond(session, retention, moment))
        if rows:
            numbers = [row.id for row in rows]
            session.expunge_all()
            session.execute(delete(Inspected).where(Inspected.id.in_(numbers)))
            after = {"n_inspections": len(rows), "first": min(numbers), "last": max(numbers)}
            note_change(session, "retention", "removal", "inspections", before={}, after=after)
    return rows


def _beyond(session: Session, retention: Retention, moment: datetime) -> Iterator[Inspected]:
    """The oldest ones that are too many in any respect."""
    n_beyond, n_bytes_beyond, oldest = 0, 0, None
    if retention.days is not None:
        oldest = moment - timedelta(days=retention.days)
    if retention.inspections is not None:
        n_beyond = (session.scalar(select(func.count(Inspected.id))) or 0) - retention.inspections
    if retention.gigabytes is not None:
        n_bytes_beyond = (session.scalar(select(func.sum(Inspected.n_bytes))) or 0) - int(retention.gigabytes * 1e9)
    for row in session.scalars(_oldest()):
        if not (n_beyond > 0 or n_bytes_beyond > 0 or (oldest is not None and row.time < oldest)):
            return
        n_beyond, n_bytes_beyond = n_beyond - 1, n_bytes_beyond - row.n_bytes
        yield row


def _oldest() -> Select[Inspected]:
    return select(Inspected).where(_WITHOUT_VERDICT).order_by(Inspected.id).limit(_AT_ONCE)
