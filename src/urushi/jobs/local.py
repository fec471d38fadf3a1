"""Jobs on this machine, one after the other, each in a fresh process."""

import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import connection, get_context
from multiprocessing.context import BaseContext
from typing import Any

from urushi.jobs.base import Begun, Job, Outcome
from urushi.jobs.child import end, serve


@dataclass(frozen=True)
class LocalEngine:
    """One job at a time, so that none is timed beside another. `preload` names modules that all jobs need."""

    preload: tuple[str, ...] = ()
    n_parallel: int = 1

    def run(self, jobs: Iterable[Job], begun: Begun) -> Iterator[tuple[Job, Outcome]]:
        """In their order."""
        for job in jobs:
            begun(job)
            yield job, run_job(job, self.preload)


def run_job(job: Job, preload: Sequence[str] = ()) -> Outcome:
    """Runs a job in a process of its own to its end, and ends it when its budget is used up or this process stops."""
    context = _context(tuple(preload))
    here, there = context.Pipe(duplex=False)
    process: Any = context.Process(target=serve, args=(job.work, there), name=job.name)  # type: ignore[attr-defined]
    start = time.monotonic()
    with _without_main():
        process.start()
    there.close()
    try:
        return _awaited(job, process, here, start)
    finally:
        if process.is_alive():
            end(process.pid)
        process.join()
        here.close()


@contextmanager
def _without_main() -> Iterator[None]:
    """The script that runs here is not run again in the process of a job, which needs nothing of it."""
    main: dict[str, Any] = vars(sys.modules["__main__"])
    kept = {name: main[name] for name in main if name in ("__spec__", "__file__")}
    main["__spec__"] = None
    main.pop("__file__", None)
    try:
        yield
    finally:
        main.update(kept)


def _awaited(job: Job, process: Any, answer: "connection.Connection[Any, Any]", start: float) -> Outcome:
    ready = connection.wait([answer, process.sentinel], job.budget_seconds)
    if not ready:
        reason = f"stopped: its {job.budget_seconds:g} s were used up"
        return Outcome("stopped", time.monotonic() - start, reason=reason)
    try:
        state, found, peak = answer.recv()
    except EOFError:
        process.join()
        return Outcome("failed", time.monotonic() - start, reason=_why_it_ended(process.exitcode))
    seconds = time.monotonic() - start
    if state == "done":
        return Outcome("done", seconds, value=found, peak_memory=peak)
    return Outcome("failed", seconds, reason=found, peak_memory=peak)


def _why_it_ended(status: int | None) -> str:
    if status is None or status >= 0:
        return f"its process ended with status {status} before it was done"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"


@cache
def _context(preload: tuple[str, ...]) -> BaseContext:
    """A clean process that has the modules already is forked for each job; elsewhere each is started anew."""
    if sys.platform == "win32":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context
