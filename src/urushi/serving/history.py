"""The record of inspections: written once all that a row names is on the disk, and found again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, ScalarSelect, Select, exists, or_, select
from sqlalchemy.orm import Session

from urushi.data.images import IMAGE_SUFFIXES
from urushi.detector import Detector
from urushi.errors import NotFoundError
from urushi.inspection import Inspection, Unreadable
from urushi.serving import evidence
from urushi.serving.announcements import Announcement, Announcements
from urushi.serving.database import Database, now
from urushi.serving.disputes import disputed
from urushi.serving.objects import Keeper, Objects, linked
from urushi.serving.tables import Inspected, Tag, Verdict, Version

Outcome = Literal["normal", "unsure", "anomalous", "unreadable"]
Also = Callable[[Session, Inspected], None]
PAGE = 50
SIMULATED = "simulated"  # the tag of pictures out of a video file that stands for a camera


@dataclass(frozen=True)
class About:
    """What came with an image, and from whom."""

    author: str
    part_id: str | None = None
    serial: str | None = None
    station: str | None = None
    shift: str | None = None
    tags: Sequence[str] = ()


@dataclass(frozen=True)
class Received:
    """An image that is not inspected yet."""

    path: Path
    source: str  # the name that it came with
    rest: Sequence[bytes] = ()  # of its bytes, which are not on the disk yet

    def on_disk(self) -> "Received":
        """The same with all of its bytes there; raises OSError."""
        if not self.rest:
            return self
        with self.path.open("ab") as file:
            file.writelines(self.rest)
        return replace(self, rest=())


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which inspections; None: whatever they are."""

    detector: str | None = None
    decision: Outcome | None = None
    tag: str | None = None
    part_id: str | None = None
    serial: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_score: float | None = None
    max_score: float | None = None
    is_reviewed: bool | None = None
    verdict: str | None = None  # the last one
    defect_type: str | None = None  # that of the last verdict
    is_disputed: bool | None = None  # people judge it differently
    networks: Sequence[str] = field(default=())  # of the versions that decided; none: any

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """In SQL."""
        equal = ("detector", "decision", "part_id", "serial")
        yield from (getattr(Inspected, name) == value for name in equal if (value := getattr(self, name)) is not None)
        if self.since is not None:
            yield Inspected.time >= self.since
        if self.until is not None:
            yield Inspected.time < self.until
        if self.min_score is not None:
            yield Inspected.score >= self.min_score
        if self.max_score is not None:
            yield Inspected.score <= self.max_score
        if self.tag is not None:
            yield exists().where(Tag.inspected_id == Inspected.id, Tag.text == self.tag)
        if self.is_reviewed is not None:
            found = exists().where(Verdict.inspected_id == Inspected.id)
            yield found if self.is_reviewed else ~found
        if self.verdict is not None:
            yield last_said(Verdict.verdict) == self.verdict
        if self.defect_type is not None:
            yield last_said(Verdict.defect_type) == self.defect_type
        if self.is_disputed is not None:
            yield Inspected.id.in_(disputed()) if self.is_disputed else Inspected.id.not_in(disputed())
        if self.networks:
            yield Inspected.version_id.in_(select(Version.id).where(Version.network.in_(self.networks)))

    def select(self) -> Select[Inspected]:
        """The rows, last first."""
        return select(Inspected).where(*self.conditions()).order_by(Inspected.id.desc())


@dataclass(frozen=True)
class Draft:
    """What is to be a row, whose files are on the disk already."""

    version: Version
    values: dict[str, Any]  # of its columns
    tags: Sequence[str]
    keeper: Keeper
    also: Sequence[Also]  # what is written with it, or neither is

    def row(self, session: Session) -> Inspected:
        """A new one, whatever became of those before."""
        words = [Tag(text=text) for text in dict.fromkeys(self.tags)]
        version = session.merge(self.version, load=False)
        return Inspected(**self.values, version=version, tags=words, verdicts=[])


