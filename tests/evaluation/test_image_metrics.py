"""Image figures against scikit-learn, and where they must be undefined."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from urushi.errors import InputError
from urushi.evaluation.confusion import RATIOS, confusion
from urushi.evaluation.image_metrics import PER_DEFECT, RANKING, _statistics, defect_figures, image_figures
from urushi.evaluation.intervals import wilson
from urushi.evaluation.resampling import bootstrap, mean_and_standard_error, resamples


def drawn(n_normals=60, n_defects=25, seed=0):
    rng = np.random.default_rng(seed)
    scores = np.round(np.concatenate([rng.normal(size=n_normals), rng.normal(1.2, size=n_defects)]), 1)  # with ties
    labels = np.repeat([0, 1], [n_normals, n_defects])
    return scores, labels, scores > 0.9


def best_f1(labels, scores):
    precision, recall, _ = sk.precision_recall_curve(labels, scores)
    return (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()


def values(figures):
    return {name: figure.value for name, figure in figures.items()}


cases = st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 1), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=40)
@given(cases)
def test_every_figure_agrees_with_scikit_learn(rows):
    scores, labels, decided = (np.array(column) for column in zip(*rows, strict=True))
    got = values(image_figures(scores, labels, decided, n_resamples=0))
    both = len(set(labels)) == 2
    expected = {
        "roc_auc": sk.roc_auc_score(labels, scores) if both else None,
        "average_precision": sk.average_precision_score(labels, scores) if both else None,
        "partial_roc_auc_0.1": sk.roc_auc_score(labels, scores, max_fpr=0.1) if both else None,
        "f1_max": best_f1(labels, scores) if both else None,
        "accuracy": sk.accuracy_score(labels, decided),
        "error_rate": 1 - sk.accuracy_score(labels, decided),
        "precision": sk.precision_score(labels, decided) if decided.any() else None,
        "recall": sk.recall_score(labels, decided) if labels.any() else None,
        "specificity": sk.recall_score(labels, decided, pos_label=0) if not labels.all() else None,
        "f1": sk.f1_score(labels, decided) if labels.any() else None,
        "macro_f1": sk.f1_score(labels, decided, average="macro") if both else None,
        "mcc": sk.matthews_corrcoef(labels, decided) if both and len(set(decided)) == 2 else None,
        "macro_recall": sk.balanced_accuracy_score(labels, decided) if both else None,
        "macro_precision": sk.precision_score(labels, decided, average="macro")
        if both and len(set(decided)) == 2
        else None,
    }
    g_mean = got.pop("g_mean")
    got = {name: value for name, value in got.items() if not name.startswith(("tpr_at", "tnr_at"))}
    assert got == pytest.approx(expected)
    assert g_mean == (pytest.approx((expected["recall"] * expected["specificity"]) ** 0.5) if both else None)


def test_counts_are_those_of_scikit_learn():
    _, labels, decided = drawn()
    counts = confusion(labels, decided)
    tn, fp, fn, tp = sk.confusion_matrix(labels, decided).ravel()
    assert [int(n[0]) for n in (counts.tn, counts.fp, counts.fn, counts.tp)] == [tn, fp, fn, tp]


def test_weights_of_a_resample_count_as_repeated_images():
    scores, labels, decided = drawn()
    statistics = _statistics(scores, labels == 1)
    drawn_weights = np.concatenate(list(resamples(labels, 3, 5)))
    resampled = statistics(drawn_weights)
    for row, weights in enumerate(drawn_weights):
        again = np.repeat(np.arange(len(scores)), weights.astype(int))
        one = values(image_figures(scores[again], labels[again], decided[again], n_resamples=0))
        assert {name: column[row] for name, column in resampled.items()} == pytest.approx(
            {n: one[n] for n in resampled}
        )


@pytest.mark.parametrize("transform", [np.exp, np.cbrt, lambda s: 5 * s - 2], ids=["exp", "cbrt", "affine"])
def test_scale_of_scores_changes_nothing(transform):
    scores, labels, decided = drawn()
    assert image_figures(transform(scores), labels, decided) == image_figures(scores, labels, decided)


def test_scores_as_far_apart_as_floats_go():
    figures = image_figures([-1.7e308, 5e-324, 1.7e308], [0, 0, 1], [False, False, True], n_resamples=0)
    assert figures["roc_auc"].value == 1.0


def test_constant_scores_are_a_coin_of_which_ten_images_say_little():
    figures = image_figures(np.ones(10), [0, 1] * 5, np.zeros(10, bool))
    assert figures["roc_auc"].value == 0.5
    assert (figures["roc_auc"].low, figures["roc_auc"].high) == pytest.approx(wilson(2.5, 5))
    assert figures["precision"].value is None
    assert figures["precision"].reason == "no image was called anomalous"
    assert "called anomalous and some that were not" in figures["mcc"].reason


def test_without_defects_their_figures_are_undefined_not_zero():
    figures = image_figures([1.0, 2.0, 3.0], [0, 0, 0], [False, False, True])
    undefined = {name for name, figure in figures.items() if figure.value is None}
    assert undefined == {*RANKING, "recall", "f1", "macro_f1", "g_mean", "mcc", "macro_precision", "macro_recall"}
    assert all(figures[name].reason and figures[name].low is None for name in undefined)
    assert figures["specificity"].value == pytest.approx(2 / 3)
    assert figures["precision"].value == 0.0


def test_without_normals_specificity_is_undefined():
    figures = image_figures([1.0, 2.0], [1, 1], [False, True])
    assert figures["specificity"].value is None
    assert figures["recall"].value == 0.5


@pytest.mark.parametrize(
    ("scores", "labels", "decided", "message"),
    [
        ([], [], [], "three vectors"),
        (1.0, 0, False, "three vectors"),
        ([[1.0, 2.0]], [[0, 1]], [[False, True]], "three vectors"),
        ([1.0, 2.0], [0], [False, True], "three vectors"),
        ([1.0, 2.0], [0, 1], [False], "three vectors"),
        ([1.0, 2.0, np.nan], [0, 1, 1], [False, True, True], "1 scores are NaN"),
        ([1.0, np.inf], [0, 1], [False, True], "1 scores are NaN"),
        ([1.0, 2.0], [0, 2], [False, True], "Labels are"),
    ],
)
def test_bad_input_is_refused(scores, labels, decided, message):
    with pytest.raises(InputError, match=message):
        image_figures(scores, labels, decided)


def test_each_defect_type_is_compared_with_all_normals():
    scores, labels, decided = drawn()
    names = ["" if label == 0 else ("scratch" if i % 2 else "dent") for i, label in enumerate(labels)]
    table = defect_figures(scores, labels, decided, names)
    assert [row.defect for row in table] == ["dent", "scratch"]
    assert sum(row.n for row in table) == labels.sum()
    for row in table:
        own = np.array([label == 0 or name == row.defect for label, name in zip(labels, names, strict=True)])
        assert set(row.figures) == set(PER_DEFECT)
        got, (fpr, tpr, _) = values(row.figures), sk.roc_curve(labels[own], scores[own], drop_intermediate=False)
        assert got["roc_auc"] == pytest.approx(sk.roc_auc_score(labels[own], scores[own]))
        assert got["average_precision"] == pytest.approx(sk.average_precision_score(labels[own], scores[own]))
        assert got["recall"] == pytest.approx(sk.recall_score(labels[own], decided[own]))
        assert got["tpr_at_fpr_0.05"] == pytest.approx(tpr[fpr <= 0.05].max())


def test_of_a_defect_type_of_one_image_little_is_certain():
    (row,) = defect_figures([1.0, 2.0, 3.0], [0, 0, 1], [False, False, True], ["", "", "dent"])
    assert row.figures["roc_auc"].value == 1.0
    assert row.figures["roc_auc"].low == pytest.approx(wilson(1, 1)[0])
    assert row.figures["average_precision"].low is None
    assert "two images of each label" in row.figures["average_precision"].reason


def test_two_images_of_each_label_are_enough_for_an_interval():
    figure = image_figures([1.0, 3.0, 2.0, 4.0], [0, 0, 1, 1], [False] * 4, n_resamples=50)["roc_auc"]
    assert figure.value == 0.75
    assert 0 <= figure.low < 0.75 < figure.high <= 1


def test_without_resamples_only_formulas_give_intervals():
    figures = image_figures(*drawn(), n_resamples=0)
    for name in ("average_precision", "f1", "mcc"):
        assert (figures[name].low, figures[name].reason) == (None, "no interval: no resamples were asked for"), name
    assert figures["roc_auc"].low < figures["roc_auc"].value


def test_every_ratio_is_covered_by_the_comparison():
    assert set(RATIOS) < set(image_figures([0.0, 1.0], [0, 1], [False, True], n_resamples=0))


def test_the_best_f1_claims_no_interval_and_says_why():
    figure = image_figures(*drawn())["f1_max"]
    assert figure.value > 0.5
    assert (figure.low, figure.high) == (None, None)
    assert "these very images" in figure.reason


def test_same_seed_same_interval_and_another_seed_another():
    scores, labels, decided = drawn()
    first, again, other = (image_figures(scores, labels, decided, seed=s) for s in (1, 1, 2))
    assert first == again
    for name in ("average_precision", "f1", "tpr_at_fpr_0.05"):
        assert first[name] != other[name]
        assert first[name].low < first[name].value < first[name].high


def test_resamples_keep_the_number_of_each_label():
    labels = np.array([0, 0, 0, 1, 1])
    weights = np.concatenate(list(resamples(labels, 0, 250)))
    assert weights.shape == (250, 5)
    assert (weights[:, :3].sum(axis=1) == 3).all()
    assert (weights[:, 3:].sum(axis=1) == 2).all()


def test_interval_is_withheld_where_many_resamples_are_undefined():
    def first_only(weights):  # defined only where the first image was drawn
        return {"figure": np.where(weights[:, 0] > 0, 1.0, np.nan)}

    figure = bootstrap(first_only, [0] * 5 + [1] * 5, seed=0, undefined={"figure": "never"})["figure"]
    assert figure.value == 1.0
    assert figure.low is None
    assert "undefined in" in figure.reason


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
def test_standard_error_of_repeats(repeats):
    assume(np.std(repeats) > 1e-6)
    got = mean_and_standard_error(repeats)
    assert got.mean == pytest.approx(np.mean(repeats), abs=1e-9)
    n = len(repeats)
    assert got.standard_error == pytest.approx((sum((x - got.mean) ** 2 for x in repeats) / (n - 1) / n) ** 0.5)


def test_one_repeat_has_no_standard_error():
    assert mean_and_standard_error([0.9]).standard_error is None
    for wrong in ([], [0.5, float("nan")], 0.5, [[0.5, 0.6]]):
        with pytest.raises(InputError, match="a vector of finite figures"):
            mean_and_standard_error(wrong)


def test_no_false_alarm_among_few_good_images_is_not_certainty() -> None:
    figures = image_figures([0.1] * 19 + [0.9] * 5, [0] * 19 + [1] * 5, [False] * 19 + [True] * 5, n_resamples=50)
    assert figures["specificity"].value == 1
    assert figures["specificity"].low == pytest.approx(0.8318, abs=1e-3)
