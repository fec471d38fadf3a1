"""Jobs as Ray tasks: each runs as it does locally, in a process of its own, on whichever machine has room."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from urushi.distributed.cluster import N_RETRIES, connected, last_line, n_processors
from urushi.jobs import Begun, Job, Outcome, run_job
from urushi.printable import counted


@dataclass(frozen=True)
class RayEngine:
    """As many jobs at once as the cluster has processors, each with one; lost ones are begun again.

    Paths in a job must lead to the same files on every machine.
    """

    preload: tuple[str, ...] = ()
    address: str | None = None  # of a cluster; None: one on this machine, for this program

    @cached_property
    def _ray(self) -> Any:
        return connected(self.address)

    @property
    def n_parallel(self) -> int:
        """The processors of the cluster."""
        return n_processors(self._ray)

    def run(self, jobs: Iterable[Job], begun: Begun) -> Iterator[tuple[Job, Outcome]]:
        """As they end; raises InputError where there is no cluster."""
        ray, n_parallel = self._ray, self.n_parallel
        task = ray.remote(max_retries=N_RETRIES, num_cpus=1)(run_job)
        running: dict[Any, Job] = {}
        try:
            for job in jobs:
                if len(running) >= n_parallel:
                    yield self._ended(running)
                begun(job)
                running[task.remote(job, self.preload)] = job
            while running:
                yield self._ended(running)
        finally:
            for left in running:
                ray.cancel(left, force=True)

    def _ended(self, running: dict[Any, Job]) -> tuple[Job, Outcome]:
        (first,), _ = self._ray.wait(list(running), num_returns=1)
        job = running.pop(first)
        try:
            return job, self._ray.get(first)
        except self._ray.exceptions.RayTaskError as error:
            return job, Outcome("failed", 0.0, reason=f"its worker could not begin it: {last_line(error)}")
        except self._ray.exceptions.RayError as error:
            lost = f"its worker was lost, and {counted(N_RETRIES, 'new one')} after it: {last_line(error)}"
            return job, Outcome("failed", 0.0, reason=lost)
