"""What is ignored counts for nothing, in the map and in the score of every kind."""

import numpy as np
import pytest
import torch

from urushi import catalogue
from urushi.catalogue import options
from urushi.models.base import Reconstruction, Reconstructor
from urushi.scoring import ScoringGraph
from urushi.scoring._inspected import Inspected
from urushi.scoring._pooling import pool
from urushi.scoring.base import Score

NAMES = [name for name in catalogue.names("urushi.scoring") if name != "latent_density"]  # it looks at a code alone
SIDE = 48


class Same(Reconstructor):
    """Rebuilds everything as a grey image, and takes each place for as odd as it is bright."""

    opinions = frozenset({"critique"})

    def reconstruct(self, inputs: torch.Tensor) -> Reconstruction:
        return Reconstruction(inputs, torch.full_like(inputs, 0.4), critique=inputs.square())


class Pieces(Same):
    """The same for images of any size, 32 px a piece."""

    stride_px = 32


def graph(name, ignored, model=Same, **chosen):
    score = options.build(catalogue.load("urushi.scoring", name, Score), chosen, "score", "pixels")
    return ScoringGraph(model((1, SIDE, SIDE)), score, ignored).eval()


def images(seed=0, n=2):
    return torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 0.2 + 0.3


@pytest.fixture
def ignored():
    ignored = np.zeros((SIDE, SIDE), bool)
    ignored[:16, :20] = True
    return ignored


@pytest.mark.parametrize("name", NAMES)
def test_a_difference_in_the_ignored_area_changes_no_score_far_from_it_and_its_map_is_zero(name, ignored):
    one = images()
    other = one.clone()
    other[..., :4, :4] = 0.9  # so deep in it that no window or feature beside it sees it
    found = graph(name, ignored)
    if found.score.learns:
        found.score.fit([found.model.reconstruct(images(1, 8))], (SIDE, SIDE))
    with torch.no_grad():
        (_, maps, scores), (_, others, changed) = found(one), found(other)
    assert (maps[..., :16, :20] == 0).all()
    assert (others[..., :16, :20] == 0).all()
    assert (maps[..., 24:, 24:] != 0).any()
    if name not in ("feature", "zncc"):  # a network sees everything, and one correlates whole images
        assert torch.allclose(scores, changed, rtol=1e-6, atol=0)
    elif name == "feature":
        assert (scores - changed).abs().max() < 0.2 * scores.min()


def test_shares_means_and_deviations_are_those_of_inspected_places(ignored):
    residual = torch.rand(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    inspected = Inspected(ignored)
    flat = residual.numpy()[:, 0][:, ~ignored]
    found = {how: pool(residual, how, 0.1, 0.7, inspected).numpy() for how in ("mean", "max", "sum", "deviation")}
    found |= {how: pool(residual, how, 0.1, 0.7, inspected).numpy() for how in ("top", "quantile")}
    top = np.sort(flat, axis=1)[:, -round(0.1 * flat.shape[1]) :].mean(axis=1)
    expected = {"mean": flat.mean(1), "max": flat.max(1), "sum": flat.sum(1), "deviation": flat.std(1), "top": top}
    expected["quantile"] = np.quantile(flat, 0.7, axis=1)
    for how, values in expected.items():
        assert np.allclose(found[how], values, rtol=1e-5), how


def test_averages_of_windows_do_not_see_the_ignored_area(ignored):
    residual = torch.zeros(1, 1, SIDE, SIDE)
    residual[..., :16, :20] = 9
    assert pool(residual, "average_then_max", inspected=Inspected(ignored)) == 0
    assert pool(residual, "average_then_max") == 9


def test_a_coarse_place_counts_if_half_of_it_is_inspected_and_one_always_does():
    ignored = np.ones((8, 8), bool)
    ignored[:3, 4:] = False
    assert Inspected(ignored).at(2, 2).tolist() == [[False, True], [False, False]]
    ignored[0:2] = True
    assert Inspected(ignored).at(2, 2).tolist() == [[False, True], [False, False]]  # a quarter, the most there is


def test_images_that_lack_part_of_a_stride_are_mirrored_with_their_area(ignored):
    ignored = ignored[::-1, ::-1].copy()  # at the edges that are mirrored
    found = graph("absolute_error", ignored, Pieces)
    one = images()
    other = one.clone()
    other[..., torch.from_numpy(ignored)] = 0.9
    with torch.no_grad():
        (_, maps, scores), (_, others, changed) = found(one), found(other)
    assert torch.equal(scores, changed)
    assert torch.equal(maps, others)
    assert maps.shape == (2, 1, SIDE, SIDE)
    assert (maps[..., torch.from_numpy(ignored)] == 0).all()


def test_the_ignored_area_is_a_constant_of_an_exported_graph(ignored):
    found = graph("squared_error", ignored, pooling="top")
    exported = torch.export.export(found, (images(),), dynamic_shapes=({0: torch.export.Dim("images")},)).module()
    for mine, theirs in zip(found(images(3, 3)), exported(images(3, 3)), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-6)


def test_without_an_area_nothing_changes():
    plain, whole = graph("squared_error", None), graph("squared_error", np.zeros((SIDE, SIDE), bool))
    for one, other in zip(plain(images()), whole(images()), strict=True):
        assert torch.equal(one, other)
