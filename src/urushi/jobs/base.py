"""What a job is, what comes of it, and what every engine that runs jobs does."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

State = Literal["done", "failed", "stopped"]


@dataclass(frozen=True)
class Job:
    """Work that needs nothing of any other: a function of a module, with its arguments by `functools.partial`.

    It goes to another process by pickling, between processes of this program only.
    """

    name: str
    work: Callable[[], Any]
    budget_seconds: float | None = None  # after which it is ended; None: it may take as long as it takes


@dataclass(frozen=True)
class Outcome:
    """What came of a job: its value, or why there is none."""

    state: State
    seconds: float
    value: Any = None
    reason: str = ""
    peak_memory: int | None = None  # the most bytes that its process held at once; None where that can't be told


Begun = Callable[[Job], None]


class Engine(Protocol):
    """What runs jobs: in any order, several at once or not, each to its end or its reason."""

    @property
    def n_parallel(self) -> int:
        """How many run at once."""

    def run(self, jobs: Iterable[Job], begun: Begun) -> Iterator[tuple[Job, Outcome]]:
        """Each job with its outcome as it ends; `begun` is told when one is started."""
