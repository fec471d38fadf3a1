"""Verdicts of people on inspections, and what follows from them: another threshold, or more good images."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import func, select

from urushi.calibration import HeldOut, Threshold
from urushi.detector import Detector
from urushi.errors import InputError
from urushi.evaluation.intervals import wilson
from urushi.inspection import Decision
from urushi.printable import counted
from urushi.recipe import Part
from urushi.serving.database import Database, note_change, now
from urushi.serving.evidence import AS_HELD_OUT, as_held_out
from urushi.serving.history import History, Query, last_verdicts, required, said
from urushi.serving.objects import Objects
from urushi.serving.tables import Inspected, Verdict
from urushi.serving.versions import Detectors, Loaded

_MOST_LISTED = 100
_FOR_THE_GATE = 50  # good images that an export is compared on
_SELECTED = (
    "Not all inspections of this time have a verdict: what was reviewed may have been chosen for its scores, so these "
    "shares are those of the reviewed images, not of the line."
)
_FEW_DEFECTS = "No image has the verdict NG: how many defects would escape is not known."


@dataclass(frozen=True)
class Recalibration:
    """How a threshold is to be chosen anew; without a rule, by the one that the detector has."""

    rule: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    counts_reviewed: bool = False  # scores of images with the verdict OK join those of held-out normals


class Share(NamedTuple):
    """So many of so many, and its 95 % interval after Wilson; None of none."""

    n: int
    of: int
    low: float | None
    high: float | None

    @classmethod
    def counted(cls, n: int, of: int) -> "Share":
        """With its interval."""
        return cls(n, of, *(wilson(n, of) if of else (None, None)))


class Flip(NamedTuple):
    """An inspection that would be decided otherwise."""

    id: int
    score: float
    before: Decision
    after: Decision
    verdict: str | None


@dataclass(frozen=True)
class Preview:
    """What another threshold would change on the inspections of a time, by scores that can be compared."""

    detector: Detector  # with the new threshold
    before: Threshold
    n_inspections: int
    verdicts: dict[str, int]
    false_alarms: tuple[Share, Share]  # before and after: anomalous, of those with the verdict OK
    escapes: tuple[Share, Share]  # normal, of those with the verdict NG
    flips: list[Flip]  # nearest to the new threshold first
    cautions: list[str]


class Seen(NamedTuple):
    """A score that can be compared with those of now, and the last verdict."""

    id: int
    score: float
    verdict: str | None


class Review:
    """Of a station."""

    def __init__(self, database: Database, objects: Objects, history: History, detectors: Detectors) -> None:
        self._database, self._objects, self._history, self._detectors = database, objects, history, detectors

    def judge(
        self, number: int, verdict: str, author: str, *, defect_type: str | None = None, note: str | None = None
    ) -> Inspected:
        """Adds a verdict to an inspection; raises NotFoundError, InputError where it makes no sense."""
        if defect_type is not None and verdict != "ng":
            raise InputError(f"a type of defect goes with the verdict 'ng', not with {verdict!r}")
        with self._database.writing() as session:
            row = required(session, number)
            before = _facts(row.verdicts[-1]) if row.verdicts else {}
            values = {"verdict": verdict, "defect_type": defect_type, "note": note}
            row.verdicts.append(new := Verdict(author=author, time=now(), **values))
            note_change(session, author, "verdict", f"inspection {number}", before=before, after=_facts(new))
        return row

    def borderline(self, loaded: Loaded, limit: int) -> list[Inspected]:
        """What to review first: without a verdict, nearest to the threshold of now."""
        query = Query(detector=loaded.row.detector, is_reviewed=False, networks=(loaded.row.network,))
        return self._history.borderline(query, loaded.detector.threshold.value, limit)

    def preview(self, loaded: Loaded, asked: Recalibration) -> Preview:
        """What would change; raises CalibrationError, RecipeError, InputError for rules and options that are none."""
        seen = self.seen(loaded, asked)
        present = loaded.detector.recipe.threshold
        rule = present if asked.rule is None else Part(name=asked.rule)
        rule = Part.model_validate({"name": rule.name.replace("-", "_"), **rule.options, **asked.options})
        ng = np.array([one.score for one in seen if one.verdict == "ng"])
        held_out = loaded.detector.held_out
        if asked.counts_reviewed:
            held_out = held_out.plus(self._reviewed_normals(loaded, asked, seen))
        new = loaded.detector.calibrate_on(rule, held_out, ng)
        return _preview(loaded.detector.threshold, new, seen)

    def apply(self, loaded: Loaded, asked: Recalibration, author: str, reason: str) -> Loaded:
        """The same as a new version; raises ConflictError if another version decides by now."""
        new = self.preview(loaded, asked).detector
        return self._detectors.add(loaded.row.detector, new, author, reason, after=loaded.row.number)

    def learn(self, loaded: Loaded, numbers: Sequence[int] | None, author: str, reason: str) -> Loaded:
        """A new version that has learnt images with the verdict OK: these, or all that are false alarms.

        Their scores, for which they were chosen, do not join the held-out ones. What was exported is exported again.
        Raises MissingPackageError without PyTorch, InputError, DatasetError, ExportError, ConflictError.
        """
        rows = self._to_learn(loaded, numbers)
        self._detectors.require_deciding(loaded.row)  # before what takes long; it is asked again when that is done
        new = loaded.detector.add([self._history.original(row) for row in rows], is_selected=True)
        for engine in dict.fromkeys(entry["runtime"] for entry in loaded.detector.ways.exports):
            new = new.export(self._good(loaded), to=engine)
        return self._detectors.add(loaded.row.detector, new, author, reason, after=loaded.row.number)

    def _query(self, loaded: Loaded, asked: Recalibration) -> Query:
        networks = (loaded.row.network,)
        return Query(detector=loaded.row.detector, since=asked.since, until=asked.until, networks=networks)

    def progress(self, loaded: Loaded) -> tuple[int, int]:
        """How many inspections have a verdict, and how many there are, of those that `borderline` gives."""
        query = Query(detector=loaded.row.detector, networks=(loaded.row.network,))
        which = (*query.conditions(), Inspected.score.is_not(None))
        judged = select(func.count(Verdict.inspected_id.distinct())).join(Inspected).where(*which)
        with self._database.reading() as session:
            of = session.scalar(select(func.count()).select_from(Inspected).where(*which))
            return session.scalar(judged) or 0, of or 0

    def seen(self, loaded: Loaded, asked: Recalibration) -> list[Seen]:
        """What a threshold of the time that is asked for would decide on."""
        return list(self._seen(self._query(loaded, asked)))

    def _seen(self, query: Query) -> Iterator[Seen]:
        rows = select(Inspected.id, Inspected.score).where(*query.conditions(), Inspected.score.is_not(None))
        with self._database.reading() as session:
            said = last_verdicts(session)  # far fewer than inspections
            for number, score in self._database.rows(session, rows):
                yield Seen(number, score, said.get(number))

    def _reviewed_normals(self, loaded: Loaded, asked: Recalibration, seen: Sequence[Seen]) -> HeldOut:
        """Of a time in which everything has a verdict; else those with one would have been chosen."""
        if n_without := sum(one.verdict is None for one in seen):
            raise InputError(
                f"{counted(n_without, 'inspection')} of this time have no verdict: scores of reviewed images may only "
                "count where all were reviewed, or they would be those that were chosen. Narrow the time, or leave it"
            )
        if loaded.detector.held_out.n_tiles:
            raise InputError("images that are inspected in tiles cannot join the held-out ones; leave it")
        accepted = {one.id for one in seen if one.verdict == "ok"}
        rows = (row for row in self._history.all(self._query(loaded, asked)) if row.id in accepted)
        fresh = {
            row.details[AS_HELD_OUT]["content"]: row for row in rows if "learnt" not in row.details["caution_kinds"]
        }
        if not fresh:
            raise InputError("no image of this time has the verdict OK and is none that the detector was fitted on")
        return self._as_held_out(loaded.detector.held_out, list(fresh.values()))

    def _as_held_out(self, present: HeldOut, rows: Sequence[Inspected]) -> HeldOut:
        """One entry per inspected image, each its own product; what its descriptor decides is not told apart."""
        known = [as_held_out(self._history.evidence(row), row.details) for row in rows]
        contents = tuple(one["content"] for one in known)
        return replace(
            present,
            scores=tuple(row.score for row in rows if row.score is not None),
            map_peaks=tuple(one["map_peak"] for one in known),
            map_medians=tuple(one["map_median"] for one in known),
            contents=contents if present.contents else (),
            summands=(0.0,) * len(rows) if present.summands else (),
            groups=contents if present.groups else (),
        )

    def _to_learn(self, loaded: Loaded, numbers: Sequence[int] | None) -> list[Inspected]:
        if numbers is None:
            query = Query(detector=loaded.row.detector, decision="anomalous", is_reviewed=True)
            rows = [row for row in self._history.all(query) if row.verdicts[-1].verdict == "ok"]
        else:
            rows = [self._history.get(number) for number in dict.fromkeys(numbers)]
            if bad := [row.id for row in rows if not row.verdicts or row.verdicts[-1].verdict != "ok"]:
                raise InputError(f"only images with the verdict OK are learnt; {bad[0]} has none")
            if foreign := [row.id for row in rows if row.detector != loaded.row.detector]:
                raise InputError(f"inspection {foreign[0]} is not one of this detector")
        if not rows:
            raise InputError("there is no false alarm: an anomalous image with the verdict OK")
        return rows

    def _good(self, loaded: Loaded) -> list[Any]:
        rows, _ = self._history.page(Query(detector=loaded.row.detector, decision="normal"), limit=_FOR_THE_GATE)
        if not rows:
            raise InputError("no normal image was inspected yet; the export is compared with PyTorch on some")
        return [self._history.original(row) for row in rows]


def _preview(before: Threshold, new: Detector, seen: Sequence[Seen]) -> Preview:
    after = new.threshold
    decided = [(one, before.decide(one.score), after.decide(one.score)) for one in seen]
    flips = [Flip(one.id, one.score, old, now, one.verdict) for one, old, now in decided if old != now]
    verdicts = Counter(one.verdict or "none" for one in seen)
    cautions = [_SELECTED] * bool(verdicts["none"]) + [_FEW_DEFECTS] * (not verdicts["ng"])

    def shares(verdict: str, wrong: Decision) -> tuple[Share, Share]:
        of = [pair for one, *pair in decided if one.verdict == verdict]
        old, later = (Share.counted(sum(pair[i] == wrong for pair in of), len(of)) for i in (0, 1))
        return old, later

    return Preview(
        detector=new,
        before=before,
        n_inspections=len(seen),
        verdicts=dict(verdicts),
        false_alarms=shares("ok", "anomalous"),
        escapes=shares("ng", "normal"),
        flips=sorted(flips, key=lambda flip: abs(flip.score - after.value)),
        cautions=cautions,
    )


def plain(preview: Preview) -> dict[str, Any]:
    """A preview as the API gives it; of many flips the first ones."""
    kinds = Counter(f"{flip.before} -> {flip.after}" for flip in preview.flips)
    pairs = {"false_alarms": preview.false_alarms, "escapes": preview.escapes}
    return {
        "before": preview.before.to_json(),
        "after": preview.detector.threshold.to_json(),
        "n_inspections": preview.n_inspections,
        "verdicts": preview.verdicts,
        **{name: {"before": old._asdict(), "after": later._asdict()} for name, (old, later) in pairs.items()},
        "n_flips": dict(kinds),
        "flips": [flip._asdict() for flip in preview.flips[:_MOST_LISTED]],
        "cautions": preview.cautions,
    }


def _facts(verdict: Verdict) -> dict[str, Any]:
    return {name: value for name, value in said(verdict).items() if name in ("verdict", "defect_type") and value}
