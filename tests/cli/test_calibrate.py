import json
from importlib import resources

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from urushi import catalogue
from urushi.detector import Detector
from urushi.detector_file import archive


def schema(name):
    files = [json.loads(path.read_text("utf-8")) for path in resources.files("urushi.cli").glob("*.schema.json")]
    known = {one["$id"]: one for one in files}
    registry = Registry().with_resources((key, Resource.from_contents(one)) for key, one in known.items())
    return Draft202012Validator(known[f"urn:urushi:{name}:1"], registry=registry)


def threshold_of(path):
    return Detector.load(path).threshold


def test_a_higher_rate_lowers_the_threshold_in_the_file(urushi, detector):
    before = threshold_of(detector)
    result = urushi("calibrate", detector, "--false-alarm-rate", 0.2)
    after = threshold_of(detector)
    assert result.status == 0
    assert after.value < before.value
    assert after.rule == "conformal"
    assert after.false_alarm_rate == pytest.approx(0.2)
    assert f"{before.value:.6g} -> {after.value:.6g}" in result.out


def test_calibrating_anew_is_like_having_fitted_with_that_rate(urushi, detector, good):
    scores = Detector.load(detector).held_out.scores
    urushi("calibrate", detector, "--false-alarm-rate", 0.2)
    calibrated = Detector.load(detector)
    assert calibrated.held_out.scores == scores
    assert calibrated.recipe.threshold.options == {"false_alarm_rate": 0.2}
    above = sum(score > calibrated.threshold.value for score in scores)
    assert (above + 1) / (len(scores) + 1) == pytest.approx(0.2, abs=1 / (len(scores) + 1))


def test_another_file_leaves_the_old_one_as_it_is(urushi, detector, tmp_path):
    content = detector.read_bytes()
    result = urushi("calibrate", detector, "--rule", "quantile", "--set", "quantile=0.9", "-o", tmp_path / "new.urushi")
    assert result.status == 0
    assert detector.read_bytes() == content
    assert threshold_of(tmp_path / "new.urushi").rule == "quantile"


@pytest.mark.parametrize(("rule", "name"), [("g-mean", "g_mean"), ("g_mean", "g_mean"), ("f1", "f1")])
def test_labelled_defects_can_set_the_threshold(urushi, detector, defects, good, rule, name):
    result = urushi("calibrate", detector, "--rule", rule, "--defects", defects)
    assert result.status == 0
    assert "finds 5 of 5 labelled defects" in result.out
    calibrated = Detector.load(detector)
    assert (calibrated.threshold.rule, calibrated.threshold.n_defects) == (name, 5)
    assert {item.decision for item in calibrated.inspect_many(sorted(defects.iterdir()))} == {"anomalous"}


