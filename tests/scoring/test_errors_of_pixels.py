"""Squared and absolute error against NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urushi.models.base import Reconstruction
from urushi.scoring.absolute_error import AbsoluteError
from urushi.scoring.squared_error import SquaredError

pairs = st.tuples(st.just(2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*[arrays(np.float32, shape, elements=st.floats(0, 1, width=32))] * 2)
)


def run(score, original, reconstruction):
    anomaly_map, value = score(
        Reconstruction(torch.from_numpy(original), torch.from_numpy(reconstruction)), original.shape[-2:]
    )
    return anomaly_map.numpy(), value.numpy()


@given(pairs)
def test_squared_error_is_summed_over_pixels_and_averaged_over_channels(pair):
    anomaly_map, score = run(SquaredError("pixels"), *pair)
    expected = ((pair[0].astype(np.float64) - pair[1]) ** 2).mean(axis=1, keepdims=True)
    assert np.allclose(anomaly_map, expected, rtol=1e-5, atol=1e-6)
    assert np.allclose(score, expected.sum(axis=(1, 2, 3)), rtol=1e-5, atol=1e-5)


@given(pairs)
def test_absolute_error_is_averaged_over_pixels_and_channels(pair):
    anomaly_map, score = run(AbsoluteError("pixels"), *pair)
    expected = np.abs(pair[0].astype(np.float64) - pair[1]).mean(axis=1, keepdims=True)
    assert np.allclose(anomaly_map, expected, rtol=1e-5, atol=1e-6)
    assert np.allclose(score, expected.mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", [SquaredError, AbsoluteError])
def test_both_directions_count_alike(score):
    a, b = np.random.default_rng(0).random((2, 1, 1, 5, 5)).astype(np.float32)
    assert np.array_equal(run(score("pixels"), a, b)[1], run(score("pixels"), b, a)[1])


def test_one_bright_pixel_moves_the_squared_error_more():
    zero, spread, single = np.zeros((3, 1, 1, 4, 4), np.float32)
    spread[:], single[0, 0, 0, 0] = 0.05, 0.8  # the same absolute error
    assert run(AbsoluteError("pixels"), spread, zero)[1] == pytest.approx(run(AbsoluteError("pixels"), single, zero)[1])
    assert run(SquaredError("pixels"), single, zero)[1] > 10 * run(SquaredError("pixels"), spread, zero)[1]
