"""Work that takes long: one job after the other, each by commands in processes of their own, which can be ended."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import select, update

from urushi.data.progress import LINE_EVERY
from urushi.errors import ConflictError, InputError, NotFoundError, UrushiError
from urushi.preprocessing import Pipeline
from urushi.printable import printable
from urushi.recipe import Recipe
from urushi.recipes.files import recipe_names
from urushi.runtime.names import Engine
from urushi.serving.comparisons import MOST_IMAGES, Comparisons
from urushi.serving.database import Database, note_change, now
from urushi.serving.history import History, Query
from urushi.serving.objects import Objects, linked
from urushi.serving.tables import Job, Version
from urushi.serving.teaching.area import Area
from urushi.serving.teaching.gathering import good_ones
from urushi.serving.teaching.looks import FirstLooks
from urushi.serving.teaching.sets import TeachingSets
from urushi.serving.versions import Detectors

Kind = Literal["fit", "export", "compare"]
State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled", "interrupted")
_PROGRAM = (sys.executable, "-P", "-c", "from urushi.cli import main; main()")
_LOOK = (sys.executable, "-P", "-m", "urushi.serving.teaching.first_look")
_COMPARING = (sys.executable, "-P", "-c", "from urushi.serving.comparing import main; main()")
_DETECTOR, _GOOD = "detector.urushi", "good"
_SECONDS_BETWEEN_LINES = "1"
_PATIENCE_SECONDS = 10  # of a process that was told to end
_MOST_CHARACTERS = 1000
_SHARE = re.compile(r": (\d+) of (\d+)$")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a job is to do: fit a detector on good inspections, export the one that decides now, or compare two.

    Good are those with the verdict OK, and normal ones without a verdict, of `source` (or the detector itself), with
    this tag, within this time. A teaching set takes their place. What is made decides from then on if it goes live.

    A version of the detector is compared `against` one of the same or another detector, on the last inspections.
    """

    kind: Kind
    detector: str
    reason: str
    source: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    recipe: str = "default"
    false_alarm_rate: float | None = None
    to: Engine = "onnx"
    teaching: str | None = None
    goes_live: bool = True
    area: Area | None = None
    version: int | None = None
    against: tuple[str, int] | None = None  # the name of a detector, and which of its versions
    is_reviewed: bool | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.teaching is not None and (
            self.kind != "fit" or {self.source, self.tag, self.since, self.until} != {None}
        ):
            raise InputError(
                "a teaching set is what a fit learns in place of a history: leave source, tag and times out"
            )
        if (self.kind == "compare") != (self.version is not None and self.against is not None):
            raise InputError(
                "to compare takes a `version` of the detector and a version `against` it; others take none"
            )
        if self.against == (self.detector, self.version):
            raise InputError("a version is compared with another one")
        if self.recipe not in recipe_names():
            raise InputError(f"{self.recipe!r} is no recipe; there are {', '.join(recipe_names())}")
        if self.settings and self.kind != "fit":
            raise InputError("an area is drawn for a fit; an export has that of its detector")
        if self.settings:
            Pipeline.of(Recipe.find(self.recipe).with_settings(self.settings))  # not every recipe can have one

    @property
    def settings(self) -> dict[str, Any]:
        """What is changed of the recipe."""
        return {} if self.area is None else self.area.settings()

    def query(self) -> Query:
        """The inspections among which good ones are looked for."""
        detector = self.source or self.detector
        where = {"tag": self.tag, "since": self.since, "until": self.until, "is_reviewed": self.is_reviewed}
        return Query(detector=detector, **where)  # type: ignore[arg-type]

    def commands(self) -> Iterator[list[str]]:
        """What makes the detector, in a folder that has the good images."""
        if self.kind == "fit":
            rate = [] if self.false_alarm_rate is None else ["--false-alarm-rate", str(self.false_alarm_rate)]
            changes = (f"--set={name}={json.dumps(value)}" for name, value in self.settings.items())
            yield ["fit", _GOOD, "-o", _DETECTOR, "--layout", "flat", "--recipe", self.recipe, *rate, *changes]
        yield ["export", _DETECTOR, "--to", self.to, "--images", _GOOD]


