"""An image that cannot be read ends a study that needs all of them, and in words: studies/readable.py."""

import numpy as np
import pytest
from studies import default_choice, learning_on

from urushi import Detector, Recipe
from urushi.errors import UnreadableImageError

RECIPE = Recipe.find("pixel-pca").with_settings({"preprocessing.resize.height": 16, "preprocessing.resize.width": 16})


@pytest.fixture
def torn(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"no picture")
    return tmp_path / "torn.png"


def test_an_inspection_that_fails_says_of_which_image_and_why(torn):
    good = np.random.default_rng(0).integers(0, 255, (12, 32, 32)).astype(np.uint8)
    with pytest.raises(UnreadableImageError, match=r"torn\.png: ."):
        learning_on.looks(Detector.fit(list(good), RECIPE), [torn])


def test_a_preparation_that_fails_says_of_which_image_and_why(torn):
    with pytest.raises(UnreadableImageError, match=r"torn\.png: ."):
        default_choice.prepared(RECIPE, [torn])
