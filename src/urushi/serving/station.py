"""A station: its folder, database, detectors and history, put together."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from argon2 import PasswordHasher
from filelock import FileLock, Timeout

from urushi.detector import Detector
from urushi.errors import InputError
from urushi.runtime.backend import usable_cores
from urushi.serving.announcements import Announcements
from urushi.serving.comparisons import Comparisons
from urushi.serving.database import Database
from urushi.serving.drift.monitors import Monitors
from urushi.serving.gallery import Gallery
from urushi.serving.history import History
from urushi.serving.inspecting import Inspector
from urushi.serving.jobs import Jobs
from urushi.serving.messages.inspections import Triggered
from urushi.serving.metrics import Metrics
from urushi.serving.objects import Objects
from urushi.serving.retention import Retaining
from urushi.serving.review import Review
from urushi.serving.sending import Sendings
from urushi.serving.sessions import Sessions
from urushi.serving.settings import Limits, Retention
from urushi.serving.shown import Shown
from urushi.serving.teaching.looks import FirstLooks
from urushi.serving.teaching.sets import TeachingSets
from urushi.serving.tokens import FailedLogins, Tokens
from urushi.serving.versions import Detectors
from urushi.serving.views import Views

_UNCLEAN = "running"  # is there while a station runs, and when it was killed


class Camera(Protocol):
    """What takes pictures for the station."""

    name: str
    detector: str

    @property
    def is_triggered(self) -> bool:
        """Takes a picture when it is asked to."""

    def inspect(self, trigger: Triggered, author: str | None = None) -> int:
        """The number of the inspection of a picture taken now; raises CameraError where there is none."""


@dataclass(frozen=True)
class Station:
    """What serves; `close` answers what was accepted."""

    folder: Path
    limits: Limits
    database: Database
    objects: Objects
    announcements: Announcements
    history: History
    shown: Shown
    gallery: Gallery
    views: Views
    detectors: Detectors
    review: Review
    teaching: TeachingSets
    comparisons: Comparisons
    jobs: Jobs
    tokens: Tokens
    sessions: Sessions
    failed_logins: FailedLogins
    metrics: Metrics
    monitors: Monitors
    sendings: Sendings
    inspector: Inspector
    retaining: Retaining
    lock: FileLock
    cameras: dict[str, Camera] = field(default_factory=dict)  # by name
    sources: list[Callable[[], None]] = field(default_factory=list)  # ends what brings images by itself
    listeners: list[Callable[[], None]] = field(default_factory=list)  # ends what tells others of results

    @classmethod
    def open(
        cls,
        folder: Path,
        files: Sequence[Path] = (),
        *,
        url: str | None = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
        retention: Retention = Retention(),  # noqa: B008
        n_threads: int | None = None,
        load: Callable[[Path], Detector] = Detector.load,
        hasher: PasswordHasher | None = None,
    ) -> "Station":
        """The station of a folder, which is made if need be, with the detectors of these files beside those it has.

        Raises InputError if another process serves it, its database cannot be used, or there is no detector.
        """
        database = open_database(folder, url)
        try:
            lock = _locked(folder)
        except InputError:
            database.close()
            raise
        objects, metrics = Objects(folder), Metrics()
        announcements = Announcements()
        detectors = Detectors(database, objects, load)
        history = History(database, objects, announcements, detectors.looking_alike)
        if (folder / _UNCLEAN).exists():
            objects.sweep(history.names)
        (folder / _UNCLEAN).touch()
        records, monitors = (database, objects, history, detectors), Monitors(database, metrics, announcements)
        comparisons = Comparisons(database, objects, history)
        tokens, teaching = Tokens(database, hasher), TeachingSets(folder, database, limits)
        station = cls(
            folder=folder,
            limits=limits,
            database=database,
            objects=objects,
            announcements=announcements,
            history=history,
            shown=Shown(history),
            gallery=Gallery(database),
            views=Views(database),
            detectors=detectors,
            review=Review(*records),
            teaching=teaching,
            comparisons=comparisons,
            jobs=Jobs(*records, teaching, comparisons, FirstLooks(folder)),
            tokens=tokens,
            sessions=Sessions(tokens),
            failed_logins=FailedLogins(limits.failed_logins_per_minute),
            metrics=metrics,
            monitors=monitors,
            sendings=Sendings(database),
            inspector=Inspector(history, monitors, metrics, n_threads or usable_cores(), limits.queue_images),
            retaining=Retaining(database, objects, history, retention),
            lock=lock,
        )
        try:
            for file in files:
                detectors.register(file, "urushi serve")
            if not detectors.names():
                raise InputError("this station has no detector yet; give one: `urushi serve part.urushi`")
            for name in detectors.names():
                monitors.found(detectors.get(name))
        except BaseException:
            station.close()
            raise
        return station

    def close(self) -> None:
        """Answers what was accepted, and lets go of the folder; once."""
        if not self.lock.is_locked:
            return
        for end in self.sources:
            end()
        self.inspector.close()
        for end in self.listeners:
            end()
        self.announcements.close()
        self.jobs.close()
        self.retaining.close()
        self.monitors.close()
        self.database.close()
        (self.folder / _UNCLEAN).unlink(missing_ok=True)
        self.lock.release()


def open_database(folder: Path, url: str | None = None) -> Database:
    """The database of a station's folder, which is made if need be; raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK):
            raise InputError(f"{folder} cannot be written")
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from None
    return Database.open(folder, url)


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / "station.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"another process serves {folder}; end it first, or give another --data") from None
    return lock
