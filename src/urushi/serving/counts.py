"""What a station counts while a shift runs: decisions, yield, and which defects there were."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from urushi.serving.database import Database, now
from urushi.serving.tables import Inspected, Verdict

_LONGEST = timedelta(hours=12)  # of a shift that has a name
_ELSE = timedelta(hours=8)


@dataclass(frozen=True)
class Counts:
    """Of the shift that the last image named, or else of the last eight hours."""

    shift: str | None
    since: datetime
    decisions: dict[str, int]
    defect_types: list[tuple[str | None, int]]  # of images with the verdict NG, most frequent first; None: not named
    n_to_review: int  # not normal, and without a verdict

    @property
    def n_decided(self) -> int:
        """How many could be read."""
        return sum(n for name, n in self.decisions.items() if name != "unreadable")

    @property
    def yield_share(self) -> float | None:
        """Share of the decided ones that are normal; None of none."""
        return self.decisions.get("normal", 0) / self.n_decided if self.n_decided else None


def counted_now(database: Database, detector: str) -> Counts:
    """Counts of a detector at this moment."""
    moment = now()
    with database.reading() as session:
        last = select(Inspected.shift).where(Inspected.detector == detector).order_by(Inspected.id.desc()).limit(1)
        shift = session.scalar(last)
        since = moment - (_LONGEST if shift else _ELSE)
        which = [Inspected.detector == detector, Inspected.time >= since]
        return _counts(session, shift, since, [*which, Inspected.shift == shift] if shift else which)


def _counts(session: Session, shift: str | None, since: datetime, which: list[ColumnElement[bool]]) -> Counts:
    n = func.count()
    decisions = session.execute(select(Inspected.decision, n).where(*which).group_by(Inspected.decision))
    first = session.scalar(select(func.min(Inspected.time)).where(*which))
    judged = select(func.max(Verdict.id)).where(Verdict.time >= since).group_by(Verdict.inspected_id)
    of_ng = (
        select(Verdict.defect_type, n).join(Inspected).where(Verdict.id.in_(judged), Verdict.verdict == "ng", *which)
    )
    types = session.execute(of_ng.group_by(Verdict.defect_type).order_by(n.desc(), Verdict.defect_type))
    has_verdict = select(Verdict.id).where(Verdict.inspected_id == Inspected.id).exists()
    open_ones = select(n).select_from(Inspected).where(*which, Inspected.decision.in_(("anomalous", "unsure")))
    return Counts(
        shift=shift,
        since=first or since,
        decisions={name: count for name, count in decisions},  # noqa: C416  rows are tuples of their own kind
        defect_types=[(name, count) for name, count in types],
        n_to_review=session.scalar(open_ones.where(~has_verdict)) or 0,
    )
