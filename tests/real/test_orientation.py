"""A pretrained localisation network brings real screws, and bricks, to one orientation (S4 §6)."""

import math

import numpy as np
import pytest
import torch
from skimage import data

from urushi import Recipe
from urushi.data.dataset import find_dataset
from urushi.models.networks.rotation import rotate
from urushi.models.orientation_normalisation import OrientationNormalisation
from urushi.preprocessing import Pipeline

N_LEARNT, N = 96, 120


def spread(angles: torch.Tensor) -> float:
    """Circular standard deviation in degrees of orientations, which are the same after half a turn."""
    resultant = abs(np.exp(2j * angles.double().numpy()).mean())
    return math.degrees(math.sqrt(-2 * math.log(resultant)) / 2)


def bricks() -> list[np.ndarray]:
    rng, wall = np.random.default_rng(0), data.brick()
    return [wall[y : y + 128, x : x + 128] for y, x in rng.integers(0, 384, (N, 2))]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["screw", "brick"])
def test_what_was_turned_by_known_angles_comes_out_with_a_third_of_the_spread_at_most(part, real_data):
    pipeline = Pipeline.of(Recipe.find("oriented"))
    screws = [sample.path for sample in find_dataset(real_data / "screw").normal_training()][:N]
    sources = screws if part == "screw" else bricks()
    images = torch.from_numpy(np.stack([pipeline.read(source).pixels for source in sources]))
    torch.manual_seed(0)
    model = OrientationNormalisation((1, 128, 128), pretraining_epochs=100, pretraining_rate=5e-4)
    model.pretrain(images[:N_LEARNT].split(8))
    turns = torch.deg2rad(torch.arange(-60.0, 61, 15))
    with torch.no_grad():  # the last 24 were not learnt from
        found = [
            model.localisation(rotate(one.expand(len(turns), -1, -1, -1), turns)) for one in images[N_LEARNT:, None]
        ]
    left = [spread(turns + angles) for angles in found]
    assert np.median(left) < spread(turns) / 3
    assert np.mean(left) < spread(turns) / 3
