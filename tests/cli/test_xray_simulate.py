"""urushi xray simulate: what the person at the terminal gets."""

import json


def test_a_data_set_is_written_and_called_simulated(urushi, tmp_path):
    result = urushi("xray", "simulate", "potato", tmp_path / "out", "-n", 1, "--seed", 2)
    assert (result.status, result.out) == (0, "")
    assert "4 SIMULATED radiographs of potato" in result.err
    assert len((tmp_path / "out" / "phantoms.jsonl").read_text().splitlines()) == 4


def test_options_reach_the_data_set(urushi, tmp_path):
    options = ("-n", 1, "--bits", 16, "--voltage-kv", 70, "--seed", 9, "--max-angle", 0)
    assert urushi("xray", "simulate", "potato", tmp_path / "out", *options).status == 0
    record = json.loads((tmp_path / "out" / "phantoms.jsonl").read_text().splitlines()[0])
    assert record["settings"] == {
        "product": "potato",
        "seed": 9,
        "voltage_kv": 70.0,
        "bits": 16,
        "max_angle_degrees": 0.0,
    }
    assert record["scene"]["product"]["angle_degrees"] == 0


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
