"""Folders that are our own, and say so while they are not whole."""

import os

import numpy as np
import pytest

from urushi.data.dataset import find_dataset
from urushi.data.writing import UNFINISHED, claim, finish, write_image
from urushi.errors import InputError

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_folder_with_only_what_the_operating_system_left_is_taken_as_empty(tmp_path):
    (tmp_path / ".DS_Store").touch()
    claim(tmp_path, "Title", "About")
    assert (tmp_path / "README.txt").is_file()


def test_a_folder_says_that_it_is_not_whole_until_it_is(tmp_path):
    claim(tmp_path, "Ours", "about")
    write_image(tmp_path / "train" / "good" / "0.png", IMAGE)
    (problem,) = find_dataset(tmp_path).problems
    assert "not written to its end" in problem.reason
    finish(tmp_path)
    assert find_dataset(tmp_path).problems == ()
    assert {path.name for path in tmp_path.iterdir()} == {"README.txt", "train"}


def test_a_run_that_was_stopped_can_be_repeated(tmp_path):
    claim(tmp_path, "Ours", "about")
    (tmp_path / ".0.png-999999999-abc.part").touch()  # of a writer that was killed
    claim(tmp_path, "Ours", "about")
    assert {path.name for path in tmp_path.iterdir()} == {"README.txt", UNFINISHED}
    with pytest.raises(InputError, match="holds other files"):
        claim(tmp_path, "Theirs", "about")


def test_a_disk_that_is_full_at_the_claim_leaves_a_folder_that_can_be_claimed(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left"):
            claim(tmp_path / "new", "Ours", "about")
    claim(tmp_path / "new", "Ours", "about")


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    write_image(tmp_path / "0.png", IMAGE)
    before = (tmp_path / "0.png").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_image(tmp_path / "0.png", IMAGE + 1)
    assert (tmp_path / "0.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["0.png"]
