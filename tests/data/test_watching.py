"""A watched folder on a clock of the test's own: sleeping is when others write."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from urushi.data.watching import Arrival, Watch
from urushi.errors import DatasetError

Events = dict[float, Callable[[], object]]


class World:
    """Time passes in the watch's sleep only, and what is to happen happens then."""

    def __init__(self, events: Events) -> None:
        self.now, self.events, self.said = 0.0, dict(sorted(events.items())), []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for when in [when for when in self.events if when <= self.now]:
            self.events.pop(when)()

    def watch(self, folder: Path, **settings: object) -> Watch:
        settings = {"idle_seconds": 30, **settings}
        return Watch(folder, clock=lambda: self.now, sleep=self.sleep, report=self.said.append, **settings)


def arrivals(world: World, folder: Path, **settings: object) -> Iterator[tuple[str, float]]:
    for arrival in world.watch(folder, **settings):
        yield arrival.path.name, round(world.now, 1)


def test_what_lies_there_comes_oldest_first_unless_only_new_is_asked_for(tmp_path):
    for number, name in enumerate(("b.png", "a.png", "notes.txt", ".hidden.png")):
        write(tmp_path / name, when=number)
    assert [name for name, _ in arrivals(World({}), tmp_path)] == ["b.png", "a.png"]
    assert list(arrivals(World({}), tmp_path, only_new=True)) == []


def test_a_file_is_handed_out_when_it_has_not_changed_for_the_settling_time(tmp_path):
    path = tmp_path / "a.png"
    grows = {t: lambda t=t: write(path, "x" * int(10 * t), when=t) for t in (1.0, 1.3, 1.7, 2.1)}
    ((name, when),) = arrivals(World(grows), tmp_path, settle_seconds=0.5)
    assert name == "a.png"
    assert 2.6 <= when <= 2.8


def test_a_file_that_is_written_anew_comes_again_and_one_that_is_not_does_not(tmp_path):
    events = {1.0: lambda: write(tmp_path / "a.png", "x", 1), 5.0: lambda: write(tmp_path / "a.png", "y", 5)}
    assert [round(when) for _, when in arrivals(World(events), tmp_path)] == [2, 6]


def test_a_postponed_file_comes_once_more_and_then_for_the_last_time(tmp_path):
    write(tmp_path / "a.png")
    world, found = World({}), []
    watch = world.watch(tmp_path, patience_seconds=10)
    for arrival in watch:
        found.append((arrival, round(world.now, 1)))
        watch.postpone(arrival.path) if not arrival.is_last_try else None
    path = tmp_path / "a.png"
    assert found == [(Arrival(path, False), 0.5), (Arrival(path, True), 10.1)]


def test_a_postponed_file_that_grows_settles_like_any_other(tmp_path):
    path = tmp_path / "a.png"
    world = World({1.0: lambda: write(path, "x", 1), 4.0: lambda: write(path, "xyz", 4)})
    watch, tries = world.watch(tmp_path), []
    for arrival in watch:
        tries.append((arrival.is_last_try, round(world.now)))
        if len(tries) == 1:
            watch.postpone(path)
    assert tries == [(False, 2), (False, 5)]


def test_an_empty_file_is_waited_for_with_patience(tmp_path):
    events = {1.0: lambda: write(tmp_path / "a.png", "", 1), 3.0: lambda: write(tmp_path / "b.png", "x", 3)}
    found = list(arrivals(World(events), tmp_path, patience_seconds=10))
    assert [(name, round(when)) for name, when in found] == [("b.png", 4), ("a.png", 11)]


def test_what_is_gone_is_forgotten(tmp_path):
    events = {float(t): lambda t=t: write(tmp_path / f"{t}.png", "x", t) for t in range(1, 60)}
    events |= {t + 0.95: lambda t=t: (tmp_path / f"{t}.png").unlink() for t in range(1, 60)}
    world = World(events)
    watch, kept = world.watch(tmp_path), []
    for _ in watch:
        kept.append(len(watch._files))
    assert len(kept) == 59
    assert max(kept) <= 2


def test_a_folder_out_of_reach_is_said_once_and_forgets_nothing(tmp_path):
    folder, away = tmp_path / "share", tmp_path / "away"
    write(folder / "a.png")
    events = {2.0: lambda: folder.rename(away), 8.0: lambda: away.rename(folder)}
    events |= {9.0: lambda: write(folder / "b.png", "x", 9)}
    world = World(events)
    assert [name for name, _ in arrivals(world, folder)] == ["a.png", "b.png"]
    assert len(world.said) == 1
    assert "waiting for it" in world.said[0]


def test_folders_inside_are_watched_too(tmp_path):
    events = {1.0: lambda: write(tmp_path / "line 2" / "a.png", "x", 1)}
    assert [name for name, _ in arrivals(World(events), tmp_path)] == ["a.png"]


def test_it_ends_when_nothing_has_happened_for_long(tmp_path):
    world = World({4.0: lambda: write(tmp_path / "a.png", "x", 4)})
    assert len(list(arrivals(world, tmp_path, idle_seconds=5))) == 1
    assert 9 <= world.now <= 11


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"no folder .*nowhere"):
        next(iter(Watch(tmp_path / "nowhere")))


def write(path: Path, content: str = "x", when: float = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (when, when))


def test_the_end_waits_for_a_file_that_was_postponed(tmp_path):
    write(tmp_path / "a.png")
    watch = World({}).watch(tmp_path, patience_seconds=10, idle_seconds=2)
    tries = []
    for arrival in watch:
        tries.append(arrival.is_last_try)
        watch.postpone(arrival.path) if not arrival.is_last_try else None
    assert tries == [False, True]
