"""A comparison: its plan from arguments, its figures, and its files, with what failed among them."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from urushi.data.dataset import datasets_in
from urushi.errors import InputError, RecipeError
from urushi.jobs import Outcome
from urushi.recipe import Part
from urushi.study.comparison import compare, planned
from urushi.study.comparison.diagram import diagram
from urushi.study.comparison.examples import chosen
from urushi.study.comparison.figures import cell
from urushi.study.comparison.formats import as_csv, as_latex
from urushi.study.comparison.tables import headline, tables
from urushi.study.comparison.verdict import verdict
from urushi.study.records import Failure

RULE = Part(name="conformal")


def made(record, data, method, shift, seed=0, key=0):
    """A record of 40 images whose defects score higher by `shift`."""
    rng = np.random.default_rng([key, seed])
    scores = rng.normal(size=40) + shift * (np.array(record.kinds) != "good")
    facts = {"n_training": 14, "seconds": 1.0, "inspection_seconds": 0.01, "peak_memory": 2**28}
    changed = {"data": data, "method": method, "value": None, "seed": seed, "facts": facts}
    return replace(record, **changed, scores={"squared_error": scores.tolist()}, environment=ENVIRONMENT)


ENVIRONMENT = {"versions": {"urushi": "1"}, "commit": "abc", "is_dirty": False, "machine": "m", "date": "2026-01-01"}


def stopped(data, method, seed=0):
    return Failure(1, "k", data, method, None, seed, "stopped", "stopped: its 5 s were used up", 5.2, 5.0)


@pytest.fixture
def records(record):
    """Three recipes on three data sets: one finds all, one most, one guesses."""
    shifts = {"sharp": 6.0, "fair": 2.0, "guess": 0.0}
    return [
        made(record, data, method, shift, key=10 * i + j)
        for i, data in enumerate(("a", "b", "c"))
        for j, (method, shift) in enumerate(shifts.items())
    ]


def cells_of(records, failures=()):
    places = dict.fromkeys([(one.data, one.method) for one in (*records, *failures)])
    return [
        cell(
            *place,
            RULE,
            [one for one in records if (one.data, one.method) == place],
            [one for one in failures if (one.data, one.method) == place],
        )
        for place in places
    ]


def test_the_best_of_three_is_told_and_the_rest_is_ranked(records):
    found = verdict(cells_of(records), records)
    assert list(found.ranks) == ["sharp", "fair", "guess"]
    assert found.friedman is not None
    assert found.friedman.p_value < 0.06  # of three on three nothing smaller is possible than 0.0498
    pairs = {(one.first, one.second): one for one in found.pairs}
    assert pairs["sharp", "guess"].corrected_p < 0.01
    assert all(one.corrected_p >= one.found.p_value for one in found.pairs)
    assert headline(found, 3).startswith("sharp ranks best on 3 data sets, mean rank 1.00 of 3")


def test_what_was_stopped_has_no_rank_but_its_place_in_every_table(records):
    kept = [one for one in records if (one.data, one.method) != ("b", "fair")]
    cells = cells_of(kept, [stopped("b", "fair")])
    found = verdict(cells, kept)
    assert list(found.ranks) == ["sharp", "guess"]
    assert found.left_out == ("fair",)
    assert "there are 2 recipes" in found.reason
    by_title = {one.title: one for one in tables(cells, found)}
    assert next(row for row in by_title["All recipes"].rows if row[0] == "fair")[4] == "stopped"
    assert ("fair", "stopped") in {row[:2] for row in by_title["b"].rows}
    assert by_title["Not measured"].rows == (("fair", "b", "0", "stopped", "5", "stopped: its 5 s were used up"),)
    (line,) = [
        one for one in csv.DictReader(io.StringIO(as_csv(cells))) if (one["recipe"], one["data"]) == ("fair", "b")
    ]
    assert (line["roc_auc"], line["reason"]) == ("", "stopped: its 5 s were used up")


def test_figures_are_means_over_repeats(record):
    repeats = [made(record, "a", "fair", 2.0, seed=seed) for seed in range(3)]
    found = cell("a", "fair", RULE, repeats, [])
    alone = [cell("a", "fair", RULE, [one], []) for one in repeats]
    for name in ("roc_auc", "recall", "false_alarms"):
        assert found.figures[name].value == pytest.approx(np.mean([one.figures[name].value for one in alone]))
    assert found.repeats == 3
    assert len(set(found.by_repeat)) == 3


def test_recall_and_false_alarms_are_those_of_the_threshold_from_held_out_images(record):
    one = made(record, "a", "fair", 2.0)
    limit = max(one.held_out["squared_error"])  # thirty of them: 5 % would be one and a half
    scores, is_good = np.array(one.scores["squared_error"]), np.array(one.kinds) == "good"
    found = cell("a", "fair", RULE, [one], [])
    assert found.stated_rate == pytest.approx(1 / 31)
    assert found.figures["recall"].value == pytest.approx((scores > limit)[~is_good].mean())
    assert found.figures["false_alarms"].value == pytest.approx((scores > limit)[is_good].mean())
    assert (
        found.figures["false_alarms"].low <= found.figures["false_alarms"].value <= found.figures["false_alarms"].high
    )


def test_examples_are_defects_and_one_that_is_missed_is_among_them(records):
    own = [one for one in records if one.data == "a"]
    limits = {one.method: max(one.held_out["squared_error"]) for one in own}
    found = chosen(own, limits)
    assert len(found) == 3
    assert all(own[0].kinds[own[0].sources.index(source)] != "good" for source in found)
    missed = next(source for source, why in found.items() if why.startswith("missed by"))
    at = own[0].sources.index(missed)
    n = sum(one.scores["squared_error"][at] <= limits[one.method] for one in own)
    assert found[missed] == f"missed by {n} recipe{'s' * (n != 1)} of 3"


def test_latex_has_no_letters_that_latex_takes_for_its_own(records):
    written = as_latex(tables(cells_of(records), verdict(cells_of(records), records)))
    assert written.count(r"\begin{tabular}") == written.count(r"\bottomrule") == 5
    assert not re.search(r"(?<!\\)[%#_]", written)
    assert "−" not in written


def test_the_diagram_lies_within_its_frame():
    ranks = {f"recipe number {n}": 1 + n for n in range(12)}
    drawn = diagram(ranks, [(0, 4), (3, 9), (8, 11)], 4.2)
    xs = [one.x for one in drawn.marks] + [x for x, *_ in drawn.bars] + [drawn.ruler[1]]
    assert all(0 <= x <= drawn.width for x in xs)
    assert all(0 <= one.y <= drawn.height for one in drawn.marks)
    assert [one.x for one in drawn.marks] == sorted(one.x for one in drawn.marks)


def test_the_plan_names_data_sets_apart_and_unknown_recipes_are_refused(folder):
    places, problems = datasets_in(folder)
    assert (places, problems) == ([folder / "waves"], [])
    plan = planned([folder / "waves", folder / "waves"][:1], ["pixel-pca", str(folder / "recipe.toml")], 2)
    assert [one.name for one in plan.methods] == ["pixel-pca", "recipe"]
    assert len(list(plan.runs())) == 4
    with pytest.raises(RecipeError, match="pixel-pca"):
        planned([folder / "waves"], ["pixel-pcb"], 1)
    with pytest.raises(InputError, match="twice"):
        planned([folder / "waves", folder / "waves"], ["pixel-pca"], 1)
    with pytest.raises(InputError, match="twice"):
        planned([folder / "waves"], ["pixel-pca", "pixel-pca"], 1)


class Failing:
    """An engine with which every job fails."""

    n_parallel = 1

    def run(self, jobs, begun):
        for job in jobs:
            begun(job)
            yield job, Outcome("failed", 1.0, reason="this needs timm, which is not installed")


@pytest.mark.thorough
def test_a_comparison_writes_all_files_and_goes_on(folder, here, tmp_path):
    (tmp_path / "slow.toml").write_text((folder / "recipe.toml").read_text())
    plan = planned([folder / "waves"], [str(folder / "recipe.toml"), str(tmp_path / "slow.toml")], 1)
    found, said = compare(plan, tmp_path / "out", lambda _: None, here)
    assert len(found.records) == 2
    assert said in (tmp_path / "out/comparison.md").read_text()
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count("data:image/webp") >= 2 * 3  # two defects or three, each as it is and by two recipes
    assert "Friedman’s test" not in page  # of two recipes on one data set there is none
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("comparison.*")}
    assert len(before) == 5
    compare(plan, tmp_path / "out", lambda step: pytest.fail(step.state) if step.state != "kept" else None, Failing())
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "out").glob("comparison.*")}
    assert json.loads(before["comparison.json"])["format"] == 1


@pytest.mark.thorough
def test_a_comparison_of_which_nothing_could_be_measured_says_so(folder, tmp_path):
    plan = planned([folder / "waves"], ["pixel-pca", "default"], 1)
    found, said = compare(plan, tmp_path / "out", lambda _: None, Failing())
    assert found.records == ()
    assert said == "No recipe was measured on all data sets, so none are ranked."
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count("this needs timm, which is not installed") == 2
