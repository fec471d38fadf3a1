import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from urushi import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring.ssim import Ssim

RANDOM = np.random.default_rng(5)
IMAGE = RANDOM.random((40, 48), np.float32)
OTHER = np.clip(IMAGE + 0.2 * RANDOM.standard_normal(IMAGE.shape).astype(np.float32), 0, 1)
OTHER[10:20, 10:20] = 0.5


def map_of(a: np.ndarray, b: np.ndarray, window_px: int = 11) -> np.ndarray:
    pair = Reconstruction(torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None])
    return Ssim("pixels", window_px=window_px)(pair, a.shape)[0][0, 0].numpy()


def by_formula(a: np.ndarray, b: np.ndarray, window_px: int) -> np.ndarray:
    """Wang et al. 2004, eq. 13, in double precision, with a Gaussian window of any side."""
    reach = np.arange(window_px) - window_px // 2
    gauss = np.exp(-(reach**2) / (2 * 1.5**2))

    def mean(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, gauss / gauss.sum(), axis=0), gauss / gauss.sum(), axis=1)

    a, b = a.astype(np.float64), b.astype(np.float64)
    va, vb, vab = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2, mean(a * b) - mean(a) * mean(b)
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mean(a) * mean(b) + c1) * (2 * vab + c2)) / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (va + vb + c2))


def test_the_map_is_one_minus_the_local_ssim_of_scikit_image():
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    _, expected = structural_similarity(IMAGE, OTHER, **settings)  # its window is 11 px too
    inside = np.s_[5:-5, 5:-5]  # at the border, the two continue the image in different ways
    assert np.allclose(map_of(IMAGE, OTHER)[inside], 1 - expected[inside], atol=1e-5)


@pytest.mark.parametrize("window_px", [3, 7, 11, 15])
def test_the_window_has_the_side_that_is_asked_for(window_px):
    half = window_px // 2
    inside = np.s_[half:-half, half:-half]
    assert np.allclose(
        map_of(IMAGE, OTHER, window_px)[inside], 1 - by_formula(IMAGE, OTHER, window_px)[inside], atol=1e-5
    )


def test_channels_are_averaged():
    a, b = RANDOM.random((2, 3, 20, 20)).astype(np.float32)
    pair = Reconstruction(torch.from_numpy(a)[None], torch.from_numpy(b)[None])
    anomaly_map, score = Ssim("pixels")(pair, (20, 20))
    assert np.allclose(anomaly_map[0, 0], np.mean([map_of(x, y) for x, y in zip(a, b, strict=True)], axis=0), atol=1e-5)
    assert float(score) == pytest.approx(float(anomaly_map.mean()), rel=1e-5)


def test_structure_counts_where_brightness_hardly_does():
    stripes = np.tile(np.float32([0.2, 0.8]), (32, 16))
    assert map_of(stripes, stripes * 0.9).mean() < 0.05
    assert map_of(stripes, 1 - stripes).mean() > 1


@pytest.mark.parametrize("window_px", [2, 10, 33])
def test_a_window_without_a_middle_or_too_large_is_refused(window_px):
    with pytest.raises(RecipeError, match=rf"score\.window_px = {window_px}"):
        options.build(Ssim, {"window_px": window_px}, "score", "pixels")
