"""A fold's statistics are those of all images less those of the few it leaves out; nothing else may change by that."""

import numpy as np
import pytest
import torch

from urushi.data.loader import Rows
from urushi.fitting.closed_form import ClosedForm
from urushi.models.base import Reconstructor
from urushi.models.feature_reconstruction import FeatureReconstruction

N = 12
BLOCKS = (4, 10)


@pytest.fixture(scope="module")
def inputs(pictures):
    model = FeatureReconstruction((3, 64, 64), pictures=0, blocks=BLOCKS)
    return model.embed(torch.from_numpy(pictures(N, 64, 3, seed=0))).numpy()


class Counting:
    """Batches of four, and how many images were looked at."""

    def __init__(self):
        self.n = 0

    def __call__(self, inputs, images):
        self.n += len(images)
        return Rows(inputs, images).batches(4)


def same(images: np.ndarray) -> np.ndarray:
    """Each image has one row, under its own number."""
    return images


def model(**options) -> Reconstructor:
    return FeatureReconstruction(
        (3, 64, 64), pictures=0, blocks=BLOCKS, **({"windows": [0], "window_blocks": [4]} | options)
    )


@pytest.mark.parametrize("left_out", [[], [3], [0, 5, 11]])
def test_a_part_is_fitted_as_if_it_were_all_there_is(inputs, left_out):
    images = np.setdiff1d(np.arange(N), left_out)
    found, direct = model(), model()
    ClosedForm(N, same, Counting()).fit(found, inputs, images)
    direct.fit(Rows(inputs, images).batches(4))
    for (name, a), (_, b) in zip(found.state_dict().items(), direct.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_folds_look_at_each_image_twice_only(inputs):
    seen = Counting()
    fits = ClosedForm(N, same, seen)
    for part in np.array_split(np.arange(N), 6):
        fits.fit(model(), inputs, np.setdiff1d(np.arange(N), part))
    assert seen.n == 2 * N


def test_other_inputs_are_not_taken_for_the_same(inputs):
    fits, images = ClosedForm(N, same, Counting()), np.arange(N)
    one, other = model(), model()
    fits.fit(one, inputs, images)
    fits.fit(other, 2 * inputs, images)
    torch.testing.assert_close(other.cells.mean, 2 * one.cells.mean)


def test_a_memory_of_cells_is_no_sum(inputs):
    seen, images = Counting(), np.arange(N - 1)
    nearest = model(kind="nearest", memory=8, windows=[])
    assert not nearest.is_additive
    ClosedForm(N, same, seen).fit(nearest, inputs, images)
    assert seen.n == N - 1
    direct = model(kind="nearest", memory=8, windows=[])
    direct.fit(Rows(inputs, images).batches(4))
    torch.testing.assert_close(nearest.cells.cells, direct.cells.cells)


def test_descriptors_follow_their_images_wherever_their_rows_lie(inputs):
    """As those of tiles and of variants do: two rows each, the second ones behind all others."""
    twice = np.concatenate([inputs, 1.5 * inputs])

    def places(images: np.ndarray) -> np.ndarray:
        return np.concatenate([images, N + images])

    class Noting(FeatureReconstruction):
        def descriptors(self, inputs):
            return inputs.mean(dim=(1, 2, 3))[:, None]

        def learn(self, statistics, descriptors):
            self.noted = descriptors

    images, fits = np.array([1, 4, 7, 8, 9, 10, 11]), ClosedForm(N, places, Counting())
    found = Noting((3, 64, 64), pictures=0, blocks=BLOCKS, windows=[])
    fits.fit(found, twice, images)
    np.testing.assert_allclose(found.noted[:, 0], twice[places(images)].mean((1, 2, 3)), rtol=1e-5)
