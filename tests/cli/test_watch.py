"""`urushi inspect --watch`: one line of JSON for what arrives, as soon as it has arrived."""

import json
import shutil
import signal
import sys
import threading
import time
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

COMMAND = str(Path(sys.executable).with_name("urushi"))


@pytest.fixture(scope="module")
def validate() -> Any:
    line, whole = (
        json.loads((resources.files("urushi.cli") / name).read_text())
        for name in ("inspection-line.schema.json", "inspection.schema.json")
    )
    registry = Registry().with_resource("urn:urushi:inspection:1", Resource.from_contents(whole))
    return jsonschema.Draft202012Validator(line, registry=registry).validate


def lines(out: str, validate: Any) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.splitlines()]
    for one in found:
        validate(one)
    return found


@pytest.mark.thorough
def test_what_lies_there_and_what_comes_is_inspected_once_whole(urushi, exported, good, defects, tmp_path, validate):
    folder = tmp_path / "in"
    folder.mkdir()
    source, broken = sorted(good.iterdir())[0].read_bytes(), sorted(defects.iterdir())[0].read_bytes()
    (folder / "first.png").write_bytes(source)

    def write_late() -> None:
        with (folder / "late.png").open("wb") as file:
            for part in (broken[:200], broken[200:400], broken[400:]):
                file.write(part)
                file.flush()
                time.sleep(0.3)
        (folder / "odd.txt").write_text("no image")

    writer = threading.Thread(target=write_late)
    writer.start()
    result = urushi("inspect", exported, "--watch", folder, "--idle-seconds", "2")
    writer.join()
    assert result.status == 0
    found = lines(result.out, validate)
    assert [(Path(one["source"]).name, one["decision"]) for one in found] == [
        ("first.png", "normal"),
        ("late.png", "anomalous"),
    ]
    assert "1 normal, 1 anomalous, 0 not read" in result.err


def test_a_line_of_json_per_image_also_without_a_watch(urushi, exported, good, tmp_path, validate):
    (tmp_path / "bad.png").write_bytes(b"no image")
    result = urushi("inspect", exported, good, tmp_path / "bad.png", "--format", "jsonl")
    assert result.status == 1
    found = lines(result.out, validate)
    assert len(found) == 7
    assert "reason" in found[-1]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--watch", ".", "."], ["--watch", ".", "--report"], ["--watch", ".", "--false-discovery-rate", "0.1"]],
)
def test_what_does_not_go_together_is_refused(arguments, urushi, exported):
    assert urushi("inspect", exported, *arguments).status == 2


def test_no_folder_to_watch_is_an_error(urushi, exported, tmp_path):
    result = urushi("inspect", exported, "--watch", tmp_path / "nowhere")
    assert result.status == 2
    assert "nowhere" in result.err


@pytest.mark.parametrize("stop", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.thorough)])
def test_a_signal_ends_it_in_order(stop, exported, good, started):
    with started(COMMAND, "inspect", exported, "--watch", good) as process:
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(6)]
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert all(json.loads(line)["decision"] for line in read)
    assert process.returncode == 0
    assert "6 normal" in err
    assert err.splitlines()[1] == f"watching {good}; Ctrl-C ends it"


@pytest.mark.thorough
def test_masks_and_label_images_that_arrive_are_no_parts(urushi, exported, good, tmp_path, validate):
    folder = tmp_path / "in"
    for name in ("b.png", "b_label.png", "masks/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(good / "100.png", folder / name)
    result = urushi("inspect", exported, "--watch", folder, "--idle-seconds", "1")
    assert [Path(one["source"]).name for one in lines(result.out, validate)] == ["b.png"]
    assert f"note: {folder / 'masks'}: its images are left out: its name says masks" in result.err
    assert f"note: {folder}: label images beside their images are left out of the parts" in result.err


@pytest.mark.slow
def test_a_label_image_that_comes_before_its_image_waits_for_it(urushi, exported, good, tmp_path, validate):
    for name in ("c_label.png", "d_label.png"):
        shutil.copy(good / "100.png", tmp_path / name)
    late = threading.Timer(1.0, shutil.copy, (good / "101.png", tmp_path / "c.png"))
    late.start()
    result = urushi("inspect", exported, "--watch", tmp_path, "--idle-seconds", "2")
    late.join()
    assert [Path(one["source"]).name for one in lines(result.out, validate)] == ["c.png", "d_label.png"]
