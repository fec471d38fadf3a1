"""A recipe's candidates are tried on good images with planted defects; the first stands unless another is better."""

import numpy as np
import pytest

from urushi import Detector, Recipe
from urushi.errors import CalibrationError, DatasetError, RecipeError
from urushi.fitting import model_selection
from urushi.fitting.learning import Run
from urushi.preprocessing import Pipeline
from urushi.recipe import recipe_names

FIRST = {"name": "first", "settings": {}}
BLIND = {"name": "blind", "settings": {"model.kind": "nearest", "model.memory": 1, "score.pooling": "mean"}}
SHARP = {"name": "sharp", "settings": {"model.variance": 0.9}}


def recipe(*candidates, **settings):
    """On single cells of 64 px images: fits in a second."""
    base = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64}
    base |= {"model.name": "feature_reconstruction", "model.windows": [], "model.blocks": [4], "split.n_folds": 2}
    changed = Recipe.find("auto").with_settings(base | settings)
    table = changed.model_dump(exclude_none=True) | {"trial": {"candidates": list(candidates)}}
    return Recipe.from_table(table, "test")


@pytest.fixture(scope="module")
def good(pictures):
    return list((pictures(40, 64, 3, seed=0).transpose(0, 2, 3, 1) * 255).astype(np.uint8))


@pytest.fixture(scope="module")
def fitted(good):
    return Detector.fit(good, recipe(BLIND, SHARP))


def tried(good, chosen, folder):
    return model_selection.choose(good, chosen, Run(0, folder), lambda _: None).facts


def test_a_clearly_better_one_is_taken_and_the_card_says_why(fitted):
    facts = fitted.card["trial"]
    assert facts["taken"] == "sharp"
    assert fitted.recipe == recipe(BLIND, SHARP).of(recipe(BLIND, SHARP).trial.candidates[1])
    blind, sharp = facts["candidates"]
    assert sharp["gain"] == pytest.approx(sharp["roc_auc"] - blind["roc_auc"], abs=2e-4)
    assert sharp["gain"] > 2 * sharp["standard_error"] > 0
    assert "better than blind" in facts["why"]
    assert facts["n_images"] * len(model_selection.OPACITIES) == facts["n_planted"] == 48


@pytest.mark.thorough
def test_the_first_stands_where_another_is_not_better(good, tmp_path):
    twin = {"name": "twin", "settings": {}}
    facts = tried(good, recipe(FIRST, twin), tmp_path)
    assert (facts["taken"], facts["candidates"][1]["gain"]) == ("first", 0)


def three_tried(groups):
    shares = {"first": np.full((4, 4), 0.5), "even": np.full((4, 4), 0.6), "odd": 0.5 + np.diag([1, 0, 0, 0]) * 0.4}
    return [
        model_selection.Tried(name, above, 1.0, np.array(groups), np.arange(len(groups)))
        for name, above in shares.items()
    ]


def test_images_of_one_product_are_one_observation_of_the_gain():
    """Of 2 products of 2 images each: by image 0.2, 0, 0, 0, by product 0.1, 0; deviation 0.0707, over √2."""
    first, _, odd = three_tried(groups=[0, 0, 1, 1])
    assert odd.gain(first) == pytest.approx((0.025, 0.05))
    first, _, odd = three_tried(groups=[0, 1, 1, 1])  # sums about the mean 0.05: 0.15 and -0.15, over 2 images each
    assert odd.gain(first) == pytest.approx((0.025, 0.075))


def test_another_is_taken_only_if_its_gain_is_more_than_twice_its_standard_error():
    """Of 4 images, with differences d of the shares: the gain is their mean; d counts by rows and by columns."""
    first, even, odd = three_tried(groups=[0, 1, 2, 3])
    assert even.gain(first) == pytest.approx((0.1, 0))
    assert odd.gain(first) == pytest.approx((0.025, 0.05))  # by image 0.2, 0, 0, 0: deviation 0.1, over √4
    assert model_selection._best([first, even, odd])[0] is even
    assert model_selection._best([first, odd])[0] is first
    assert model_selection._best([even, first, odd])[0] is even


def test_it_is_fitted_as_if_the_candidate_had_been_named(good, fitted):
    chosen = recipe(BLIND, SHARP)
    direct = Detector.fit(good, chosen.of(chosen.trial.candidates[1]))
    assert fitted.held_out == direct.held_out


@pytest.mark.thorough
def test_no_candidate_is_begun_after_the_time(good, tmp_path):
    facts = tried(good, recipe(BLIND, SHARP).with_settings({"trial.max_seconds": 0}), tmp_path)
    assert facts["taken"] == "blind"
    assert [row["is_tried"] for row in facts["candidates"]] == [True, False]


def test_the_card_survives_the_file(good, fitted, tmp_path):
    fitted.save(tmp_path / "a.urushi")
    loaded = Detector.load(tmp_path / "a.urushi")
    assert loaded.card["trial"] == fitted.card["trial"]
    assert loaded.inspect(good[0]).score == pytest.approx(fitted.inspect(good[0]).score, rel=1e-5)


def test_defects_are_planted_anew_in_each_image_but_the_same_for_every_candidate(good):
    planted = list(model_selection.planted(good[:3], 0, Pipeline(())))
    assert len(planted) == 12
    assert all((image != good[number // 4]).any() for number, image in enumerate(planted))
    assert len({image.tobytes() for image in planted}) == 12
    assert all((a == b).all() for a, b in zip(planted, model_selection.planted(good[:3], 0, Pipeline(())), strict=True))
    others = model_selection.planted(good[:3], 1, Pipeline(()))
    assert all((a != b).any() for a, b in zip(planted, others, strict=True))


def test_deep_images_get_defects_in_their_own_range():
    deep = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    (first, *_) = model_selection.planted([deep], 0, Pipeline(()))
    assert first.dtype == np.uint16
    assert first.max() <= deep.max()


def test_too_few_images_are_refused_in_words(good):
    with pytest.raises(DatasetError, match="at least 10, so some 33 good images"):
        Detector.fit(good[:12], recipe(FIRST, SHARP))


def test_a_threshold_that_cannot_be_is_told_before_anything_is_tried(good, monkeypatch):
    monkeypatch.setattr(model_selection, "tried", lambda *_: pytest.fail("tried all the same"))
    with pytest.raises(CalibrationError):
        Detector.fit(good, recipe(FIRST, SHARP, **{"threshold.false_alarm_rate": 0.001}))


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([FIRST], "two candidates or more"),
        ([FIRST, FIRST], "a name of its own"),
        ([FIRST, {"name": "odd", "settings": {"modl.kind": "pca"}}], "modl"),
        ([FIRST, {"name": "odd", "setings": {}}], "setings"),
    ],
)
def test_wrong_candidates_are_refused_before_anything_runs(candidates, words):
    with pytest.raises(RecipeError, match=words):
        recipe(*candidates)


def test_auto_begins_with_the_default():
    """So that it is the default where nothing is clearly better."""
    auto, default = Recipe.find("auto"), Recipe.find("default")
    first = auto.of(auto.trial.candidates[0])
    assert first.model_copy(update={"description": default.description}) == default
    assert "auto" in recipe_names()
