"""A bar on a terminal, a line now and then where there is none; results always where they belong."""

import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from urushi.data import progress

WORK = """
import sys
from urushi.data import progress
from urushi.data.progress import tracked
for fold in tracked([1, 2], "folds"):
    for image in tracked(range(3), "images", 3):
        print("result", fold, image)
        if image > fold:
            progress._shown.refresh()  # it is drawn ten times a second, if the machine is not busy
print("note", file=sys.stderr)
"""


def test_where_no_bar_can_be_shown_a_line_a_minute_says_how_far_it_is(capsys):
    minutes = count(0, 40)  # seconds between two looks at the clock
    assert list(progress.with_lines(range(4), "scoring", 4, clock=lambda: float(next(minutes)))) == [0, 1, 2, 3]
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["scoring: 1 of 4", "scoring: 2 of 4"])


def test_quick_work_away_from_a_terminal_says_nothing(capsys):
    assert list(progress.tracked(range(4), "scoring", 4)) == [0, 1, 2, 3]
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="terminals are made in another way here")
def test_at_a_terminal_the_bar_is_there_and_results_still_go_to_their_file(tmp_path: Path):
    shown, there = _at_a_terminal(tmp_path, WORK)
    assert "images" in shown
    assert "folds" in shown
    assert "2/3" in shown
    assert shown.rstrip().endswith("note")
    assert there.splitlines() == [f"result {fold} {image}" for fold in (1, 2) for image in range(3)]


def _at_a_terminal(tmp_path: Path, code: str) -> tuple[str, str]:
    """What a program shows on a terminal as its stderr, and what it writes to a file as its stdout."""
    import pty

    ours, its = pty.openpty()
    target = tmp_path / "results.txt"
    with target.open("w") as out, subprocess.Popen([sys.executable, "-c", code], stdout=out, stderr=its) as running:
        os.close(its)
        shown = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert running.returncode == 0
    return shown.decode(), target.read_text()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux ends a terminal like this
        return b""
