"""The monitor of each detector of a station, which goes on where it was after a restart or a kill."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from urushi.errors import ConflictError
from urushi.serving.announcements import Announcement, Announcements
from urushi.serving.database import Database, note_change, now
from urushi.serving.drift.martingale import Spread
from urushi.serving.drift.monitor import SCORE, STATISTICS, Monitor, references
from urushi.serving.metrics import Metrics
from urushi.serving.tables import Change, Current, Drift, Inspected
from urushi.serving.versions import Loaded

Reference = Literal["same", "next"]
_AUTHOR = "drift"
_RAISED, _ACKNOWLEDGED = "drift", "drift acknowledged"  # in the audit trail
_SAVED_EVERY = 1000  # images; what came since is read from the history
_LATELY = 50  # images, of which is told where values lie now
_MOST_CHARACTERS = 500
_SIDES = ("before", "after")


@dataclass
class _Kept:
    """A monitor, and how far the database knows it."""

    version_id: int
    monitor: Monitor
    last_id: int  # of the inspections that it has seen
    alarmed: datetime | None = None
    n_unsaved: int = 0


class Monitors:
    """By the names of detectors; each begins anew with another version."""

    def __init__(self, database: Database, metrics: Metrics, announcements: Announcements) -> None:
        self._database, self._metrics, self._announcements = database, metrics, announcements
        self._kept: dict[str, _Kept] = {}
        self._changing = threading.RLock()

    def see(self, session: Session, row: Inspected, loaded: Loaded) -> None:
        """An inspection, within the transaction that records it; only normal ones of what decides now count.

        If the transaction fails, the monitor is to be forgotten.
        """
        if not _counts(row) or _current(session, row.detector) != row.version_id:
            return
        with self._changing:
            kept = self._of(session, loaded, before=row.id)
            is_raised = _seen(kept, row)
            self._show(row.detector, kept.monitor)
            if is_raised:
                kept.alarmed = row.time
                before, after = (
                    {one.statistic: getattr(one, side).middle for one in kept.monitor.moved} for side in _SIDES
                )
                how: dict[str, Any] = {"before": before, "after": after, "reason": _reason(kept.monitor)}
                note_change(session, _AUTHOR, _RAISED, row.detector, **how)
                content = {"detector": row.detector, "inspection": row.id, **_alarm(kept)}
                self._announcements.announce(session, Announcement("alarm", content))
            if is_raised or kept.n_unsaved >= _SAVED_EVERY:
                self._save(session, row.detector, kept)

    def forget(self, name: str) -> None:
        """What is in memory may be ahead of the database, from which it is read again."""
        with self._changing:
            self._kept.pop(name, None)

    def found(self, loaded: Loaded) -> dict[str, Any]:
        """How it stands with a detector, as the API gives it."""
        with self._changing, self._database.reading() as session:
            kept = self._of(session, loaded)
            self._show(loaded.row.detector, kept.monitor)
            return {"detector": loaded.row.detector, "version": loaded.row.number, **_plain(kept)}

    def alarms(self, name: str, limit: int) -> list[Change]:
        """The last ones that were raised, and how they were acknowledged, last first; from the audit trail."""
        rows = select(Change).where(Change.subject == name, Change.action.in_((_RAISED, _ACKNOWLEDGED)))
        with self._database.reading() as session:
            return list(session.scalars(rows.order_by(Change.id.desc()).limit(limit)))

    def acknowledge(self, loaded: Loaded, author: str, reason: str, reference: Reference) -> None:
        """Begins the test anew, against the same reference or what comes next.

        Raises ConflictError where no alarm stands.
        """
        name = loaded.row.detector
        with self._database.writing() as session, self._changing:
            kept = self._of(session, loaded)
            if not kept.monitor.moved:
                raise ConflictError(f"no alarm of drift stands for {name!r}")
            before = {"alarm": _reason(kept.monitor)}
            kept.monitor = kept.monitor.again(secrets.randbits(32), same_reference=reference == "same")
            kept.last_id, kept.alarmed = _last_id(session), None
            self._save(session, name, kept)
            note_change(
                session,
                author,
                _ACKNOWLEDGED,
                name,
                before=before,
                after={"reference": reference},
                reason=reason,
            )

    def close(self) -> None:
        """Writes down how far all have come."""
        with self._database.writing() as session, self._changing:
            for name, kept in self._kept.items():
                self._save(session, name, kept)

    def _of(self, session: Session, loaded: Loaded, before: int | None = None) -> _Kept:
        """As the database and the inspections that came since tell it; or from the beginning."""
        name, version_id = loaded.row.detector, loaded.row.id
        kept = self._kept.get(name)
        if kept is None and (kept := _read(session, name)) is not None:
            for missed in _since(session, kept, before):
                kept.alarmed = missed.time if _seen(kept, missed) else kept.alarmed
        if kept is None or kept.version_id != version_id:
            monitor = Monitor.begun(references(loaded.detector), secrets.randbits(32))
            kept = _Kept(version_id, monitor, _last_id(session, before), n_unsaved=_SAVED_EVERY)
        self._kept[name] = kept
        return kept

    def _save(self, session: Session, name: str, kept: _Kept) -> None:
        values = {"version_id": kept.version_id, "last_id": kept.last_id, "alarmed": kept.alarmed}
        session.merge(Drift(detector=name, state=kept.monitor.to_json(), **values))
        kept.n_unsaved = 0

    def _show(self, name: str, monitor: Monitor) -> None:
        moved = {one.statistic for one in monitor.moved}
        for statistic in STATISTICS:
            self._metrics.drifted(name, statistic, monitor.evidence(statistic), is_alarm=statistic in moved)


def _read(session: Session, name: str) -> _Kept | None:
    """None as well where another version of Urushi has watched other statistics."""
    if (row := session.get(Drift, name)) is None or row.state["tests"].keys() != set(STATISTICS):
        return None
    return _Kept(row.version_id, Monitor.from_json(row.state), row.last_id, row.alarmed)


def _current(session: Session, name: str) -> int | None:
    """The id of the version that decides now; asked once in a transaction, in which none writes it beside results."""
    known: dict[str, int | None] = session.info.setdefault("current", {})
    if name not in known:
        known[name] = session.scalar(select(Current.version_id).where(Current.detector == name))
    return known[name]


def _counts(row: Inspected) -> bool:
    """An image that the detector has learnt is no new one."""
    return row.decision == "normal" and "learnt" not in row.details["caution_kinds"]


def _seen(kept: _Kept, row: Inspected) -> bool:
    kept.last_id, kept.n_unsaved = row.id, kept.n_unsaved + 1
    score = {} if row.score is None else {SCORE: row.score}
    return kept.monitor.see({**score, **row.details.get("light", {})})


def _since(session: Session, kept: _Kept, before: int | None) -> Iterator[Inspected]:
    rows = select(Inspected).where(Inspected.version_id == kept.version_id, Inspected.id > kept.last_id)
    if before is not None:
        rows = rows.where(Inspected.id < before)
    yield from filter(_counts, session.scalars(rows.order_by(Inspected.id)))


def _last_id(session: Session, before: int | None = None) -> int:
    if before is not None:
        return before - 1
    return session.scalar(select(Inspected.id).order_by(Inspected.id.desc()).limit(1)) or 0


def _reason(monitor: Monitor) -> str:
    return (monitor.message or "")[:_MOST_CHARACTERS]


def _plain(kept: _Kept) -> dict[str, Any]:
    monitor = kept.monitor
    return {
        "state": monitor.state,
        "n_images": monitor.n_images,
        "images_per_false_alarm": monitor.images_per_false_alarm,
        "alarm": _alarm(kept) if monitor.moved else None,
        "statistics": [_statistic(monitor, name) for name in STATISTICS],
    }


def _alarm(kept: _Kept) -> dict[str, Any]:
    moved = [one.statistic for one in kept.monitor.moved]
    return {"time": kept.alarmed or now(), "message": kept.monitor.message, "moved": moved}


def _statistic(monitor: Monitor, name: str) -> dict[str, Any]:
    test = monitor.tests[name]
    return {
        "statistic": name,
        "evidence": monitor.evidence(name),
        "n_reference": len(test.reference),
        "reference": Spread.of(test.reference)._asdict() if test.reference else None,
        "n_images": len(test.values),
        "lately": Spread.of(test.values[-_LATELY:])._asdict() if test.values else None,
    }
