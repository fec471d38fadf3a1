"""`urushi serve`, `urushi serve token` and `urushi history export`: what is said, and what is refused."""

import re
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def part(exported_autoencoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported_autoencoder, tmp_path / "part.urushi"))


@pytest.mark.thorough
def test_a_check_says_what_is_there_and_a_token_is_shown_once(urushi, part, tmp_path):
    station = tmp_path / "station"
    checked = urushi("serve", part, "--data", station, "--check")
    assert (checked.status, checked.out) == (0, "")
    assert re.search(r"^part: version 1, runs in (ONNX Runtime|OpenVINO)", checked.err, re.MULTILINE)
    assert "no one may connect yet: `urushi serve token NAME" in checked.err
    made = urushi("serve", "token", "line 1", "--data", station)
    assert re.fullmatch(r"urushi-[0-9a-f]{16}-[\w-]{43}\n", made.out)
    again = urushi("serve", "--data", station, "--check")
    assert "part: version 1" in again.err
    assert "no one may connect" not in again.err
    assert urushi("serve", "token", "line 1", "--data", station).status == 2
    assert urushi("serve", "token", "line 1", "--data", station, "--revoke").status == 0
    assert urushi("serve", "token", "line 1", "--data", station, "--revoke").status == 2
    assert urushi("history", "export", "--data", station, "-o", tmp_path / "all.csv").status == 0
    assert (tmp_path / "all.csv").read_text().startswith("id,time,detector,")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--data", "PLACE/new", "--check"], "this station has no detector yet"),
        (["serve", "PLACE/none.urushi", "--check"], "does not exist"),
        (["serve", "PART", "--data", "PART", "--check"], "cannot be made"),
        (["serve", "PART", "--certificate", "PART", "--check"], "--certificate and --key go together"),
        (["serve", "PART", "--certificate", "PLACE/x", "--key", "PART"], "is no file that can be read"),
        (["serve", "PART", "--database", "nonsense", "--data", "PLACE/new", "--check"], "--database takes a URL"),
        (["serve", "token", "x", "--role", "root", "--data", "PLACE/new"], "a role is one of inspect, review, admin"),
        (["history", "export", "--data", "PLACE", "-o", "PLACE/all.csv"], "is no folder of a station"),
        (["history", "export", "--data", "PLACE", "-o", "PLACE/all.xlsx"], "give .csv, .jsonl or .parquet"),
        (["history", "export", "--data", "PLACE", "-o", "PLACE/none/all.csv"], "none does not exist"),
    ],
)
def test_what_cannot_be_served_or_exported_is_said_to_be_so(urushi, part, tmp_path, arguments, words):
    words_of = {"PART": str(part)}
    done = urushi(*(words_of.get(one, one.replace("PLACE", str(tmp_path))) for one in arguments))
    assert done.status == 2
    assert words in done.err
    assert "Traceback" not in done.err
