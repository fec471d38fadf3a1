"""Options that a recipe leaves open are chosen by planted defects, before anything is calibrated."""

import numpy as np
import pytest
import torch

from urushi import Detector, Recipe
from urushi.errors import RecipeError
from urushi.fitting.open_options import choose
from urushi.models.base import Reconstruction, Reconstructor
from urushi.models.partial_diffusion import PartialDiffusion
from urushi.recipe import Part

SHAPE = (1, 32, 32)
PART = Part.model_validate({"name": "partial_diffusion", "steps": 0, "width": 8, "levels": 2, "attention": False})
SCORE = Part.model_validate({"name": "squared_error", "pooling": "average_then_max"})


@pytest.fixture(scope="module")
def clean(pictures):
    return pictures(6, 32, 1, seed=0)


def test_what_tells_planted_defects_best_is_chosen(clean, monkeypatch):
    """Only at t = 20 does this one rebuild what the image was; elsewhere it gives back what came."""

    def reconstruct(self: PartialDiffusion, inputs: torch.Tensor) -> Reconstruction:
        median = inputs.flatten(1).median(dim=1).values.view(-1, 1, 1, 1)
        return Reconstruction(inputs, median.expand_as(inputs) if self.steps == 20 else inputs)

    monkeypatch.setattr(PartialDiffusion, "reconstruct", reconstruct)
    flat = np.full_like(clean, 0.5) + 0.01 * clean
    model = PartialDiffusion(SHAPE, **PART.options)
    chosen = choose(model, PART, SCORE, flat, seed=0, device="cpu")
    assert chosen.part.options["steps"] == chosen.model.steps == 20
    assert chosen.facts["roc_auc"] > 0.95
    assert {row["steps"]: row["roc_auc"] for row in chosen.facts["candidates"]}[10] == 0.5
    assert (chosen.facts["n_images"], chosen.facts["n_planted"]) == (6, 24)


def test_weights_are_those_that_were_fitted(clean, monkeypatch):
    monkeypatch.setattr(PartialDiffusion, "choices", lambda _: {"steps": [1, 2]})
    model = PartialDiffusion(SHAPE, **PART.options)
    chosen = choose(model, PART, SCORE, clean[:2], seed=0, device="cpu").model.state_dict()
    assert all(torch.equal(chosen[key], tensor) for key, tensor in model.state_dict().items())


def open_recipe(**settings) -> Recipe:
    small = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32, "training.max_epochs": 1}
    model = {"model.width": 8, "model.levels": 2, "model.attention": False}
    return Recipe.find("partial-diffusion").with_settings(small | model | settings)


@pytest.mark.thorough
def test_a_detector_knows_what_was_chosen_and_why(pictures, tmp_path):
    images = [image[0] for image in pictures(24, 32, 1, seed=1)]
    detector = Detector.fit(images, open_recipe(), seed=0)
    t = detector.recipe.model.options["steps"]
    candidates = detector.card["fit"]["chosen"]["candidates"]
    assert [row["steps"] for row in candidates] == [1, 2, 5, 10, 20, 50, 100, 200]
    assert t == max(candidates, key=lambda row: row["roc_auc"])["steps"]
    detector.save(tmp_path / "part.urushi")
    loaded = Detector.load(tmp_path / "part.urushi")
    assert loaded.backend.graph.model.steps == t
    assert loaded.inspect(images[0]).score == detector.inspect(images[0]).score


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"split.n_folds": 3}, "each fold would choose its own"),
        ({"score.name": "fusion", "score.pooling": None}, "itself learns"),
    ],
)
def test_where_nothing_can_be_chosen_it_says_so_before_training(pictures, settings, complaint):
    images = [image[0] for image in pictures(12, 32, 1, seed=1)]
    with pytest.raises(RecipeError, match=complaint):
        Detector.fit(images, open_recipe(**settings))


def test_other_methods_leave_nothing_open():
    assert Reconstructor.choices(PartialDiffusion(SHAPE, width=8)) == {}
    assert PartialDiffusion(SHAPE, width=8).choices() == {}
