"""What has become of scores, yield, false alarms and latency: by hour, day, shift or station."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, String, cast, func, select
from sqlalchemy.orm import Session

from urushi.serving.database import Database
from urushi.serving.history import Query, last_verdicts
from urushi.serving.review import Share
from urushi.serving.tables import Inspected

By = Literal["hour", "day", "shift", "station"]
_MOST_GROUPS = 500
Objects = NDArray[np.object_]


class Spread(NamedTuple):
    """The 5 %, 50 % and 95 % quantiles of some values."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread | None":
        """None of none."""
        return cls(*(float(one) for one in np.quantile(values, (0.05, 0.5, 0.95)))) if values else None


@dataclass(frozen=True)
class Group:
    """The inspections of one hour, day, shift or station."""

    name: str | None  # of an hour or day its begin, in UTC; None: none was named
    decisions: dict[str, int]
    yielded: Share  # normal, of those that could be read
    false_alarms: Share  # anomalous, of those with the verdict OK
    scores: Spread | None  # None where no image could be read
    seconds: Spread | None


def trends(database: Database, query: Query, by: By) -> list[Group]:
    """The groups of these inspections: by their times, or by their names; the last 500 of them."""
    columns = (Inspected.id, Inspected.score, Inspected.decision, Inspected.seconds)
    with database.reading() as session:
        rows = database.rows(session, select(_key(session, by), *columns).where(*query.conditions()))
        said = last_verdicts(session)
    if not rows:
        return []
    names, numbers, *known = zip(*rows, strict=True)
    values = [*known, [said.get(number) for number in numbers]]
    places: dict[str | None, int] = {}
    codes = np.array([places.setdefault(name, len(places)) for name in names])
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1]
    parts = list(zip(*(np.split(np.array(of, dtype=object)[order], ends) for of in values), strict=True))
    ordered = sorted(places, key=lambda name: (name is not None, name or ""))
    return [_group(_begin(name, by), *parts[places[name]]) for name in ordered[-_MOST_GROUPS:]]


def _key(session: Session, by: By) -> ColumnElement[str | None]:
    """What groups: a name, or the hour in UTC as text, which is quicker than to read each time."""
    if by in ("shift", "station"):
        return Inspected.shift if by == "shift" else Inspected.station  # type: ignore[return-value]
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(cast(Inspected.time, String), 1, len("2026-11-30 13" if by == "hour" else "2026-11-30"))
    return func.to_char(func.timezone("UTC", Inspected.time), "YYYY-MM-DD HH24" if by == "hour" else "YYYY-MM-DD")


def _begin(name: str | None, by: By) -> str | None:
    if name is None or by not in ("hour", "day"):
        return name
    moment = datetime.strptime(name, "%Y-%m-%d %H" if by == "hour" else "%Y-%m-%d")
    return moment.replace(tzinfo=UTC).isoformat()


def _group(name: str | None, scores: Objects, decisions: Objects, seconds: Objects, said: Objects) -> Group:
    counts = dict(Counter(decisions.tolist()))
    accepted = decisions[said == "ok"]
    return Group(
        name=name,
        decisions=counts,
        yielded=Share.counted(counts.get("normal", 0), len(decisions) - counts.get("unreadable", 0)),
        false_alarms=Share.counted(int((accepted == "anomalous").sum()), len(accepted)),
        scores=Spread.of([score for score in scores if score is not None]),
        seconds=Spread.of(seconds.tolist()),
    )
