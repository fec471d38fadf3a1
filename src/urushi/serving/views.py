"""Views of the gallery: filters that a person has given a name. Each has their own, by the name of the token."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from urushi.errors import ConflictError, InputError, NotFoundError
from urushi.serving.database import Database, now
from urushi.serving.gallery import Order
from urushi.serving.history import Outcome, Query
from urushi.serving.messages.fields import Name, VerdictKind, Word
from urushi.serving.tables import GalleryView

MOST_VIEWS = 50  # of one person


class GalleryFilters(BaseModel):
    """What a gallery is asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"verdict": "ng", "hours": 24}})

    detector: Name | None = None
    decision: Outcome | None = None
    verdict: VerdictKind | None = None
    defect_type: Word | None = None
    tag: Word | None = None
    is_disputed: bool | None = None
    hours: Annotated[int, Field(ge=1, le=10_000, description="The last so many, in place of `since`.")] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    order: Order = "worst"

    def query(self) -> Query:
        """As the history takes it, at this moment."""
        since = self.since if self.hours is None else now() - timedelta(hours=self.hours)
        names = ("detector", "decision", "verdict", "defect_type", "tag", "is_disputed", "until")
        return Query(since=since, **{name: getattr(self, name) for name in names})

    def kept(self) -> dict[str, Any]:
        """For an address, or to be kept: without what is the default."""
        fields = set(GalleryFilters.model_fields)
        return self.model_dump(mode="json", include=fields, exclude_none=True, exclude_defaults=True)


class ViewAsked(BaseModel):
    """A view to keep; one of the same name is replaced."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "cracks of the day", "filters": {"hours": 24}}}
    )

    name: Word
    filters: GalleryFilters


class ViewRenamed(BaseModel):
    """Another name for a view."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "cracks"}})

    name: Word


class ViewFound(BaseModel):
    """A view that is kept."""

    id: int
    name: str = Field(examples=["cracks of the day"])
    filters: GalleryFilters
    time: datetime

    @classmethod
    def of(cls, row: GalleryView) -> "ViewFound":
        """From its row."""
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class Views:
    """Of a station; nobody sees or changes those of others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, owner: str) -> list[ViewFound]:
        """Those of a person, by their names."""
        with self._database.reading() as session:
            rows = session.scalars(select(GalleryView).where(GalleryView.owner == owner).order_by(GalleryView.name))
            return [ViewFound.of(row) for row in rows]

    def keep(self, owner: str, name: str, filters: GalleryFilters) -> ViewFound:
        """A view by a name, in place of one that has it; raises InputError beyond the largest number."""
        with self._database.writing() as session:
            of_owner = GalleryView.owner == owner
            row = session.scalar(select(GalleryView).where(of_owner, GalleryView.name == name))
            if row is None:
                n = session.scalar(select(func.count()).select_from(GalleryView).where(of_owner)) or 0
                if n >= MOST_VIEWS:
                    raise InputError(f"a person has at most {MOST_VIEWS} views; remove one first")
                session.add(row := GalleryView(owner=owner, name=name))
            row.filters, row.time = filters.kept(), now()
            session.flush()
            return ViewFound.of(row)

    def rename(self, owner: str, number: int, name: str) -> ViewFound:
        """Gives a view another name; raises NotFoundError, ConflictError where another one has it."""
        try:
            with self._database.writing() as session:
                row = _own(session, owner, number)
                row.name = name
                session.flush()
                return ViewFound.of(row)
        except IntegrityError:
            raise ConflictError(f"there is another view {name!r}; remove it first, or take another name") from None

    def remove(self, owner: str, number: int) -> ViewFound:
        """What it was; raises NotFoundError."""
        with self._database.writing() as session:
            row = _own(session, owner, number)
            session.delete(row)
            return ViewFound.of(row)


def _own(session: Session, owner: str, number: int) -> GalleryView:
    row = session.get(GalleryView, number)
    if row is None or row.owner != owner:
        raise NotFoundError(f"you have no view {number}")
    return row
