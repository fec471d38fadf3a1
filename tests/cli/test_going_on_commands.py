"""`urushi fit --add`, `urushi fit --remove` and `urushi merge`: what is written, what is kept and what is said."""

import shutil
from pathlib import Path

import pytest

from urushi.detector import Detector
from weave import scratched, texture, write


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A folder of three new good images."""
    for seed in range(600, 603):
        write(tmp_path / "new" / f"{seed}.png", texture(seed))
    return tmp_path / "new"


def n_learnt(file: Path) -> int:
    return int(Detector.load(file).card["fit"]["n_training"])


def test_images_are_added_in_place_and_the_old_detector_is_kept(urushi, detector, new):
    before = detector.read_bytes()
    result = urushi("fit", "--add", detector, new)
    assert result.status == 0
    assert "3 images added in" in result.out
    assert "has learnt 27 good images, 27 scores set the threshold; the detector before is" in result.out
    assert detector.with_name("part.1.urushi").read_bytes() == before
    assert n_learnt(detector) == 27
    assert urushi("fit", "--remove", detector, new / "600.png").status == 0
    assert n_learnt(detector.with_name("part.2.urushi")) == 27
    assert n_learnt(detector) == 26
    assert sorted(path.name for path in detector.parent.glob("*.urushi")) == [
        "part.1.urushi",
        "part.2.urushi",
        "part.urushi",
    ]


def test_with_a_place_of_its_own_the_old_file_stays_as_it_is(urushi, detector, new):
    before = detector.read_bytes()
    assert urushi("fit", "--add", detector, new / "600.png", new / "601.png", "-o", "more.urushi").status == 0
    assert detector.read_bytes() == before
    assert n_learnt(Path("more.urushi")) == 26
    assert not detector.with_name("part.1.urushi").exists()


def test_what_is_said_of_images_names_them(urushi, detector, new, dataset):
    write(new / "hole.png", scratched(7)[0])
    shutil.copy(dataset / "train" / "good" / "03.png", new / "known.png")
    shutil.copy(new / "600.png", new / "twice.png")
    (new / "empty.png").write_bytes(b"")
    result = urushi("fit", "--add", detector, new, "-o", "more.urushi")
    assert result.status == 1
    assert f"not read: {new}/empty.png: the file is empty" in result.err
    assert f"by their pixels, are left out: 1\n  {new}/known.png" in result.err
    assert f"same pixels as others are left out: 1\n  {new}/twice.png" in result.err
    assert f"before they were learnt: 1\n  {new}/hole.png (score " in result.err
    assert n_learnt(Path("more.urushi")) == 28


def test_false_alarms_alone_are_told_of_selected(urushi, detector, tmp_path):
    for seed in range(3):
        write(tmp_path / "holes" / f"{seed}.png", scratched(seed)[0])
    assert "add them with --selected" in urushi("fit", "--add", detector, tmp_path / "holes", "-o", "a.urushi").err
    result = urushi("fit", "--add", detector, tmp_path / "holes", "-o", "b.urushi", "--selected")
    assert "add them with --selected" not in result.err
    assert "has learnt 27 good images, 24 scores set the threshold" in result.out


def test_an_image_that_was_never_learnt_cannot_be_removed_and_nothing_is_written(urushi, detector, new):
    before = detector.read_bytes()
    result = urushi("fit", "--remove", detector, new)
    assert result.status == 2
    assert "3 of 3 images were never learnt by this detector, by their pixels:" in result.err
    assert detector.read_bytes() == before
    assert list(detector.parent.glob("part.*.urushi")) == []


def test_exported_graphs_are_left_out_with_a_note(urushi, exported, new):
    result = urushi("fit", "--add", exported, new, "-o", "more.urushi")
    assert "note: its exported graphs (onnx) are of the detector before and left out" in result.err
    assert Detector.load("more.urushi").card.get("exports", []) == []


@pytest.mark.thorough
def test_detectors_are_merged_without_images(urushi, fitted, detector, new, quick):
    assert urushi("fit", new, "-o", "other.urushi", *quick).status == 0
    result = urushi("merge", detector, "other.urushi", "-o", "both.urushi")
    assert result.status == 0
    assert "both.urushi: 2 detectors merged, 27 good images learnt" in result.out
    assert urushi("fit", "--add", detector, new / "600.png", "-o", "a.urushi").status == 0
    assert urushi("fit", "--add", detector, new / "601.png", "-o", "b.urushi").status == 0
    assert "name it with --base" in urushi("merge", "a.urushi", "b.urushi", "-o", "c.urushi").err
    assert urushi("merge", "a.urushi", "b.urushi", "--base", fitted, "-o", "c.urushi").status == 0
    assert n_learnt(Path("c.urushi")) == 26


def test_a_final_detector_keeps_nothing_to_go_on_from(urushi, quick, new, detector):
    assert urushi("fit", new, "-o", "final.urushi", *quick, "--final").status == 0
    result = urushi("fit", "--add", "final.urushi", detector.parent / "new")
    assert result.status == 2
    assert "learning cannot go on: the file has no sums over the images" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--add", "part.urushi", "new", "--recipe", "default"], "--recipe: a detector learns on by its own recipe"),
        (["--add", "part.urushi", "new", "--set", "model.variance=0.9"], "--set: a detector learns on"),
        (["--remove", "part.urushi", "new", "--false-alarm-rate", "0.1"], "`urushi calibrate` changes"),
        (["--add", "part.urushi", "--remove", "part.urushi", "new"], "give --add or --remove, not both"),
        (["--remove", "part.urushi", "new", "--selected"], "--selected goes with --add"),
        (["new", "-o", "a.urushi", "--selected"], "--selected goes with --add DETECTOR"),
        (["new", "new", "-o", "a.urushi"], "2 folders were given; a fit takes one"),
        (["new"], "say where the detector file is to be written: -o"),
        (["--add", "part.urushi", "nowhere.png"], "none of 1 image is new: 0 are known"),
        (["--add", "nowhere.urushi", "new"], "nowhere.urushi does not exist"),
        (["--add", "part.urushi", "new", "-o", "new/600.png"], "is no detector file: it is not overwritten"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_written(urushi, detector, new, arguments, message):
    before = detector.read_bytes()
    result = urushi("fit", *arguments)
    assert result.status == 2
    assert message in result.err
    assert detector.read_bytes() == before


def test_one_detector_cannot_be_merged(urushi, detector):
    result = urushi("merge", detector, "-o", "a.urushi")
    assert (result.status, "merge takes two or more" in result.err) == (2, True)
