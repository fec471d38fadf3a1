"""Commands say that images are those of the fit, or of other parts than those of the fit; a fit names copies."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from urushi import Detector
from urushi.detector_file import archive

KNOWN = "images are ones that the detector was fitted on"
UNLIKE = "images look like none that the detector was fitted on"
ASKED = "Is it the detector for these parts"


@pytest.fixture
def leaking(dataset: Path, tmp_path: Path) -> Path:
    """The data set with two training images among those to test with, under other names and formats."""
    own = Path(shutil.copytree(dataset, tmp_path / "leaking"))
    for number in (3, 4):
        image = Image.open(dataset / "train" / "good" / f"{number:02}.png")
        image.convert("RGB").save(own / "test" / "good" / f"new_{number}.bmp")
    return own


@pytest.fixture
def others(good: Path, tmp_path: Path) -> Path:
    """Four good images turned negative, twice as large."""
    (tmp_path / "others").mkdir()
    for path in sorted(good.iterdir())[:4]:
        negative = 255 - np.asarray(Image.open(path))
        Image.fromarray(negative).resize((128, 128)).save(tmp_path / "others" / path.name)
    return tmp_path / "others"


@pytest.mark.thorough
def test_evaluate_says_which_test_images_are_training_images(
    urushi: Any, fitted: Path, leaking: Path, tmp_path: Path
) -> None:
    result = urushi("evaluate", fitted, leaking, "--json", tmp_path / "found.json", "--report", tmp_path / "page.html")
    assert f"warning: 2 of 13 {KNOWN}. The first: {leaking / 'test/good/new_3.bmp'}" in result.err
    found = json.loads((tmp_path / "found.json").read_text())
    named = [Path(one["source"]).name for one in found["scores"] if one["caution"] is not None]
    assert named == ["new_3.bmp", "new_4.bmp"]
    assert f"2 of 13 {KNOWN}" in (tmp_path / "page.html").read_text()


@pytest.mark.thorough
def test_evaluate_says_which_test_images_are_copies_of_others(
    urushi: Any, fitted: Path, dataset: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(dataset, tmp_path / "own"))
    good, bad = (sorted((own / "test" / kind).iterdir())[0] for kind in ("good", "scratch"))
    for image in (good, bad):
        Image.open(image).convert("RGB").save(own / "test" / "good" / f"zz_{image.stem}.bmp")
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "found.json", "--report", tmp_path / "page.html")
    same, other = own / "test" / "good" / f"zz_{good.stem}.bmp", own / "test" / "scratch" / bad.name
    assert "warning: test images with the same pixels as others, which count twice: 2; the first: " in result.err
    assert json.loads((tmp_path / "found.json").read_text())["repeats"] == [
        {"source": str(same), "reason": f"the same pixels as {good}"},
        {
            "source": str(other),
            "reason": f"the same pixels as {other.parents[1] / 'good' / f'zz_{bad.stem}.bmp'}, which has another label",
        },
    ]
    assert "Images that repeat others" in (tmp_path / "page.html").read_text()


@pytest.mark.thorough
def test_nothing_is_said_of_new_images_of_the_right_part(urushi: Any, fitted: Path, dataset: Path) -> None:
    assert "warning" not in urushi("evaluate", fitted, dataset).err
    inspected = urushi("inspect", fitted, dataset / "test", "--format", "json")
    assert "warning" not in inspected.err
    assert json.loads(inspected.out)["warnings"] == []


def test_images_of_another_part_call_the_detector_into_question(
    urushi: Any, fitted: Path, others: Path, tmp_path: Path
) -> None:
    result = urushi("inspect", fitted, others, "--format", "json", "--report", "--out", tmp_path)
    said = f"4 of 4 {UNLIKE}. {ASKED}"
    assert f"warning: {said}" in result.err
    (warning,) = json.loads(result.out)["warnings"]
    assert warning.startswith(said)
    assert "it has 128 × 128 px (width × height), they 64 × 64" in warning
    assert said in (tmp_path / "report.html").read_text()


def test_the_csv_of_inspect_says_which_images_are_known_or_of_another_part(
    urushi: Any, fitted: Path, others: Path, dataset: Path, good: Path
) -> None:
    images = (good / "100.png", dataset / "train" / "good" / "03.png", others)
    result = urushi("inspect", fitted, *images, "--format", "csv")
    new, learnt, *rows = csv.DictReader(io.StringIO(result.out, newline=""))
    assert list(new)[-2:] == ["reason", "caution"]
    assert new["caution"] == ""
    assert learnt["caution"].startswith("It is one of the images that the detector was fitted on")
    assert all("it has 128 × 128 px (width × height), they 64 × 64" in row["caution"] for row in rows)


def test_another_pattern_of_the_same_size_and_light_is_told_by_its_distance(
    urushi: Any, fitted: Path, others: Path
) -> None:
    for number, path in enumerate(others.iterdir()):
        dots = np.random.default_rng(number).integers(0, 2, (8, 8), np.uint8)
        Image.fromarray(80 + 90 * np.kron(dots, np.ones((8, 8), np.uint8))).save(path)
    assert "is farther from its reconstruction in most places" in urushi("inspect", fitted, others).err


@pytest.mark.thorough
def test_a_watch_says_so_while_it_goes_on(urushi: Any, exported: Path, others: Path) -> None:
    for path in list(others.iterdir()):
        shutil.copy(path, path.with_stem(f"again_{path.stem}"))
    result = urushi("inspect", exported, "--watch", others, "--idle-seconds", "1")
    assert f"warning: 5 of 5 {UNLIKE}. {ASKED}" in result.err
    assert f"warning: 8 of 8 {UNLIKE}. {ASKED}" in result.err


def test_a_detector_of_an_older_file_says_nothing(urushi: Any, detector: Path, others: Path, leaking: Path) -> None:
    members, card = archive.read(detector)
    del members["card.json"]
    calibration = json.loads(members["calibration.json"])
    del calibration["familiar"]
    archive.write(detector, {**members, "calibration.json": json.dumps(calibration).encode()}, card)
    assert Detector.load(detector).familiar is None
    result = urushi("inspect", detector, others, leaking / "train")
    assert result.status == 0
    assert "warning" not in result.err


def test_damaged_looks_are_an_error(urushi: Any, detector: Path, good: Path) -> None:
    members, card = archive.read(detector)
    del members["card.json"]
    calibration = json.loads(members["calibration.json"])
    calibration["familiar"]["width"] = "wide"
    archive.write(detector, {**members, "calibration.json": json.dumps(calibration).encode()}, card)
    result = urushi("inspect", detector, good)
    assert result.status == 2
    assert "what it knows of its good images is damaged" in result.err


def test_calibrate_refuses_good_images_of_the_fit_as_defects(urushi: Any, detector: Path, dataset: Path) -> None:
    result = urushi("calibrate", detector, "--rule", "youden", "--defects", dataset / "train" / "good")
    assert result.status == 2
    assert "images given as defects are good images of the fit as well, by their pixels: 24" in result.err
    assert urushi("calibrate", detector, "--defects", dataset / "train" / "good").status == 2


@pytest.mark.thorough
def test_fit_names_copies_and_what_makes_the_threshold_doubtful(
    urushi: Any, dataset: Path, tmp_path: Path, textures: list[np.ndarray]
) -> None:
    for number, image in enumerate([*textures, textures[2]]):
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
    Image.new("L", (32, 32)).save(tmp_path / "dark.png")
    small = [f"preprocessing.resize.{side}=32" for side in ("height", "width")]
    settings = [part for one in [*small, "training.max_epochs=1"] for part in ("--set", one)]
    result = urushi("fit", tmp_path, "-o", tmp_path / "new.urushi", "--recipe", "autoencoder", *settings)
    assert result.status == 0
    assert "note: images with the same pixels as others, which are left out: 1" in result.err
    assert f"{tmp_path / '12.png'} = {tmp_path / '02.png'}" in result.err
    assert f"warning: good images of one level all over: 1, the first: {tmp_path / 'dark.png'}" in result.err
    assert "of 13 good images" in result.out
