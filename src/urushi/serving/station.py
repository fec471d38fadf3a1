"""A station: its folder, database, detectors and history, put together."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from filelock import FileLock, Timeout

from urushi.detector import Detector
from urushi.errors import InputError
from urushi.runtime.backend import usable_cores
from urushi.serving.database import Database
from urushi.serving.drift.monitors import Monitors
from urushi.serving.history import History
from urushi.serving.inspecting import Inspector
from urushi.serving.jobs import Jobs
from urushi.serving.metrics import Metrics
from urushi.serving.objects import Objects
from urushi.serving.retention import Retaining
from urushi.serving.review import Review
from urushi.serving.sending import Sendings
from urushi.serving.settings import Limits, Retention
from urushi.serving.tokens import FailedLogins, Tokens
from urushi.serving.versions import Detectors

_UNCLEAN = "running"  # is there while a station runs, and when it was killed


@dataclass(frozen=True)
class Station:
    """What serves; `close` answers what was accepted."""

    folder: Path
    limits: Limits
    database: Database
    objects: Objects
    history: History
    detectors: Detectors
    review: Review
    jobs: Jobs
    tokens: Tokens
    failed_logins: FailedLogins
    metrics: Metrics
    monitors: Monitors
    sendings: Sendings
    inspector: Inspector
    retaining: Retaining
    lock: FileLock

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
        history, detectors = History(database, objects), Detectors(database, objects, load)
        if (folder / _UNCLEAN).exists():
            objects.sweep(history.names)
        (folder / _UNCLEAN).touch()
        records, monitors = (database, objects, history, detectors), Monitors(database, metrics)
        station = cls(
            folder=folder,
            limits=limits,
            database=database,
            objects=objects,
            history=history,
            detectors=detectors,
            review=Review(*records),
            jobs=Jobs(*records),
            tokens=Tokens(database, hasher),
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
        self.inspector.close()
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
