"""The runs of a study: what is measured already is kept, all others are jobs, each saved as soon as it is done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from urushi.data.dataset import Dataset
from urushi.data.writing import claim, write_bytes
from urushi.jobs import Engine, Job, Outcome
from urushi.study.measuring import DETECTORS, RECORDS, measure
from urushi.study.plan import Run, Study
from urushi.study.records import FORMAT, Failure, Record

_TITLE = "Results of an Urushi study"
_ABOUT = (
    "study.json, study.md and study.html are made from records/, one file per run. Running the study again measures "
    "only what is missing there. detectors/ holds one detector of each run."
)


@dataclass(frozen=True)
class Step:
    """Something that has become of a run."""

    run: Run
    state: Literal["kept", "begun", "done", "failed", "stopped"]  # kept: of an earlier time
    result: Record | Failure | None = None


Watch = Callable[[Step], None]


class Results(NamedTuple):
    """What the runs have given, in the order of the study."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, found: Iterable[Record | Failure]) -> "Results":
        """Sorted apart."""
        both = list(found)
        records = tuple(one for one in both if isinstance(one, Record))
        return cls(records, tuple(one for one in both if isinstance(one, Failure)))


def collect(
    study: Study,
    datasets: dict[str, Dataset],
    out: Path,
    watch: Watch,
    engine: Engine,
    budget_seconds: float | None = None,
) -> Results:
    """What every run gives, measured where there is no record yet; each is saved as it comes."""
    _claim(out)
    places = {place.run.name: place for place in _places(study, datasets, out)}
    found = {name: kept for name, place in places.items() if (kept := place.kept(budget_seconds))}
    for name, kept in found.items():
        watch(Step(places[name].run, "kept", kept))
    jobs = [place.job(budget_seconds) for name, place in places.items() if name not in found]
    for job, outcome in engine.run(jobs, lambda job: watch(Step(places[job.name].run, "begun"))):
        found[job.name] = places[job.name].save(outcome, budget_seconds)
        watch(Step(places[job.name].run, outcome.state, found[job.name]))
    return Results.of(found[name] for name in places)


def so_far(study: Study, datasets: dict[str, Dataset], out: Path) -> Results:
    """What has been measured, or has failed; nothing is measured."""
    found = (place.noted() for place in _places(study, datasets, out))
    return Results.of(one for one in found if one)


def said(failure: Failure) -> str:
    """Which run it was, and why it gave nothing."""
    value = "" if failure.value is None else f" {failure.value}"
    return f"{failure.data}, {failure.method}{value}, repeat {failure.seed}: {failure.reason}"


def _claim(out: Path) -> None:
    claim(out, _TITLE, _ABOUT)
    for name in (RECORDS, DETECTORS):
        (out / name).mkdir(exist_ok=True)


@dataclass(frozen=True)
class _Place:
    """A run, and where what comes of it lies."""

    run: Run
    dataset: Dataset
    key: str
    out: Path

    @property
    def path(self) -> Path:
        return self.out / RECORDS / f"{self.run.name}.json"

    def noted(self) -> Record | Failure | None:
        return Record.load(self.path, self.key) or Failure.load(self.path, self.key)

    def kept(self, budget_seconds: float | None) -> Record | Failure | None:
        """What need not be measured again."""
        found = self.noted()
        return None if isinstance(found, Failure) and not found.is_final(budget_seconds) else found

    def job(self, budget_seconds: float | None) -> Job:
        return Job(self.run.name, partial(measure, self.run, self.dataset, self.key), budget_seconds)

    def save(self, outcome: Outcome, budget_seconds: float | None) -> Record | Failure:
        """On the disk; the detector first, so that a record always has one."""
        if outcome.state != "done":
            run = (self.run.data.name, self.run.method.name, self.run.value, self.run.seed)
            reason = "; ".join(outcome.reason.splitlines())  # one line of a table
            how = (outcome.state, reason, outcome.seconds, budget_seconds)
            failure = Failure(FORMAT, self.key, *run, *how)
            failure.save(self.path)
            return failure
        record, detector = outcome.value
        write_bytes(self.out / DETECTORS / f"{self.run.name}.urushi", detector)
        found: Record = replace(record, facts=record.facts | {"peak_memory": outcome.peak_memory})
        found.save(self.path)
        return found


def _places(study: Study, datasets: dict[str, Dataset], out: Path) -> Iterator[_Place]:
    prints = {name: dataset.fingerprint() for name, dataset in datasets.items()}
    for one in study.runs():
        yield _Place(one, datasets[one.data.name], one.key(prints[one.data.name]), out)
