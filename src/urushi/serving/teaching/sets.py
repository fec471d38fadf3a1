"""Sets of images that people have brought to teach a detector: in the station's folder, each for a week."""

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, Field

from urushi import atomic_file
from urushi.data.folders import is_of_system
from urushi.data.images import IMAGE_SUFFIXES, read_image
from urushi.data.stream import stream
from urushi.errors import InputError, NotFoundError, TooLargeError, UnreadableImageError
from urushi.printable import printable
from urushi.serving.database import Database, note_change, now
from urushi.serving.history import Received, forget
from urushi.serving.settings import Limits
from urushi.serving.teaching.findings import found_in
from urushi.serving.teaching.zipped import copied, members

ID = r"[0-9a-f]{32}"
DAYS = 7
_MOST_SETS = 20
_FACTS, _IMAGES, _FINDINGS = "set.json", "good", "findings.json"


class LeftOut(BaseModel):
    """A file that was brought and is not learnt."""

    name: str
    reason: str


class TeachingSet(BaseModel):
    """Good images that were brought together."""

    id: str
    created: datetime
    author: str
    n_bytes: int = 0
    images: dict[str, str] = Field(default={}, description="Readable ones: by what they are kept as, their names.")
    copies: list[str] = Field(default=[], description="Names of files with the bytes of another one.")
    left_out: list[LeftOut] = Field(default=[], description="What is no image, or cannot be read.")


