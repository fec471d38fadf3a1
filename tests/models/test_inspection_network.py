"""The networks built are those of the source's tables."""

import pytest
import torch
from torch.nn import functional as F

from urushi.errors import RecipeError
from urushi.models import build_model, layers
from urushi.recipe import Part

INSPECTION = Part(name="autoencoder", architecture="inspection", latent_dimension=100)
# S4 table 1: output side, filters, kernel; the last layer has d filters.
TABLE_1 = [
    (64, 32, 4),
    (32, 32, 4),
    (32, 32, 3),
    (16, 64, 4),
    (16, 64, 3),
    (8, 128, 4),
    (8, 64, 3),
    (8, 32, 3),
    (1, 100, 8),
]


def convolutions(kind: str, shape: tuple[int, int, int]) -> list[tuple[tuple[int, ...], int]]:
    return [(layer.output, layer.n_parameters) for layer in layers(INSPECTION, shape) if layer.kind == kind]


def test_the_encoder_is_that_of_s4_table_1_with_all_its_parameters():
    expected, channels = [], 3
    for side, filters, kernel in TABLE_1:
        expected.append(((filters, side, side), (channels * kernel**2 + 1) * filters))
        channels = filters
    assert convolutions("Conv2d", (3, 128, 128)) == expected


def test_the_decoder_mirrors_the_encoder():
    outputs = [output for output, _ in convolutions("ConvTranspose2d", (3, 128, 128))]
    encoded = [output for output, _ in convolutions("Conv2d", (3, 128, 128))]
    assert outputs == [*reversed(encoded[:-1]), (3, 128, 128)]


@pytest.mark.parametrize("px", [32, 64, 256, 512])
def test_other_powers_of_two_end_at_the_same_bottleneck(px):
    found = convolutions("Conv2d", (1, px, px))
    assert found[-1][0] == (100, 1, 1)
    assert found[-2][0] == (32, 8, 8)
    assert convolutions("ConvTranspose2d", (1, px, px))[-1][0] == (1, px, px)


def test_other_sizes_are_refused():
    with pytest.raises(RecipeError, match="96 × 96 px, but this architecture takes 32, 64, 128, 256, 512"):
        layers(INSPECTION, (1, 96, 96))


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_differences_of_images_come_through_before_anything_is_learnt(side: int):
    torch.manual_seed(0)
    images = F.interpolate(torch.rand(8, 1, 8, 8), size=(side, side), mode="bilinear")
    with torch.no_grad():
        made = build_model(INSPECTION, (1, side, side)).reconstruct(images).reconstruction
    assert made.std(dim=0).mean() > images.std(dim=0).mean() / 20
