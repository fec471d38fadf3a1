import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from skimage.measure import block_reduce

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring.gmsd import Gmsd

RANDOM = np.random.default_rng(6)
IMAGE = RANDOM.random((32, 40))
OTHER = np.clip(IMAGE + 0.2 * RANDOM.standard_normal(IMAGE.shape), 0, 1)
PREWITT = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3  # eq. 6.21


def run(a: np.ndarray, b: np.ndarray, n_scales: int = 1, *, halved: bool = False) -> tuple[np.ndarray, float]:
    pair = Reconstruction(*(torch.from_numpy(image.astype(np.float32))[None, None] for image in (a, b)))
    anomaly_map, score = Gmsd("pixels", n_scales=n_scales, halved=halved)(pair, a.shape)
    return anomaly_map[0, 0].numpy(), float(score)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Eqs 6.22 and 6.23 as printed, on grey levels 0…255."""

    def magnitude(image: np.ndarray) -> np.ndarray:
        return np.hypot(
            convolve(255 * image, PREWITT, mode="nearest"), convolve(255 * image, PREWITT.T, mode="nearest")
        )

    ma, mb = magnitude(a), magnitude(b)
    return (2 * ma * mb + 170) / (ma**2 + mb**2 + 170)


def smaller(image: np.ndarray, n: int) -> np.ndarray:
    return block_reduce(image, (2**n, 2**n), np.mean)


def test_map_and_score_are_those_of_the_written_formula():
    anomaly_map, score = run(IMAGE, OTHER)
    assert np.allclose(anomaly_map, 1 - similarity(IMAGE, OTHER), atol=1e-5)
    assert score == pytest.approx(similarity(IMAGE, OTHER).std(), rel=1e-4)  # eq. 6.25


def test_halved_first_it_is_that_of_its_authors():
    anomaly_map, score = run(IMAGE, OTHER, halved=True)
    assert anomaly_map.shape == IMAGE.shape
    assert score == pytest.approx(similarity(smaller(IMAGE, 1), smaller(OTHER, 1)).std(), rel=1e-4)
    _, of_two = run(IMAGE, OTHER, 2, halved=True)
    weights = np.array([0.096, 0.596]) / 0.692
    deviations = [similarity(smaller(IMAGE, n), smaller(OTHER, n)).std() for n in (1, 2)]
    assert of_two == pytest.approx(np.sqrt(np.sum(weights * np.square(deviations))), rel=1e-4)


def test_several_scales_are_summed_in_squares():
    for n_scales in [2, 3, 4]:
        weights = np.array([0.096, 0.596, 0.289, 0.019])[:n_scales]
        deviations = [similarity(smaller(IMAGE, n), smaller(OTHER, n)).std() for n in range(n_scales)]
        expected = np.sqrt(np.sum(weights / weights.sum() * np.square(deviations)))
        anomaly_map, score = run(IMAGE, OTHER, n_scales)
        assert score == pytest.approx(expected, rel=1e-4), n_scales
        means = [1 - similarity(smaller(IMAGE, n), smaller(OTHER, n)).mean() for n in range(n_scales)]
        expected = np.average(means, weights=weights)
        assert anomaly_map.mean() == pytest.approx(expected, rel=0.02), n_scales  # enlarging moves it a bit


def test_brightness_does_not_count_and_the_border_is_no_edge():
    anomaly_map, score = run(0.5 * IMAGE, 0.5 * IMAGE + 0.3)
    assert score < 1e-6
    assert anomaly_map.max() < 1e-6


def test_an_even_loss_of_edges_has_a_map_but_no_deviation():
    ramp = np.tile(np.arange(32) / 32, (32, 1))
    anomaly_map, score = run(ramp, 0 * ramp)
    assert anomaly_map[:, 1:-1].min() > 0.1  # S2's score would miss this; `--set score.pooling=mean` does not
    assert score < anomaly_map.mean() / 3


def test_constant_images_and_single_pixels_score_zero():
    for shape in [(1, 1), (1, 7), (8, 8)]:
        found = run(np.full(shape, 0.2), np.full(shape, 0.9))
        assert found == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9)), shape


def test_flat_images_have_a_finite_slope():
    for n_scales in [1, 3]:
        rebuilt = torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
        Gmsd("pixels", n_scales=n_scales)(Reconstruction(rebuilt.detach(), rebuilt), (8, 8))[1].sum().backward()
        assert rebuilt.grad.isfinite().all(), n_scales


def test_channels_are_averaged():
    a, b = RANDOM.random((2, 1, 3, 16, 16)).astype(np.float32)
    anomaly_map, _ = Gmsd("pixels")(Reconstruction(torch.from_numpy(a), torch.from_numpy(b)), (16, 16))
    each = [run(x, y)[0] for x, y in zip(a[0], b[0], strict=True)]
    assert np.allclose(anomaly_map[0, 0], np.mean(each, axis=0), atol=1e-5)


@pytest.mark.parametrize("n_scales", [0, 5])
def test_a_number_of_scales_without_weights_is_refused(n_scales):
    with pytest.raises(RecipeError, match=rf"score\.n_scales = {n_scales}"):
        options.build(Gmsd, {"n_scales": n_scales}, "score", "pixels")


def test_images_too_small_for_the_scales_are_refused_with_what_is_possible():
    with pytest.raises(RecipeError, match=r"n_scales = 4: images of 7 px take at most 3"):
        run(IMAGE[:7], OTHER[:7], n_scales=4)
    run(IMAGE[:7], OTHER[:7], n_scales=3)