class TeachingSets:
    """Those of a station."""

    def __init__(self, folder: Path, database: Database, limits: Limits) -> None:
        self.root, self._database, self._limits = folder / "teaching", database, limits
        self._changing = threading.RLock()
        self.root.mkdir(exist_ok=True)
        self.remove_old(now())

    def begin(self, author: str, files: Sequence[Received]) -> TeachingSet:
        """A new set of these files, which are taken: images, or one zip of them; raises InputError, TooLargeError."""
        with self._changing:
            try:
                if len(self.all()) >= _MOST_SETS:
                    raise TooLargeError(f"there are {_MOST_SETS} teaching sets already; remove one of them first")
                made = TeachingSet(id=uuid4().hex, created=now(), author=author)
                self.images(made.id).mkdir(parents=True)
                try:
                    return self._added(made, files, author)
                except BaseException:
                    shutil.rmtree(self.root / made.id)
                    raise
            finally:
                _forget(files)

    def add(self, number: str, author: str, files: Sequence[Received]) -> TeachingSet:
        """More of them; raises NotFoundError, InputError, TooLargeError, and then none of these is added."""
        with self._changing:
            try:
                return self._added(self.get(number), files, author)
            finally:
                _forget(files)

    def get(self, number: str) -> TeachingSet:
        """One of them; raises NotFoundError."""
        try:
            return TeachingSet.model_validate_json((self.root / number / _FACTS).read_bytes())
        except FileNotFoundError:
            raise NotFoundError(f"there is no teaching set {number}; each is kept for {DAYS} days") from None

    def all(self) -> list[TeachingSet]:
        """Last first, none that is older than a week."""
        self.remove_old(now())
        found = list[TeachingSet]()
        for place in self.root.glob(f"*/{_FACTS}"):
            with suppress(NotFoundError):  # removed meanwhile
                found.append(self.get(place.parent.name))
        return sorted(found, key=lambda one: one.created, reverse=True)

    def images(self, number: str) -> Path:
        """The folder of its images."""
        return self.root / number / _IMAGES

    def findings(self, number: str) -> dict[str, Any]:
        """What is in it and odd about it; the first time every image is looked at. Raises NotFoundError."""
        place = self.root / self.get(number).id / _FINDINGS
        if not place.exists():
            with self._changing:
                found = found_in(self.images(number), self.get(number).images)
                atomic_file.replace(place, json.dumps(found, allow_nan=False).encode())
                return found
        kept: dict[str, Any] = json.loads(place.read_bytes())
        return kept

    def remove(self, number: str, author: str) -> TeachingSet:
        """Its images as well; gives what it was. Raises NotFoundError."""
        with self._changing:
            gone = self.get(number)
            shutil.rmtree(self.root / number)
            with self._database.writing() as session:
                before = {"n_images": len(gone.images)}
                note_change(session, author, "remove", f"teaching set {number}", before=before, after={})
            return gone

    def remove_old(self, moment: datetime) -> None:
        """Those that are older than a week, and what a station that was killed has left; later if one changes now."""
        if not self._changing.acquire(blocking=False):
            return
        try:
            for place in self.root.iterdir():
                if not (place / _FACTS).exists():
                    shutil.rmtree(place)
                elif self.get(place.name).created < moment - timedelta(days=DAYS):
                    self.remove(place.name, "retention")
        finally:
            self._changing.release()

    def _added(self, to: TeachingSet, files: Sequence[Received], author: str) -> TeachingSet:
        incoming = self.root / to.id / f"incoming-{uuid4().hex}"
        incoming.mkdir()
        try:
            changed = self._taken(to, list(self._unpacked(to, files, incoming)))
        finally:
            shutil.rmtree(incoming)
        with suppress(FileNotFoundError):
            (self.root / to.id / _FINDINGS).unlink()
        atomic_file.replace(self.root / to.id / _FACTS, changed.model_dump_json().encode())
        with self._database.writing() as session:
            after = {"n_images": len(changed.images), "n_left_out": len(changed.left_out)}
            before = {"n_images": len(to.images)}
            note_change(session, author, "teach", f"teaching set {to.id}", before=before, after=after)
        return changed

    def _unpacked(self, to: TeachingSet, files: Sequence[Received], incoming: Path) -> Iterator[Received]:
        """Each file that is an image by its name, in the set's own folder, the others with no place."""
        n_left, bytes_left = self._room(to)
        for number, (name, source) in enumerate(_opened(files, n_left, bytes_left)):
            path = PurePosixPath(name.replace("\\", "/"))
            if is_of_system(Path(path.name)) or path.suffix.lower() not in IMAGE_SUFFIXES:
                yield Received(Path(), name)
                continue
            place = incoming / f"{number}{path.suffix.lower()}"
            bytes_left -= copied(source, place, bytes_left)
            yield Received(place, name)

    def _room(self, to: TeachingSet) -> tuple[int, int]:
        n_files = len(to.images) + len(to.copies) + len(to.left_out)
        return self._limits.teaching_images - n_files, self._limits.teaching_bytes - to.n_bytes

    def _taken(self, to: TeachingSet, files: Sequence[Received]) -> TeachingSet:
        changed = to.model_copy(deep=True)
        known = {Path(kept_as).stem for kept_as in to.images}
        for one, reason in zip(files, stream(_why_not, files), strict=True):
            if reason is not None:
                changed.left_out.append(LeftOut(name=one.source, reason=reason))
                continue
            n_bytes, digest = one.path.stat().st_size, _digest(one.path)
            if digest in known:
                changed.copies.append(one.source)
                continue
            kept_as = f"{digest}{one.path.suffix}"
            known.add(digest)
            one.path.replace(self.images(to.id) / kept_as)
            changed.images[kept_as], changed.n_bytes = one.source, changed.n_bytes + n_bytes
        return changed


def _opened(files: Sequence[Received], n_images: int, n_bytes: int) -> Iterator[tuple[str, Any]]:
    """What was sent, or what is in the one zip that was sent."""
    zips = [one for one in files if one.source.lower().endswith(".zip")]
    if zips and len(files) > 1:
        raise InputError("send images, or one zip and nothing else")
    if len(files) > n_images:
        raise TooLargeError(f"these are {len(files):,} files; at most {max(0, n_images):,} more are taken")
    if zips:
        yield from ((printable(name), member) for name, member in members(zips[0].path, n_images, n_bytes))
        return
    for one in files:
        with one.path.open("rb") as file:
            yield one.source, file


def _why_not(one: Received) -> str | None:
    """Why a file is not learnt; None of a readable image."""
    if one.path == Path():
        is_known = is_of_system(Path(PurePosixPath(one.source).name))
        return "a file of the operating system" if is_known else "no image by its name"
    try:
        read_image(one.path)
    except UnreadableImageError as error:
        return printable(error.reason.replace(str(one.path), one.source))[:500]
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _forget(files: Sequence[Received]) -> None:
    for one in files:
        forget(one)
