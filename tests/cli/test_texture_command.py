"""urushi texture."""

import numpy as np

from urushi.data.writing import write_image


def test_patches_of_a_picture_are_counted(tmp_path, urushi):
    write_image(tmp_path / "picture.png", np.random.default_rng(0).integers(0, 255, (160, 64), np.uint8))
    arguments = ["--patch", "32", "--patches", "10", "--defects", "crack,hole"]
    result = urushi("texture", tmp_path / "picture.png", tmp_path / "set", *arguments)
    assert result.status == 0
    assert "8 train/good, 2 test/good, 1 test/crack, 1 test/hole" in result.out


def test_a_picture_that_is_too_small_is_said(tmp_path, urushi):
    write_image(tmp_path / "picture.png", np.zeros((100, 100), np.uint8))
    result = urushi("texture", tmp_path / "picture.png", tmp_path / "set")
    assert result.status == 2
    assert "at least 64 × 256 px" in result.err
