import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from scipy.stats import pearsonr

from urushi.models.base import Reconstruction
from urushi.scoring.zncc import Zncc, correlation

RANDOM = np.random.default_rng(4)
IMAGE = RANDOM.random((30, 36))
OTHER = IMAGE + 0.3 * RANDOM.standard_normal(IMAGE.shape)
FLAT = np.full((30, 36), 0.4)


def run(a: np.ndarray, b: np.ndarray, window_px: int = 11) -> tuple[np.ndarray, float]:
    pair = Reconstruction(*(torch.from_numpy(image.astype(np.float32))[None, None] for image in (a, b)))
    anomaly_map, score = Zncc("pixels", window_px=window_px)(pair, a.shape)
    return anomaly_map[0, 0].numpy(), float(score)


def local_zncc(a: np.ndarray, b: np.ndarray, window_px: int) -> np.ndarray:
    """Eq. 6.20 in a Gaussian window of σ = 1.5, in double precision, with one grey level of noise in both."""
    reach = np.arange(window_px) - window_px // 2
    gauss = np.exp(-(reach**2) / (2 * 1.5**2))

    def mean(x: np.ndarray) -> np.ndarray:
        return correlate1d(
            correlate1d(x, gauss / gauss.sum(), axis=0, mode="nearest"), gauss / gauss.sum(), axis=1, mode="nearest"
        )

    noise = 1 / 255**2
    va, vb, vab = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2, mean(a * b) - mean(a) * mean(b)
    return (vab + noise) / np.sqrt((va + noise) * (vb + noise))


@pytest.mark.parametrize("contrast", [1.0, 0.01])
def test_the_score_is_one_minus_pearsons_correlation(contrast):
    expected = pearsonr(IMAGE.ravel(), OTHER.ravel()).statistic
    assert run(0.2 + contrast * IMAGE, OTHER)[1] == pytest.approx(1 - expected, abs=1e-5)


def test_a_negative_correlation_is_no_worse_than_none():
    assert run(IMAGE, 1 - IMAGE)[1] == 1


@pytest.mark.parametrize("window_px", [5, 11])
def test_the_map_is_one_minus_the_correlation_in_a_window(window_px):
    found, _ = run(IMAGE, OTHER, window_px)
    assert np.allclose(found, 1 - local_zncc(IMAGE, OTHER, window_px), atol=1e-4)


def test_brightness_and_contrast_do_not_count():
    anomaly_map, score = run(IMAGE, 0.2 + 0.5 * IMAGE)
    assert score == pytest.approx(0, abs=1e-5)
    assert anomaly_map.max() < 0.01  # not zero: one grey level of noise weighs a little more at half the contrast


def test_constant_images_are_alike_and_unlike_any_other():
    assert run(FLAT, FLAT + 0.5)[1] == pytest.approx(0, abs=1e-6)
    assert run(FLAT, FLAT + 0.5)[0] == pytest.approx(0, abs=1e-6)
    assert run(FLAT, IMAGE)[1] == pytest.approx(1, abs=1e-3)
    assert run(FLAT, IMAGE)[0].min() > 0.9


def test_one_pixel_is_alike():
    anomaly_map, score = run(np.array([[0.2]]), np.array([[0.9]]))
    assert (anomaly_map.item(), score) == (0, 0)


def test_large_values_lose_no_digits():
    assert run(IMAGE + 100, OTHER + 100)[1] == pytest.approx(run(IMAGE, OTHER)[1], abs=1e-4)
    assert np.allclose(run(IMAGE + 100, OTHER + 100)[0], run(IMAGE, OTHER)[0], atol=1e-3)


def test_channels_are_averaged():
    a, b = RANDOM.random((2, 1, 2, 16, 16)).astype(np.float32)
    b += a
    pair = Reconstruction(torch.from_numpy(a), torch.from_numpy(b))
    anomaly_map, score = Zncc("pixels")(pair, (16, 16))
    each = [run(x, y) for x, y in zip(a[0], b[0], strict=True)]
    assert float(score) == pytest.approx(np.mean([value for _, value in each]), abs=1e-6)
    assert np.allclose(anomaly_map[0, 0], np.mean([one for one, _ in each], axis=0), atol=1e-5)


@pytest.mark.parametrize("variances", [(4.0, -0.5), (-0.5, 4.0)])
def test_a_variance_below_zero_is_rounding_and_counts_as_none(variances):
    found = correlation(*map(torch.tensor, variances), torch.tensor(0.0), 1e-4)
    assert float(found) == pytest.approx(1e-4 / np.sqrt(4.0001 * 1e-4))
