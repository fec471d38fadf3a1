"""Each page of a file is inspected, evaluated, prepared and learnt from, and is called by its number."""

import csv
import io
import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data.images import read_image
from urushi.detector import Detector
from urushi.errors import UnreadableImageError
from urushi.inspection import Inspection, Unreadable
from weave import scratched, texture, write

GOOD, BAD = texture(700), scratched(701)[0]


def stack(path: Path, *pages: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = map(Image.fromarray, pages)
    first.save(path, save_all=True, append_images=others)
    return path


def spoil(path: Path, page: np.ndarray) -> None:
    """The pixels of one page are damaged so that they cannot be decoded: its strip lies beyond the end."""
    data = path.read_bytes()
    path.write_bytes(data[: data.index(page.tobytes()[:64]) + 10])


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A file whose first page is good and whose second has a hole, beside a plain image and one called like a page."""
    folder = tmp_path / "mixed"
    stack(folder / "a.tif", GOOD, BAD)
    write(folder / "a_2.png", GOOD)
    write(folder / "b#1.png", BAD)
    return folder


NAMES = ("a.tif#1", "a.tif#2", "a_2.png", "b#1.png")
DECISIONS = ("normal", "anomalous", "normal", "anomalous")


def test_every_page_has_its_own_line_in_every_format(urushi, exported, mixed):
    table = urushi("inspect", exported, mixed)
    assert [Path(line.split()[-1]).name for line in table.out.splitlines()[1:]] == list(NAMES)
    assert "2 normal, 2 anomalous, 0 not read" in table.err
    found = json.loads(urushi("inspect", exported, mixed, "--format", "json").out)["results"]
    assert [(Path(one["source"]).name, one["decision"]) for one in found] == list(zip(NAMES, DECISIONS, strict=True))
    rows = list(csv.DictReader(io.StringIO(urushi("inspect", exported, mixed / "a.tif", "--format", "csv").out)))
    assert [row["decision"] for row in rows] == ["normal", "anomalous"]


def test_one_page_can_be_given(urushi, exported, mixed):
    result = urushi("inspect", exported, mixed / "a.tif#2")
    assert result.status == 0
    assert "ANOMALY" in result.out
    assert "0 normal, 1 anomalous, 0 not read" in result.err
    assert "There is no file" in urushi("inspect", exported, mixed / "c.tif#2").err


def test_maps_and_report_tell_pages_apart(urushi, exported, mixed, tmp_path):
    urushi("inspect", exported, mixed, "--maps", "--report", "--out", tmp_path / "out")
    maps = sorted(path.name for path in (tmp_path / "out" / "maps").iterdir())
    assert maps == ["000000-a_1.png", "000001-a_2.png", "000002-a_2.png", "000003-b_1.png"]
    assert all(name in (tmp_path / "out" / "report.html").read_text("utf-8") for name in NAMES)


def test_a_damaged_page_is_not_read_and_the_others_are(urushi, exported, mixed):
    spoil(mixed / "a.tif", BAD)
    result = urushi("inspect", exported, mixed)
    assert result.status == 1
    assert [Path(line.split()[-1]).name for line in result.out.splitlines()[1:]] == ["a.tif#1", *NAMES[2:]]
    assert "a.tif#2" in result.err
    assert "2 normal, 1 anomalous, 1 not read" in result.err


def test_thumbnails_are_left_out_and_that_is_said(urushi, exported, tmp_path):
    path = stack(tmp_path / "part.tif", GOOD[::4, ::4].copy(), BAD)
    result = urushi("inspect", exported, path)
    assert "part.tif: 1 smaller copy of its images left out" in result.err
    assert "0 normal, 1 anomalous, 0 not read" in result.err


def test_a_watched_file_gives_a_line_for_each_page_and_waits_for_one_that_is_not_there_yet(exported, mixed):
    from urushi.cli._watching import watched
    from urushi.data.watching import Watch

    spoil(mixed / "a.tif", BAD)
    (mixed / "b#1.png").unlink()
    clock = map(float, count())
    watch = Watch(mixed, idle_seconds=60, clock=lambda: next(clock), sleep=lambda _: None)
    found = list(watched(Detector.load(exported), watch))
    assert sorted(Path(one.source).name for one in found) == sorted(["a.tif#1", "a.tif#2", "a_2.png"])
    assert isinstance(found[-1], Unreadable)


def test_in_python_a_file_of_several_is_an_error_that_says_what_to_do_and_many_are_taken(exported, mixed):
    detector = Detector.load(exported)
    with pytest.raises(UnreadableImageError, match=r"holds 2 images; inspect_many and folders take each, and a.tif#1"):
        detector.inspect(mixed / "a.tif")
    assert detector.inspect(mixed / "a.tif#2").decision == "anomalous"
    found = list(detector.inspect_many([str(mixed / "a.tif"), GOOD, mixed / "none.tif"]))
    assert [type(one) for one in found] == [Inspection, Inspection, Inspection, Unreadable]
    assert [one.source for one in found[:3]] == [f"{mixed / 'a.tif'}#1", f"{mixed / 'a.tif'}#2", "<array>"]


@pytest.fixture
def paged(tmp_path: Path) -> Path:
    """A data set of three files: one to learn from, and two to test with, one of them of scratches with masks."""
    root = tmp_path / "paged"
    images, masks = zip(*map(scratched, range(200, 205)), strict=True)
    stack(root / "train/good/a.tif", *map(texture, range(24)))
    stack(root / "test/good/b.tif", *map(texture, range(100, 106)))
    stack(root / "test/scratch/c.tif", *images)
    stack(root / "ground_truth/scratch/c_mask.tif", *masks)
    return root


@pytest.mark.thorough
def test_pages_are_evaluated_as_files_are(urushi, exported, paged, dataset, tmp_path):
    figures = []
    for root, more in ((paged, ["--report", tmp_path / "page.html"]), (dataset, [])):
        urushi("evaluate", exported, root, "--json", tmp_path / "figures.json", *more)
        figures.append(json.loads((tmp_path / "figures.json").read_text()))
    assert figures[0]["counts"] == figures[1]["counts"]
    assert figures[0]["image"] == figures[1]["image"]
    assert figures[0]["pixel"]["metrics"] == figures[1]["pixel"]["metrics"]
    assert "c.tif#5" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.thorough
def test_pages_are_diagnosed_and_prepared_as_files_are(urushi, paged, tmp_path):
    found = json.loads(urushi("doctor", paged, "--json").out)
    assert found["counts"] == {"test": {"good": 6, "scratch": 5}, "train": {"good": 24}}
    assert not found["problems"]
    result = urushi(
        "prepare", paged, tmp_path / "out", "--recipe", "default", "--set", "preprocessing.resize.height=64"
    )
    assert "35 images prepared, 0 not" in result.out
    assert (tmp_path / "out" / "train" / "good" / "a_24.png").is_file()
    assert read_image(tmp_path / "out" / "ground_truth" / "scratch" / "c_mask_5.png").any()


@pytest.mark.thorough
def test_pages_are_learnt_from_as_files_are(urushi, paged, quick, tmp_path, fitted):
    result = urushi("fit", paged, "-o", tmp_path / "x.urushi", *quick)
    assert "fitted on 24 of 24 good images" in result.out
    assert Detector.load(tmp_path / "x.urushi").held_out.scores == Detector.load(fitted).held_out.scores
    alone = Detector.fit([paged / "train/good/a.tif"], Detector.load(fitted).recipe)
    assert alone.held_out.scores == Detector.load(fitted).held_out.scores
