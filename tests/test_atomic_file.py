"""Files are whole or not there, whatever ends their writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from urushi import atomic_file

KILLED = """
import os, pathlib, sys
from urushi import atomic_file
os.fsync = lambda _: os.kill(os.getpid(), 9)
atomic_file.replace(pathlib.Path(sys.argv[1]), b"new")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"old")
    return tmp_path / "file"


@pytest.mark.parametrize("is_durable", [True, False])
def test_the_new_content_takes_the_place_of_the_old(place, is_durable):
    atomic_file.replace(place, b"new", is_durable=is_durable)
    assert place.read_bytes() == b"new"
    assert list(place.parent.iterdir()) == [place]


def test_what_fails_leaves_the_old_content_and_nothing_else(place, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_file.replace(place, b"new")
    with pytest.raises(OSError, match="No space"), atomic_file.growing(place) as file:
        file.write("new")
    assert place.read_bytes() == b"old"
    assert list(place.parent.iterdir()) == [place]


def test_a_growing_file_takes_its_place_when_it_is_whole(place):
    with atomic_file.growing(place) as file:
        file.write("first line\n")
        file.flush()
        assert place.read_bytes() == b"old"
    assert place.read_text() == "first line\n"
    with pytest.raises(ValueError, match="stopped"), atomic_file.growing(place) as file:
        raise ValueError("stopped")
    assert place.read_text() == "first line\n"
    assert list(place.parent.iterdir()) == [place]


def test_what_a_killed_writer_left_is_swept_by_the_next_and_a_running_ones_is_not(place):
    assert subprocess.run([sys.executable, "-c", KILLED, place]).returncode == -9
    (left,) = set(place.parent.iterdir()) - {place}
    assert atomic_file.is_draft(left)
    running = place.with_name(f".file-{os.getpid()}-abc.part")
    running.touch()
    atomic_file.replace(place, b"newer")
    assert set(place.parent.iterdir()) == {place, running}


def test_a_folder_is_swept_below(place):
    inner = place.parent / "a" / "b"
    inner.mkdir(parents=True)
    assert subprocess.run([sys.executable, "-c", KILLED, inner / "file"]).returncode == -9
    (inner / ".notes.part").touch()
    atomic_file.sweep(place.parent)
    assert [path.name for path in inner.iterdir()] == [".notes.part"]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 255)
    atomic_file.replace(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_name_with_a_pattern_in_it_is_a_name(tmp_path):
    atomic_file.replace(tmp_path / "a[1]*.png", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a[1]*.png"]
