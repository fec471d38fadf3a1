"""The tables of the station's database. Their history of changes is in `migrations/`."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Double, ForeignKey, Index, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

LARGEST_ID = 2**31 - 1  # what PostgreSQL keeps in a column of whole numbers


class Moment(TypeDecorator[datetime]):
    """A time in UTC, which SQLite would give back without its zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Base(DeclarativeBase):
    """Of all tables."""

    type_annotation_map = {datetime: Moment, float: Double, dict[str, Any]: JSON}  # noqa: RUF012  as SQLAlchemy reads it


class Version(Base):
    """A detector as it was at a time; none is ever changed."""

    __tablename__ = "version"
    __table_args__ = (UniqueConstraint("detector", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]  # from 1 for each detector
    digest: Mapped[str] = mapped_column(String(64))  # of its file
    network: Mapped[str] = mapped_column(String(64))  # scores of versions with the same one can be compared
    threshold: Mapped[float]
    time: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(500))


class Current(Base):
    """Which version of a detector decides now."""

    __tablename__ = "current"

    detector: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"))


class Inspected(Base):
    """An image that was inspected, or could not be read."""

    __tablename__ = "inspected"
    __table_args__ = (
        Index("inspected_by_detector", "detector", "id"),
        Index("inspected_by_decision", "decision", "id"),
        Index("inspected_by_score", "detector", "score", "id", "version_id"),
        Index("inspected_by_time", "detector", "time", "decision", "shift", "station", "score", "seconds"),
        {"sqlite_autoincrement": True},  # an id that was given is never given again
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime] = mapped_column(index=True)
    detector: Mapped[str] = mapped_column(String(64))
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    decision: Mapped[str] = mapped_column(String(10))  # normal, unsure, anomalous, unreadable
    score: Mapped[float | None] = mapped_column(index=True)
    source: Mapped[str] = mapped_column(String(255))  # the name that the image came with
    part_id: Mapped[str | None] = mapped_column(String(100), index=True)
    serial: Mapped[str | None] = mapped_column(String(100), index=True)
    station: Mapped[str | None] = mapped_column(String(100))
    shift: Mapped[str | None] = mapped_column(String(100))
    author: Mapped[str] = mapped_column(String(64))  # the name of the token that sent it
    seconds: Mapped[float]
    details: Mapped[dict[str, Any]]  # all other values of the result, or why it could not be read
    original: Mapped[str | None] = mapped_column(String(64), index=True)  # the digest of the file as it came
    evidence: Mapped[str | None] = mapped_column(String(64), index=True)  # of the map and what else is kept
    n_bytes: Mapped[int]  # of both

    version: Mapped[Version] = relationship(lazy="joined", innerjoin=True)
    tags: Mapped[list["Tag"]] = relationship(lazy="selectin", passive_deletes=True)
    verdicts: Mapped[list["Verdict"]] = relationship(lazy="selectin", order_by="Verdict.id", passive_deletes=True)


class Tag(Base):
    """A word that came with an image."""

    __tablename__ = "tag"
    __table_args__ = (Index("tag_by_text", "text", "inspected_id"),)

    inspected_id: Mapped[int] = mapped_column(ForeignKey("inspected.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(String(100), primary_key=True)


class Verdict(Base):
    """What a person says of an inspection; a later one takes the place of those before, which are kept."""

    __tablename__ = "verdict"

    id: Mapped[int] = mapped_column(primary_key=True)
    inspected_id: Mapped[int] = mapped_column(ForeignKey("inspected.id"), index=True)
    verdict: Mapped[str] = mapped_column(String(10))  # ok, ng, unsure
    defect_type: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str | None] = mapped_column(String(1000))
    author: Mapped[str] = mapped_column(String(64))
    time: Mapped[datetime]


class Change(Base):
    """Who changed what, when and why: the audit trail. The database refuses to change or remove a row."""

    __tablename__ = "change"

    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(100))
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]
    reason: Mapped[str | None] = mapped_column(String(500))


class Drift(Base):
    """How far the monitor of a detector has come."""

    __tablename__ = "drift"

    detector: Mapped[str] = mapped_column(String(64), primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("version.id"))
    last_id: Mapped[int]  # of the inspections that it has seen
    state: Mapped[dict[str, Any]]
    alarmed: Mapped[datetime | None]  # when the alarm was raised that stands


class Sent(Base):
    """Which image of a request with an idempotency key an inspection was of."""

    __tablename__ = "sent"

    author: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64))  # of all that the request brought
    inspected_id: Mapped[int] = mapped_column(ForeignKey("inspected.id", ondelete="CASCADE"), index=True)


class Job(Base):
    """Work that takes long: asked for, and what became of it."""

    __tablename__ = "job"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # fit, export, compare
    detector: Mapped[str] = mapped_column(String(64))
    asked: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(12))  # waiting, running, done, failed, cancelled, interrupted
    message: Mapped[str | None] = mapped_column(String(1000))  # its last line, or why it failed
    version: Mapped[int | None]  # that it has made, if it makes one
    author: Mapped[str] = mapped_column(String(64))
    created: Mapped[datetime]
    ended: Mapped[datetime | None]


class Comparison(Base):
    """What two versions made of the same images."""

    __tablename__ = "comparison"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True, autoincrement=False)
    found: Mapped[dict[str, Any]]


class GalleryView(Base):
    """Filters of the gallery that a person has given a name."""

    __tablename__ = "gallery_view"
    __table_args__ = (UniqueConstraint("owner", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))  # the name of a token
    name: Mapped[str] = mapped_column(String(100))
    filters: Mapped[dict[str, Any]]
    time: Mapped[datetime]


class Token(Base):
    """What lets a program or a person in; of the secret only a hash is kept."""

    __tablename__ = "token"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(10))
    hash: Mapped[str] = mapped_column(String(200))
    created: Mapped[datetime]
    revoked: Mapped[datetime | None]


class Delivery(Base):
    """A result on its way to a destination: removed once it is taken, or too old."""

    __tablename__ = "delivery"
    __table_args__ = (Index("delivery_by_due", "destination", "due", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32))  # by which a receiver knows it again
    destination: Mapped[str] = mapped_column(String(80))
    body: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime]
    due: Mapped[datetime]  # when it is to be sent
    n_failures: Mapped[int]


class Arrival(Base):
    """What came by itself, from a folder or by a trigger, and was inspected: it is not inspected again."""

    __tablename__ = "arrival"

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    inspected: Mapped[int]  # the number of its inspection, which may be gone
    time: Mapped[datetime]
