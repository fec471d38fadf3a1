"""The history to look through: worst first or newest first, page by page, and which words there are to filter by."""

from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from urushi.errors import InputError, NotFoundError
from urushi.serving.database import Database
from urushi.serving.history import PAGE, Query
from urushi.serving.tables import Inspected, Tag, Verdict

Order = Literal["newest", "worst"]
_MOST_CHOICES = 100


class Choices(NamedTuple):
    """Words that there are, sorted."""

    defect_types: list[str]
    tags: list[str]


class Gallery:
    """Of a station. Worst first has no images that could not be read: they have no score."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, query: Query, order: Order, *, after: int | None = None, limit: int = PAGE
    ) -> tuple[list[Inspected], int | None]:
        """Up to `limit` inspections after the one with an id, and the id after which the next ones are.

        Raises NotFoundError where the one to go on after is not there any more, InputError for the worst of all
        detectors.
        """
        if order == "worst" and query.detector is None:
            raise InputError("scores of two detectors cannot be compared: worst first needs the name of a detector")
        with self._database.reading() as session:
            rows = _in_order(query, order, is_reversed=False)
            if after is not None:
                rows = rows.where(_beyond(session, order, after, is_reversed=False))
            found = list(session.scalars(rows.limit(limit + 1)))
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def beside(self, query: Query, order: Order, number: int) -> tuple[int | None, int | None]:
        """The ids of the inspections before and after one of them; raises NotFoundError."""
        with self._database.reading() as session:
            before, after = (
                session.scalar(
                    _in_order(query, order, is_reversed=is_reversed)
                    .where(_beyond(session, order, number, is_reversed=is_reversed))
                    .with_only_columns(Inspected.id)
                    .limit(1)
                )
                for is_reversed in (True, False)
            )
        return before, after

    def choices(self, detector: str | None = None) -> Choices:
        """Types that verdicts name, of one detector or of all, and tags."""
        types = select(Verdict.defect_type).where(Verdict.defect_type.is_not(None)).distinct()
        if detector is not None:
            types = types.join(Inspected, Inspected.id == Verdict.inspected_id).where(Inspected.detector == detector)
        tags = select(Tag.text).distinct()
        with self._database.reading() as session:
            found = [sorted(filter(None, session.scalars(one.limit(_MOST_CHOICES)))) for one in (types, tags)]
        return Choices(*found)

    def n_unreadable(self, query: Query) -> int:
        """How many of them could not be read."""
        rows = select(func.count()).select_from(Inspected).where(*query.conditions(), Inspected.score.is_(None))
        with self._database.reading() as session:
            return session.scalar(rows) or 0


def _in_order(query: Query, order: Order, *, is_reversed: bool) -> Select[Inspected]:
    keys = (Inspected.id,) if order == "newest" else (Inspected.score, Inspected.id)
    rows = query.select().order_by(None).order_by(*(key if is_reversed else key.desc() for key in keys))
    return rows if order == "newest" else rows.where(Inspected.score.is_not(None))


def _beyond(session: Session, order: Order, number: int, *, is_reversed: bool) -> ColumnElement[bool]:
    """Which ones come after it, or before it."""
    if order == "newest":
        return Inspected.id > number if is_reversed else Inspected.id < number
    score = session.scalar(select(Inspected.score).where(Inspected.id == number))
    if score is None:
        raise NotFoundError(f"inspection {number} has no score, or is not there any more: begin with the first page")
    place = tuple_(Inspected.score, Inspected.id)
    return place > tuple_(score, number) if is_reversed else place < tuple_(score, number)
