"""Inspection by a pool of workers: each holds the detector, takes a part of the images, and gives back its rows.

This process alone writes, so a worker that is lost loses nothing that was written, and nothing is written twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from urushi.detector import Detector
from urushi.distributed.cluster import N_RETRIES, connected, last_line, n_processors
from urushi.distributed.parts import Part, PartFolder, Row
from urushi.inspection import Inspection, Unreadable
from urushi.printable import counted

_AHEAD = 2  # parts that each worker has: it need not wait for the next


class Inspector:
    """What a worker is: a detector, and images by their paths."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector

    def inspect(self, sources: tuple[str, ...]) -> list[Row]:
        """A row for each image, and for each page of a file that has several."""
        return [row_of(found) for found in self.detector.inspect_many(sources)]


def row_of(found: Inspection | Unreadable) -> Row:
    """What `urushi inspect --format jsonl` prints, without the time."""
    if isinstance(found, Unreadable):
        return {"source": found.source, "reason": found.reason}
    return found.to_json()


@dataclass
class Pool:
    """Workers of a cluster, and what they have in hand."""

    detector: Detector
    folder: PartFolder
    n_workers: int | None = None  # None: one for each processor
    address: str | None = None
    lost: list[str] = field(default_factory=list)  # why parts were given up

    def inspect(self, parts: Iterable[Part]) -> Iterator[list[Row]]:
        """Inspects those that are not written yet, and writes each as it comes; the rows of what was written now.

        Raises InputError where there is no cluster or the folder holds other results.
        """
        ray = connected(self.address)
        kept = ray.put(self.detector)  # as its file, once for all workers
        made = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=N_RETRIES)(Inspector)
        workers = [made.remote(kept) for _ in range(self.n_workers or n_processors(ray))]
        running: dict[Any, tuple[Part, Any]] = {}
        free = workers * _AHEAD
        try:
            for part in parts:
                if self.folder.has(part):
                    continue
                if not free:
                    yield from self._ended(ray, running, free)
                worker = free.pop(0)
                running[worker.inspect.remote(part.sources)] = (part, worker)
            while running:
                yield from self._ended(ray, running, free)
        finally:
            for worker in workers:
                ray.kill(worker)

    def _ended(self, ray: Any, running: dict[Any, tuple[Part, Any]], free: list[Any]) -> Iterator[list[Row]]:
        (first,), _ = ray.wait(list(running), num_returns=1)
        part, worker = running.pop(first)
        free.append(worker)
        try:
            rows = ray.get(first)
        except ray.exceptions.RayError as error:
            tried = counted(N_RETRIES + 1, "worker")
            self.lost.append(
                f"{part.stem}, which begins with {part.sources[0]}, was given up by {tried}: {last_line(error)}"
            )
            return
        self.folder.write(part, rows)
        yield rows
