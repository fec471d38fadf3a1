"""The file of saturation thresholds, hostile until it is checked."""

import json
import os

import pytest

from urushi.data.saturation import FILE_NAME, Saturation, find_saturation
from urushi.errors import InputError

ENTRY = {"defect_name": "missing", "pixel_value": 255, "saturation_threshold": 40, "relative_saturation": False}


def test_a_file_of_mvtec_loco_is_read(tmp_path):
    (tmp_path / FILE_NAME).write_text(json.dumps([ENTRY, {**ENTRY, "pixel_value": 254, "saturation_threshold": 0.5}]))
    found = Saturation.read(tmp_path / FILE_NAME).by_pixel_value
    assert {value: entry.saturation_threshold for value, entry in found.items()} == {255: 40, 254: 0.5}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        ("{}", "valid array"),
        ("[3]", "0: "),
        (json.dumps([{**ENTRY, "pixel_value": 0}]), "0.pixel_value: "),
        (json.dumps([{**ENTRY, "pixel_value": True}]), "0.pixel_value: "),
        (json.dumps([{**ENTRY, "pixel_value": 10**400}]), "0.pixel_value: "),
        (json.dumps([{**ENTRY, "saturation_threshold": -1}]), "0.saturation_threshold: "),
        (json.dumps([{**ENTRY, "saturation_threshold": float("nan")}]), "0.saturation_threshold: "),
        (json.dumps([{**ENTRY, "saturation_threshold": float("inf")}]), "0.saturation_threshold: "),
        (json.dumps([{**ENTRY, "saturation_threshold": "40"}]), "0.saturation_threshold: "),
        (json.dumps([{**ENTRY, "relative_saturation": True}]), "at most 1"),
        (json.dumps([{**ENTRY, "relative_saturation": 1}]), "0.relative_saturation: "),
        (json.dumps([{"pixel_value": 255}]), "0.defect_name: "),
        (json.dumps([ENTRY, ENTRY]), "the pixel value 255 names more than one defect"),
        ("[" + " " * (1 << 20) + "]", "larger than 1,048,576 bytes"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(tmp_path, text, reason):
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(InputError) as error:
        Saturation.read(tmp_path / FILE_NAME)
    assert reason in str(error.value)
    assert "It must be a list of objects with defect_name" in str(error.value)


def test_bytes_that_are_no_text_and_what_is_no_file_are_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b'["\xff\xfe"]')
    os.mkfifo(tmp_path / "pipe.json")
    for place in (tmp_path / FILE_NAME, tmp_path, tmp_path / "none.json", tmp_path / "pipe.json"):
        with pytest.raises(InputError):
            Saturation.read(place)


def test_the_file_is_found_in_the_folder_first_and_else_beside_it(tmp_path, monkeypatch):
    own = tmp_path / "category"
    own.mkdir()
    assert find_saturation(own) is None
    (tmp_path / FILE_NAME).write_text("[]")
    monkeypatch.chdir(own)
    assert find_saturation(own) == tmp_path / FILE_NAME
    assert find_saturation(own / ".") == tmp_path / FILE_NAME
    (own / FILE_NAME).mkdir()
    assert find_saturation(own) == tmp_path / FILE_NAME
    (own / FILE_NAME).rmdir()
    (own / FILE_NAME).write_text("[]")
    assert find_saturation(own) == own / FILE_NAME
