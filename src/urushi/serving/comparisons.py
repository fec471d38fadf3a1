"""Comparisons: which images both versions are to inspect, and what came of it, beside the verdicts of now."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import select

from urushi.errors import InputError, NotFoundError
from urushi.inspection import Decision
from urushi.serving.database import Database
from urushi.serving.history import History, Query
from urushi.serving.objects import Objects
from urushi.serving.review import Share
from urushi.serving.tables import Comparison, Inspected, Verdict, Version

MOST_IMAGES = 1000
_WRONG = {"ok": "anomalous", "ng": "normal"}  # decisions, by verdicts


class Result(NamedTuple):
    """What one version makes of an image."""

    score: float
    decision: Decision
    seconds: float
    is_learnt: bool  # the version was fitted on this image


class Pair(NamedTuple):
    """What both make of an image, and its last verdict."""

    id: int
    first: Result
    second: Result
    verdict: str | None

    @property
    def is_flip(self) -> bool:
        """Whether they decide differently."""
        return self.first.decision != self.second.decision

    def is_wrong(self, at: int) -> bool:
        """Whether the first (0) or the second (1) is wrong by the verdict."""
        return self.verdict is not None and (self.first, self.second)[at].decision == _WRONG.get(self.verdict)


@dataclass(frozen=True)
class Side:
    """One of the two versions."""

    detector: str
    version: int
    threshold: float
    results: Sequence[Result]
    verdicts: Sequence[str | None]

    @property
    def milliseconds(self) -> float | None:
        """The median time of an image; None of none."""
        return 1000 * float(np.median([one.seconds for one in self.results])) if self.results else None

    @property
    def n_learnt(self) -> int:
        """How many of the images it was fitted on."""
        return sum(one.is_learnt for one in self.results)

    @property
    def false_alarms(self) -> Share:
        """Anomalous, of those with the verdict OK."""
        return self._share("ok")

    @property
    def escapes(self) -> Share:
        """Normal, of those with the verdict NG."""
        return self._share("ng")

    def _share(self, verdict: str) -> Share:
        of = [one.decision for one, said in zip(self.results, self.verdicts, strict=True) if said == verdict]
        return Share.counted(of.count(_WRONG[verdict]), len(of))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Compared:
    """Two versions on the same images."""

    sides: tuple[Side, Side]
    pairs: Sequence[Pair]
    n_asked: int
    n_unreadable: int  # when they came, or for one of the two
    n_gone: int  # their files are not kept any more

    @cached_property
    def flips(self) -> list[Pair]:
        """Decided differently: where the second is wrong, then where the first is; highest scores first."""
        found = [pair for pair in self.pairs if pair.is_flip]
        return sorted(found, key=lambda pair: (-pair.is_wrong(1), -pair.is_wrong(0), -self.height(pair)))

    @property
    def kinds(self) -> dict[str, int]:
        """How many flip from which decision to which."""
        return dict(Counter(f"{pair.first.decision} -> {pair.second.decision}" for pair in self.flips))

    def height(self, pair: Pair) -> float:
        """The higher of the two scores, each above its threshold."""
        return max(
            result.score - side.threshold for result, side in zip((pair.first, pair.second), self.sides, strict=True)
        )


class Comparisons:
    """Of a station."""

    def __init__(self, database: Database, objects: Objects, history: History) -> None:
        self._database, self._objects, self._history = database, objects, history

    def plan(self, versions: Sequence[Version], query: Query, limit: int, scratch: Path) -> dict[str, Any]:
        """What the process reads, with links to the images; raises InputError where no image is left."""
        rows, _ = self._history.page(query, limit=min(limit, MOST_IMAGES))
        readable = [row for row in rows if row.original is not None]
        images = {row.id: place for row in readable if (place := self._linked(row, scratch)) is not None}
        if not images:
            raise InputError("no image of this part of the history is kept")
        counts = {"n_asked": limit, "n_unreadable": len(rows) - len(readable), "n_gone": len(readable) - len(images)}
        files = [str(self._objects.path(version.digest)) for version in versions]
        names = [(version.detector, version.number) for version in versions]
        return {"versions": names, "detectors": files, "images": images, **counts}

    def keep(self, number: int, plan: dict[str, Any], out: Path) -> None:
        """What the process of a job has found."""
        found = {name: plan[name] for name in ("versions", "n_asked", "n_unreadable", "n_gone")}
        found |= json.loads(out.read_text("utf-8"))
        with self._database.writing() as session:
            session.add(Comparison(job_id=number, found=found))

    def get(self, number: int) -> Compared:
        """That of a job, with the verdicts of now; raises NotFoundError."""
        with self._database.reading() as session:
            if (row := session.get(Comparison, number)) is None:
                raise NotFoundError(f"job {number} has compared nothing, or not yet")
            numbers = [int(name) for name in row.found["images"]]
            said = select(Verdict.inspected_id, Verdict.verdict).where(Verdict.inspected_id.in_(numbers))
            verdicts = {at: verdict for at, verdict in session.execute(said.order_by(Verdict.id))}  # noqa: C416  rows
        return _compared(row.found, verdicts)

    def _linked(self, row: Inspected, scratch: Path) -> str | None:
        try:
            return str(self._history.link(row, scratch))
        except (NotFoundError, OSError):
            return None


def _compared(found: dict[str, Any], verdicts: dict[int, str]) -> Compared:
    pairs = [
        Pair(int(number), Result(**both[0]), Result(**both[1]), verdicts.get(int(number)))
        for number, both in found["images"].items()
        if both
    ]
    said, n_unread = [pair.verdict for pair in pairs], len(found["images"]) - len(pairs)
    (first, second), limits = found["versions"], found["thresholds"]
    sides = (
        Side(first[0], first[1], limits[0], [pair.first for pair in pairs], said),
        Side(second[0], second[1], limits[1], [pair.second for pair in pairs], said),
    )
    return Compared(sides, pairs, found["n_asked"], found["n_unreadable"] + n_unread, found["n_gone"])
