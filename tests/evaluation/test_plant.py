"""What decisions are worth in a plant, where defects are few and dear."""

from statistics import NormalDist

import numpy as np
import pytest

from urushi.calibration import Plant
from urushi.calibration.least_cost import LeastCost
from urushi.errors import InputError, RecipeError
from urushi.evaluation.confusion import Counts
from urushi.evaluation.plant import NO_DEFECTS, least_cost, plant_figures

PLANT = Plant(prevalence=0.02, escape_cost=50, false_alarm_cost=1)


def counts(tp: float, fp: float, tn: float, fn: float) -> Counts:
    return Counts(*(np.array([float(n)]) for n in (tp, fp, tn, fn)))


def test_the_figures_are_those_by_hand():
    """Of 1,000 parts 20 are defective: at a recall of 0.9, 2 escape; of 980 good ones 4.9 % are false alarms."""
    found = plant_figures(PLANT, counts(tp=90, fp=5, tn=95, fn=10))
    assert found["escapes_per_1000"].value == pytest.approx(2)
    assert found["false_alarms_per_1000"].value == pytest.approx(49)
    assert found["expected_precision"].value == pytest.approx(18 / 67)
    assert found["false_alarm_cost_per_1000"].value == pytest.approx(49)
    assert found["cost_per_1000"].value == pytest.approx(2 * 50 + 49)
    assert set(plant_figures(Plant(0.02), counts(90, 5, 95, 10))) == {
        "escapes_per_1000",
        "false_alarms_per_1000",
        "expected_precision",
    }


def test_an_interval_is_clopper_and_pearsons_where_one_share_decides():
    """0 of 100 good called anomalous: at most 3.62 % in truth, so at most 980 · 0.0362 = 35.5 of 1,000 parts."""
    found = plant_figures(PLANT, counts(tp=90, fp=0, tn=100, fn=10), n_resamples=20_000)["false_alarms_per_1000"]
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(35.5, rel=0.02)


def test_without_defects_only_the_side_of_false_alarms_is_known():
    found = plant_figures(PLANT, counts(tp=0, fp=5, tn=95, fn=0))
    assert found["false_alarm_cost_per_1000"].value == pytest.approx(49)
    assert found["false_alarm_cost_per_1000"].low < 49 < found["false_alarm_cost_per_1000"].high
    for name in ("escapes_per_1000", "expected_precision", "cost_per_1000"):
        assert (found[name].value, found[name].reason) == (None, NO_DEFECTS)


def test_where_nothing_is_called_anomalous_there_is_no_precision():
    found = plant_figures(PLANT, counts(tp=0, fp=0, tn=100, fn=10))
    assert found["expected_precision"].reason == "no image was called anomalous"
    assert found["cost_per_1000"].value == pytest.approx(20 * 50)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((0,), "prevalence"),
        ((1,), "prevalence"),
        ((0.1, 5), "go together"),
        ((0.1, -1, 1), "above 0"),
        ((0.1, 1, 1e308), "at most 1e.15"),
        ((0.1, np.nan, 1), "above 0"),
    ],
)
def test_what_no_plant_has_is_refused(values, problem):
    with pytest.raises(InputError, match=problem):
        Plant(*values)


# The threshold of least cost

SCORES, LABELS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([False, False, False, True, False, True])


def test_the_cut_of_least_cost_is_the_one_by_hand():
    """At half and half with equal costs: above 3 one good of four is called, above 5 one defect of two escapes."""
    found = least_cost(Plant(0.5, 1, 1), SCORES, LABELS)
    assert found["least_cost_threshold"].value == 3.5  # 1000 · 0.5 · 1/4 = 125 against 250
    assert found["least_cost_per_1000"].value == pytest.approx(125)
    dear = least_cost(Plant(0.5, 1, 10), SCORES, LABELS)  # above 5: 250; above 3: 1250
    assert (dear["least_cost_threshold"].value, dear["least_cost_per_1000"].value) == (5.5, pytest.approx(250))


def test_ties_are_never_divided():
    found = least_cost(Plant(0.5, 1, 1), np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    assert found["least_cost_threshold"].value in (1.5, 2.5)


def test_where_no_threshold_saves_anything_that_is_said():
    found = least_cost(Plant(0.9, 1000, 1), SCORES[::-1], LABELS)
    assert found["least_cost_threshold"].value is None
    assert "no threshold saves anything" in found["least_cost_threshold"].reason


def test_the_rule_finds_the_same_cut_and_says_what_it_saves():
    rule = LeastCost(prevalence=0.5, escape_cost=1, false_alarm_cost=1)
    found = rule.fit(SCORES[~LABELS], SCORES[LABELS])
    assert found.value == 3.5
    assert "saves over passing them all is highest, 375.000" in found.explanation  # 500 less 125
    with pytest.raises(RecipeError, match="say --prevalence"):
        LeastCost().fit(SCORES[~LABELS], SCORES[LABELS])


# Whether the intervals hold


def coverage(n_good: int, n_defects: int, n_repeats: int) -> dict[str, float]:
    """How often the true values are in the intervals; good scores N(0, 1), defects N(2, 1), a cut at 1.5."""
    normal, rng = NormalDist(), np.random.default_rng(0)
    cuts = np.linspace(-3, 6, 901)
    recall, specificity = (np.array([1 - normal.cdf(t - 2) for t in cuts]), np.array([normal.cdf(t) for t in cuts]))
    best = cuts[int(np.argmin(PLANT.cost(recall, specificity)))]
    at = int(np.argmin(abs(cuts - 1.5)))
    truth = {"expected_precision": PLANT.precision(recall[at], specificity[at])}
    truth |= {"cost_per_1000": PLANT.cost(recall[at], specificity[at]), "least_cost_threshold": best}
    hits = dict.fromkeys(truth, 0)
    for seed in range(n_repeats):
        scores = np.append(rng.normal(size=n_good), rng.normal(2, 1, n_defects))
        labels = np.repeat([False, True], [n_good, n_defects])
        fp, tp = int((scores[~labels] > 1.5).sum()), int((scores[labels] > 1.5).sum())
        found = plant_figures(PLANT, counts(tp, fp, n_good - fp, n_defects - tp), seed=seed, n_resamples=300)
        found |= least_cost(PLANT, scores, labels, seed=seed, n_resamples=100)
        for name, value in truth.items():
            figure = found[name]
            hits[name] += figure.value is not None and figure.low <= value <= figure.high
    return {name: n / n_repeats for name, n in hits.items()}


def test_intervals_have_the_true_value_in_95_of_100_test_sets():
    found = coverage(60, 40, 120)
    assert min(found.values()) >= 0.91, found  # three deviations of 120 repeats below 0.95 would be 0.89
