"""What has become of scores, yield, false alarms and latency: by hour, day, shift or station."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from urushi.serving.database import Database
from urushi.serving.history import Query
from urushi.serving.review import Share
from urushi.serving.tables import Inspected, Verdict

By = Literal["hour", "day", "shift", "station"]
_MOST_GROUPS = 500


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


class _Row(NamedTuple):
    name: str | None
    score: float | None
    decision: str
    seconds: float
    verdict: str | None


def trends(database: Database, query: Query, by: By) -> list[Group]:
    """The groups of these inspections: by their times, or by their names; the last 500 of them."""
    each = aliased(Verdict)
    last = select(func.max(each.id)).group_by(each.inspected_id)
    of_each = (Verdict.inspected_id == Inspected.id) & Verdict.id.in_(last)
    key = {"shift": Inspected.shift, "station": Inspected.station}.get(by, Inspected.time)
    columns = select(key, Inspected.score, Inspected.decision, Inspected.seconds, Verdict.verdict)
    rows = columns.select_from(Inspected).outerjoin(Verdict, of_each).where(*query.conditions())
    groups: dict[str | None, list[_Row]] = {}
    with database.reading() as session:
        for first, *rest in session.execute(rows):
            row = _Row(_begin(first, by) if isinstance(first, datetime) else first, *rest)
            groups.setdefault(row.name, []).append(row)
    ordered = sorted(groups, key=lambda name: (name is not None, name or ""))
    return [_group(name, groups[name]) for name in ordered[-_MOST_GROUPS:]]


def _begin(time: datetime, by: By) -> str:
    begin = time.replace(minute=0, second=0, microsecond=0)
    return (begin.replace(hour=0) if by == "day" else begin).isoformat()


def _group(name: str | None, rows: list[_Row]) -> Group:
    decisions = {kind: sum(row.decision == kind for row in rows) for kind in {row.decision for row in rows}}
    accepted = [row.decision == "anomalous" for row in rows if row.verdict == "ok"]
    return Group(
        name=name,
        decisions=decisions,
        yielded=Share.counted(decisions.get("normal", 0), len(rows) - decisions.get("unreadable", 0)),
        false_alarms=Share.counted(sum(accepted), len(accepted)),
        scores=Spread.of([row.score for row in rows if row.score is not None]),
        seconds=Spread.of([row.seconds for row in rows]),
    )
