import numpy as np
import pytest
import torch

from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.recipe import Part
from urushi.scoring.relative import Relative
from urushi.scoring.squared_error import SquaredError

RNG = np.random.default_rng(0)
PLAIN = 0.5 + 0.02 * RNG.standard_normal((1, 2, 40, 40))
TEXTURED = 0.5 + 0.2 * RNG.standard_normal((1, 2, 40, 40))


def pair(image: np.ndarray, error: float) -> Reconstruction:
    return Reconstruction(*(torch.from_numpy(one).float() for one in (image, image + error)))


def variance(image: np.ndarray, row: int, column: int) -> float:
    """Of the pixels in a window of 15 px, in double precision, averaged over channels."""
    return float(image[0, :, row - 7 : row + 8, column - 7 : column + 8].var(axis=(1, 2)).mean())


def test_a_squared_error_is_divided_by_the_variance_of_the_image_there():
    found = Relative("pixels", least_contrast=0.1).compare(pair(TEXTURED, 0.3))
    for row, column in ((7, 9), (20, 30)):
        expected = 0.3**2 / (variance(TEXTURED, row, column) + 0.1**2)
        assert float(found[0, 0, row, column]) == pytest.approx(expected, rel=1e-4)


def test_contrast_is_exact_where_there_is_little_of_it_beside_a_dark_half():
    """A difference of large squares would lose it; an exported graph then gives another score than PyTorch does."""
    image = np.full((1, 1, 64, 64), 0.98) + 0.002 * RNG.standard_normal((1, 1, 64, 64))
    image[..., :32] = 0.0
    exact = torch.from_numpy(image.astype(np.float32))
    found, expected = (
        Relative("pixels", least_contrast=0.001).compare(Reconstruction(one, one + 0.3))
        for one in (exact, exact.double())
    )
    assert torch.allclose(found.double(), expected, rtol=2e-4)


def test_an_absolute_error_is_divided_by_its_root():
    score = Relative("pixels", inner=Part(name="absolute_error"), least_contrast=0.1)
    expected = 0.3 / (variance(TEXTURED, 20, 30) + 0.1**2) ** 0.5
    assert float(score.compare(pair(TEXTURED, 0.3))[0, 0, 20, 30]) == pytest.approx(expected, rel=1e-4)


def test_an_error_counts_more_where_an_image_is_plain():
    pairs = pair(PLAIN, 0.1), pair(TEXTURED, 0.2)
    plain, textured = (float(Relative("pixels")(one, (40, 40))[1]) for one in pairs)
    assert plain > 2 * textured
    plain, textured = (float(SquaredError("pixels")(one, (40, 40))[1]) for one in pairs)
    assert plain < textured


@pytest.mark.parametrize("name", ["latent_density", "fusion", "residual_statistics", "relative"])
def test_scores_that_learn_and_itself_are_refused(name):
    with pytest.raises(RecipeError, match=rf"score\.inner: {name} cannot be made relative"):
        Relative("pixels", inner=Part(name=name))


def test_options_of_the_score_within_are_its_own():
    assert Relative("pixels", inner=Part(name="ssim", window_px=5)).inner.window_px == 5
    with pytest.raises(RecipeError, match=r"score\.inner"):
        Relative("pixels", inner=Part(name="squared_error", window_px=5))


def test_a_window_without_a_middle_is_refused():
    with pytest.raises(RecipeError, match="must be odd"):
        Relative("pixels", window_px=4)
