"""How far the runs of a study are: a live table where stderr is a terminal, else a line for each, and what is left."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from urushi.cli import _console
from urushi.printable import printable

if TYPE_CHECKING:
    from rich.console import Group

    from urushi.study import Record, Run
    from urushi.study.collecting import Step

_MINUTES_FROM_S = 120  # less is said in seconds
_SHOWN = {"failed": "failed", "stopped": "stopped"}


class Runs:
    """What has become of each run, and an estimate of what is left."""

    def __init__(self, runs: "Sequence[Run]", n_parallel: int, budget_seconds: float | None) -> None:
        self.runs, self.n_parallel, self.budget_seconds = {one.name: one for one in runs}, n_parallel, budget_seconds
        self.steps: dict[str, Step] = {}
        self.begun: dict[str, float] = {}
        self.seconds: dict[str, list[float]] = {}  # of each method, how long its runs took
        self.is_live = sys.stderr.isatty()

    def __call__(self, step: "Step") -> None:
        """Takes note of it, and says so where no table is shown."""
        name, now = step.run.name, time.monotonic()
        self.steps[name] = step
        if step.state == "begun":
            self.begun[name] = now
        elif name in self.begun:
            self.seconds.setdefault(step.run.method.name, []).append(now - self.begun[name])
        if not self.is_live and step.state != "kept":
            _console.note(printable(self._line(step, now)))

    @property
    def n_ended(self) -> int:
        """How many runs have a record, or failed, or were stopped."""
        return sum(step.state != "begun" for step in self.steps.values())

    def left(self, now: float) -> float | None:
        """Estimated seconds until the last one ends: each takes as long as others of its method; None: can't be told.

        A method of which none has ended takes as long as all others do on average, and none longer than its budget.
        """
        every = [seconds for found in self.seconds.values() for seconds in found]
        if not every:
            return None
        waiting = [
            one for name, one in self.runs.items() if name not in self.steps or self.steps[name].state == "begun"
        ]
        return sum(self._estimate(one, every, now) for one in waiting) / min(self.n_parallel, max(len(waiting), 1))

    def _estimate(self, one: "Run", every: list[float], now: float) -> float:
        found = self.seconds.get(one.method.name, every)
        expected = min(sum(found) / len(found), self.budget_seconds or float("inf"))
        return max(expected - (now - self.begun.get(one.name, now)), 0.0)

    def _line(self, step: "Step", now: float) -> str:
        place = f"{min(self.n_ended + (step.state == 'begun'), len(self.runs))}/{len(self.runs)} {step.run.name}"
        if step.state == "begun":
            return place
        return f"{place}: {self._found(step, now)}{_and_left(self.left(now))}"

    def _found(self, step: "Step", now: float) -> str:
        if step.state in _SHOWN:
            return str(getattr(step.result, "reason", step.state))
        return f"{now - self.begun[step.run.name]:.1f} s, ROC-AUC {_roc_auc(step.result)}"

    @contextmanager
    def shown(self) -> "Iterator[Runs]":
        """The live table, as long as there is a terminal to show it on."""
        if not self.is_live:
            yield self
            return
        from rich.console import Console
        from rich.live import Live

        with Live(get_renderable=self.table, console=Console(stderr=True), refresh_per_second=2, transient=True):
            yield self

    def table(self) -> "Group":
        """A row for each method, a column for each data set."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        data = list(dict.fromkeys(one.data.name for one in self.runs.values()))
        drawn = Table("", *data, header_style="bold")
        for method in dict.fromkeys(one.method.name for one in self.runs.values()):
            drawn.add_row(Text(printable(method)), *(Text(self._cell(method, one, now)) for one in data))
        return Group(drawn, Text(f"{self.n_ended} of {len(self.runs)} done{_and_left(self.left(now))}"))

    def _cell(self, method: str, data: str, now: float) -> str:
        own = [name for name, one in self.runs.items() if (one.method.name, one.data.name) == (method, data)]
        return " ".join(self._short(name, now) for name in own)

    def _short(self, name: str, now: float) -> str:
        step = self.steps.get(name)
        if step is None:
            return "·"
        if step.state == "begun":
            return f"{now - self.begun[name]:.0f} s"
        return _SHOWN.get(getattr(step.result, "state", ""), "") or _roc_auc(step.result)


def duration(seconds: float) -> str:
    """A time as it is said: seconds, then minutes, then hours."""
    if seconds < _MINUTES_FROM_S:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 60 * _MINUTES_FROM_S else f"{seconds / 3600:.1f} h"


def _and_left(seconds: float | None) -> str:
    return "" if not seconds else f", about {duration(seconds)} left"


def _roc_auc(record: "Record | Any") -> str:
    """By the first score."""
    from urushi.study.comparison.figures import roc_auc

    return f"{roc_auc(record):.3f}"
