import json
import re
import shutil
from importlib import resources

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError
from PIL import Image
from rich.cells import cell_len

from urushi.cli._figures import _ONLY_IN_JSON, lines
from urushi.cli.evaluate import run, samples_to_test
from urushi.detector import Detector


def validator() -> Draft202012Validator:
    loaded = json.loads((resources.files("urushi.cli") / "evaluation.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


@pytest.fixture
def own(dataset, tmp_path):
    """A copy of the data set that a test may break."""
    return shutil.copytree(dataset, tmp_path / "own")


def figures(path):
    return read(path.read_text("utf-8"))


def read(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture(scope="module")
def usual_text(fitted, dataset):
    """The figures of the data set as it is, as `--json` writes them."""
    return json.dumps(run(Detector.load(fitted), dataset, samples_to_test(dataset)).to_json())


@pytest.fixture
def usual(usual_text):
    """The same, of a test's own."""
    return read(usual_text)


def test_the_figures_are_printed_and_written_as_their_schema_says(urushi, fitted, dataset, usual, tmp_path):
    result = urushi("evaluate", fitted, dataset, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert found == usual
    assert result.status == 0
    assert (found["n_normal"], found["n_anomalous"]) == (6, 5)
    assert found["image"]["roc_auc"]["value"] == 1
    assert found["pixel"]["n_components"] == 5
    assert found["pixel"]["metrics"]["roc_auc"]["value"] > 0.9
    for name in {*found["image"], *found["pixel"]["metrics"]} - set(_ONLY_IN_JSON):
        assert name in result.out
    assert "6 normal and 5 anomalous images" in result.out


def test_the_figures_fit_on_one_screen_in_groups_with_the_hardest_defects_first(usual):
    found = usual
    one = found["per_defect"][0]
    shown = {"value": 0.9, "low": 0.8, "high": 1.0}
    found["reconstruction"] = {"mse": {"value": 1.2e-4, "low": 1e-4, "high": 2e-4}, "psnr": shown, "ssim": shown}
    found["per_defect"] = [
        {**one, "defect": f"kind {n} of a long name, 欠陥", "roc_auc": {**shown, "value": 1 - n / 100}}
        for n in range(15)
    ]
    nothing = {"value": None, "low": None, "high": None}
    found["per_defect"] += [{**one, "defect": name, "roc_auc": nothing} for name in ("unknown", "unnamed")]
    *printed, undefined = lines(found)
    assert max(map(cell_len, printed)) <= 80
    assert len(printed) <= 23
    text = "\n".join(printed)
    for title in ("ranking ──", "at the threshold ──", "pixel ──", "reconstruction of normal images ──"):
        assert title in text
    assert "mse  1.2e-04  1.0e-04 … 2.0e-04" in text
    assert [f"kind {n} " in text for n in range(15)] == [n >= 8 for n in range(15)]
    assert text.index("kind 14") < text.index("kind 13")
    assert "and 10 more, in --json" in text
    assert undefined == "undefined: needs 100,000 pixels of normal images; there are 24,576 (pixel aupimo)"


@pytest.mark.thorough
def test_the_schema_wants_a_reason_for_what_is_undefined(usual):
    for figure in ({"value": None, "low": None, "high": None}, {"value": 2.0, "low": 0, "high": 1}, {"value": 1.0}):
        with pytest.raises(ValidationError):
            validator().validate({**usual, "image": {**usual["image"], "recall": figure}})


def test_without_masks_there_are_no_pixel_figures_and_a_reason(urushi, fitted, own, tmp_path):
    shutil.rmtree(own / "ground_truth")
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert found["pixel"] is None
    assert found["pixel_reason"] in result.err


def masks_of(own):
    return sorted((own / "ground_truth" / "scratch").iterdir())


def rewrite(path, change):
    Image.fromarray(change(np.asarray(Image.open(path)))).save(path)


def test_inverted_masks_are_refused_with_the_reason(urushi, fitted, own, tmp_path):
    for path in masks_of(own):
        rewrite(path, lambda mask: 255 - mask)
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert (result.status, found["pixel"], len(found["pixel_left_out"])) == (0, None, 5)
    assert "no pixel figures: none of the 5 masks can be used; the first: " in result.err
    assert "inverted?" in result.err
    assert "pixel " not in result.out


@pytest.mark.thorough
def test_masks_left_out_and_masks_to_look_at_are_counted_with_the_first(urushi, fitted, own, tmp_path):
    first, second, *_ = masks_of(own)
    rewrite(first, lambda mask: mask[:, :40])
    rewrite(second, lambda mask: 255 - mask)
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert found["pixel"]["n_images"] == 10
    assert "images left out of the pixel figures: 1; the first: " in result.err
    assert "200.png: the mask has 40 × 64 px (width × height), its image 64 × 64 px" in result.err
    assert "masks to look at: 1; the first: " in result.err
    assert [one["reason"] for one in found["pixel_remarks"]] == ["its mask marks 95% of its image; is that right?"]


@pytest.mark.thorough
def test_masks_written_in_other_ways_give_the_same_figures(urushi, fitted, usual, own, tmp_path):
    for path, kind in zip(masks_of(own), ["labels", "palette", "alpha", "folder", "labels"], strict=True):
        mask = np.asarray(Image.open(path)) > 0
        path.unlink()
        if kind == "folder":
            folder = path.with_name(path.stem.removesuffix("_mask"))
            folder.mkdir()
            Image.fromarray(mask & (np.arange(64) < 30)).save(folder / "000.png")
            Image.fromarray(mask & (np.arange(64) >= 30)).save(folder / "001.png")
        else:
            another_way(mask, kind).save(path.with_name(path.name.replace("_mask", "_gt")))
    urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    assert figures(tmp_path / "figures.json")["pixel"]["metrics"] == usual["pixel"]["metrics"]


@pytest.mark.thorough
def test_masks_as_large_as_the_unturned_images_are_turned_with_them(urushi, fitted, own, tmp_path):
    exif = {}
    for path, orientation in zip(sorted((own / "test" / "scratch").iterdir()), [5, 6, 7, 8, 5], strict=True):
        exif[f"{path.stem}_mask.png"] = Image.Exif()
        exif[f"{path.stem}_mask.png"][0x0112] = orientation
        Image.open(path).crop((0, 0, 64, 48)).save(path, exif=exif[f"{path.stem}_mask.png"])
    for path in masks_of(own):
        rewrite(path, lambda mask: mask[:48])
    urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    turned = figures(tmp_path / "figures.json")["pixel"]
    for path in masks_of(own):
        Image.open(path).save(path, exif=exif[path.name])
    urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    assert turned["n_images"] == 11
    assert figures(tmp_path / "figures.json")["pixel"] == turned


def another_way(mask, kind):
    if kind == "alpha":
        return Image.fromarray(np.dstack([np.full((64, 64, 3), 255, np.uint8), mask * np.uint8(255)]))
    image = Image.fromarray(mask.astype(np.uint8), mode="P" if kind == "palette" else None)
    if kind == "palette":
        image.putpalette([255, 255, 255, 255, 0, 0])
    return image


def test_without_readable_defects_some_figures_are_undefined_and_say_why(urushi, fitted, own, tmp_path):
    for path in (own / "test" / "scratch").iterdir():
        path.write_bytes(b"")
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert result.status == 1
    assert found["image"]["roc_auc"]["value"] is None
    assert "undefined: needs at least one normal and one anomalous image" in result.out


@pytest.mark.thorough
def test_a_roc_auc_below_chance_is_said_on_the_terminal_in_the_figures_and_in_the_report(urushi, fitted, own, tmp_path):
    for old, new in (("good", "were_good"), ("scratch", "good"), ("were_good", "scratch")):
        (own / "test" / old).rename(own / "test" / new)
    places = ("--json", tmp_path / "figures.json", "--report", tmp_path / "page.html")
    result = urushi("evaluate", fitted, own, *places)
    said = "ROC-AUC is below 0.5, which guessing gives: 0.000 of images, 0.000 of defect scratch"
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert found["below_chance"].startswith(said)
    assert f"warning: {said}" in result.err
    assert said in (tmp_path / "page.html").read_text("utf-8").split('<script type="application/json"')[0]


def test_an_image_that_cannot_be_read_is_listed_with_status_1(urushi, fitted, own, tmp_path):
    (own / "test" / "good" / "100.png").write_bytes(b"")
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert result.status == 1
    assert found["n_unreadable"] == 1
    assert "100.png: the file is empty (zero bytes)" in result.err


@pytest.mark.thorough
def test_a_report_is_written_beside_the_figures(urushi, fitted, dataset, tmp_path):
    result = urushi("evaluate", fitted, dataset, "--report", tmp_path / "page.html")
    assert result.status == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "scratch" in page
    assert "found at 1 % false alarms" in page
    assert "weave" in page
    assert re.search(rf"<b>20\d\d-\d\d-\d\d \d\d:\d\d</b>, detector <b class=.file.>{re.escape(str(fitted))}</b>", page)
    assert '<path class="truth inner" d="M' in page


@pytest.mark.thorough
def test_another_seed_gives_other_intervals_and_the_same_seed_the_same(urushi, fitted, dataset, usual, tmp_path):
    for name, seed in (("same", 0), ("other", 2)):
        urushi("evaluate", fitted, dataset, "--json", tmp_path / name, "--seed", seed)
    assert figures(tmp_path / "same") == usual
    assert figures(tmp_path / "other")["pixel"] != usual["pixel"]


def test_a_folder_without_a_test_split_is_wrong_input(urushi, fitted, good):
    result = urushi("evaluate", fitted, good)
    assert (result.status, result.out) == (2, "")
    assert "no test split" in result.err


def test_a_place_for_figures_that_cannot_be_written_is_said_before_the_work(urushi, fitted, dataset, tmp_path):
    result = urushi("evaluate", fitted, dataset, "--json", tmp_path / "nowhere" / "figures.json")
    assert result.status == 2
    assert result.out == ""
    assert "nowhere does not exist" in result.err


@pytest.mark.thorough
def test_the_report_lists_images_without_pixel_figures_and_why(urushi, fitted, own, tmp_path):
    Image.fromarray(np.zeros((64, 40), np.uint8)).save(own / "ground_truth" / "scratch" / "200_mask.png")
    urushi("evaluate", fitted, own, "--report", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Images without pixel figures: 1</h2>" in page
    assert "the mask has 40 × 64 px (width × height), its image 64 × 64 px" in page
    assert "Masks to look at" not in page
    shutil.rmtree(own / "ground_truth")
    urushi("evaluate", fitted, own, "--report", tmp_path / "page.html")
    assert "No pixel figures: no image of a defect has a mask." in (tmp_path / "page.html").read_text("utf-8")


def as_loco(own, config, level=255):
    """Each mask becomes a folder of one file, in one grey level; the thresholds lie beside."""
    for path in masks_of(own):
        mask = np.asarray(Image.open(path)) > 0
        path.unlink()
        folder = path.parent / path.stem.removesuffix("_mask")
        folder.mkdir()
        Image.fromarray((mask * level).astype(np.uint8)).save(folder / "000.png")
    (own / "defects_config.json").write_text(config)


def saturation(threshold):
    entry = {"defect_name": "x", "pixel_value": 255, "saturation_threshold": threshold, "relative_saturation": True}
    return json.dumps([entry])


@pytest.mark.thorough
def test_spro_with_the_thresholds_that_lie_in_the_data_set(urushi, fitted, own, tmp_path):
    as_loco(own, saturation(0.5))
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert f"note: sPRO with the saturation thresholds of {own / 'defects_config.json'}" in result.err
    assert found["saturation_file"] == str(own / "defects_config.json")
    assert found["pixel"]["n_regions"] == 5
    for of in (found["pixel"]["metrics"], found["pixel"]["per_defect"][0]):
        assert of["auspro_0.05"]["value"] > of["aupro_0.05"]["value"]
    assert "\nauspro_0.05 " in result.out
    assert "\naupro_0.05 " not in result.out


@pytest.mark.thorough
def test_spro_with_thresholds_that_are_given_is_pro_where_all_must_be_found(urushi, fitted, own, tmp_path):
    as_loco(own, "no JSON")
    (tmp_path / "own.json").write_text(saturation(1))
    urushi("evaluate", fitted, own, "--saturation", tmp_path / "own.json", "--json", tmp_path / "figures.json")
    metrics = figures(tmp_path / "figures.json")["pixel"]["metrics"]
    assert metrics["auspro_0.3"]["value"] == pytest.approx(metrics["aupro_0.3"]["value"])


@pytest.mark.thorough
def test_thresholds_that_cannot_be_used_are_named(urushi, fitted, own, tmp_path):
    as_loco(own, "no JSON", level=9)
    result = urushi("evaluate", fitted, own)
    assert (result.status, "warning: no sPRO: " in result.err, "auspro" in result.out) == (0, True, False)
    assert urushi("evaluate", fitted, own, "--saturation", own / "defects_config.json").status == 2
    (own / "defects_config.json").write_text(saturation(1))
    result = urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    validator().validate(found)
    assert "level 9 names no defect" in found["saturation_reason"]
    assert f"warning: no sPRO: {found['saturation_reason']}" in result.err


@pytest.mark.thorough
def test_with_spro_the_table_of_defects_has_a_column_more_on_the_same_screen(urushi, fitted, own, tmp_path):
    as_loco(own, saturation(0.5))
    urushi("evaluate", fitted, own, "--json", tmp_path / "figures.json")
    found = figures(tmp_path / "figures.json")
    image, pixel = found["per_defect"][0], found["pixel"]["per_defect"][0]
    names = ["logical_anomalies", *(f"kind {n} of a long name" for n in range(14))]
    found["per_defect"] = [{**image, "defect": name, "n": 1000} for name in names]
    found["pixel"]["per_defect"] = [
        {**pixel, "defect": name, "auspro_0.05": {**pixel["auspro_0.05"], "value": 0.777}} for name in names[:1]
    ]
    found["reconstruction"] = dict.fromkeys(("mse", "psnr", "ssim"), pixel["auspro_0.05"])
    *printed, _ = lines(found)
    assert max(map(cell_len, printed)) <= 80
    assert len(printed) <= 23
    assert any("logical_anomalies1000 1.000 1.000 0.777" in line for line in printed)
    assert any("roc  rec.  sPRO" in line for line in printed)
    assert any(line.endswith("1.000 1.000     –") for line in printed)
