"""What every score promises, checked on every score that is found, in both spaces and with every pooling."""

from typing import get_args

import pytest
import torch

from urushi import catalogue, options
from urushi.models.base import Reconstruction, Space
from urushi.scoring.base import Score

NAMES = catalogue.names("urushi.scoring")
POOLINGS = ("mean", "max", "sum", "deviation", "top", "average_then_max")
SPACES = get_args(Space)
ZERO = 2e-6  # rounding of single precision

pytestmark = pytest.mark.parametrize("space", SPACES)


def score_of(name: str, space: Space, **chosen: object) -> Score:
    return options.build(catalogue.load("urushi.scoring", name, Score), chosen, "score", space)


def run(score: Score, pair: Reconstruction) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return score(pair, (64, 64))


def test_there_are_scores(space):
    assert {"squared_error", "absolute_error", "ssim", "feature"} <= set(NAMES)


@pytest.mark.parametrize("pooling", [None, *POOLINGS])
@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_reconstruction_scores_zero_and_a_difference_more(name, space, pooling, planted):
    _, scores = run(score_of(name, space, pooling=pooling), planted(0, 0.1, 0.3))
    scale = 64 * 64 if pooling == "sum" or (pooling is None and name == "squared_error") else 1
    assert abs(scores[0]) <= ZERO * scale
    assert scores[0] + 1e-5 < scores[1] < scores[2]


@pytest.mark.parametrize("name", NAMES)
def test_there_is_one_map_and_one_score_per_image(name, space, planted):
    anomaly_map, scores = score_of(name, space)(planted(0, 0.1, 0.2), (40, 56))
    assert anomaly_map.shape == (3, 1, 40, 56)
    assert scores.shape == (3,)
    assert anomaly_map.dtype == scores.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_map_peaks_where_the_difference_is(name, space, planted):
    anomaly_map, _ = run(score_of(name, space), planted(0.3))
    y, x = divmod(int(anomaly_map.argmax()), 64)
    assert 26 <= y < 38  # the square is 28…35; features see a little beyond it
    assert 26 <= x < 38


@pytest.mark.parametrize("name", NAMES)
def test_the_map_is_no_less_than_zero_and_flat_without_a_difference(name, space, planted):
    anomaly_map, _ = run(score_of(name, space), planted(0, 0.3))
    assert anomaly_map.min() >= -ZERO
    assert anomaly_map[0].max() <= ZERO


@pytest.mark.parametrize("name", NAMES)
def test_a_small_residual_is_enlarged_to_the_size_asked_for(name, space, planted):
    pair = planted(0.3, side_px=32)
    anomaly_map, scores = run(score_of(name, space), pair)
    again, same = score_of(name, space)(pair, (32, 32))
    assert anomaly_map.shape[-2:] == (64, 64)
    assert torch.equal(scores, same)  # the score is that of the residual itself
    assert anomaly_map.mean() == pytest.approx(float(again.mean()), rel=0.05)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_neither_on_the_batch_nor_on_its_order(name, space, pooling, planted):
    score, pair = score_of(name, space, pooling=pooling), planted(0.3, 0.0, 0.1, 0.2, channels=3)
    maps, scores = run(score, pair)
    order = torch.tensor([2, 0, 3, 1])
    shuffled_maps, shuffled = run(score, Reconstruction(pair.original[order], pair.reconstruction[order]))
    assert torch.allclose(shuffled, scores[order], rtol=1e-5, atol=1e-6)
    assert torch.allclose(shuffled_maps, maps[order], rtol=1e-5, atol=1e-6)
    for row in range(4):
        one_map, one = run(score, Reconstruction(pair.original[row, None], pair.reconstruction[row, None]))
        assert torch.allclose(one[0], scores[row], rtol=1e-5, atol=1e-6)
        assert torch.allclose(one_map[0], maps[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_pooling_that_is_asked_for_is_used(name, space, planted):
    def pooled(pooling: str) -> float:
        return float(run(score_of(name, space, pooling=pooling, top_fraction=0.1), planted(0.3))[1])

    found = {pooling: pooled(pooling) for pooling in POOLINGS}
    assert found["sum"] > found["max"] > found["top"] > found["mean"]
    assert found["max"] >= found["average_then_max"] > found["top"]
    assert found["max"] > found["deviation"] > found["mean"]  # most of the map is zero


@pytest.mark.parametrize("name", NAMES)
def test_a_score_learns_nothing(name, space):
    assert [n for n, p in score_of(name, space).named_parameters() if p.requires_grad] == []
