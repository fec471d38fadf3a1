import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring.imed import Imed


def metric_matrix(height: int, width: int, sigma_px: float) -> np.ndarray:
    """S2 eqs 6.13 and 6.14, entry by entry: (HW, HW)."""
    y, x = (place.ravel().astype(np.float64) for place in np.mgrid[:height, :width])
    squares = np.subtract.outer(y, y) ** 2 + np.subtract.outer(x, x) ** 2
    return np.exp(-squares / (2 * sigma_px**2)) / (2 * np.pi * sigma_px**2)


def map_and_score(difference: np.ndarray, sigma_px: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Of images (B, H, W) against black."""
    found = torch.from_numpy(difference.astype(np.float32))[:, None]
    pair = Reconstruction(found, torch.zeros_like(found))
    anomaly_map, score = Imed("pixels", sigma_px=sigma_px)(pair, difference.shape[-2:])
    return anomaly_map[:, 0].numpy(), score.numpy()


def differences(height: int, width: int) -> np.ndarray:
    """From rough to smooth: noise, blurred noise, one pixel in a corner, a constant."""
    noise = np.random.default_rng(0).standard_normal((height, width))
    corner = np.zeros((height, width))
    corner[0, -1] = 1
    return np.stack([noise, gaussian_filter(noise, 2), corner, np.full((height, width), 0.3)])


@pytest.mark.parametrize(
    ("height", "width", "sigma_px"),
    [
        (28, 28, 1.0),
        pytest.param(64, 64, 1.0, marks=pytest.mark.thorough),
        (28, 28, 3.0),
        (20, 28, 0.5),
        (1, 1, 1.0),
        (3, 9, 20.0),
    ],
)
def test_the_score_is_the_quadratic_form_of_the_metric_matrix_and_the_maps_sum(height, width, sigma_px):
    flat = differences(height, width).astype(np.float32).astype(np.float64).reshape(4, -1)
    expected = np.sum(flat @ metric_matrix(height, width, sigma_px) * flat, axis=1)
    anomaly_map, score = map_and_score(differences(height, width), sigma_px)
    assert np.allclose(score, expected, rtol=1e-5, atol=0)
    assert np.allclose(anomaly_map.sum(axis=(1, 2), dtype=np.float64), expected, rtol=1e-5, atol=0)
    assert anomaly_map.min() >= 0


def test_away_from_the_border_the_map_is_the_square_of_a_gaussian_narrower_by_root_two():
    smooth = gaussian_filter(np.random.default_rng(1).standard_normal((48, 48)), 2)
    expected = gaussian_filter(smooth, 1 / np.sqrt(2), truncate=8) ** 2
    inside = np.s_[6:-6, 6:-6]
    found = map_and_score(smooth[None])[0][0]
    assert np.allclose(found[inside], expected[inside], rtol=0.05, atol=1e-4)


def test_a_difference_that_alternates_counts_far_less_than_one_that_does_not():
    checkers = np.indices((28, 28)).sum(axis=0) % 2 * 2.0 - 1
    _, (alternating, constant) = map_and_score(np.stack([checkers, np.ones((28, 28))]))
    assert alternating < constant / 100  # the squared error is the same


def test_channels_are_averaged():
    a, b = np.random.default_rng(2).random((2, 1, 3, 12, 14)).astype(np.float32)
    _, score = Imed("pixels")(Reconstruction(torch.from_numpy(a), torch.from_numpy(b)), (12, 14))
    assert float(score) == pytest.approx(map_and_score((a - b)[0])[1].mean(), rel=1e-5)


@pytest.mark.parametrize("sigma_px", [0.0, -1.0, 20.1])
def test_a_width_out_of_range_is_refused(sigma_px):
    with pytest.raises(RecipeError, match=rf"score\.sigma_px = {sigma_px}"):
        options.build(Imed, {"sigma_px": sigma_px}, "score", "pixels")


def test_the_root_is_a_distance_and_leaves_the_map_alone():
    found, black = torch.from_numpy(differences(12, 16).astype(np.float32))[:, None], torch.zeros(4, 1, 12, 16)
    (map_of_form, form), (map_of_root, root) = (
        Imed("pixels", root=chosen)(Reconstruction(found, black), (12, 16)) for chosen in (False, True)
    )
    assert torch.allclose(root**2, form)
    assert torch.equal(map_of_form, map_of_root)
    assert Imed("pixels", root=True)(Reconstruction(black, black), (12, 16))[1].max() == 0
