import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring._moments import moments
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


@pytest.mark.parametrize("level", [0, 1])
def test_two_constant_images_alike_are_no_anomaly(level):
    assert map_of(*np.full((2, 20, 20), level, np.float32)).max() == 0
    assert global_score(*np.full((2, 1, 20, 20), level, np.float32)) == 0


def test_the_window_has_the_side_that_is_asked_for():
    for window_px in [3, 7, 11, 15]:
        half = window_px // 2
        inside, expected = np.s_[half:-half, half:-half], 1 - by_formula(IMAGE, OTHER, window_px)
        assert np.allclose(map_of(IMAGE, OTHER, window_px)[inside], expected[inside], atol=1e-5), window_px


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


def global_score(a: np.ndarray, b: np.ndarray, **chosen: object) -> float:
    pair = Reconstruction(*(torch.from_numpy(image.astype(np.float32))[None] for image in (a, b)))
    return float(Ssim("pixels", extent="global", **chosen)(pair, a.shape[-2:])[1])


def by_equation_6_19(a: np.ndarray, b: np.ndarray) -> float:
    """S2, with sample moments, in double precision."""
    (va, vab), (_, vb) = np.cov(a.ravel(), b.ravel())
    c1, c2 = 0.01**2, 0.03**2
    return float(
        (2 * a.mean() * b.mean() + c1) * (2 * vab + c2) / ((a.mean() ** 2 + b.mean() ** 2 + c1) * (va + vb + c2))
    )


def test_the_global_score_is_that_of_equation_6_19_and_not_below_zero_similarity():
    small = np.array([[0.1, 0.4], [0.2, 0.3]]), np.array([[0.3, 0.5], [0.1, 0.2]])  # few pixels: HW − 1 is not HW
    for a, b in ((IMAGE, OTHER), small):
        assert global_score(a[None], b[None], window_px=3) == pytest.approx(
            1 - by_equation_6_19(a.astype(float), b.astype(float)), abs=1e-5
        )
    assert global_score(IMAGE[None], 1 - IMAGE[None]) == 1


def test_the_global_score_averages_similarities_of_channels_and_leaves_the_map_alone():
    a, b = RANDOM.random((2, 3, 20, 20)).astype(np.float32)
    b = (a + b) / 2
    expected = 1 - np.mean([by_equation_6_19(x.astype(float), y.astype(float)) for x, y in zip(a, b, strict=True)])
    assert global_score(a, b) == pytest.approx(expected, abs=1e-5)
    assert global_score(a, b, pooling="max") == pytest.approx(map_of_channels(a, b).max(), abs=1e-5)


def map_of_channels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.mean([map_of(x, y) for x, y in zip(a, b, strict=True)], axis=0)


def test_images_smaller_than_the_window_are_refused_with_what_is_possible():
    with pytest.raises(RecipeError, match=r"window_px = 11: images of 5 px take at most 9"):
        map_of(IMAGE[:5], OTHER[:5])
    map_of(IMAGE[:5], OTHER[:5], window_px=9)


def test_moments_are_divided_by_the_number_of_pixels_less_one_but_never_by_zero():
    two = moments(Reconstruction(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.0, 3.0]]]])))
    assert [float(v) for v in (*two.means, *two.variances, two.covariance)] == [0.5, 1.5, 0.5, 4.5, 1.5]
    one = moments(Reconstruction(torch.tensor([[[[0.2]]]]), torch.tensor([[[[0.9]]]])))
    assert [float(v) for v in (*one.variances, one.covariance)] == [0, 0, 0]
