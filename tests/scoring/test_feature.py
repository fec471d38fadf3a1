import numpy as np
import pytest
import torch

from urushi.backbones.efficientnet_lite import LiteBackbone
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.scoring.feature import Feature


@pytest.fixture
def pixels() -> Reconstruction:
    generator = torch.Generator().manual_seed(0)
    return Reconstruction(*torch.rand(2, 2, 3, 64, 64, generator=generator))


def run(score: Feature, pair: Reconstruction) -> torch.Tensor:
    with torch.no_grad():
        return score.compare(pair)


def test_features_are_compared_directly():
    a, b = np.random.default_rng(0).standard_normal((2, 2, 5, 4, 4)).astype(np.float32)
    anomaly_map, score = Feature("features")(Reconstruction(torch.from_numpy(a), torch.from_numpy(b)), (4, 4))
    expected = ((a - b) ** 2).mean(axis=1)
    assert np.allclose(anomaly_map[:, 0], expected, rtol=1e-5)
    assert np.allclose(score, expected.max(axis=(1, 2)), rtol=1e-5)  # a hundredth of 16 cells is one cell


def test_features_need_no_backbone():
    assert list(Feature("features").parameters()) == []
    assert list(Feature("pixels").parameters()) != []


@pytest.mark.parametrize("block", [2, 4])
def test_pixels_are_compared_by_features_of_unit_length(block, pixels):
    with torch.no_grad():
        backbone = LiteBackbone([block])
        a, b = (backbone(images)[0].double().numpy() for images in (pixels.original, pixels.reconstruction))
    unit_a, unit_b = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (a, b))
    expected = ((unit_a - unit_b) ** 2).mean(axis=1, keepdims=True)
    assert np.allclose(run(Feature("pixels", blocks=[block]), pixels), expected, rtol=1e-3, atol=1e-6)


def test_blocks_are_averaged_on_the_finest_grid(pixels):
    fine, coarse = run(Feature("pixels", blocks=[2]), pixels), run(Feature("pixels", blocks=[4]), pixels)
    enlarged = torch.nn.functional.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
    assert torch.allclose(run(Feature("pixels", blocks=[2, 4]), pixels), (fine + enlarged) / 2, rtol=1e-3, atol=1e-6)


def test_the_order_of_the_blocks_does_not_matter(pixels):
    assert torch.equal(run(Feature("pixels", blocks=[4, 2]), pixels), run(Feature("pixels", blocks=[2, 4]), pixels))


def test_grey_is_compared_as_three_equal_channels(pixels):
    grey = Reconstruction(pixels.original[:, :1], pixels.reconstruction[:, :1])
    colour = Reconstruction(grey.original.expand(-1, 3, -1, -1), grey.reconstruction.expand(-1, 3, -1, -1))
    score = Feature("pixels", blocks=[2])
    assert torch.allclose(run(score, grey), run(score, colour), atol=1e-7)


@pytest.mark.parametrize("blocks", [[], [3], [2, 16], [2, 2]])
def test_blocks_that_are_none_or_double_are_refused_with_those_there_are(blocks):
    with pytest.raises(RecipeError, match=r"gives features after .*0, 2, 4, 7, 10, 14, 15"):
        options.build(Feature, {"blocks": blocks}, "score", "pixels")
