"""Results that wait are recorded together, and none keeps others back."""

import threading
from dataclasses import dataclass, field

import pytest
from sqlalchemy import event

from urushi.errors import ConflictError
from urushi.serving.history import About, Query, Received
from urushi.serving.recording import Recording


@dataclass
class Version:
    detector: str = "part"


@dataclass
class Draft:
    number: int
    version: Version = field(default_factory=Version)


class History:
    """Refuses what it is told to, and keeps which were recorded together."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.groups, self.dropped = bad, list[list[int]](), list[int]()

    def record(self, drafts: list[Draft]) -> list[Draft]:
        numbers = [draft.number for draft in drafts]
        if set(numbers) & set(self.bad):
            raise OSError("no")
        self.groups.append(numbers)
        return drafts

    def drop(self, draft: Draft) -> None:
        self.dropped.append(draft.number)


def told(recording: Recording, n: int) -> dict[int, object]:
    found: dict[int, object] = {}
    for number in range(n):
        recording.add(Draft(number), lambda row, number=number: found.update({number: row}))
    recording.close()
    return found


def test_while_there_is_enough_to_compute_several_results_share_a_transaction():
    history = History()
    found = told(Recording(history, lambda _: None, lambda n_waiting: n_waiting < 100), 20)
    assert found == {number: Draft(number) for number in range(20)}
    assert [number for group in history.groups for number in group] == list(range(20))
    assert len(history.groups) <= 3


def test_a_result_is_not_kept_waiting_where_nothing_else_is_computed():
    history, is_recorded = History(), threading.Event()
    recording = Recording(history, lambda _: None, lambda _: False)
    recording.add(Draft(0), lambda _row: is_recorded.set())
    assert is_recorded.wait(0.1)
    recording.close()


def test_one_that_cannot_be_recorded_keeps_none_of_the_others_back():
    history, undone = History(2), list[str]()
    found = told(Recording(history, undone.append, lambda _: True), 5)
    assert [number for number, row in found.items() if isinstance(row, OSError)] == [2]
    assert sorted(number for group in history.groups for number in group) == [0, 1, 3, 4]
    assert history.dropped == [2]
    assert set(undone) == {"part"}


def refuse(_session: object, _row: object) -> None:
    raise ConflictError("not this one")


def received(station, png: bytes) -> Received:
    return Received(station.objects.incoming_place(".png"), "a.png", (png,))


@pytest.fixture
def busy(opened, monkeypatch):
    """A station whose results wait for each other."""
    station = opened(n_threads=1)
    monkeypatch.setattr(station.inspector._recording, "_are_busy", lambda n_waiting: n_waiting < 4)
    return station


def test_a_refused_result_of_a_group_leaves_no_row_no_file_and_the_others_in_their_order(busy, pngs):
    n_commits = []
    event.listen(busy.database.engine, "commit", lambda _connection: n_commits.append(1))
    loaded = busy.detectors.get("exported")
    images, also = [received(busy, png) for png in pngs[:4]], [[], [refuse], [], []]
    tasks = busy.inspector.accept(loaded, images, About("test"), also)
    with pytest.raises(ConflictError):
        tasks[1].future.result(10)
    rows = [tasks[place].future.result(10) for place in (0, 2, 3)]
    assert sorted(row.id for row in rows) == sorted(row.id for row in busy.history.all(Query()))
    assert all(row.version.number == 1 for row in rows)
    present = {path.name for path in busy.objects.root.rglob("*") if path.is_file()}
    assert present == {loaded.row.digest} | {digest for row in rows for digest in (row.original, row.evidence)}
    assert list(busy.objects.incoming.iterdir()) == []


def test_four_results_are_one_transaction(busy, pngs):
    loaded, n_commits = busy.detectors.get("exported"), []
    event.listen(busy.database.engine, "commit", lambda _connection: n_commits.append(1))
    tasks = busy.inspector.accept(loaded, [received(busy, png) for png in pngs[:4]], About("test"))
    numbers = [task.future.result(10).id for task in tasks]
    assert len(n_commits) == 1
    assert len(set(numbers)) == 4
