"""What is refused before the work, and what is kept apart while it is done."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from urushi import Detector, Recipe, load
from urushi.errors import CalibrationError, DatasetError, RecipeError, TrainingError
from urushi.fitting import _held_out
from urushi.recipe import Part
from urushi.scoring import build_graph

RESIZED = [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}]
AS_THEY_ARE = [{"name": "scale"}]


def recipe(model: str = "autoencoder", steps: list[dict[str, Any]] = RESIZED, **settings: Any) -> Recipe:
    return Recipe.from_table(
        {
            "preprocessing": steps,
            "model": {"name": model} | ({"windows": [], "blocks": [4, 7]} if model == "feature_reconstruction" else {}),
            "score": {"name": "squared_error"},
            "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
        },
        "test",
    ).with_settings(settings)


def pictures(n: int, size: int = 32, seed: int = 0) -> list[np.ndarray]:
    """A wave in soft light, as 8-bit grey."""
    rng = np.random.default_rng(seed)
    wave = 0.5 + 0.3 * np.sin(np.arange(size) / 3)
    return [np.uint8(255 * (wave + rng.normal(0, 0.02, (size, size))).clip(0, 1)) for _ in range(n)]


# Cross-conformal


def test_each_held_out_score_comes_from_a_fit_without_its_image():
    """One picture has a corner unlike all others: a fit that had seen it would restore it."""
    good = pictures(12)
    good[5][:8, :8] = 255 - good[5][:8, :8]
    detector = Detector.fit(good, recipe("feature_reconstruction", **{"split.n_folds": 6, "model.variance": 0.999}))
    scores = np.sort(detector.held_out.scores)
    assert len(scores) == 12
    assert scores[-1] > 3 * scores[-2]
    assert detector.inspect(good[5]).score < 0.2 * scores[-1]  # the final fit has seen it


@pytest.mark.thorough
@pytest.mark.parametrize("n_folds", [2, 4])
def test_scores_of_trained_folds_lie_where_the_final_fit_has_those_of_its_own_images(n_folds, monkeypatch):
    """Fits that differ in scale a hundredfold: the score of a fold's fit is multiplied by the number of its fold."""
    n_fits, plain = iter([1.0, 100.0, 10.0, 1000.0, 5.0]), _held_out.scored
    scales: dict[int, float] = {}

    def scaled(learner, learnt, images):
        if id(learnt) not in scales:
            scales[id(learnt)] = next(n_fits)
        factor = scales[id(learnt)]
        kept.append(learnt)  # or another one might get its id
        return [[row._replace(score=factor * row.score) for row in rows] for rows in plain(learner, learnt, images)]

    kept: list[Any] = []
    monkeypatch.setattr("urushi.fitting._cross.scored", scaled)
    good = pictures(12)
    held_out = Detector.fit(good, recipe(**{"split.n_folds": n_folds})).held_out
    assert max(held_out.scores) < 3 * min(held_out.scores)


# Training images that are no good ones


def smuggled(n: int = 20, places: tuple[int, ...] = (3, 17)) -> list[np.ndarray]:
    good = pictures(n)
    for place in places:
        good[place][4 + place % 8 :, 8:20] = 255 - good[place][4 + place % 8 :, 8:20]
    return good


def crossed(**settings: Any) -> Recipe:
    return recipe("feature_reconstruction", **({"split.n_folds": 4, "model.variance": 0.9} | settings))


def test_images_that_are_no_good_ones_are_named_with_their_p_values():
    detector = Detector.fit([Path("nowhere.png"), *smuggled()], crossed())
    found = detector.card["fit"]["suspicious"]
    assert sorted(one["image"] for one in found) == [4, 18]  # as given: one that could not be read comes first
    assert all(one["p_value"] < 0.01 and not one["is_left_out"] for one in found)
    assert found[0]["score"] == max(detector.held_out.scores)
    assert detector.card["fit"]["n_training"] == 20


@pytest.mark.thorough
def test_on_request_they_are_left_out_of_fit_and_calibration():
    good = smuggled()
    detector = Detector.fit(good, crossed(**{"split.leave_out_suspicious": True}))
    assert sorted(one["image"] for one in detector.card["fit"]["suspicious"] if one["is_left_out"]) == [3, 17]
    assert (len(detector.held_out.scores), detector.card["fit"]["n_training"]) == (18, 18)
    without = Detector.fit([image for place, image in enumerate(good) if place not in (3, 17)], crossed())
    assert sorted(detector.held_out.scores) == pytest.approx(sorted(without.held_out.scores), rel=0.5)
    assert detector.inspect(good[3]).score == pytest.approx(without.inspect(good[3]).score, rel=1e-3)
    kept = Detector.fit(good, crossed())
    assert detector.inspect(good[3]).score > 2 * kept.inspect(good[3]).score  # which has learnt it


