"""PaDiM against NumPy, its sums, and what it is for."""

import numpy as np
import pytest
import torch
from torch import Tensor

from urushi.errors import DatasetError, RecipeError
from urushi.models.base import added
from urushi.models.padim import Padim

SHAPE = (3, 32, 32)


def small(**options: object) -> Padim:
    """12 of 40 channels on a grid of 4 × 4."""
    return Padim(SHAPE, **({"blocks": (4,), "channels": 12, "ridge": 0.1, "pictures": 0} | options))


def cells(n: int, seed: int = 0) -> Tensor:
    """(n, 12, 4, 4): channels that vary together, about a mean that depends on the place."""
    rng = np.random.default_rng(seed)
    mixed = np.einsum("nchw,cd->ndhw", rng.normal(size=(n, 12, 4, 4)), np.random.default_rng(99).normal(size=(12, 12)))
    return torch.from_numpy(mixed + 10 * np.arange(16).reshape(4, 4)).float()


def test_the_distance_is_mahalanobis_s_at_each_place():
    model, training, new = small(), cells(40), cells(3, seed=1)
    model.fit(training.split(7))
    found = model.reconstruct(new).residual
    for row, column in ((0, 0), (2, 3)):
        seen, cell = (part[:, :, row, column].double().numpy() for part in (training, new))
        precision = np.linalg.inv(np.cov(seen.T) + 0.1 * np.eye(12))
        difference = cell - seen.mean(0)
        expected = np.sqrt(np.einsum("nc,cd,nd->n", difference, precision, difference))
        np.testing.assert_allclose(found[:, 0, row, column], expected, rtol=1e-4)


def test_what_is_rebuilt_is_the_most_likely_normal_value():
    """Of x ~ N(μ, S) seen as y = x + noise of the ridge's variance r, that is μ + S (S + r)⁻¹ (y − μ)."""
    model, training, new = small(), cells(40), cells(3, seed=1)
    model.fit([training])
    seen = training[:, :, 1, 2].double().numpy()
    covariance, difference = np.cov(seen.T), new[:, :, 1, 2].double().numpy() - seen.mean(0)
    expected = seen.mean(0) + difference @ np.linalg.inv(covariance + 0.1 * np.eye(12)) @ covariance
    np.testing.assert_allclose(model.reconstruct(new).reconstruction[:, :, 1, 2], expected, rtol=1e-4, atol=1e-3)


def test_without_some_images_it_is_as_if_they_had_never_been_seen():
    whole, part, training = small(), small(), cells(40)
    part.fit([training[:30]])
    left_out = (-tensor for tensor in whole.statistics(training[30:]))
    whole.learn(added([whole.statistics(training), tuple(left_out)]), torch.empty(0))
    torch.testing.assert_close(whole.precision, part.precision, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole.mean, part.mean)


def test_fewer_images_than_channels_and_places_that_never_vary_leave_everything_finite():
    model = small()
    training = cells(3)
    training[:, :, 0, 0] = 7
    model.fit([training])
    assert torch.isfinite(model.reconstruct(cells(2, seed=1)).residual).all()


def test_channels_are_some_of_the_blocks_and_the_same_each_time():
    images = torch.rand(2, *SHAPE)
    every, some = small(channels=40), small()
    assert len(set(some.chosen.tolist())) == 12
    assert torch.equal(some.chosen, small().chosen)
    assert sorted(every.chosen.tolist()) == list(range(40))
    place = every.chosen.argsort()[some.chosen]
    torch.testing.assert_close(some.embed(images), every.embed(images)[:, place])


def test_more_channels_than_there_are_are_refused_with_their_number():
    with pytest.raises(RecipeError, match=r"model.channels = 41: blocks \[4\] have 40; take fewer"):
        small(channels=41)


def test_one_image_is_too_few():
    with pytest.raises(DatasetError, match="Only one image was left to learn from"):
        small().fit([cells(1)])
