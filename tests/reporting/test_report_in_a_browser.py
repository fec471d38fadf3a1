"""What the scripts of a report do, in a browser without a window (Debian's chromium); skipped where there is none."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from urushi.inspection import Inspection
from urushi.reporting.picture_folder import PictureFolder
from urushi.reporting.report import DetectorFacts, Report

CHROMIUM = shutil.which("chromium")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
SCORES = {"scratch/a.png": 0.9, "dent/b.png": 0.8, "dent/c.png": 0.3, "good/d.png": 0.6, "good/e.png": 0.2}
LABELS = {source: source.partition("/")[0] for source in SCORES}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report") / "report.html"


@pytest.fixture
def shown(page: Path, facts: DetectorFacts, inspect: Callable[..., Inspection]) -> Callable[[str], str]:
    """The page as it stands once its scripts have read the hash of its address."""
    report = Report("evaluation", facts, labels=LABELS, n_shown=3, folder=PictureFolder(page))
    for source, score in SCORES.items():
        report.add(inspect(source, score))
    report.write(page)

    def shown(hash_: str) -> str:
        where = ("--virtual-time-budget=2000", f"--user-data-dir={page.parent / 'profile'}", "--dump-dom")
        command: list[Any] = [CHROMIUM, *QUIET, *where, f"{page.as_uri()}{hash_}"]
        home = {**os.environ, "HOME": str(page.parent)}
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, env=home).stdout

    return shown


def cards(dom: str) -> list[str]:
    """The images whose cards are shown, in order."""
    articles = re.findall(r"<article [^>]*>", dom)
    return [re.search(r'aria-label="([^"]*)"', one)[1] for one in articles if not re.search(r"\shidden\b", one)]  # type: ignore[index]


def rows(dom: str) -> list[str]:
    """The images in the list, in order."""
    found = re.findall(r'<span class="folder">([^<]*)</span><button type="button" class="link">([^<]*)</button>', dom)
    return ["".join(parts) for parts in found]


def test_without_a_hash_cards_of_the_worst_are_shown_and_the_others_are_counted(shown: Callable[[str], str]) -> None:
    dom = shown("")
    assert cards(dom) == ["dent/c.png", "scratch/a.png", "dent/b.png"]
    assert "5 of 5 images match, 2 of them in the list only." in dom


@pytest.mark.parametrize(
    ("hash_", "found"),
    [
        ("#show=missed", ["dent/c.png"]),
        ("#kind=label%3Adent&sort=highest", ["dent/b.png", "dent/c.png"]),
        ("#find=DENT/B", ["dent/b.png"]),
        ("#sort=lowest", ["dent/c.png", "dent/b.png", "scratch/a.png"]),
        ("#show=nonsense", []),
        ("#scores", ["dent/c.png", "scratch/a.png", "dent/b.png"]),
    ],
)
def test_filters_and_order_come_from_the_hash(shown: Callable[[str], str], hash_: str, found: list[str]) -> None:
    assert cards(shown(hash_)) == found


def test_the_list_has_every_image_and_its_picture_from_the_folder(shown: Callable[[str], str]) -> None:
    dom = shown("#view=list&sort=name")
    assert rows(dom) == ["dent/b.png", "dent/c.png", "good/d.png", "good/e.png", "scratch/a.png"]
    assert cards(dom) == []
    assert 'src="report-pictures/000004-heat.webp"' in dom
    assert "false alarm" in dom
