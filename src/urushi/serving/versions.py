"""The detectors of a station: each file that ever decided is kept as a version, and one of them decides now."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from urushi.detector import Detector
from urushi.detector_file import archive
from urushi.errors import ConflictError, InputError, NotFoundError
from urushi.serving.database import Database, note_change, now
from urushi.serving.objects import Objects
from urushi.serving.tables import Current, Version

Load = Callable[[Path], Detector]
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_AS_LOADED = 4  # versions that are kept in memory
_OF_DECISIONS = ("calibration.json", "calibration-int8.json", "recipe.toml", archive.CARD)


@dataclass(frozen=True)
class Loaded:
    """A version that can inspect."""

    row: Version
    detector: Detector


class Detectors:
    """By their names; a version that was loaded stays as it is whatever is switched meanwhile."""

    def __init__(self, database: Database, objects: Objects, load: Load) -> None:
        self._database, self._objects, self._load = database, objects, load
        self._loaded: OrderedDict[int, Loaded] = OrderedDict()
        self._cards: dict[str, Mapping[str, Any]] = {}  # by the digests of their files, which never change
        self._loading, self._turns = threading.Lock(), dict[int, threading.Lock]()
        self._deciding: dict[str, int] = {}  # ids of versions by the names of detectors
        self._n_switches = 0

    def register(self, path: Path, author: str) -> Loaded:
        """The detector of a file by its name without suffix; a content that is new is a new version, and decides now.

        Raises InputError for a name that is none, DetectorFileError.
        """
        name = path.stem
        if not re.fullmatch(NAME, name):
            raise InputError(f"{name!r} is no name for a detector: up to 64 letters, digits, dots, dashes; rename it")
        archive.read(path)
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if any(row.digest == digest for row in self._rows(name)):
            return self.get(name)
        return self.add(name, content, author, f"read from {path.name}")

    def names(self) -> list[str]:
        """Of all detectors."""
        with self._database.reading() as session:
            return list(session.scalars(select(Current.detector).order_by(Current.detector)))

    def get(self, name: str) -> Loaded:
        """The version that decides now; raises NotFoundError."""
        if (known := self.known(name)) is not None:
            return known
        n_switches = self._n_switches
        with self._database.reading() as session:
            row = _current(session, name)
        with self._loading:
            if n_switches == self._n_switches:
                self._deciding[name] = row.id
        return self._of(row)

    def known(self, name: str) -> Loaded | None:
        """The same where neither disk nor database need be asked, else None."""
        with self._loading:
            number = self._deciding.get(name)
            if number is None or number not in self._loaded:
                return None
            self._loaded.move_to_end(number)
            return self._loaded[number]

    def deciding(self, name: str) -> int | None:
        """The number of the version that decides now; None where none does."""
        with self._database.reading() as session:
            return None if (row := _deciding(session, name)) is None else row.number

    def require_deciding(self, row: Version) -> None:
        """Raises ConflictError if another version of its detector decides now."""
        with self._database.reading() as session:
            _require(_deciding(session, row.detector), row.number)

    def version(self, name: str, number: int) -> Loaded:
        """One of the versions; raises NotFoundError."""
        return self._of(self.row(name, number))

    def row(self, name: str, number: int) -> Version:
        """What is known of one of them, without loading it; raises NotFoundError."""
        if (row := next((row for row in self._rows(name) if row.number == number), None)) is None:
            raise NotFoundError(f"the detector {name!r} has no version {number}")
        return row

    def looking_alike(self, row: Version) -> Detector:
        """One to which images look as to this version: another threshold makes no difference."""
        with self._loading:
            known = next((one for one in self._loaded.values() if one.row.network == row.network), None)
        return (known or self._of(row)).detector

    def file(self, name: str, number: int) -> Path:
        """The detector file of a version; raises NotFoundError."""
        return self._objects.path(self.row(name, number).digest)

    def shows_similar(self, row: Version) -> bool:
        """Whether what it shows as normal is the most similar good image, not a reconstruction."""
        if row.digest not in self._cards:
            self._cards[row.digest] = archive.read(self._objects.path(row.digest))[1]
        return "n_pictures" in self._cards[row.digest].get("fit", {})

    def versions(self, name: str) -> list[Version]:
        """From the first to the last; raises NotFoundError."""
        if not (rows := self._rows(name)):
            raise _unknown(name)
        return rows

    def add(
        self,
        name: str,
        content: bytes | Detector,
        author: str,
        reason: str,
        *,
        after: int | None = None,
        goes_live: bool = True,
    ) -> Loaded:
        """A new version, deciding from now on if it goes live; raises ConflictError if it does not follow `after`."""
        content = _saved(content) if isinstance(content, Detector) else content
        with self._objects.keeping() as keeper:
            digest = keeper.put(content)
            detector = self._load(self._objects.path(digest))  # what cannot be loaded becomes no version
            with self._switched(name) as session:
                row = _row(session, name)
                _require(_deciding(session, name), after)
                row.digest, row.network = digest, _network(self._objects.path(digest))
                row.threshold, row.time, row.author, row.reason = detector.threshold.value, now(), author, reason
                session.add(row)
                session.flush()
                (_switch if goes_live else _note_waiting)(session, row, author, reason)
        return self._keep(Loaded(row, detector))

    def switch(self, name: str, number: int, author: str, reason: str) -> Loaded:
        """Another version decides from now on; raises NotFoundError."""
        loaded = self.version(name, number)
        with self._switched(name) as session:
            _switch(session, loaded.row, author, reason)
        return loaded

    @contextmanager
    def _switched(self, name: str) -> Iterator[Session]:
        """A session that may change what decides, which is then looked up again."""
        try:
            with self._database.writing() as session:
                yield session
        finally:
            with self._loading:
                self._n_switches += 1
                self._deciding.pop(name, None)

    def _rows(self, name: str) -> list[Version]:
        with self._database.reading() as session:
            return list(session.scalars(select(Version).where(Version.detector == name).order_by(Version.number)))

    def _of(self, row: Version) -> Loaded:
        with self._turns.setdefault(row.id, threading.Lock()):  # others need not wait for what takes a second to load
            with self._loading:
                if row.id in self._loaded:
                    self._loaded.move_to_end(row.id)
                    return self._loaded[row.id]
            return self._keep(Loaded(row, self._load(self._objects.path(row.digest))))

    def _keep(self, loaded: Loaded) -> Loaded:
        with self._loading:
            self._loaded[loaded.row.id] = loaded
            while len(self._loaded) > _AS_LOADED:
                self._loaded.popitem(last=False)
        return loaded


def _deciding(session: Session, name: str) -> Version | None:
    of_name = Current.detector == name
    return session.scalar(select(Version).join(Current, Current.version_id == Version.id).where(of_name))


def _current(session: Session, name: str) -> Version:
    if (row := _deciding(session, name)) is None:
        raise _unknown(name)
    return row


def _row(session: Session, name: str) -> Version:
    last = session.scalar(select(func.max(Version.number)).where(Version.detector == name)) or 0
    return Version(detector=name, number=last + 1)


def _switch(session: Session, row: Version, author: str, reason: str) -> None:
    current, old = session.get(Current, row.detector), _deciding(session, row.detector)
    if current is None:
        session.add(Current(detector=row.detector, version_id=row.id))
    else:
        current.version_id = row.id
    before, after = (_facts(one) for one in (old, row))
    note_change(session, author, "version", row.detector, before=before, after=after, reason=reason)


def _note_waiting(session: Session, row: Version, author: str, reason: str) -> None:
    note_change(session, author, "add version", row.detector, before={}, after=_facts(row), reason=reason)


def _facts(row: Version | None) -> dict[str, object]:
    return {} if row is None else {"version": row.number, "threshold": row.threshold}


def _require(present: Version | None, after: int | None) -> None:
    if after is not None and (present is None or present.number != after):
        now_is = "none" if present is None else present.number
        raise ConflictError(f"version {after} was to be followed, but version {now_is} decides now; look at it first")


def _network(path: Path) -> str:
    """The same for detectors that score alike, whatever their thresholds."""
    members, _ = archive.read(path)
    parts = {name: hashlib.sha256(members[name]).hexdigest() for name in sorted(members) if name not in _OF_DECISIONS}
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _saved(detector: Detector) -> bytes:
    with TemporaryDirectory(prefix="urushi-") as folder:
        detector.save(path := Path(folder) / "detector.urushi")
        return path.read_bytes()


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"there is no detector {name!r}")