class Jobs:
    """Those of a station; a thread of its own does them."""

    def __init__(
        self,
        database: Database,
        objects: Objects,
        history: History,
        detectors: Detectors,
        teaching: TeachingSets,
        comparisons: Comparisons,
        looks: FirstLooks,
    ) -> None:
        self._database, self._objects, self._history, self._detectors = database, objects, history, detectors
        self._teaching, self._comparisons, self.looks = teaching, comparisons, looks
        self._waiting: SimpleQueue[tuple[int, Asked] | None] = SimpleQueue()
        self._process: subprocess.Popen[str] | None = None
        self._ending: dict[int, State] = {}  # jobs that are not to go on, and what they become
        self._changing, self.is_closing = threading.Lock(), threading.Event()
        self._interrupt()
        self._thread = threading.Thread(target=self._run, name="urushi-jobs", daemon=True)
        self._thread.start()

    def begin(self, asked: Asked, author: str) -> Job:
        """A job that waits for its turn; raises NotFoundError where there is no such detector or teaching set."""
        if asked.kind == "export" or asked.source is not None:
            self._detectors.get(asked.source or asked.detector)
        if asked.teaching is not None:
            self._teaching.get(asked.teaching)
        self._versions(asked)
        plain = {name: _plain(value) for name, value in asdict(asked).items() if value is not None}
        job = Job(kind=asked.kind, detector=asked.detector, asked=plain, state="waiting", author=author, created=now())
        with self._database.writing() as session:
            session.add(job)
            session.flush()
            note_change(session, author, "job", f"job {job.id}", before={}, after=plain, reason=asked.reason)
        self._waiting.put((job.id, asked))
        return job

    def get(self, number: int) -> Job:
        """One job as it stands; raises NotFoundError."""
        with self._database.reading() as session:
            if (job := session.get(Job, number)) is None:
                raise NotFoundError(f"there is no job {number}")
            return job

    def all(self, limit: int) -> list[Job]:
        """The last ones, last first."""
        with self._database.reading() as session:
            return list(session.scalars(select(Job).order_by(Job.id.desc()).limit(limit)))

    def cancel(self, number: int, author: str) -> Job:
        """Ends it and all its processes; raises ConflictError if it has ended already."""
        job = self.get(number)
        if job.state in ENDED:
            raise ConflictError(f"job {number} is {job.state} already")
        with self._database.writing() as session:
            note_change(session, author, "cancel", f"job {number}", before={"state": job.state}, after={})
        self._end(number, "cancelled")
        return self.get(number)

    def close(self) -> None:
        """Interrupts what runs and what waits."""
        self.is_closing.set()
        self._waiting.put(None)
        with self._changing:
            _stop(self._process)
        self._thread.join()
        self._interrupt()

    def _end(self, number: int, state: State) -> None:
        with self._changing:
            self._ending[number] = state
            if self.get(number).state == "waiting":
                self._note(number, state=state, ended=now())
            else:
                _stop(self._process)

    def _interrupt(self) -> None:
        """What was running or waiting when the station ended."""
        of_old = update(Job).where(Job.state.in_(("waiting", "running")))
        with self._database.writing() as session:
            session.execute(of_old.values(state="interrupted", ended=now()))

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None and not self.is_closing.is_set():
            number, asked = one
            with self._changing:
                if number in self._ending:
                    continue
                self._note(number, state="running")
            try:
                version = self._done(number, asked)
                self._note(number, state="done", version=version, ended=now())
            except Exception as error:
                state = "interrupted" if self.is_closing.is_set() else self._ending.get(number, "failed")
                said = str(error) if isinstance(error, (UrushiError, OSError)) else f"unexpected {error!r}"
                self._note(number, state=state, message=printable(said)[:_MOST_CHARACTERS], ended=now())

    def _done(self, number: int, asked: Asked) -> int | None:
        """The number of the version that it has made; None where it makes none."""
        with TemporaryDirectory(prefix="urushi-job-", dir=self._objects.incoming) as scratch:
            place, good = Path(scratch) / _DETECTOR, Path(scratch) / _GOOD
            good.mkdir()
            if asked.kind == "compare":
                self._compare(number, asked, good)
                return None
            if asked.kind == "export":
                place.write_bytes(self._objects.path(self._detectors.get(asked.detector).row.digest).read_bytes())
            self._gather(asked, good)
            for command in asked.commands():
                self._command(number, [*_PROGRAM, *command], Path(scratch))
            if asked.kind == "fit":
                self._look(number, Path(scratch))
            made, author = place.read_bytes(), self.get(number).author
            added = self._detectors.add(asked.detector, made, author, asked.reason, goes_live=asked.goes_live)
            return added.row.number

    def _compare(self, number: int, asked: Asked, scratch: Path) -> None:
        plan, out = scratch / "plan.json", scratch / "out.json"
        found = self._comparisons.plan(self._versions(asked), asked.query(), asked.limit or MOST_IMAGES, scratch)
        plan.write_text(json.dumps(found), "utf-8")
        self._command(number, [*_COMPARING, str(plan), str(out)])
        self._comparisons.keep(number, found, out)

    def _versions(self, asked: Asked) -> list[Version]:
        """The two that are compared, if any; raises NotFoundError."""
        if asked.version is None or asked.against is None:
            return []
        return [self._detectors.row(*one) for one in ((asked.detector, asked.version), asked.against)]

    def _gather(self, asked: Asked, good: Path) -> None:
        if asked.teaching is None:
            self._gather_inspected(asked, good)
            return
        names = self._teaching.get(asked.teaching).images
        for name in names:
            linked(self._teaching.images(asked.teaching) / name, good / name)
        if not names:
            raise InputError("this teaching set has no image that can be read")

    def _gather_inspected(self, asked: Asked, good: Path) -> None:
        rows = list(good_ones(self._history, asked.query()))
        if not rows:
            raise InputError("no inspection is known to be good: normal without a verdict, or with the verdict OK")
        for row in rows:
            self._history.link(row, good)

    def _look(self, number: int, scratch: Path) -> None:
        """At planted defects and good images; a detector that cannot be looked at so is one all the same."""
        said = self.get(number).message
        try:
            self._command(number, [*_LOOK, _DETECTOR, _GOOD, "look"], scratch)
            self.looks.keep(number, scratch / "look")
        except (InputError, OSError) as error:
            if number in self._ending or self.is_closing.is_set():
                raise
            self.looks.miss(number, printable(str(error))[:_MOST_CHARACTERS])
        self._note(number, message=said)

    def _command(self, number: int, command: Sequence[str], within: Path | None = None) -> None:
        environment = os.environ | {LINE_EVERY: _SECONDS_BETWEEN_LINES}
        with self._changing:
            if number in self._ending or self.is_closing.is_set():
                raise InputError("ended before it was done")
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
                cwd=within,  # what it says then names no folder of the station
                start_new_session=True,
            )
        last = ""
        with self._process as process:
            for line in process.stdout or ():
                last = printable(line.strip())[:_MOST_CHARACTERS] or last
                self._note(number, message=last)
        if process.returncode:
            raise InputError(last or f"its process ended with status {process.returncode}")

    def _note(self, number: int, **values: Any) -> None:
        with self._database.writing() as session:
            session.execute(update(Job).where(Job.id == number).values(**values))


def share_of(job: Job) -> float | None:
    """How much of what it is at is done, in [0, 1]; None where that is not known."""
    if job.state == "done":
        return 1.0
    found = _SHARE.search(job.message or "")
    return int(found[1]) / int(found[2]) if found and int(found[2]) else None


def _stop(process: "subprocess.Popen[str] | None") -> None:
    """Ends a process and those that it started."""
    if process is None or process.poll() is not None:
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)  # those that it has started, too
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
            return


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return value.isoformat() if isinstance(value, datetime) else value
