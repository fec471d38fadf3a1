"""Every pooling against NumPy; the squared error of (x, 0) with x² planted gives any map one likes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring.absolute_error import AbsoluteError

maps = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.float32, (2, 1, *shape), elements=st.floats(0, 1000, width=32))
)


def pooled(residual: np.ndarray, pooling: str, **more: float) -> np.ndarray:
    pair = Reconstruction(torch.from_numpy(residual), torch.zeros(residual.shape))
    return AbsoluteError("pixels", pooling=pooling, **more)(pair, residual.shape[-2:])[1].numpy()


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", np.mean),
        ("max", np.max),
        ("sum", np.sum),
        ("deviation", np.std),
    ],
)
@given(residual=maps)
def test_plain_pooling_is_numpys(pooling, expected, residual):
    wide = residual.astype(np.float64)
    assert np.allclose(pooled(residual, pooling), [expected(one) for one in wide], rtol=1e-4, atol=1e-3)


@given(maps, st.floats(0.001, 1))
def test_top_is_the_mean_of_the_highest_share(residual, share):
    values = np.sort(residual.astype(np.float64).reshape(2, -1), axis=1)[:, ::-1]
    n = max(1, round(share * values.shape[1]))
    assert np.allclose(pooled(residual, "top", top_fraction=share), values[:, :n].mean(axis=1), rtol=1e-4, atol=1e-4)


def test_top_of_everything_is_the_mean_and_of_next_to_nothing_the_maximum():
    residual = np.random.default_rng(0).random((1, 1, 20, 20), np.float32)
    assert pooled(residual, "top", top_fraction=1)[0] == pytest.approx(residual.mean(), rel=1e-5)
    assert pooled(residual, "top", top_fraction=1e-6)[0] == residual.max()


@given(maps, st.floats(0, 1))
def test_quantile_is_numpys(residual, quantile):
    expected = np.quantile(residual.astype(np.float64).reshape(2, -1), quantile, axis=1)
    assert np.allclose(pooled(residual, "quantile", quantile=quantile), expected, rtol=1e-4, atol=1e-3)


def test_average_then_max_averages_over_a_twenty_fifth_of_the_side():
    for side, kernel in [(8, 1), (50, 2), (64, 3), (100, 4)]:
        residual = np.random.default_rng(0).random((2, 1, side, side), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(residual[:, 0], (kernel, kernel), axis=(1, 2))
        expected = windows.mean(axis=(3, 4)).max(axis=(1, 2))
        assert np.allclose(pooled(residual, "average_then_max"), expected, rtol=1e-5), side


def test_average_then_max_prefers_a_patch_to_a_brighter_pixel():
    residual = np.zeros((2, 1, 100, 100), np.float32)
    residual[0, 0, 10, 10] = 1
    residual[1, 0, 50:54, 50:54] = 0.5
    pixel, patch = pooled(residual, "average_then_max")
    assert (pixel, patch) == (1 / 16, 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pooling": "median"}, r"score\.pooling = 'median'.*'average_then_max'"),
        ({"top_fraction": 0}, r"score\.top_fraction = 0.*greater than 0"),
        ({"quantile": 1.1}, r"score\.quantile = 1\.1"),
        ({"top_fraction": 1.5}, r"score\.top_fraction = 1\.5"),
        ({"poling": "max"}, r"score\.poling is unknown; did you mean 'pooling'"),
    ],
)
def test_wrong_options_are_named(wrong, message):
    with pytest.raises(RecipeError, match=message):
        options.build(AbsoluteError, wrong, "score", "pixels")


def test_the_side_of_a_map_that_is_no_square_is_its_width():
    residual = np.zeros((1, 1, 50, 100), np.float32)
    residual[0, 0, 10, 10] = 1
    assert pooled(residual, "average_then_max") == 1 / 16