def test_where_none_is_suspicious_nothing_is_left_out(monkeypatch):
    monkeypatch.setattr("urushi.fitting._cross.suspicious", lambda scores: np.zeros(len(scores), bool))
    plain, asked = (Detector.fit(pictures(12), crossed(**{"split.leave_out_suspicious": x})) for x in (False, True))
    assert plain.card["fit"]["suspicious"] == asked.card["fit"]["suspicious"] == []
    assert plain.held_out == asked.held_out


def test_leaving_out_needs_a_score_of_every_image():
    with pytest.raises(RecipeError, match=r"split.*set split\.n_folds=5, too"):
        crossed(**{"split.n_folds": 0, "split.leave_out_suspicious": True})


def test_scores_of_one_split_are_those_of_images_that_were_not_trained_on():
    good = pictures(20)
    detector = Detector.fit(good, recipe("feature_reconstruction", **{"split.calibration_fraction": 0.25}))
    own = [found.score for found in detector.inspect_many(good)]
    assert detector.held_out.method == "split"
    assert len(detector.held_out.scores) == 5
    assert all(np.isclose(own, score, rtol=1e-3).any() for score in detector.held_out.scores)
    assert detector.card["fit"]["n_training"] == 15
    assert np.mean(detector.held_out.scores) > np.mean(own)


def test_peaks_and_medians_are_those_of_the_maps():
    good = pictures(10)
    detector = Detector.fit(good, recipe())
    held_out, found = detector.held_out, list(detector.inspect_many(good))
    assert len(held_out.scores) == 2
    for score, peak, median in zip(held_out.scores, held_out.map_peaks, held_out.map_medians, strict=True):
        own = min(found, key=lambda inspection: abs(inspection.score - score))
        assert own.score == pytest.approx(score, rel=1e-5)
        assert own.anomaly_map.max() == pytest.approx(peak, rel=1e-4)
        assert np.median(own.anomaly_map) == pytest.approx(median, rel=1e-4)


# Refused before the work


