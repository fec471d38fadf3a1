"""The study of BiGANs' scores: one reconstruction for all of them."""

import numpy as np
import pytest
from studies import adversarial_scores

from urushi import Detector, Recipe
from urushi.data.writing import write_image


@pytest.mark.thorough
@pytest.mark.parametrize("recipe", ["bigan", "convolutional-bigan"])
def test_scores_of_one_reconstruction_are_those_of_inspections(tmp_path, recipe):
    """Also where the image is no multiple of the network's stride, and its score is that of its highest tile."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        write_image(path, rng.integers(90, 160, (70, 84)).astype(np.uint8))
    once = Recipe.find(recipe).with_settings({"training.max_epochs": 1, "threshold.false_alarm_rate": 0.5})
    scores = adversarial_scores.scores(adversarial_scores.OPINIONS[recipe])[::6]
    detectors = Detector.fit_scores(paths, once, scores, seed=0)
    found = adversarial_scores.scored(detectors, paths[:3])
    inspected = [[one.score for one in detector.inspect_many(paths[:3])] for detector in detectors]
    assert found == pytest.approx(np.array(inspected).T, rel=1e-5)


def test_each_opinion_has_every_share_and_the_error_alone_is_asked_for_once():
    parts = [part.options for part in adversarial_scores.scores(("posterior", "likelihood"))]
    shares = {name: [one["alpha"] for one in parts if one["opinion"] == name] for name in ("posterior", "likelihood")}
    assert shares["posterior"] == list(adversarial_scores.ALPHAS)
    assert shares["likelihood"] == list(adversarial_scores.ALPHAS[1:])


def test_the_interval_is_that_of_the_area():
    found = adversarial_scores.roc_auc(np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.5, 3.0, 4.0]))
    assert found["value"] == pytest.approx(8 / 12)
    assert found["low"] < found["value"] < found["high"]
