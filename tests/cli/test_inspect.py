import csv
import io
import json
import shutil
import sys
from importlib import resources

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError
from PIL import Image

from urushi.data import limits
from urushi.detector import Detector


def schema(name: str) -> Draft202012Validator:
    loaded = json.loads((resources.files("urushi.cli") / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


@pytest.fixture
def mixed(tmp_path, good, defects):
    """A folder with a good image, a scratched one and a text that is no image."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(good / "100.png", folder / "a good one.png")
    shutil.copy(defects / "200.png", folder / "b.png")
    (folder / "c.png").write_text("no image")
    (folder / "notes.txt").write_text("left alone")
    return folder


def test_good_images_are_done_with_status_0(urushi, fitted, good):
    result = urushi("inspect", fitted, good)
    assert result.status == 0
    assert len(result.out.splitlines()) == 7
    assert "6 normal, 0 anomalous, 0 not read" in result.err


def test_the_table_has_one_line_per_image_that_was_inspected(urushi, fitted, mixed):
    result = urushi("inspect", fitted, mixed)
    header, normal, anomalous = result.out.splitlines()
    assert "score" in header
    assert "p-value" in header
    assert normal.split()[0] == "ok"
    assert normal.endswith("a good one.png")
    assert anomalous.split()[0] == "ANOMALY"
    assert float(anomalous.split()[1]) > float(normal.split()[1])


@pytest.mark.parametrize(
    ("is_terminal", "variables", "is_coloured"),
    [(True, {}, True), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False), (False, {}, False)],
)
def test_an_anomaly_is_red_on_a_terminal_that_shows_colours(
    urushi, fitted, mixed, monkeypatch, is_terminal, variables, is_coloured
):
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    _, normal, anomalous = urushi("inspect", fitted, mixed).out.splitlines()
    assert "\x1b" not in normal
    assert anomalous.startswith("\x1b[31m\x1b[1mANOMALY\x1b[0m   " if is_coloured else "ANOMALY   ")
    assert len(anomalous.replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "").split()) == len(normal.split()) - 2


def test_an_image_that_cannot_be_read_is_listed_on_stderr_with_status_1(urushi, fitted, mixed):
    result = urushi("inspect", fitted, mixed)
    assert result.status == 1
    assert f"not read: {mixed / 'c.png'}: not an image" in result.err
    assert "c.png" not in result.out
    assert "1 normal, 1 anomalous, 1 not read" in result.err
    assert "1 other file was left alone" in result.err


@pytest.mark.parametrize("output_format", ["table", "json", "csv"])
def test_an_anomaly_is_status_3_only_where_asked_for(urushi, fitted, good, defects, output_format):
    assert urushi("inspect", fitted, defects, "--format", output_format).status == 0
    assert urushi("inspect", fitted, defects, "--format", output_format, "--fail-on-anomaly").status == 3
    assert urushi("inspect", fitted, good, "--format", output_format, "--fail-on-anomaly").status == 0


def test_limits_of_an_image_can_be_set_for_every_command(urushi, fitted, good, monkeypatch):
    monkeypatch.setattr(limits, "_limits", limits._Limits())
    result = urushi("--max-megapixels", "0.004", "inspect", fitted, good / "100.png")
    assert result.status == 1
    assert "too large: 64 × 64 = 4096 pixels, the limit is 4000" in result.err
    assert urushi("--max-megapixels", "0.005", "inspect", fitted, good / "100.png").status == 0


def test_an_anomaly_outweighs_an_unreadable_image(urushi, fitted, mixed):
    assert urushi("inspect", fitted, mixed, "--fail-on-anomaly").status == 3


def test_json_is_as_its_schema_says(urushi, fitted, mixed):
    result = urushi("inspect", fitted, mixed, "--format", "json")
    found = json.loads(result.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    schema("inspection").validate(found)
    assert [entry["decision"] for entry in found["results"]] == ["normal", "anomalous"]
    assert [entry["source"] for entry in found["unreadable"]] == [str(mixed / "c.png")]
    assert found["results"][1]["regions"]


def test_json_without_any_readable_image_is_as_its_schema_says(urushi, fitted, tmp_path):
    (tmp_path / "x.png").write_text("no image")
    result = urushi("inspect", fitted, tmp_path / "x.png", "--format", "json")
    found = json.loads(result.out)
    schema("inspection").validate(found)
    assert (result.status, found["results"], len(found["unreadable"])) == (1, [], 1)


def test_the_schema_refuses_what_it_does_not_know(urushi, fitted, good):
    found = json.loads(urushi("inspect", fitted, good / "100.png", "--format", "json").out)
    for change in ({"decision": "fine"}, {"score": None}, {"colour": 1}, {"p_value": 0}):
        with pytest.raises(ValidationError):
            schema("inspection").validate({**found, "results": [{**found["results"][0], **change}]})


def test_what_the_command_line_says_is_what_the_library_says(urushi, fitted, mixed):
    found = json.loads(urushi("inspect", fitted, mixed, "--format", "json").out)
    for entry in found["results"]:
        inspected = Detector.load(fitted).inspect(entry["source"])
        assert entry["score"] == pytest.approx(inspected.score, rel=1e-5)
        assert entry["p_value"] == inspected.p_value
        assert entry["threshold"] == found["threshold"]["value"] == inspected.threshold


def test_a_region_lies_where_the_scratch_is(urushi, fitted, defects):
    found = json.loads(urushi("inspect", fitted, defects / "200.png", "--format", "json").out)
    region = found["results"][0]["regions"][0]
    assert region["x"] <= 32 < region["x"] + region["width"]  # the scratch covers x 24…39, y 20…33
    assert region["y"] <= 27 < region["y"] + region["height"]


def test_csv_has_a_row_for_every_image_read_or_not(urushi, fitted, mixed):
    mixed.joinpath('d "quoted", and\nbroken.png').write_bytes((mixed / "b.png").read_bytes())
    result = urushi("inspect", fitted, mixed, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.out, newline="")))
    assert [row["decision"] for row in rows] == ["normal", "anomalous", "", "anomalous"]
    assert rows[2]["reason"].startswith("not an image")
    assert rows[3]["source"] == str(mixed / 'd "quoted", and\nbroken.png')
    for row in (rows[0], rows[1], rows[3]):
        assert 0 < float(row["p_value"]) <= 1
        assert (float(row["score"]) > float(row["threshold"])) == (row["decision"] == "anomalous")
        assert row["reason"] == ""
    assert int(rows[1]["n_regions"]) >= 1


def test_a_name_in_csv_is_neither_a_formula_nor_obeyed_by_a_terminal(urushi, fitted, good, monkeypatch, tmp_path):
    (tmp_path / "names").mkdir()
    for name in ("=1+1.png", "@a.png", "\x1b[2J.png"):
        (tmp_path / "names" / name).write_bytes((good / "100.png").read_bytes())
    (tmp_path / "names" / "-1.png").write_text("no image")
    monkeypatch.chdir(tmp_path / "names")
    out = urushi(
        "inspect", fitted, "--format", "csv", "--", *sorted(path.name for path in (tmp_path / "names").iterdir())
    ).out
    sources = {row["source"] for row in csv.DictReader(io.StringIO(out, newline=""))}
    assert sources == {"'=1+1.png", "'@a.png", r"\x1b[2J.png", "'-1.png"}


def test_results_come_in_the_order_in_which_images_were_given(urushi, fitted, good):
    paths = [good / name for name in ("103.png", "100.png", "102.png")]
    found = json.loads(urushi("inspect", fitted, *paths, good / "101.png", "--format", "json").out)
    assert [entry["source"] for entry in found["results"]] == [str(path) for path in [*paths, good / "101.png"]]


def test_maps_are_written_one_for_each_inspected_image(urushi, fitted, mixed, tmp_path):
    result = urushi("inspect", fitted, mixed, "--maps", "--out", tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "maps").iterdir())
    assert names == ["000000-a_good_one.png", "000001-b.png"]
    normal, anomalous = (np.asarray(Image.open(tmp_path / "out" / "maps" / name)) for name in names)
    assert normal.shape == anomalous.shape
    assert normal.shape[0] == normal.shape[1] >= 64
    assert np.ptp(anomalous.astype(int), axis=2).max() > np.ptp(normal.astype(int), axis=2).max()  # the more colour
    assert "2 overlays" in result.err


def test_a_report_tells_of_every_image(urushi, fitted, mixed, tmp_path):
    result = urushi("inspect", fitted, mixed, "--report", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert result.status == 1
    for name in ("a good one.png", "b.png", "c.png"):
        assert name in page
    assert f"report: {tmp_path / 'out' / 'report.html'}" in result.err


def test_nothing_is_written_unless_asked_for(urushi, fitted, good, tmp_path):
    before = set(tmp_path.rglob("*"))
    urushi("inspect", fitted, good)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("output_format", ["table", "json", "csv"])
def test_with_a_wrong_path_nothing_is_printed_as_a_result(urushi, fitted, good, tmp_path, output_format):
    result = urushi("inspect", fitted, good, tmp_path / "nowhere", "--format", output_format)
    assert result.status == 2
    assert result.out == ""
    assert "There is no file or folder" in result.err
    assert "nowhere" in result.err


def test_an_empty_folder_is_wrong_input(urushi, fitted, tmp_path):
    (tmp_path / "empty").mkdir()
    result = urushi("inspect", fitted, tmp_path / "empty", "--format", "json")
    assert (result.status, result.out) == (2, "")
    assert f"no images below {tmp_path / 'empty'}" in result.err


@pytest.mark.parametrize("what", ["--maps", "--report"])
def test_a_place_for_results_that_is_a_file_is_wrong_input(urushi, fitted, good, tmp_path, what):
    (tmp_path / "out").touch()
    result = urushi("inspect", fitted, good, what, "--out", tmp_path / "out")
    assert (result.status, result.out) == (2, "")
    assert "cannot be made" in result.err


def test_a_report_that_cannot_be_written_is_wrong_input(urushi, fitted, good, tmp_path):
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    result = urushi("inspect", fitted, good, "--report", "--out", tmp_path / "out")
    assert result.status == 2
    assert "report.html: Is a directory" in result.err
    assert "unexpected" not in result.err


def test_nothing_but_results_goes_to_stdout(urushi, fitted, good, defects, tmp_path):
    result = urushi("inspect", fitted, good, defects, "--format", "json", "--maps", "--report", "--out", tmp_path)
    assert len(json.loads(result.out)["results"]) == 11
    assert [line.split()[0] for line in result.err.splitlines()] == ["reading", "11", "runs", "6", "11", "report:"]


@pytest.fixture
def wide(tmp_path, defects):
    """A scratched image three times as wide and twice as high."""
    path = tmp_path / "wide.png"
    Image.open(defects / "200.png").resize((192, 128), Image.Resampling.NEAREST).save(path)
    return path


@pytest.mark.parametrize("suffix", ["npy", "tiff"])
def test_maps_are_written_as_they_were_computed(urushi, fitted, wide, tmp_path, suffix):
    result = urushi("inspect", fitted, wide, "--maps-as", suffix, "--out", tmp_path / "out")
    assert "1 anomaly maps in " in result.err
    path = tmp_path / "out" / "maps" / f"000000-wide.{suffix}"
    written = np.load(path, allow_pickle=False) if suffix == "npy" else np.asarray(Image.open(path))
    expected = Detector.load(fitted).inspect(wide).anomaly_map
    assert written.dtype == np.float32
    np.testing.assert_allclose(written, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert [one.name for one in (tmp_path / "out" / "maps").iterdir()] == [path.name]


def test_masks_mark_the_regions_in_the_size_of_the_image(urushi, fitted, wide, good, tmp_path):
    result = urushi("inspect", fitted, wide, good / "100.png", "--masks", "--out", tmp_path / "out", "--format", "json")
    assert "2 masks in " in result.err
    scratched, plain = json.loads(result.out)["results"]
    masks = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "out" / "masks").iterdir())]
    assert [mask.shape for mask in masks] == [(128, 192), (64, 64)]
    assert set(np.unique(masks[0])) == {0, 255}
    marked = np.zeros((128, 192), bool)
    for box in scratched["regions"]:
        marked[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]] = True
    assert not masks[0][~marked].any()
    assert (masks[0] > 0).sum() == sum(box["area_px"] for box in scratched["regions"])
    assert (masks[1] > 0).sum() == sum(box["area_px"] for box in plain["regions"])


def test_csv_has_the_boxes_of_the_regions(urushi, fitted, wide):
    found = json.loads(urushi("inspect", fitted, wide, "--format", "json").out)["results"][0]
    (row,) = csv.DictReader(io.StringIO(urushi("inspect", fitted, wide, "--format", "csv").out, newline=""))
    boxes = [tuple(map(float, box.split())) for box in row["boxes"].split(";")]
    names = ("x", "y", "width", "height", "peak")
    assert len(boxes) == int(row["n_regions"]) > 0
    assert (row["defect_type"], row["reason"], row["caution"]) == ("", "", found["caution"] or "")
    assert boxes == [pytest.approx([box[name] for name in names], rel=1e-4) for box in found["regions"]]


def test_a_terminal_cannot_be_taken_over_by_a_name(urushi, fitted, good, tmp_path):
    evil = tmp_path / "\x1b[31mred\n.png"
    shutil.copy(good / "100.png", evil)
    (tmp_path / "\x1b[2Jbad.png").write_text("no image")
    result = urushi("inspect", fitted, evil, tmp_path / "\x1b[2Jbad.png", "--maps", "--out", tmp_path / "out")
    assert "\x1b" not in result.out + result.err
    assert len(result.out.splitlines()) == 2
    assert "\\x1b[31mred\\n.png" in result.out
    assert [path.name for path in (tmp_path / "out" / "maps").iterdir()] == ["000000-__31mred_.png"]


@pytest.fixture
def banded(urushi, detector):
    """A detector with which nearly half of the good images are unsure."""
    assert urushi("calibrate", detector, "--warn-rate", 0.5).status == 0
    return detector


def test_in_a_band_images_are_unsure_in_every_output(urushi, banded, good, defects):
    result = urushi("inspect", banded, good, defects, "--format", "json", "--fail-on-anomaly")
    found = json.loads(result.out)
    schema("inspection").validate(found)
    warn, value = found["threshold"]["warn_value"], found["threshold"]["value"]
    decisions = [entry["decision"] for entry in found["results"]]
    assert {"unsure", "anomalous"} <= set(decisions)
    for entry in found["results"]:
        expected = "anomalous" if entry["score"] > value else "unsure" if entry["score"] > warn else "normal"
        assert (entry["decision"], entry["warn_threshold"]) == (expected, warn)
        assert (entry["p_value"] <= 0.5) == (entry["decision"] != "normal")
    rows = csv.DictReader(io.StringIO(urushi("inspect", banded, good, defects, "--format", "csv").out, newline=""))
    assert [row["decision"] for row in rows] == decisions
    table = urushi("inspect", banded, good, defects)
    marks = {"normal": "ok", "unsure": "unsure", "anomalous": "ANOMALY"}
    assert [line.split()[0] for line in table.out.splitlines()[1:]] == [marks[decision] for decision in decisions]
    assert f"unsure above {warn:.6g}" in table.out.splitlines()[0]
    assert f" normal, {decisions.count('unsure')} unsure, {decisions.count('anomalous')} anomalous" in table.err
    assert (result.status, table.status) == (3, 0)


def test_an_unsure_image_is_no_anomaly_to_fail_on(urushi, banded, good, tmp_path):
    found = json.loads(urushi("inspect", banded, good, "--format", "json").out)["results"]
    unsure = [entry["source"] for entry in found if entry["decision"] == "unsure"]
    result = urushi("inspect", banded, *unsure, "--fail-on-anomaly", "--report", "--out", tmp_path / "out")
    assert result.status == 0
    assert (tmp_path / "out" / "report.html").read_text("utf-8").count('class="decision unsure"') == len(unsure) > 0


def test_a_batch_is_decided_together(urushi, fitted, good, defects, tmp_path):
    paths = [*sorted(defects.iterdir()), *sorted(good.iterdir())[:3], tmp_path / "c.png"]
    (tmp_path / "c.png").write_text("no image")
    arguments = ["--false-discovery-rate", 0.1, "--format", "json", "--fail-on-anomaly"]
    plain = urushi("inspect", fitted, *paths, *arguments)
    found = json.loads(plain.out)
    schema("inspection").validate(found)
    assert plain.status == 3
    assert [entry["decision"] for entry in found["results"]] == ["anomalous"] * 5 + ["normal"] * 3
    assert len(found["unreadable"]) == 1
    assert found["threshold"]["rule"] == "false_discovery_rate"
    assert "5 of 8 images are called anomalous: on average at most 10 %" in found["threshold"]["explanation"]
    assert "at least 4 images are called anomalous or none" in plain.err  # 8 / (0.1 · 25) = 3.2
    assert "approximate" in plain.err
    shown = urushi("inspect", fitted, *paths, *arguments, "--maps", "--report", "--out", tmp_path / "out")
    assert json.loads(shown.out) == found
    assert len(list((tmp_path / "out" / "maps").iterdir())) == 8
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert page.count('class="decision anomalous"') == 5


def test_a_lone_anomaly_that_so_few_normals_cannot_prove_is_none(urushi, banded, good, defects):
    lone = urushi("inspect", banded, defects / "200.png", good, "--false-discovery-rate", 0.1)
    assert "ANOMALY" not in lone.out
    assert "either at least 3 images are called anomalous or none" in lone.err
    assert "unsure" not in lone.out  # the band of the detector is no part of it


@pytest.mark.parametrize(("rate", "message"), [(0.01, "needs at least 99 held-out"), (0, "above 0"), (1.5, "below 1")])
def test_a_rate_that_no_batch_can_keep_is_wrong_use(urushi, fitted, good, rate, message):
    result = urushi("inspect", fitted, good, "--false-discovery-rate", rate)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_a_batch_without_any_readable_image_is_like_any_other(urushi, fitted, tmp_path):
    (tmp_path / "x.png").write_text("no image")
    result = urushi("inspect", fitted, tmp_path / "x.png", "--format", "json", "--false-discovery-rate", 0.1)
    assert (result.status, json.loads(result.out)["results"]) == (1, [])
    too_low = urushi("inspect", fitted, tmp_path / "x.png", "--false-discovery-rate", 0.01)
    assert (too_low.status, too_low.out) == (2, "")  # said before an image is looked at
