"""A(s) of S3: the reconstruction error joined with the discriminator's opinion."""

import pytest
import torch

from urushi.errors import RecipeError
from urushi.models import build_model
from urushi.models.base import Reconstruction
from urushi.recipe import Part
from urushi.scoring import ScoringGraph
from urushi.scoring.adversarial import Adversarial


@pytest.fixture
def pair(planted):
    plain = planted(0.0, 0.5)
    critique = torch.tensor([0.1, 0.9])[:, None, None, None].expand(-1, 1, 4, 4)
    z = torch.stack([torch.zeros(8), 2 * torch.ones(8)])
    return Reconstruction(plain.original, plain.reconstruction, z, critique, torch.tensor([1.0, 3.0]))


def test_alpha_moves_from_the_error_to_the_opinion(pair):
    error = (pair.original - pair.reconstruction).square()
    assert torch.allclose(Adversarial("pixels", alpha=0.0).compare(pair), error)
    assert torch.allclose(Adversarial("pixels", alpha=1.0).compare(pair)[1], torch.full((1, 64, 64), 0.9))
    half = Adversarial("pixels").compare(pair)  # by default
    assert torch.allclose(half[1], 0.5 * error[1] + 0.45, atol=1e-6)


def test_without_a_share_the_opinion_is_not_asked_for(pair):
    score, alone = (
        Adversarial("pixels", opinion="features", alpha=0.0),
        Reconstruction(pair.original, pair.reconstruction),
    )
    assert not score.needs
    expected = (pair.original - pair.reconstruction).flatten(1).norm(dim=1)
    assert torch.allclose(score(alone, (64, 64))[1], expected)


def test_features_join_norms_as_the_source_does(pair):
    score = Adversarial("pixels", opinion="features", alpha=0.25)
    found = score.image_score(pair, score.compare(pair))
    assert torch.equal(score.compare(pair), (pair.original - pair.reconstruction).square())  # features know no place
    norms = (pair.original - pair.reconstruction).flatten(1).norm(dim=1)
    assert torch.allclose(found, 0.75 * norms + 0.25 * torch.tensor([1.0, 3.0]))


def test_an_unlikely_code_is_anomalous(pair):
    score = Adversarial("pixels", opinion="likelihood", alpha=1.0)
    found = score.image_score(pair, score.compare(pair))
    assert found[0].item() == 0
    assert found[1].item() == pytest.approx(2.0)  # half the squared length of a dimension


@pytest.mark.parametrize("opinion", ["posterior", "features"])
def test_a_method_without_a_discriminator_is_refused_before_training(opinion):
    plain = build_model(Part(name="autoencoder"), (1, 64, 64))
    with pytest.raises(RecipeError):
        ScoringGraph(plain, Adversarial("pixels", opinion=opinion))


def test_the_highest_share_of_the_map_is_the_one_asked_for(pair):
    score = Adversarial("pixels", alpha=0.0, pooling="top", top_fraction=1.0)
    assert score(pair, (64, 64))[1][1] == pytest.approx(0.25 * 64 / 64**2)  # a square of 8 px, 0.5 off


def test_a_code_of_several_places_is_judged_place_by_place(pair):
    z = torch.zeros(2, 8, 2, 2)
    z[1, :, 0, 1] = 2
    spatial = Reconstruction(pair.original, pair.reconstruction, z)
    score = Adversarial("pixels", opinion="likelihood", alpha=1.0)
    found = score.compare(spatial)
    assert (found[0].max(), found[1, 0, 0, 63], found[1, 0, 63, 63]) == (0, 2, 0)
