import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from urushi.errors import TrainingError
from urushi.training import digest, finish, held, open_folder, run_folder

RUN = {"recipe": {"model": "a"}, "seed": 0, "images": "abc"}


@pytest.fixture
def unfinished(tmp_path) -> Path:
    open_folder(tmp_path / "run", RUN, resume=False)
    (tmp_path / "run" / "fold-0").mkdir()
    (tmp_path / "run" / "fold-0" / "last.ckpt").touch()
    return tmp_path / "run"


def test_unfinished_run_is_not_lost_to_a_new_one(unfinished):
    with pytest.raises(TrainingError, match="holds an unfinished run; go on with --resume, or remove the folder"):
        open_folder(unfinished, RUN, resume=False)
    assert (unfinished / "fold-0" / "last.ckpt").exists()


def test_unfinished_run_can_be_resumed_as_often_as_needed(unfinished):
    open_folder(unfinished, RUN, resume=True)
    open_folder(unfinished, RUN, resume=True)
    assert (unfinished / "fold-0" / "last.ckpt").exists()


def test_run_that_failed_before_its_first_checkpoint_is_in_nobodys_way(unfinished):
    (unfinished / "fold-0" / "last.ckpt").unlink()
    open_folder(unfinished, RUN | {"seed": 1}, resume=False)
    open_folder(unfinished, RUN | {"seed": 1}, resume=True)


@pytest.mark.parametrize(("name", "value"), [("recipe", {"model": "b"}), ("seed", 1), ("images", "abd")])
def test_run_is_not_resumed_as_another_one(name, value, unfinished):
    with pytest.raises(TrainingError, match=f"had another {name}; go on with the same"):
        open_folder(unfinished, RUN | {name: value}, resume=True)


def test_finished_run_makes_way_for_a_new_one_with_its_checkpoints(unfinished):
    finish(unfinished)
    open_folder(unfinished, RUN | {"seed": 1}, resume=False)
    assert list(unfinished.rglob("*.ckpt")) == []


def test_finished_run_can_be_resumed_for_its_detector_may_not_have_been_saved(unfinished):
    finish(unfinished)
    open_folder(unfinished, RUN, resume=True)
    assert (unfinished / "fold-0" / "last.ckpt").exists()


def test_there_must_be_a_run_to_resume(tmp_path):
    with pytest.raises(TrainingError, match="holds no run to go on from; leave --resume or"):
        open_folder(tmp_path, RUN, resume=True)


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe"])
def test_damaged_record_is_named(content, unfinished):
    (unfinished / "run.json").write_bytes(content)
    with pytest.raises(TrainingError, match=r"run\.json cannot be read"):
        open_folder(unfinished, RUN, resume=True)


@pytest.mark.parametrize("content", [{}, {"finished": False}])
def test_record_without_what_it_must_state_belongs_to_no_run(content, unfinished):
    (unfinished / "run.json").write_text(json.dumps(content))
    with pytest.raises(TrainingError):
        open_folder(unfinished, RUN, resume=True)


def test_place_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="file/run"):
        open_folder(tmp_path / "file" / "run", RUN, resume=False)


def test_digest_tells_values_order_and_shape_apart():
    array = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    changed = array.copy()
    changed[2, 1, 1] += 1e-5
    others = [changed, array[::-1], array.reshape(3, 4), array[:2]]
    assert len({digest(a) for a in (array, *others)}) == 5
    assert digest(array) == digest(np.asfortranarray(array))


def test_a_folder_in_use_is_refused_with_the_pid_of_who_is_in_it(tmp_path):
    with held(tmp_path / "run"):
        for _ in range(2):  # a refusal leaves the first one's mark alone
            with (
                pytest.raises(TrainingError, match=rf"in use by another fit \(process {os.getpid()}\)"),
                held(tmp_path / "run"),
            ):
                pass
    with held(tmp_path / "run"):
        pass


def test_a_process_that_was_killed_holds_no_folder(tmp_path):
    code = f"""
import os, pathlib, runpy
held = runpy.run_path({run_folder.__file__!r})["held"]  # without the rest of its room, which takes seconds to load
with held(pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    with held(tmp_path):
        assert (tmp_path / "pid").read_text() == str(os.getpid())


def test_processes_that_a_run_starts_for_more_devices_share_its_folder(tmp_path, monkeypatch):
    with held(tmp_path):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with held(tmp_path):
            pass
