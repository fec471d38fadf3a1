"""urushi xray simulate: what the person at the terminal gets."""

import json

import pytest


def test_a_data_set_is_written_and_called_simulated(urushi, tmp_path):
    result = urushi("xray", "simulate", "potato", tmp_path / "out", "-n", 1, "--seed", 2)
    assert (result.status, result.out) == (0, "")
    assert "4 SIMULATED radiographs of potato" in result.err
    assert len((tmp_path / "out" / "phantoms.jsonl").read_text().splitlines()) == 4


@pytest.mark.thorough
def test_options_reach_the_data_set(urushi, tmp_path):
    options = ("-n", 1, "--bits", 16, "--voltage-kv", 70, "--seed", 9, "--max-angle", 0, "--max-defects", 2)
    options += ("--current-ma", 1, "--exposure-ms", 2, "--filter", "Al=2", "--detector", "n_dead_pixels=3")
    assert urushi("xray", "simulate", "potato", tmp_path / "out", *options).status == 0
    record = json.loads((tmp_path / "out" / "phantoms.jsonl").read_text().splitlines()[0])
    assert record["settings"] == {
        "product": "potato",
        "seed": 9,
        "voltage_kv": 70.0,
        "current_ma": 1.0,
        "exposure_ms": 2.0,
        "filters_mm": {"Al": 2.0},
        "bits": 16,
        "max_angle_degrees": 0.0,
        "n_scans": 1,
        "max_defects": 2,
        "detector": {"n_dead_pixels": 3},
    }
    assert record["scene"]["product"]["angle_degrees"] == 0


@pytest.mark.thorough
def test_scans_of_an_item_have_its_name(urushi, tmp_path):
    assert urushi("xray", "simulate", "potato", tmp_path / "out", "-n", 1, "--scans", 2).status == 0
    names = sorted(path.name for path in (tmp_path / "out/train/good").iterdir())
    assert names == ["item-000_scan-0.png", "item-000_scan-1.png"]


def test_a_detector_that_cannot_be_is_one_message(urushi, tmp_path):
    for text, said in (("light_spread_mm", "NAME=VALUE"), ("light=1", "light_spread_mm"), ("drift=much", "drift")):
        result = urushi("xray", "simulate", "potato", tmp_path / "out", "--detector", text)
        assert (result.status, said in result.err, "Traceback" in result.err) == (2, True, False)


def test_an_unknown_product_is_one_message(urushi, tmp_path):
    result = urushi("xray", "simulate", "potatos", tmp_path / "out")
    assert (result.status, result.out) == (2, "")
    assert "did you mean 'potato'" in result.err
    assert "Traceback" not in result.err


def test_a_folder_in_use_is_one_message(urushi, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    result = urushi("xray", "simulate", "potato", tmp_path, "-n", 1)
    assert result.status == 2
    assert "holds other files" in result.err
