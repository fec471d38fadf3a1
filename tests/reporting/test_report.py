import base64
import hashlib
import re
import stat
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi.errors import InputError
from urushi.evaluation.luminance import compare_luminances
from urushi.inspection import Inspection, MapScale, Region, Unreadable
from urushi.reporting.page import times
from urushi.reporting.report import DetectorFacts, Report

Inspect = Callable[..., Inspection]
Written = Callable[[Report], str]
DataOf = Callable[[str], dict[str, Any]]

HOSTILE = [
    "<script>alert(1)</script>.png",
    "</script><img src=x onerror=alert(1)>.png",
    "\"quoted\" 'and' & more.png",
    "line\nbreak\tand\x00null.png",
    "undecodable\udcff and lone\ud800.png",
    "right to left\u202egnp.exe",
    "{{ 7 * 7 }}{% raw %}.png",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_shown_and_harms_nothing(
    name: str, facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    report = Report(name, {**facts, "card": {name: name}}, labels={name: name})
    report.add(inspect(name))
    report.add_unreadable(Unreadable(name, name))
    page = written(report)
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img src=x" not in page
    assert not re.search("[\ud800-\udfff\u202e\x00]", page)
    assert data_of(page)["results"][0]["source"] == name


def test_page_asks_no_network(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    page = written(report)
    links = re.findall(r"""\b(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", page)
    assert all(link.startswith(("data:image/webp;base64,", "#")) for link in links)
    assert not re.search(r"https?://|@import|fetch\(|XMLHttpRequest", page)
    assert not re.search(r"url\((?!#)", page)
    assert "Content-Security-Policy\" content=\"default-src 'none'; img-src data:;" in page


def test_policy_allows_exactly_the_script_and_style_of_the_page(facts: DetectorFacts, written: Written) -> None:
    page = written(Report("shift", facts))
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)[0]
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
    for kind, source in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page
    assert not re.search(r"\s(?:style|on\w+)=", page.split("<body>")[1].split("<script")[0])


@pytest.mark.thorough
def test_pictures_are_kept_of_the_worst_images_only(
    facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    report = Report("shift", facts, n_shown=7)
    scores = np.random.default_rng(0).permutation(1000) / 1000
    for index, score in enumerate(scores):
        report.add(inspect(f"{index}.png", float(score)))
        assert len(report._gallery.cards()) <= 7
    page = written(report)
    shown = re.findall(r'<article [^>]*aria-label="(\d+)\.png"', page)
    assert [scores[int(index)] for index in shown] == sorted(scores)[::-1][:7]
    assert "The cards are of 7 of 1,000 inspected images" in page
    assert len(data_of(page)["results"]) == 1000


def test_earlier_of_equal_images_is_kept(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts, n_shown=2)
    for name in ("first", "second", "third"):
        report.add(inspect(name))
    assert re.findall(r'<article [^>]*aria-label="(\w+)"', written(report)) == ["first", "second"]


def test_missed_defect_is_shown_before_higher_scores(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("evaluation", facts, labels={"missed.png": "crack"}, n_shown=2)
    for name, score in (("missed.png", 0.1), ("a.png", 0.8), ("b.png", 0.9)):
        report.add(inspect(name, score))
    assert re.findall(r'<article [^>]*aria-label="([\w.]+)"', written(report)) == ["missed.png", "b.png"]


@pytest.mark.thorough
def test_a_hundred_noisy_images_stay_below_eight_megabytes(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    noise = np.random.default_rng(0).random((256, 256, 3), np.float32)
    wild = {"image": noise, "reconstruction": noise[::-1], "anomaly_map": noise[..., 0], "original_size": (900, 900)}
    report = Report("shift", facts, n_shown=10)
    for index in range(10):
        report.add(inspect(f"{index}.png", **wild))
    assert len(written(report)) * 10 < 8_000_000


def test_missing_reconstruction_leaves_no_hole_and_is_explained(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect(reconstruction=None))
    page = written(report)
    assert "<figcaption>reconstruction</figcaption>" not in page
    assert page.count("This method rebuilds features, not pixels") == 1
    assert page.count("No restored image: features are rebuilt, not pixels.") == 1


def test_reconstruction_is_shown_where_there_is_one(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    page = written(report)
    assert page.count("<figcaption>reconstruction</figcaption>") == 1
    assert "rebuilds features" not in page


def test_every_card_says_its_decision_in_words_and_symbol(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect(score=0.7))
    report.add(inspect(score=0.3))
    page = written(report)
    assert re.search(r'class="decision anomalous">.*▲</span> anomalous', page)
    assert re.search(r'class="decision normal">.*✓</span> normal', page)


def test_evaluation_names_missed_defects_and_false_alarms(
    facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    labels = {"a": "good", "b": "good", "c": "crack", "d": "crack"}
    report = Report("evaluation", facts, labels=labels)
    for source, score in (("a", 0.2), ("b", 0.8), ("c", 0.2), ("d", 0.8)):
        report.add(inspect(source, score))
    page = written(report)
    outcomes = {result["source"]: result["outcome"] for result in data_of(page)["results"]}
    assert outcomes == {"a": "passed", "b": "false alarm", "c": "missed", "d": "found"}
    assert page.count('<span class="outcome">missed</span>') == 1
    assert page.count('<span class="outcome">false alarm</span>') == 1


NO_LUMINANCE = {"groups": [], "warnings": []}


def test_metrics_and_defects_are_tabulated_and_undefined_ones_named(facts: DetectorFacts, written: Written) -> None:
    metrics = {
        "image ROC-AUC": {"value": 0.9, "low": 0.85, "high": 0.95},
        "AUPIMO": {"value": None, "low": None, "high": None},
        "image f1_max": {"value": 0.7, "low": None, "high": None},
    }
    rows = [{"defect": "crack", "images": 4, "ROC-AUC": 0.98765}, {"defect": "dent", "images": 1, "ROC-AUC": None}]
    evaluation = {"metrics": metrics, "per_defect": rows, "luminance": NO_LUMINANCE}
    page = written(Report("evaluation", facts), evaluation=evaluation)
    assert "0.850 to 0.950" in page
    assert "Best F1<span" in page
    assert "not defined" in page
    assert '<td class="num">0.700</td><td class="num">none</td>' in page
    assert '<td class="num">0.988</td>' in page


def test_brightness_that_separates_is_warned_of(facts: DetectorFacts, written: Written) -> None:
    found = compare_luminances(
        ("good", [0.5, 0.52, 0.51, 0.5, 0.52]), {"<dark>": [0.3, 0.31, 0.3, 0.31, 0.3], "dent": [0.5, 0.52, 0.51]}
    )
    shown = {"metrics": {}, "per_defect": [], "luminance": found.to_json()}
    page = written(Report("evaluation", facts), evaluation=shown)
    assert "Brightness alone tells &lt;dark&gt; from good: it is darker" in page
    assert page.count("Brightness alone tells") == 1


def test_nothing_inspected_gives_a_page_that_says_so(facts: DetectorFacts, written: Written, data_of: DataOf) -> None:
    page = written(Report("shift", facts))
    assert "No image was inspected." in page
    assert data_of(page)["counts"] == {"inspected": 0, "normal": 0, "unsure": 0, "anomalous": 0, "unreadable": 0}


def test_an_unsure_image_is_told_from_the_others_without_colour(
    facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    labels = {"a.png": "crack", "b.png": "good", "c.png": "crack"}
    report = Report("evaluation", {**facts, "warn_threshold": 0.3, "rate_kind": "approximate"}, labels=labels)
    report.add(inspect("a.png", 0.4, decision="unsure", warn_threshold=0.3))
    report.add(inspect("b.png", 0.35, decision="unsure", warn_threshold=0.3))
    report.add(inspect("c.png", 0.9, warn_threshold=0.3))
    page = written(report)
    assert re.findall(r'<p class="decision (\w+)"><span class="mark" aria-hidden="true">(.)</span> (\w+)', page) == [
        ("unsure", "?", "unsure"),
        ("anomalous", "▲", "anomalous"),
        ("unsure", "?", "unsure"),
    ]
    assert (data_of(page)["counts"]["unsure"], data_of(page)["counts"]["normal"]) == (2, 0)
    assert [result.get("outcome") for result in data_of(page)["results"]] == ["missed", "passed", "found"]
    assert "1 of them unsure" in page  # of the missed defects
    assert "of 1 good, 1 unsure" in page
    assert 'data-show="unsure"' in page
    assert '<line class="warn"' in page
    assert "between the dotted line at 0.3 and the threshold it is unsure" in page


def test_without_a_band_a_page_does_not_speak_of_one(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    assert "unsure" not in written(report).split("<body>")[1].split('<script type="application/json"')[0]


def test_only_unreadable_images_are_listed_with_reasons(facts: DetectorFacts, written: Written) -> None:
    report = Report("shift", facts)
    report.add_unreadable(Unreadable("a.png", "the file is empty (0 bytes)"))
    page = written(report)
    assert "The one image could not be read, so nothing was decided." in page
    assert "the file is empty (0 bytes)" in page


@pytest.mark.parametrize("calibration_scores", [[], [0.4]])
def test_hardly_any_calibration_score_is_enough_for_a_page(
    calibration_scores: list[float], facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", {**facts, "calibration_scores": calibration_scores})
    report.add(inspect())
    assert f'Inspected images <tspan class="count">{1}' in written(report)


def test_page_holds_no_nan(facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf) -> None:
    report = Report("shift", {**facts, "threshold": float("inf"), "card": {"loss": float("nan")}})
    report.add(inspect(p_value=float("nan"), anomaly_map=np.full((4, 4), np.nan, np.float32)))
    page = written(report)
    assert data_of(page)["detector"]["threshold"] is None
    assert not re.search(r"\b(nan|inf|infinity)\b", re.sub(r"base64,[^\"]+", "", page), re.IGNORECASE)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_score_that_is_not_finite_is_an_input_error(score: float, facts: DetectorFacts, inspect: Inspect) -> None:
    with pytest.raises(InputError, match=r"a\.png"):
        Report("shift", facts).add(inspect(score=score))


def test_maps_of_two_scales_in_one_report_are_an_input_error(facts: DetectorFacts, inspect: Inspect) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    with pytest.raises(InputError, match="one report per detector"):
        report.add(inspect(map_scale=MapScale(0.0, 1.0, 0.5)))


def test_negative_number_of_shown_images_is_an_input_error(facts: DetectorFacts) -> None:
    with pytest.raises(InputError, match="-1"):
        Report("shift", facts, n_shown=-1)


def test_no_pictures_at_all_is_a_report_too(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts, n_shown=0)
    report.add(inspect())
    page = written(report)
    assert "The cards are of 0 of 1 inspected image:" in page
    assert "<article" not in page


@pytest.mark.parametrize("original_size", [(1, 1), (1, 5000), (5000, 3), (8, 8)])
def test_any_original_size_can_be_shown(
    original_size: tuple[int, int], facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect(original_size=original_size))
    assert f"{original_size[1]} × {original_size[0]} px" in written(report)


def test_failed_write_leaves_the_old_report_and_no_draft(
    facts: DetectorFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("urushi.atomic_file.os.fsync", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        Report("shift", facts).write(path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("name", ["missing/report.html", "file/report.html"])
def test_unwritable_path_is_an_input_error(name: str, facts: DetectorFacts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        Report("shift", facts).write(tmp_path / name)


def test_written_file_is_as_readable_as_any_other_new_file(facts: DetectorFacts, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    Report("shift", facts).write(tmp_path / "report.html")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "report.html")}
    assert len(modes) == 1


def test_a_card_has_one_scale_in_units_of_the_decision(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect(score=0.73))
    page = written(report)
    assert '<b>1.46 × threshold</b> <span class="small">(0.73)</span>' in page
    assert '<td class="num">1.46 × limit</td>' in page
    assert "1 = limit of regions" in page


def test_a_normal_card_has_no_box_and_an_anomalous_one_says_what_its_box_is(
    facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    report = Report("shift", facts)
    report.add(inspect("normal.png", 0.4, places=(Region(8, 8, 8, 8, 64, 0.9),)))
    assert '<svg class="boxes"' not in written(report).split("<script")[0]
    report.add(inspect("whole.png", 0.8, places=(Region(8, 8, 8, 8, 64, 0.3),), beside_map="image"))
    page = written(report)
    assert page.split("<script")[0].count('<svg class="boxes"') == 1
    assert "The image as a whole decided" in page
    assert [bool(one["regions"]) for one in data_of(page)["results"]] == [False, True]


def test_a_roc_auc_below_chance_is_remarked_and_numbers_have_equal_digits(
    facts: DetectorFacts, written: Written
) -> None:
    rows = [{"defect": "crack", "images": 4, "ROC-AUC": 1.0}]
    shown = {"metrics": {}, "per_defect": rows, "luminance": NO_LUMINANCE, "below_chance": "ROC-AUC is <0.5"}
    page = written(Report("evaluation", facts), evaluation=shown)
    assert "ROC-AUC is &lt;0.5." in page
    assert '<td class="num">4</td><td class="num">1.000</td>' in page


def test_the_first_picture_comes_before_the_table_of_figures(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("evaluation", facts)
    report.add(inspect())
    figure = {"value": 0.9, "low": 0.85, "high": 0.95}
    shown = {"metrics": {"image roc_auc": figure}, "per_defect": [], "luminance": NO_LUMINANCE}
    page = written(report, evaluation=shown)
    assert page.index("<article") < page.index('<h2 id="evaluation">')
    targets = re.findall(r'<a href="#([\w-]+)">', page)
    assert targets == ["scores", "gallery", "evaluation", "detector"]
    assert all(f'id="{target}"' in page for target in targets)


def test_date_file_and_card_of_the_detector_are_said_in_words(
    facts: DetectorFacts, written: Written, data_of: DataOf
) -> None:
    known: DetectorFacts = {**facts, "file": "line 3/<part>.urushi", "card": {"data": {"folder": "good parts"}}}
    page = written(Report("shift", known, date="2026-11-30 08:15"))
    assert '<b>2026-11-30 08:15</b>, detector <b class="file">line 3/&lt;part&gt;.urushi</b>' in page
    assert '<dt>good images from</dt><dd class="file">good parts</dd>' in page
    assert (data_of(page)["date"], data_of(page)["detector"]["file"]) == ("2026-11-30 08:15", "line 3/<part>.urushi")


@pytest.mark.parametrize(
    ("ratio", "shown"), [(0.9985, "0.99"), (1.0001, "1.01"), (1, "1.00"), (1.456, "1.46"), (0.4, "0.40"), (-3, "-3.00")]
)
def test_a_value_in_units_of_its_limit_is_shown_on_the_side_where_it_is(ratio: float, shown: str) -> None:
    assert times(ratio) == f"{shown} ×"


def test_text_is_readable_on_its_ground_in_light_and_in_dark() -> None:
    style = (resources.files("urushi.reporting") / "templates" / "report.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block)) for block in blocks[:2])
    words = ("ink", "muted", "anomalous", "unsure", "normal", "focus")
    for colours in (light, dark):
        pairs = [(word, ground) for word in words for ground in ("ground", "surface")]
        faint = [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
        assert faint == []
        assert contrast(colours["surface"], colours["ink"]) > 4.5  # of a pressed button


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.1 between two colours '#rrggbb'."""
    lights = []
    for colour in (one, other):
        levels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


@pytest.mark.parametrize(
    ("size", "shape", "shown"),
    [
        ((1000, 1000), "even", (256, 256)),
        ((1000, 2500), "broad", (162, 405)),
        ((100, 1600), "wide", (64, 1024)),
        ((1000, 400), "tall", (405, 162)),
        ((1600, 100), "tall narrow", (1024, 64)),
    ],
)
def test_elongated_pictures_have_a_layout_of_their_own_and_as_many_pixels_as_square_ones(
    size: tuple[int, int], shape: str, shown: tuple[int, int], facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect(original_size=size))
    page = written(report)
    assert f'<article class="card {shape} three"' in page
    assert f'width="{shown[1]}" height="{shown[0]}"' in page
    assert f"up to {max(shown)} px on the longer side" in page
    assert f"{size[1]} × {size[0]} px" in page


def test_filters_offer_the_decisions_and_types_that_there_are(
    facts: DetectorFacts, inspect: Inspect, written: Written, data_of: DataOf
) -> None:
    report = Report("evaluation", facts, labels={"a.png": "<crack>", "b.png": "good"})
    report.add(inspect("a.png", defect_type="scratch"))
    report.add(inspect("b.png", 0.3))
    page = written(report)
    assert re.findall(r'<option value="((?:label|type):[^"]*)"', page) == [
        "label:&lt;crack&gt;",
        "label:good",
        "type:scratch",
    ]
    assert re.findall(r'data-show="([^"]*)"', page) == ["all", "anomalous", "normal", "missed", "false alarm"]
    assert data_of(page)["results"][0]["seen_size"] == {"width": 32, "height": 32}
    assert data_of(page)["results"][0]["view"] == {"x": 0, "y": 0, "width": 32, "height": 32}


def test_without_labels_and_types_there_is_nothing_to_filter_them_by(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    page = written(report)
    assert '<select id="kind"' not in page
    assert re.findall(r'data-show="([^"]*)"', page) == ["all", "anomalous", "normal"]


def test_brightness_says_that_it_is_of_the_images_as_they_were_read(facts: DetectorFacts, written: Written) -> None:
    found = compare_luminances(("good", [0.5, 0.52]), {"dent": [0.5, 1.2]})  # floats may exceed full scale
    shown = {"metrics": {}, "per_defect": [], "luminance": found.to_json()}
    page = written(Report("evaluation", facts), evaluation=shown)
    assert "as they were read, before any preprocessing" in page
    places = [float(x) for x in re.findall(r'<td class="whisker">.*?x2="([\d.]+)%".*?x2="([\d.]+)%"', page)[-1]]
    assert max(places) <= 100


def test_without_scripts_the_scale_is_there_and_no_control(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    page = written(report)
    toolbar = page.split('<div class="toolbar"')[1].split('<p class="small js hint">')[0]
    classes = re.findall(r'<(?:label|div) class="([^"]*)"', toolbar)
    assert classes[0] == "legend"
    assert len(classes) >= 7
    assert [one for one in classes[1:] if not one.startswith("js")] == []
    assert "html:not(.with-js) .js { display: none; }" in page


def test_a_page_begins_with_its_verdict(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", facts, labels={"a.png": "scratch", "b.png": "good"})
    report.add(inspect("a.png", 0.7))
    report.add(inspect("b.png", 0.2))
    first = written(report).split("</h1>")[1].strip()
    assert first.startswith('<p class="verdict">The one defective image was found; the one good image was passed.</p>')


def test_a_page_of_one_image_counts_in_the_singular(facts: DetectorFacts, inspect: Inspect, written: Written) -> None:
    report = Report("shift", {**facts, "n_training_images": 1}, n_shown=0)
    report.add(inspect())
    report.add_unreadable(Unreadable("b.png", "empty"))
    body = re.sub(r"<script.*?</script>", "", written(report), flags=re.DOTALL)
    assert re.findall(r"\b1 (?:[a-z-]+ )?(?:images|regions|peaks)\b", body) == []


def test_a_long_path_may_be_broken_after_its_separators(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("of line/3", facts)
    report.add(inspect("line<3>/c:\\parts/a.png"))
    page = written(report)
    assert "<h1>of line/<wbr>3</h1>" in page
    assert '<span class="folder">line&lt;3&gt;/<wbr>c:\\<wbr>parts/<wbr></span>a.png' in page


@pytest.mark.parametrize(("n", "is_folded"), [(10, False), (11, True)])
def test_many_images_with_one_reason_are_folded_and_all_there(
    n: int, is_folded: bool, facts: DetectorFacts, written: Written
) -> None:
    report = Report("shift", facts)
    for number in range(n):
        report.add_unreadable(Unreadable(f"{number}.png", "the file is empty"))
    report.add_unreadable(Unreadable("other.png", "what is there is no image"))
    page = written(report)
    assert (f"<summary>{n} images: the file is empty</summary>" in page) == is_folded
    assert re.findall(r'<span class="file">(\w+)\.png', page) == [*map(str, range(n)), "other"]


def test_names_of_groups_are_drawn_over_the_line_of_the_threshold(
    facts: DetectorFacts, inspect: Inspect, written: Written
) -> None:
    report = Report("shift", facts)
    report.add(inspect())
    page = written(report)
    assert page.index('<line class="what-if"') < page.index('<text class="name"')
    assert re.findall(r'<text class="name" x="0" y="(\d+)">', page) == ["46", "130"]
