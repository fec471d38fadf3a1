"""ROC and precision over recall against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from urushi.errors import InputError
from urushi.reporting.plots.operating_curves import precision_recall_figure, roc_figure

RNG = np.random.default_rng(0)
REPEATS = [(np.round(RNG.normal(0, 1, 60) + np.arange(60) % 2, 1), np.arange(60) % 2) for _ in range(5)]


def line(figure, label):
    (axes,) = figure.axes
    (found,) = [one for one in axes.get_lines() if one.get_label().startswith(label)]
    return found


def band(figure):
    """Lowest and highest y of the one band by x, rounded."""
    (drawn,) = figure.axes[0].collections
    x, y = drawn.get_paths()[0].vertices.T
    x = np.round(x, 6)
    return {at: (y[x == at].min(), y[x == at].max()) for at in np.unique(x)}


def test_a_single_roc_is_scikit_learns():
    scores, labels = REPEATS[0]
    drawn = line(roc_figure({"one": [(scores, labels)]}), "one")
    x, y = drawn.get_data()
    assert (x[0], y[0]) == (0, 0)
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    for rate in (0, 0.101, 0.35, 0.799, 1):
        assert np.interp(rate, x, y) == pytest.approx(np.interp(rate, false, true))
    assert drawn.get_label() == f"one\nAUC {roc_auc_score(labels, scores):.3f}"
    assert not roc_figure({"one": [REPEATS[0]]}).axes[0].collections  # one repeat has no quartiles


def test_the_band_of_a_roc_ends_at_the_quartiles_and_its_line_is_the_median():
    figure = roc_figure({"five": REPEATS})
    rates = [np.interp(0.35, *roc_curve(labels, scores, drop_intermediate=False)[:2]) for scores, labels in REPEATS]
    assert band(figure)[0.35] == pytest.approx(tuple(np.quantile(rates, [0.25, 0.75])))
    x, y = line(figure, "five").get_data()
    assert np.interp(0.35, x, y) == pytest.approx(np.median(rates))


def test_areas_are_given_as_mean_and_standard_error():
    areas = [roc_auc_score(labels, scores) for scores, labels in REPEATS]
    text = f"AUC {np.mean(areas):.3f} ± {np.std(areas, ddof=1) / np.sqrt(5):.3f}"
    assert line(roc_figure({"five": REPEATS}), "five").get_label() == f"five\n{text}"
    areas = [average_precision_score(labels, scores) for scores, labels in REPEATS]
    text = f"AP {np.mean(areas):.3f} ± {np.std(areas, ddof=1) / np.sqrt(5):.3f}"
    assert line(precision_recall_figure({"five": REPEATS}), "five").get_label() == f"five\n{text}"


def test_precision_is_that_of_the_highest_cut_that_finds_so_many():
    scores, labels = REPEATS[0]
    drawn = line(precision_recall_figure({"one": [(scores, labels)]}), "one")
    precision, recall, _ = precision_recall_curve(labels, scores)
    for wanted in (0.225, 0.51, 0.995):
        highest = np.flatnonzero(recall >= wanted)[-1]  # scikit-learn's recall falls
        assert np.interp(wanted, *drawn.get_data()) == pytest.approx(precision[highest])


def test_chance_is_the_diagonal_of_a_roc_and_the_prevalence_of_a_precision():
    assert np.array_equal(line(roc_figure({"one": [REPEATS[0]]}), "chance").get_data(), [[0, 1], [0, 1]])
    rare = (np.arange(20.0), np.arange(20) >= 15)
    chance = line(precision_recall_figure({"rare": [rare]}), "chance")
    assert chance.get_label() == "chance: 0.25"
    assert set(chance.get_ydata()) == {0.25}
    mixed = line(precision_recall_figure({"rare": [rare], "even": [REPEATS[0]]}), "chance")
    assert mixed.get_label() == "chance: 0.25 … 0.50"


@pytest.mark.parametrize("draw", [roc_figure, precision_recall_figure])
@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "0 series"),
        ({str(n): [REPEATS[0]] for n in range(8)}, "8 series"),
        ({"none": []}, "at least one repeat"),
        ({"normal": [([0.1, 0.2], [0, 0])]}, "both"),
        ({"nan": [([0.1, np.nan], [0, 1])]}, "finite"),
        ({"short": [([0.1], [0, 1])]}, "one entry per image|one length"),
    ],
)
def test_what_has_no_curve_is_an_error(draw, curves, message):
    with pytest.raises(InputError, match=message):
        draw(curves)
