"""The queue of a station: so many images wait or are inspected at once, and what was accepted is answered."""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from urushi.errors import BusyError, OvertimeError, UnreadableImageError
from urushi.inspection import Inspection, Unreadable
from urushi.printable import counted
from urushi.serving.drift.monitors import Monitors
from urushi.serving.history import About, Also, Draft, History, Received, forget
from urushi.serving.metrics import Metrics
from urushi.serving.recording import Recording, Tell
from urushi.serving.tables import Inspected
from urushi.serving.versions import Loaded

_FIRST_GUESS_SECONDS = 0.1  # that an image takes, before one was inspected


@dataclass
class Task:
    """One accepted image."""

    loaded: Loaded
    received: Received
    about: About
    also: Sequence[Also] = ()  # what is written with its row
    records_unreadable: bool = True  # else that is the error of its future
    future: "Future[Inspected]" = field(default_factory=Future)
    given_up: threading.Event = field(default_factory=threading.Event)  # nobody waits for it any more


class Inspector:
    """Threads that inspect, and one that records."""

    def __init__(
        self, history: History, monitors: Monitors, metrics: Metrics, n_threads: int, queue_images: int
    ) -> None:
        self._history, self._monitors, self._metrics, self._most = history, monitors, metrics, queue_images
        self._n_threads = n_threads
        # While one waits for the disk or for another that runs Python, another computes.
        self._pool = ThreadPoolExecutor(2 * n_threads, thread_name_prefix="urushi-inspect")
        self._recording = Recording(history, monitors.forget, self._are_busy)
        self._n_accepted, self._counting, self._mean_seconds = 0, threading.Lock(), _FIRST_GUESS_SECONDS

    def accept(
        self,
        loaded: Loaded,
        images: Sequence[Received],
        about: About,
        also: Sequence[Sequence[Also]] | None = None,
        *,
        records_unreadable: bool = True,
    ) -> list[Task]:
        """All of the images or none; raises BusyError if they are more than may wait now.

        `also`, for each image, is written with its row.
        """
        with self._counting:
            if self._n_accepted + len(images) > self._most:
                seconds = math.ceil(self._n_accepted * self._mean_seconds / (2 * self._n_threads))
                raise BusyError(
                    f"{self._n_accepted} of at most {counted(self._most, 'image')} wait or are inspected; these are "
                    f"{len(images)} more",
                    max(1, seconds),
                )
            self._n_accepted += len(images)
            self._metrics.queue.set(self._n_accepted)
        beside = also or [()] * len(images)
        tasks = [
            Task(loaded, image, about, more, records_unreadable) for image, more in zip(images, beside, strict=True)
        ]
        for task in tasks:
            task.future.add_done_callback(self._counted)
            self._pool.submit(self._work, task)
        return tasks

    def give_up(self, tasks: Sequence[Task]) -> None:
        """What is not recorded yet is not going to be."""
        for task in tasks:
            task.given_up.set()
            if task.future.cancel():
                forget(task.received)

    def close(self) -> None:
        """Answers what was accepted."""
        self._pool.shutdown(wait=True)
        self._recording.close()

    def _work(self, task: Task) -> None:
        if not task.future.set_running_or_notify_cancel():
            return
        try:
            self._recording.add(*self._inspected(task))
        except BaseException as error:
            task.future.set_exception(error)
        finally:
            forget(task.received)

    def _inspected(self, task: Task) -> tuple[Draft, Tell]:
        """What is to be recorded, and who is told; raises what there is to be told else."""
        task.received = task.received.on_disk()
        start = time.perf_counter()
        result = _result(task, is_alone=self._n_accepted == 1)
        seconds = time.perf_counter() - start
        self._mean_seconds += (seconds - self._mean_seconds) / 20
        if task.given_up.is_set():
            raise OvertimeError("nobody waits for this image any more")
        if isinstance(result, Unreadable) and not task.records_unreadable:
            raise UnreadableImageError(result.source, result.reason)
        also: list[Also] = [*task.also, partial(self._monitors.see, loaded=task.loaded)]
        draft = self._history.draft(task.loaded.row, task.received, result, task.about, seconds, also)
        return draft, partial(self._recorded, task, start)

    def _recorded(self, task: Task, start: float, row: Inspected | Exception) -> None:
        if isinstance(row, Exception):
            task.future.set_exception(row)
            return
        self._metrics.inspected(row.detector, row.decision, time.perf_counter() - start)
        task.future.set_result(row)

    def _are_busy(self, n_waiting: int) -> bool:
        """Whether there is one to inspect for each thread, beside those that wait for the disk."""
        return self._n_accepted - n_waiting >= 2 * self._n_threads

    def _counted(self, _future: "Future[Inspected]") -> None:
        with self._counting:
            self._n_accepted -= 1
            self._metrics.queue.set(self._n_accepted)


def _result(task: Task, *, is_alone: bool) -> Inspection | Unreadable:
    try:
        found = task.loaded.detector.inspect(task.received.path, is_alone=is_alone)
        return replace(found, source=task.received.source)
    except UnreadableImageError as error:
        return Unreadable(task.received.source, error.reason.replace(str(task.received.path), task.received.source))
