"""Plant conditions and products, as a user meets them on the command line."""

import json
import shutil

import pytest
from test_calibrate import schema

from urushi.detector import Detector

PLANT = ("--prevalence", 0.02, "--escape-cost", 50, "--false-alarm-cost", 1)


@pytest.fixture(scope="module")
def scans(dataset, tmp_path_factory):
    """The good images of the weave as scans: eight products of three."""
    folder = tmp_path_factory.mktemp("scans")
    for place, file in enumerate(sorted((dataset / "train" / "good").iterdir())):
        shutil.copy(file, folder / f"item-{place // 3}_scan-{place % 3}.png")
    return folder


@pytest.mark.thorough
def test_the_figures_of_a_plant_are_printed_written_and_shown(urushi, detector, dataset, tmp_path):
    report, figures = tmp_path / "report.html", tmp_path / "figures.json"
    result = urushi("evaluate", detector, dataset, *PLANT, "--json", figures, "--report", report)
    assert result.status == 0
    assert "per 1,000 parts, 2 % of them defective; an escape costs 50, a false alarm 1" in result.out
    of_plant = result.out[result.out.index("per 1,000 parts") :].splitlines()
    assert max(map(len, of_plant)) <= 80
    found = json.loads(figures.read_text())
    schema("evaluation").validate(found)
    counts, plant = found["counts"], found["plant"]["figures"]
    rate = counts["fp"] / (counts["fp"] + counts["tn"])
    assert plant["false_alarms_per_1000"]["value"] == pytest.approx(980 * rate)
    assert plant["least_cost_threshold"]["value"] is not None
    page = report.read_text()
    assert "Threshold of least cost" in page
    assert "2 % of them defective" in page


def test_without_a_prevalence_there_are_none_and_costs_alone_are_refused(urushi, detector, dataset, tmp_path):
    figures = tmp_path / "figures.json"
    assert "per 1,000" not in urushi("evaluate", detector, dataset, "--json", figures).out
    assert json.loads(figures.read_text())["plant"] is None
    result = urushi("evaluate", detector, dataset, "--escape-cost", 5, "--false-alarm-cost", 1)
    assert result.status != 0
    assert "give --prevalence, too" in result.err


def test_calibrate_says_what_each_rule_would_cost(urushi, detector, defects):
    result = urushi("calibrate", detector, *PLANT, "--defects", defects)
    assert result.status == 0
    assert "least_cost" in result.out
    assert "2 % of them defective" in result.out
    found = json.loads(urushi("calibrate", detector, *PLANT, "--defects", defects, "--json").out)
    schema("calibration").validate(found)
    costs = {rule: one["cost_per_1000"]["value"] for rule, one in found["plant"]["rules"].items()}
    assert costs["least_cost"] == min(costs.values())


def test_calibrate_without_defects_knows_the_side_of_false_alarms_only(urushi, detector):
    result = urushi("calibrate", detector, *PLANT)
    assert "escapes, precision and the whole cost need images of defects: --defects DIR" in result.err
    assert "their cost" in result.out
    found = json.loads(urushi("calibrate", detector, *PLANT, "--json").out)
    schema("calibration").validate(found)
    assert found["plant"]["rules"]["now"]["cost_per_1000"]["reason"].startswith("needs images of defects")


def test_the_threshold_of_least_cost_can_be_chosen(urushi, detector, defects):
    result = urushi("calibrate", detector, "--rule", "least-cost", *PLANT, "--defects", defects)
    assert result.status == 0
    assert "saves over passing them all" in result.out
    assert Detector.load(detector).threshold.rule == "least_cost"
    result = urushi("calibrate", detector, "--rule", "quantile", *PLANT)
    assert "go with --rule least-cost" in result.err


def test_products_are_said_kept_and_counted(urushi, quick, scans, tmp_path):
    part = tmp_path / "scans.urushi"
    result = urushi("fit", scans, "-o", part, "--group-by", r"item-(\d+)", *quick)
    assert result.status == 0
    assert "24 images of 8 products, 3 of each: no product is divided" in result.out
    assert Detector.load(part).threshold.n_groups == 8
    assert "24 held-out normals of 8 products" in urushi("calibrate", part).out
    schema("calibration").validate(json.loads(urushi("calibrate", part, "--json").out))


def test_a_grouping_that_tells_nothing_is_an_error(urushi, quick, scans, tmp_path):
    result = urushi("fit", scans, "-o", tmp_path / "scans.urushi", "--group-by", "item", *quick)
    assert result.status != 0
    assert "parentheses must say which part of it names the product" in result.err
    result = urushi("fit", scans, "-o", tmp_path / "scans.urushi", "--group-by", "(part)", *quick)
    assert "24 of 24 images belong to no product, by the pattern '(part)'; the first:" in result.err
    result = urushi("fit", "--remove", tmp_path / "x.urushi", scans, "--group-by", "folder")
    assert "--group-by goes with --add" in result.err