@pytest.mark.parametrize("n_folds", [0, 5])
def test_rate_that_so_few_images_cannot_support_is_refused_before_training(n_folds, tmp_path):
    chosen = recipe(**{"threshold.false_alarm_rate": 0.01, "split.n_folds": n_folds, "training.max_epochs": 100_000})
    with pytest.raises(CalibrationError, match=f"needs at least 99 .* there are {20 if n_folds else 4}"):
        Detector.fit(pictures(20), chosen, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rule_that_needs_defects_is_refused_before_training_if_there_are_none(tmp_path):
    chosen = recipe(**{"threshold.name": "g_mean", "training.max_epochs": 100_000})
    with pytest.raises(CalibrationError, match="needs images of defects"):
        Detector.fit(pictures(20), chosen, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_images_are_refused_with_their_number(n):
    with pytest.raises(DatasetError, match=rf"{n} readable images? w\w+ found, 0 could not be read; at least 2"):
        Detector.fit(pictures(n), recipe())


def test_folder_of_damaged_images_is_refused_with_the_first_reason(tmp_path):
    damaged = [tmp_path / "a.png", tmp_path / "b.png"]
    damaged[0].write_bytes(b"")
    damaged[1].write_text("no image")
    with pytest.raises(DatasetError, match=rf"0 readable images were found, 2 .* The first: {damaged[0]}"):
        Detector.fit(damaged, recipe())


@pytest.mark.thorough
def test_of_fewer_images_than_folds_each_is_a_fold_of_its_own():
    few = pictures(5)
    found = Detector.fit(few, recipe(**{"split.n_folds": 20})).held_out
    assert found == Detector.fit(few, recipe(**{"split.n_folds": 5})).held_out
    assert len(found.scores) == 5


@pytest.mark.parametrize(("n", "size"), [(3, 4), (20, 1)])
def test_training_steps_of_one_image_are_refused_where_batches_are_normalised(n, size):
    with pytest.raises(TrainingError, match=r"at least 2 images per step: raise training\.batch_size"):
        Detector.fit(pictures(n), recipe(**{"training.batch_size": size}))


def test_mixed_sizes_are_fine_with_resize_and_refused_without():
    mixed = [*pictures(4, 32), *pictures(4, 40)]
    assert Detector.fit(mixed, recipe()).card["fit"]["image_shape"] == [1, 32, 32]
    with pytest.raises(RecipeError, match=r"\(1, 40, 40\) and of \(1, 32, 32\) .* give the recipe the step `resize`"):
        Detector.fit(mixed, recipe(steps=AS_THEY_ARE))


def test_grey_and_colour_mixed_are_refused_without_a_step_that_makes_them_alike():
    mixed = [*pictures(4), *(np.dstack([image] * 3) for image in pictures(4, seed=1))]
    with pytest.raises(RecipeError, match="`grey` or `rgb`"):
        Detector.fit(mixed, recipe(steps=AS_THEY_ARE))


def test_wrong_options_of_model_and_score_are_refused_by_name():
    with pytest.raises(RecipeError, match=r"model\.latent_dimensions is unknown; did you mean 'latent_dimension'"):
        Detector.fit(pictures(4), recipe(**{"model.latent_dimensions": 3}))
    with pytest.raises(RecipeError, match=r"score\.poling is unknown; did you mean 'pooling'"):
        Detector.fit(pictures(4), recipe(**{"score.poling": "max"}))


def test_run_that_failed_leaves_the_folder_to_the_next_one(tmp_path):
    with pytest.raises(TrainingError, match="at least 2 images per step"):
        Detector.fit(pictures(8), recipe(**{"training.batch_size": 1}), folder=tmp_path)
    assert Detector.fit(pictures(8), recipe(), folder=tmp_path).card["fit"]["n_images"] == 8


# What it leaves


def test_run_folder_keeps_logs_and_checkpoints_and_the_default_keeps_none(tmp_path):
    Detector.fit(pictures(8), recipe(), folder=tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        ".lock",
        "run.json",
        "logs",
        "reconstructions",
        "best.ckpt",
        "last.ckpt",
    }


def test_closed_form_needs_no_run_folder(tmp_path):
    Detector.fit(pictures(8), recipe("feature_reconstruction"), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_random_numbers_of_the_caller_go_on_as_if_nothing_had_been_fitted():
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].tolist()
    Detector.fit(pictures(8), recipe("variational_autoencoder"), seed=5)
    build_graph(recipe(), (1, 32, 32), seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpys


def test_card_says_on_what_it_was_fitted(tmp_path):
    broken = Path(tmp_path / "broken.png")
    broken.write_bytes(b"\x89PNG")
    facts = Detector.fit([*pictures(10), broken], recipe(), seed=3, card={"line": 7}).card
    assert (facts["seed"], facts["line"]) == (3, 7)
    assert (facts["fit"]["n_images"], facts["fit"]["n_training"], facts["fit"]["n_validation"]) == (10, 7, 1)
    assert facts["fit"]["training"]["epochs"] == 1
    assert facts["fit"]["versions"]["torch"] == version("torch")


# Scores


FUSED = {"name": "fusion", "scores": [{"name": "squared_error"}, {"name": "absolute_error", "pooling": "max"}]}


def fused(**options: Any) -> Recipe:
    return recipe().model_copy(update={"score": Part.model_validate(FUSED | options)})


def test_several_scores_share_one_model_and_give_what_each_gives_alone():
    good = pictures(12)
    parts = [Part(name="squared_error"), Part(name="absolute_error")]
    both = Detector.fit_scores(good, recipe(), parts)
    alone = Detector.fit(good, recipe(), seed=0)
    other = Detector.fit(good, recipe().model_copy(update={"score": parts[1]}))
    assert both[0].backend.graph.model is both[1].backend.graph.model
    np.testing.assert_allclose(both[0].held_out.scores, alone.held_out.scores, rtol=1e-4)
    np.testing.assert_allclose(both[1].held_out.scores, other.held_out.scores, rtol=1e-4)
    assert both[1].inspect(good[0]).score == pytest.approx(other.inspect(good[0]).score, rel=1e-4)


def test_a_score_that_learns_survives_its_file_and_has_not_seen_what_was_held_out(tmp_path):
    good = pictures(12)
    detector = Detector.fit(good, fused(), seed=3)
    detector.save(tmp_path / "part.urushi")
    scores = [found.score for found in load(tmp_path / "part.urushi").inspect_many(good)]
    assert all(np.isclose(scores, score, rtol=1e-3, atol=1e-4).any() for score in detector.held_out.scores)
    # A held-out image that would change every mean:
    held_out = next(i for i in range(12) if np.isclose(detector.inspect(good[i]).score, detector.held_out.scores[0]))
    odd = [255 - image if i == held_out else image for i, image in enumerate(good)]
    again = Detector.fit(odd, fused(), seed=3)
    assert again.inspect(good[0]).score == pytest.approx(detector.inspect(good[0]).score, rel=1e-3, abs=1e-4)


def test_a_score_that_needs_defects_says_so_before_the_training():
    slow = fused(combination="learned").with_settings({"training.max_epochs": 100_000})
    with pytest.raises(CalibrationError, match="--defects"):
        Detector.fit(pictures(12), slow)
    learned = Detector.fit(pictures(12), fused(combination="learned"), defects=[255 - p for p in pictures(4, seed=1)])
    assert learned.inspect(255 - pictures(1, seed=2)[0]).score > max(learned.held_out.scores)
