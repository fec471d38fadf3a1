"""Test sets, thresholds and figures from records, without any fit."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from urushi.errors import InputError
from urushi.study.cautions import cautions
from urushi.study.drawing import ERROR_OF, _Pool, measured
from urushi.study.plan import Published
from urushi.study.summary import Summary
from urushi.study.tables import tables


def rows(study, record, **wanted):
    found = [one for one in measured(study, [record]) if one.ratio == wanted.get("ratio")]
    return [one for one in found if one.rule == wanted.get("rule", "g_mean")]


def test_figures_are_those_of_scikit_learn_on_the_images_that_were_drawn(study, record):
    pool = _Pool.of(record, study, 0)
    scores = np.array(record.scores["squared_error"])
    kinds = np.array(record.kinds)
    (first, *_) = rows(study, record)
    n = int(first.figures["n_test"])
    test = pool.test(0.5, n)
    labels, called = kinds[test] != "good", scores[test] > first.figures["threshold"]
    assert len(test) == n
    assert first.figures["roc_auc"] == pytest.approx(roc_auc_score(labels, scores[test]))
    assert first.figures["macro_f1"] == pytest.approx(f1_score(labels, called, average="macro"))
    holes = kinds[test] == "hole"
    assert first.figures[f"{ERROR_OF}hole"] == pytest.approx(1 - called[holes].mean())


def test_no_image_that_set_a_threshold_is_tested(study, record):
    for number in range(study.draws):
        pool = _Pool.of(record, study, number)
        assert not set(pool.kept) & set(pool.test(0.5, 20))
        assert {record.kinds[i] for i in pool.kept} == {"hole", "deep_hole"}
        assert len(pool.kept) == round(0.3 * 12) + round(0.3 * 8)


def test_scores_of_test_images_move_no_threshold(study, record):
    kept = {i for number in range(study.draws) for i in _Pool.of(record, study, number).kept}
    scores = [s if i in kept else s + 100.0 for i, s in enumerate(record.scores["squared_error"])]
    moved = replace(record, scores={"squared_error": scores})
    for rule in ("g_mean", "conformal"):
        before, after = rows(study, record, rule=rule), rows(study, moved, rule=rule)
        assert [one.figures["threshold"] for one in before] == [one.figures["threshold"] for one in after]


def test_methods_are_compared_on_the_same_images_and_repeats_on_others(study, record):
    other = replace(record, method="variational")
    again = replace(record, seed=1)
    drawn = [[_Pool.of(one, study, n).test(0.5, 10).tolist() for n in range(3)] for one in (record, other, again)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert len(set(map(tuple, drawn[0]))) == 3


def test_all_ratios_are_tested_on_as_many_images(study, record):
    totals = {one.figures["n_test"] for ratio in (0.3, 0.6) for one in rows(study, record, ratio=ratio)}
    assert len(totals) == 1
    (total,) = totals
    shares = {ratio: rows(study, record, ratio=ratio)[0] for ratio in (0.3, 0.6)}
    assert shares[0.3].figures["precision"] < shares[0.6].figures["precision"]
    assert total > 10


def test_a_rule_that_refuses_leaves_what_needs_no_threshold(study, record):
    few = replace(record, held_out={"squared_error": [0.0, 1.0]})
    strict = study.model_copy(update={"thresholds": (study.thresholds[1].model_copy(),)})
    strict.thresholds[0].model_extra["false_alarm_rate"] = 0.01
    found = next(measured(strict, [few])).figures
    assert np.isnan(found["recall"])
    assert np.isnan(found["threshold"])
    assert 0.5 < found["roc_auc"] < 1


def test_too_few_images_for_a_ratio_are_an_error(study, record):
    few = replace(record, kinds=["good"] * 39 + ["hole"])
    with pytest.raises(InputError, match="no test set has 50%"):
        list(measured(study.model_copy(update={"threshold_defects": 0.9}), [few]))


def test_the_error_is_over_repeats_and_over_test_sets_where_there_is_one(study, record):
    one = Summary.of(measured(study, [record]))
    two = Summary.of(measured(study, [record, replace(record, seed=1)]))
    place = ("waves", "plain", 2, "squared_error", "g_mean", None)
    draws = [found.figures["roc_auc"] for found in rows(study, record)]
    others = [found.figures["roc_auc"] for found in rows(study, replace(record, seed=1))]
    assert one.at(place, "roc_auc").mean == pytest.approx(np.mean(draws))
    assert one.at(place, "roc_auc").standard_error == pytest.approx(np.std(draws, ddof=1) / np.sqrt(3))
    means = [np.mean(draws), np.mean(others)]
    assert two.at(place, "roc_auc").standard_error == pytest.approx(np.std(means, ddof=1) / np.sqrt(2))
    assert two.n_repeats == 2
    assert one.at(place, "no such figure") is None


def test_a_roc_auc_below_chance_is_marked_in_the_tables_and_said_below_them(study, record):
    turned = replace(record, scores={name: [-one for one in scores] for name, scores in record.scores.items()})
    for used, is_below in ((record, False), (turned, True)):
        made = tables(study, Summary.of(measured(study, [used])), [used])
        first = made[0]
        cell = first.rows[0][first.columns.index("ROC-AUC")]
        assert cell.endswith("▼") == is_below
        assert ("below 0.5" in first.note) == is_below
        assert "▼" not in next(table for table in made if table.title == "Brightness").note


def test_no_product_sets_a_threshold_and_is_tested(study, record):
    """Four images of each product, good and defective ones among them."""
    grouped = replace(record, groups=[f"{i // 4:016x}" for i in range(len(record.kinds))])
    for number in range(study.draws):
        pool = _Pool.of(grouped, study, number)
        assert len(pool.kept)
        assert not {i // 4 for i in pool.kept} & {i // 4 for i in pool.rest}


def test_what_was_published_stands_below_what_was_measured(study, record):
    records = [replace(record, value=4)]
    found = {one.title: one for one in tables(study, Summary.of(measured(study, records)), records)}
    ours, theirs = found["waves: methods over J"].rows
    assert ours[:2] == ("plain", "4")
    assert theirs == ("plain, published", "4", "0.500 ± 0.010", *[""] * (len(ours) - 3))


def test_what_was_published_of_one_score_stands_below_that_score_alone(study, record):
    records = [record]
    other = Published(data="waves", method="plain", value=2, score="squared_error", figures={"accuracy": (0.7,)})
    study = study.model_copy(update={"published": (other,)})
    found = {one.title: one for one in tables(study, Summary.of(measured(study, records)), records)}
    columns, (_, theirs) = found["waves: scores"].columns, found["waves: scores"].rows
    assert theirs[0] == "plain, 2, published"
    assert theirs[columns.index("accuracy")] == "0.700"
    assert len(found["waves: methods over J"].rows) == 1


def test_what_only_others_have_measured_is_shown_in_its_place(study, record):
    found = tables(study, Summary.of(measured(study, [record])), [record])[0]
    assert [row[:2] for row in found.rows] == [("plain", "2"), ("plain, published", "4")]


def test_a_study_warns_of_brightness_and_of_figures_below_chance(study, record):
    def said(*records):
        return cautions(study, Summary.of(measured(study, records)), records)

    study = study.model_copy(update={"vary": study.vary.model_copy(update={"values": (2,)})})
    assert said(record) == []
    bright = np.where(np.array(record.kinds) == "hole", 0.8, 0.4) + np.array(record.luminances) / 10
    first = replace(record, luminances=bright.tolist())
    again = replace(record, seed=record.seed + 1, luminances=(bright + np.array(bright > 0.7) / 50).tolist())
    (warning,) = said(first, again)  # once, though it has other figures in each repeat
    assert warning == said(first)[0]
    assert warning.startswith("waves: brightness after preprocessing alone tells hole from good: it is brighter")
    turned = replace(record, scores={name: [-one for one in scores] for name, scores in record.scores.items()})
    (warning,) = said(turned)
    assert "of waves, plain by squared_error" in warning
    assert "ROC-AUC is below 0.5" in warning


def test_a_study_says_if_its_runs_are_of_several_commits(study, record):
    later = replace(record, seed=record.seed + 1, environment=record.environment | {"commit": "b" * 40})
    records = [replace(record, environment=record.environment | {"commit": "a" * 40}), later]
    first, *_ = cautions(study, Summary.of(measured(study, records)), records)
    assert first.startswith("runs of different commits stand side by side")
    assert "aaaa" in first
    assert "bbbb" in first
