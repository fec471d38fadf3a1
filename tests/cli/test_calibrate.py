import pytest

from urushi.detector import Detector


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
        (["-o", "nowhere/x.urushi"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_and_the_file_stays(urushi, detector, arguments, message):
    content = detector.read_bytes()
    result = urushi("calibrate", detector, *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert "unexpected" not in result.err
    assert detector.read_bytes() == content
