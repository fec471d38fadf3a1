"""urushi represent."""

import numpy as np
import pytest
from PIL import Image

from urushi.data.writing import write_image


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[:40, :32]
    write_image(tmp_path / "picture.png", (127 + 100 * np.sin(x / 4) * np.cos(y / 5)).astype(np.uint8))
    return tmp_path / "picture.png"


@pytest.mark.thorough
def test_a_figure_and_a_line_for_each_network(picture, tmp_path, urushi):
    result = urushi("represent", picture, "-o", tmp_path / "figure.png", "--steps", "1", "--size", "16")
    assert result.status == 0
    assert [line.split(":")[0] for line in result.out.splitlines()[:3]] == ["sine", "ReLU", "ReLU, positional encoding"]
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.size[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--activations", "sine,tanh"], "'tanh' is none; there is sine, relu, positional_encoding"),
        (["-o", "missing/figure.png"], "missing"),
        (["-o", "figure.jpg"], "a name that ends in .png"),
    ],
)
def test_what_cannot_be_is_said(picture, tmp_path, urushi, arguments, words):
    result = urushi("represent", picture, "-o", tmp_path / "figure.png", "--steps", "1", *arguments)
    assert result.status == 2
    assert words in result.err


def test_a_file_that_is_no_image_is_said(tmp_path, urushi):
    (tmp_path / "text.png").write_text("no picture")
    result = urushi("represent", tmp_path / "text.png", "-o", tmp_path / "figure.png")
    assert result.status == 2
    assert "text.png" in result.err


@pytest.mark.parametrize("shape", [(1, 1), (1, 400)])
def test_a_picture_may_be_a_single_row(tmp_path, urushi, shape):
    write_image(tmp_path / "row.png", np.full(shape, 90, np.uint8))
    how = ["--steps", "1", "--size", "16", "--activations", "sine"]
    result = urushi("represent", tmp_path / "row.png", "-o", tmp_path / "figure.png", *how)
    assert result.status == 0, result.err
