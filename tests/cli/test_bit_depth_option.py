"""--bits says how many bits a channel images use; a detector keeps it, and warns of levels of another depth."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi.cli.fit import report_fit
from urushi.data.images import Stated, read_image
from urushi.detector import Detector
from urushi.detector_file import archive
from urushi.errors import DetectorFileError, InputError, UnreadableImageError
from weave import scratched, texture, write


def ten_bits(image: np.ndarray) -> np.ndarray:
    """The same picture in the lower 10 of 16 bits."""
    return (image.astype(np.uint16) << 2) | (image >> 6)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A good image and one with a hole, 10 bits in 16."""
    write(tmp_path / "ten" / "bad.png", ten_bits(scratched(701)[0]))
    write(tmp_path / "ten" / "good.png", ten_bits(texture(700)))
    return tmp_path / "ten"


def test_levels_of_another_depth_are_warned_of_and_right_once_their_bits_are_stated(urushi, exported, ten):
    result = urushi("inspect", exported, ten, "--format", "json")
    assert "that of good images" in result.err
    assert "is it of another bit depth? --bits" in result.err
    assert all("bit depth" in one["caution"] for one in json.loads(result.out)["results"])
    stated = urushi("inspect", exported, ten, "--bits", "10", "--format", "json")
    assert "bit depth" not in stated.err
    assert [one["decision"] for one in json.loads(stated.out)["results"]] == ["anomalous", "normal"]


def test_a_depth_that_the_files_do_not_have_is_not_read(urushi, exported, good):
    result = urushi("inspect", exported, good, "--bits", "10")
    assert result.status == 1
    assert "it has 8 bits a channel, but 10 were stated" in result.err
    assert urushi("inspect", exported, good, "--bits", "17").status == 2


def test_a_detector_keeps_the_bits_of_its_fit(urushi, dataset, quick, ten, tmp_path):
    for path in sorted((dataset / "train" / "good").iterdir()):
        write(tmp_path / "set" / path.name, ten_bits(read_image(path)))
    result = urushi("fit", tmp_path / "set", "-o", tmp_path / "x.urushi", "--bits", "10", *quick)
    assert "16-bit images reach" not in result.err
    detector = Detector.load(tmp_path / "x.urushi")
    assert detector.bits == 10
    found = list(detector.inspect_many(sorted(ten.iterdir())))
    assert [(one.decision, one.caution) for one in found] == [("anomalous", None), ("normal", None)]
    assert detector.inspect(np.int64(ten_bits(texture(700)))).score == found[1].score
    with pytest.raises(UnreadableImageError, match="it has 8 bits a channel, but 10 were stated"):
        detector.inspect(texture(700))
    assert detector.inspect(texture(700), bits=8).decision == "normal"
    assert detector.at_bits(8).inspect(texture(700)).decision == "normal"
    with pytest.raises(InputError):
        detector.at_bits(0)


def test_good_images_that_are_nearly_black_are_said(urushi, fitted, ten, tmp_path, capsys):
    detector = Detector.load(fitted)
    dark = replace(detector.familiar, highest={"uint16": (0.01, 1020 / 65535)})
    report_fit(replace(detector, familiar=dark), tmp_path / "x.urushi", [])
    assert "the levels of the 16-bit images reach 1020 of 65535 only" in capsys.readouterr().err
    found = json.loads(urushi("doctor", ten, "--json").out)
    assert any("say so with --bits 10" in warning for warning in found["warnings"])
    found = json.loads(urushi("doctor", ten, "--bits", "10", "--json").out)
    assert not any("--bits" in warning for warning in found["warnings"])


def test_images_are_prepared_at_their_stated_bits(urushi, ten, tmp_path):
    steps = "".join(f"[[preprocessing]]\nname = '{name}'\n" for name in ("grey", "scale"))
    recipe = tmp_path / "plain.toml"
    recipe.write_text(f"{steps}[model]\nname = 'autoencoder'\n[score]\nname = 'squared_error'\n")
    urushi("prepare", ten, tmp_path / "out", "--recipe", recipe, "--bits", "10")
    urushi("prepare", ten, tmp_path / "dark", "--recipe", recipe)
    assert read_image(tmp_path / "out" / "good.png").max() > 32768
    assert read_image(tmp_path / "dark" / "good.png").max() < 32768


def test_the_order_of_channels_of_a_frame_can_be_said(exported):
    detector = Detector.load(exported)
    frame = np.dstack([texture(700), texture(701), texture(702)])
    score = detector.inspect(frame).score
    assert detector.inspect(frame[:, :, ::-1], bgr=True).score == score
    assert detector.inspect(frame[:, :, ::-1]).score != score
    (found,) = detector.inspect_many([frame[:, :, ::-1]], bgr=True)
    assert found.score == score
    assert detector.inspect(Stated(frame[:, :, ::-1], bgr=True)).score == score


def test_damaged_levels_in_a_file_are_found_when_it_is_loaded(detector):
    members, card, _ = as_of_an_older_urushi(detector)
    for damage in ({"bits": 99}, {"bits": "8"}, {"seen": {"uint8": [0.1]}}, 5, None):
        archive.write(detector, members, card | {"levels": damage})
        with pytest.raises(DetectorFileError, match=r"do not fit together|is damaged"):
            Detector.load(detector)


def test_levels_in_the_card_of_an_older_file_are_known(detector):
    members, card, highest = as_of_an_older_urushi(detector)
    archive.write(detector, members, card | {"levels": {"bits": 10, "seen": highest}})
    found = Detector.load(detector)
    assert found.bits == 10
    assert {kind: list(known) for kind, known in found.familiar.highest.items()} == highest
    found.save(detector)
    again = Detector.load(detector)
    assert (again.bits, again.familiar) == (10, found.familiar)
    del card["levels"]
    archive.write(detector, members, card)
    assert Detector.load(detector).bits is None
    assert Detector.load(detector).familiar.highest == {}


def as_of_an_older_urushi(detector: Path) -> tuple[dict[str, bytes], dict[str, Any], dict[str, list[float]]]:
    """Members and card, and the highest levels, which stood in the card."""
    members, card = archive.read(detector)
    del members["card.json"]
    calibration = json.loads(members["calibration.json"])
    highest = calibration["familiar"].pop("highest")
    return {**members, "calibration.json": json.dumps(calibration).encode()}, card, highest


def test_an_evaluation_says_that_images_are_of_another_depth(urushi, exported, ten, tmp_path):
    for name, kind in (("good.png", "good"), ("bad.png", "scratch")):
        write(tmp_path / "set" / "test" / kind / name, read_image(ten / name))
    said = "2 of 2 images seem to be of another bit depth than those that the detector was fitted on"
    assert said in urushi("evaluate", exported, tmp_path / "set").err
    assert said not in urushi("evaluate", exported, tmp_path / "set", "--bits", "10").err