def test_a_defect_that_cannot_be_read_is_listed_with_status_1(urushi, detector, defects, tmp_path):
    folder = tmp_path / "defects"
    folder.mkdir()
    (folder / "a.png").write_bytes((defects / "200.png").read_bytes())
    (folder / "b.png").write_bytes(b"")
    result = urushi("calibrate", detector, "--rule", "g-mean", "--defects", folder)
    assert result.status == 1
    assert "b.png: the file is empty (zero bytes)" in result.err
    assert "1 of 1 labelled defects" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--false-alarm-rate", 0.001], "needs at least 999 held-out normal images; there are 24"),
        (["--false-alarm-rate", 0], "threshold.false_alarm_rate = 0"),
        (["--rule", "g-mean"], "needs images of defects; give them with --defects DIR"),
        (["--rule", "g-means"], "did you mean 'g_mean'"),
        (["--rule", "quantile", "--set", "quantil=0.5"], "threshold.quantil is unknown; did you mean 'quantile'"),
        (["--rule", "quantile", "--set", "quantile"], "written section.key=value"),
        (["--set", "name=x"], "calibration has no 'x'"),
        (["--defects", "nowhere", "--rule", "f1"], "There is no folder"),
        (["--rule", "conformal", "-o", "nowhere/x.urushi"], "nowhere"),
        (["-o", "x.urushi"], "choose one with --rule or --false-alarm-rate"),
        (["--rule", "conformal", "--json"], "--json prints the table of all rules"),
        (["--warn-rate", 0.04], "no more than the false-alarm rate"),
        (["--warn-rate", 0.01], "warn rate of 0.01 needs at least 99 held-out normal images; there are 24"),
        (["--rule", "mean-deviation", "--warn-rate", 0.04, "--set", "k=0.1"], "not below the threshold"),
        (["--rule", "pareto"], "needs at least 20 of these; of 24 there are 4"),
        (["--warn-rate", 2], "threshold.warn_rate = 2"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_file_stays(urushi, detector, arguments, message):
    content = detector.read_bytes()
    result = urushi("calibrate", detector, *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert "unexpected" not in result.err
    assert detector.read_bytes() == content


def test_without_a_choice_every_rule_is_shown_and_nothing_is_changed(urushi, detector, defects):
    content = detector.read_bytes()
    result = urushi("calibrate", detector, "--defects", defects)
    assert (result.status, detector.read_bytes()) == (0, content)
    lines = {line.split()[1]: line for line in result.out.splitlines() if line.startswith("│")}
    unusable = " ".join(result.out.rpartition("┘")[2].split())
    for name in catalogue.names("urushi.calibration"):
        assert (name in lines) != (name in unusable.replace("'conformal'", ""))
    assert "4.00% approximate" in lines["conformal"]
    assert "0 of 24" in lines["conformal"]
    assert "5 of 5" in lines["g_mean"]
    assert "quantile cannot be used: " in unusable
    assert "there are 24" in unusable
    assert f"now conformal: {threshold_of(detector).value:.6g}" in result.out
    assert "Nothing was changed. Choose with --rule" in result.err


@pytest.mark.parametrize("has_defects", [False, True])
def test_the_table_fits_eighty_columns_with_what_can_be_used_first(urushi, detector, defects, monkeypatch, has_defects):
    monkeypatch.setenv("COLUMNS", "80")
    lines = urushi("calibrate", detector, *(["--defects", defects] if has_defects else [])).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    assert [line for line in lines if "…" in line] == []
    first = next(line for line in lines if line.startswith("│"))
    assert first.split()[1] == ("accuracy" if has_defects else "conformal")
    assert [line for line in lines if line.startswith("│") and not line.split()[1].isidentifier()] == []  # one each
    said = " ".join(" ".join(lines).rpartition("┘")[2].split())
    assert (
        "accuracy, f1, g_mean, recall, specificity, youden cannot be used: needs labelled defects" in said
        or has_defects
    )


def test_the_table_for_programs_is_as_its_schema_says(urushi, detector, defects, tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.png").write_bytes((defects / "200.png").read_bytes())
    (tmp_path / "some" / "b.png").write_text("no image")
    for arguments, status, n_defects in [([], 0, 0), (["--defects", tmp_path / "some"], 1, 1)]:
        result = urushi("calibrate", detector, "--json", *arguments)
        found = json.loads(result.out)
        schema("calibration").validate(found)
        assert (result.status, found["n_defects"], found["n_normals"]) == (status, n_defects, 24)
        assert (found["method"], found["advice"]) == ("cross", None)
        rows = {row["rule"]: row for row in found["rules"]}
        assert rows["conformal"]["threshold"] == found["threshold"]
        assert rows["conformal"]["n_defects_found"] == (n_defects or None)
        assert (rows["g_mean"]["threshold"] is None) == (n_defects == 0)
    broken = {**found, "rules": [{**rows["conformal"], "threshold": None}]}
    assert not schema("calibration").is_valid(broken)


def test_what_the_table_shows_is_what_a_choice_gives(urushi, detector, defects):
    rows = json.loads(urushi("calibrate", detector, "--json", "--defects", defects).out)["rules"]
    for row in rows:
        if row["rule"] not in ("part_average", "pareto", "youden"):  # the others are in tests/calibration
            continue
        result = urushi("calibrate", detector, "--rule", row["rule"], "--defects", defects)
        if row["threshold"] is None:
            assert (result.status, row["reason"] in result.err) == (2, True)
        else:
            assert threshold_of(detector).to_json() == row["threshold"]


def test_a_band_is_added_to_the_rule_that_is_there_and_goes_with_a_new_one(urushi, detector):
    urushi("calibrate", detector, "--rule", "mean-deviation", "--set", "k=4")
    before = threshold_of(detector)
    result = urushi("calibrate", detector, "--warn-rate", 0.5)
    banded = threshold_of(detector)
    assert (banded.rule, banded.value, banded.warn_rate) == ("mean_deviation", before.value, 12 / 25)
    assert "good parts will be unsure or anomalous on average. The rate is approximate" in result.out
    assert Detector.load(detector).recipe.threshold.options == {"k": 4, "warn_rate": 0.5}
    result = urushi("calibrate", detector, "--false-alarm-rate", 0.2)
    assert "no image will be unsure any more" in result.err
    assert threshold_of(detector).warn_value is None


def test_a_file_from_before_bands_is_read_with_what_its_rate_was_worth(detector, tmp_path):
    members, card = archive.read(detector)
    calibration = json.loads(members["calibration.json"])
    for key in ("rate_kind", "warn_value", "warn_rate"):
        del calibration["threshold"][key]
    members["calibration.json"] = json.dumps(calibration).encode()
    del members["card.json"]  # written anew, with its digests
    archive.write(tmp_path / "old.urushi", members, card)
    old = threshold_of(tmp_path / "old.urushi")
    assert old.rate_kind == "approximate"
    assert old == threshold_of(detector)