class History:
    """Of all detectors of a station; pictures are shown where it is told what makes them again: the detectors."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        announcements: Announcements | None = None,
        looking_alike: Callable[[Version], Detector] | None = None,
    ) -> None:
        self._database, self._objects = database, objects
        self._announcements = announcements or Announcements()
        self._looking_alike = looking_alike

    def draft(
        self,
        version: Version,
        received: Received,
        result: Inspection | Unreadable,
        about: About,
        seconds: float,
        also: Sequence[Also] = (),
    ) -> Draft:
        """What is to be recorded of a result, whose files are on the disk when this returns; raises OSError."""
        sent = {name: getattr(about, name) for name in ("author", "part_id", "serial", "station", "shift")}
        keeper = Keeper(self._objects)
        values = {"detector": version.detector, "source": received.source, "seconds": seconds, **sent}
        draft = Draft(version, values, about.tags, keeper, also)
        try:
            draft.values.update(self._kept(keeper, received, result))
        except BaseException:
            self.drop(draft)
            raise
        return draft

    def record(self, drafts: Sequence[Draft]) -> list[Inspected]:
        """All or none of them, in their order; they are in the database when this returns. Else each can be dropped."""
        with self._database.writing() as session:
            rows = [draft.row(session) for draft in drafts]
            session.add_all(rows)
            session.flush()
            for row, draft in zip(rows, drafts, strict=True):
                for write in draft.also:
                    write(session, row)
                self._announcements.announce(session, Announcement("inspection", plain(row)))
        for draft in drafts:
            draft.keeper.close()
        return rows

    def drop(self, draft: Draft) -> None:
        """Removes what is not recorded, unless other rows name it."""
        draft.keeper.close()
        for digest in draft.keeper.digests:
            self._objects.remove(digest, self.names)

    def _kept(self, keeper: Keeper, received: Received, result: Inspection | Unreadable) -> dict[str, Any]:
        """The columns that come from a result, whose files are kept."""
        if isinstance(result, Unreadable):
            return {"time": now(), "decision": "unreadable", "details": {"reason": result.reason}, "n_bytes": 0}
        content, n_bytes = evidence.packed(result), received.path.stat().st_size
        return {
            "time": now(),
            "decision": result.decision,
            "score": result.score,
            "details": evidence.details_of(result),
            "n_bytes": len(content) + n_bytes,
            "original": keeper.take(received.path),
            "evidence": keeper.put(content),
        }

    def get(self, number: int) -> Inspected:
        """One inspection; raises NotFoundError."""
        with self._database.reading() as session:
            return required(session, number)

    def page(self, query: Query, *, before: int | None = None, limit: int = PAGE) -> tuple[list[Inspected], int | None]:
        """Up to `limit` inspections, last first, below an id; and the id below which the next ones are."""
        rows = query.select() if before is None else query.select().where(Inspected.id < before)
        with self._database.reading() as session:
            found = list(session.scalars(rows.limit(limit + 1)))
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def all(self, query: Query) -> Iterator[Inspected]:
        """Each inspection, last first; memory does not grow with their number."""
        before: int | None = None
        while True:
            rows, before = self.page(query, before=before, limit=1000)
            yield from rows
            if before is None:
                return

    def borderline(self, query: Query, threshold: float, limit: int) -> list[Inspected]:
        """Those whose scores are nearest to a threshold."""
        rows, score = query.select().order_by(None), Inspected.score
        above = rows.where(score >= threshold).order_by(score, Inspected.id.desc())
        below = rows.where(score < threshold).order_by(score.desc(), Inspected.id.desc())
        with self._database.reading() as session:  # each from where it begins: the others need not be looked at
            found = [row for side in (above, below) for row in session.scalars(side.limit(limit))]
        return sorted(found, key=lambda row: (abs((row.score or 0) - threshold), -row.id))[:limit]

    def evidence(self, row: Inspected) -> evidence.Evidence:
        """The pictures of an inspection; raises NotFoundError where there are none."""
        content = self._objects.path(_digest(row, row.evidence)).read_bytes()
        return evidence.unpacked(content, row.details, lambda: self._detector(row), lambda: self.original(row))

    def original(self, row: Inspected) -> Path:
        """The image as it came; raises NotFoundError where it is not kept."""
        return self._objects.path(_digest(row, row.original))

    def link(self, row: Inspected, folder: Path) -> Path:
        """The image as it came in another folder, by its id; raises NotFoundError where it is not kept."""
        return linked(self.original(row), folder / f"{row.id}{suffix_of(row.source)}")

    def _detector(self, row: Inspected) -> Detector:
        if self._looking_alike is None:
            raise NotFoundError("this history was opened without the detectors that make pictures again")
        return self._looking_alike(row.version)

    def names(self, digest: str) -> bool:
        """Whether a row names this content."""
        with self._database.reading() as session:
            columns = (Inspected.original, Inspected.evidence)
            of_inspection = session.scalar(select(exists().where(or_(*(column == digest for column in columns)))))
            return bool(of_inspection or session.scalar(select(exists().where(Version.digest == digest))))


def last_said(of_verdict: Any) -> ScalarSelect[Any]:
    """A column of the last verdict on an inspection; null without one."""
    of_each = select(of_verdict).where(Verdict.inspected_id == Inspected.id).order_by(Verdict.id.desc())
    return of_each.limit(1).correlate(Inspected).scalar_subquery()


def last_verdicts(session: Session) -> dict[int, str]:
    """The last verdict on each inspection that has one, by its id."""
    rows = session.execute(select(Verdict.inspected_id, Verdict.verdict).order_by(Verdict.id))
    return {number: verdict for number, verdict in rows}  # noqa: C416  rows are tuples of their own kind


def required(session: Session, number: int) -> Inspected:
    """One inspection; raises NotFoundError."""
    if (row := session.get(Inspected, number)) is None:
        raise NotFoundError(f"there is no inspection {number}, or not any more")
    return row


def suffix_of(source: str) -> str:
    """By which an image is known as one, whatever name it came with."""
    suffix = Path(source).suffix.lower()
    return suffix if suffix in IMAGE_SUFFIXES else ".png"


def forget(received: Received) -> None:
    """Removes an image that is not kept."""
    with suppress(OSError):
        received.path.unlink(missing_ok=True)


def plain(row: Inspected) -> dict[str, Any]:
    """An inspection as the API and the export give it."""
    names = (
        "id",
        "detector",
        "decision",
        "score",
        "source",
        "part_id",
        "serial",
        "station",
        "shift",
        "author",
        "seconds",
    )
    hidden = ("source", "decision", "score", evidence.HAS_RECONSTRUCTION, evidence.AS_HELD_OUT)
    details = {name: value for name, value in row.details.items() if name not in hidden}
    values = {name: getattr(row, name) for name in names} | {"time": row.time, "version": row.version.number}
    last = row.verdicts[-1] if row.verdicts else None
    tags = sorted(tag.text for tag in row.tags)
    return {**details, **values, "tags": tags, "verdict": None if last is None else said(last)}


def said(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the API and the export give it."""
    names = ("verdict", "defect_type", "note", "author", "time")
    return {name: getattr(verdict, name) for name in names}


def _digest(row: Inspected, digest: str | None) -> str:
    if digest is None:
        raise NotFoundError(f"inspection {row.id} has no such picture: {row.details.get('reason', 'it was not made')}")
    return digest
