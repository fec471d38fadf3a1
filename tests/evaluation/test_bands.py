"""Bands of ROC and precision-recall curves against scikit-learn."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from urushi.errors import InputError
from urushi.evaluation import precision_recall_band, resampled, roc_band


def repeats(n=7, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        labels = np.repeat([0, 1], rng.integers(8, 60, 2))
        made.append((np.round(rng.normal(labels * 1.0), 1), labels))  # with ties
    return made


def assert_is_band_of(band, curves):
    assert band.n == len(curves)
    assert band.mean == pytest.approx(np.mean(curves, axis=0))
    for name, share in (("q25", 25), ("median", 50), ("q75", 75)):
        assert getattr(band, name) == pytest.approx(np.percentile(curves, share, axis=0))


def test_roc_band_is_that_of_scikit_learn():
    made = repeats()
    band = roc_band(made, n_points=51)
    assert band.x == pytest.approx(np.linspace(0, 1, 51))
    assert_is_band_of(band, [np.interp(band.x, *sk.roc_curve(labels, scores)[:2]) for scores, labels in made])
    fine = roc_band(made, n_points=20_001)
    assert np.trapezoid(fine.mean, fine.x) == pytest.approx(
        np.mean([sk.roc_auc_score(y, s) for s, y in made]), abs=1e-4
    )


def test_precision_recall_band_is_that_of_scikit_learn():
    made = repeats()
    band = precision_recall_band(made, n_points=51)
    curves = []
    for scores, labels in made:
        precision, recall, cuts = sk.precision_recall_curve(labels, scores)
        curves.append([precision[np.flatnonzero(recall[: len(cuts)] >= x).max()] for x in band.x])
    assert_is_band_of(band, curves)
    fine = precision_recall_band(made, n_points=20_001)
    expected = np.mean([sk.average_precision_score(labels, scores) for scores, labels in made])
    assert fine.mean[1:].mean() == pytest.approx(expected, abs=1e-3)


def test_one_repeat_is_its_own_band_and_plain_json():
    (one,) = repeats(1)
    band = roc_band([one], n_points=5)
    assert (band.q25 == band.q75).all()
    plain = json.loads(json.dumps(band.to_json()))
    assert plain["x"] == [0, 0.25, 0.5, 0.75, 1]
    assert plain["n"] == 1


def test_perfect_scores_and_equal_scores():
    labels = np.repeat([0, 1], 5)
    assert (roc_band([(labels, labels)]).median == 1).all()
    assert (precision_recall_band([(labels, labels)]).median == 1).all()
    coin = roc_band([(labels * 0, labels)])
    assert coin.median == pytest.approx(coin.x)
    assert precision_recall_band([(labels * 0, labels)]).median == pytest.approx(0.5)


def test_resamples_of_one_test_set_keep_the_number_of_each_label_and_spread_about_its_curve():
    scores, labels = repeats(1, seed=3)[0]
    drawn = list(resampled(scores, labels, seed=1, n_resamples=150))
    assert len(drawn) == 150
    assert all(np.array_equal(np.bincount(y), np.bincount(labels)) and set(s) <= set(scores) for s, y in drawn)
    again, other = (list(resampled(scores, labels, seed=seed, n_resamples=150)) for seed in (1, 2))
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(drawn, again, strict=True))
    assert any(len(a) != len(b) or (a != b).any() for (a, _), (b, _) in zip(drawn, other, strict=True))
    band, itself = roc_band(drawn), roc_band([(scores, labels)])
    inside = (band.x > 0.1) & (band.x < 0.6)
    assert (band.q25 < band.q75)[inside].all()
    assert np.abs(band.median - itself.median).max() < 0.15


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "at least one repeat"),
        ([([1.0, 2.0], [0, 0])], "needs both"),
        ([([1.0, 2.0], [0, 2])], "needs both"),
        ([([1.0, np.nan], [0, 1])], "finite"),
        ([([1.0], [0, 1])], "one entry per image"),
        ([(1.0, 0)], "one entry per image"),
        ([([[1.0, 2.0]], [[0, 1]])], "one entry per image"),
        ([([], [])], "needs both"),
    ],
)
def test_bad_repeats_are_refused(bad, message):
    for band in (roc_band, precision_recall_band):
        with pytest.raises(InputError, match=message):
            band(bad)


def test_a_band_has_a_point_at_every_half_percent():
    for band in (roc_band, precision_recall_band):
        assert band(repeats(1)).x == pytest.approx(np.arange(201) / 200)
