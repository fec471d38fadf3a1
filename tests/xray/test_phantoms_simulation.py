import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("spekpy")
from urushi.data.dataset import find_dataset
from urushi.errors import InputError, RecipeError
from urushi.xray.phantoms.radiograph import find_product
from urushi.xray.phantoms.settings import Settings
from urushi.xray.phantoms.simulation import replay, simulate


def files(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module", autouse=True)
def coarse_detectors():
    """Half as many columns, twice as wide: a quarter of the time, on the same way from a scene to its files."""
    with pytest.MonkeyPatch.context() as patch:
        for product in map(find_product, ("potato", "chocolate")):
            fine = product.scanner.detector
            wide = replace(fine, n_columns=fine.n_columns // 2, pitch_mm=2 * fine.pitch_mm)
            patch.setattr(product, "scanner", replace(product.scanner, detector=wide))
        yield


@pytest.fixture(scope="module")
def potatoes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("potato")
    simulate(folder, Settings("potato", seed=3), n_train=2)
    return folder


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chocolate")
    simulate(folder, Settings("chocolate", seed=3), n_train=1)
    return folder


def records(folder):
    return [json.loads(line) for line in (folder / "phantoms.jsonl").read_text().splitlines()]


def test_the_folder_is_a_data_set_in_mvtec_layout(bars):
    dataset = find_dataset(bars)
    assert len(dataset.normal_training()) == 1
    found = {path.parent.name for path in (bars / "test").rglob("*.png")}
    assert found == {"good", *find_product("chocolate").defects}
    assert len(list((bars / "ground_truth").rglob("*_mask.png"))) == 6


@pytest.mark.parametrize(
    ("n_train", "n_good", "n_needle"), [(1, 1, 1), (40, 10, 5), (41, 11, 6)], ids=["least", "even", "rounded up"]
)
def test_test_images_are_a_quarter_as_many(tmp_path, n_train, n_good, n_needle):
    asked = []
    simulate(tmp_path, Settings("potato"), n_train=n_train, track=lambda places, *_: asked.extend(places) or ())
    counts = {place.folder: [found.folder for found in asked].count(place.folder) for place in asked}
    expected = {"train/good": n_train, "test/good": n_good, "test/needle": n_needle, "test/hollow_heart": n_needle}
    assert counts == expected


def test_the_same_seed_gives_the_same_bytes(potatoes, tmp_path):
    simulate(tmp_path, Settings("potato", seed=3), n_train=2)
    assert files(tmp_path) == files(potatoes)


def test_another_seed_gives_other_images(potatoes, tmp_path):
    simulate(tmp_path, Settings("potato", seed=4), n_train=1)
    one, other = (
        {content for name, content in files(folder).items() if name.startswith(("train", "test"))}
        for folder in (tmp_path, potatoes)
    )
    assert not one & other


def test_an_image_does_not_depend_on_how_many_there_are(potatoes, tmp_path):
    simulate(tmp_path, Settings("potato", seed=3), n_train=1)
    one, other = files(tmp_path), files(potatoes)
    assert {one[name] for name in one if name.endswith(".png")} <= set(other.values())  # under other numbers in test/
    name = "train/good/item-000_scan-0.png"
    assert one[name] == other[name]


def test_no_two_images_are_alike(potatoes):
    found = [content for name, content in files(potatoes).items() if name.startswith(("train", "test"))]
    assert len(set(found)) == len(found) == 5


def test_lines_replay_their_images_and_masks(potatoes, bars):
    for folder, every in ((potatoes, 1), (bars, 3)):
        for line in (folder / "phantoms.jsonl").read_text().splitlines()[::every]:
            record, radiograph = json.loads(line), replay(line)
            assert (radiograph.image == read(folder / record["file"])).all()
            for mask in radiograph.masks:
                written = folder / record["file"].replace("test", "ground_truth").replace(".png", "_mask.png")
                assert (255 * mask == read(written)).all()


def test_boxes_and_sizes_are_those_of_the_masks(bars):
    dead = (read(bars / "calibration" / "exposure_off.png") == 0).all(axis=0)
    for record in records(bars):
        for defect in record["defects"]:
            box, mask = defect["box_px"], read(bars / "ground_truth" / defect["kind"] / "item-001_scan-0_mask.png") > 0
            inside = mask[box["top"] : box["bottom"], box["left"] : box["right"]]
            assert inside.sum() == mask.sum() == defect["n_mask_px"]
            assert inside.any(axis=0)[[0, -1]].all()
            assert inside.any(axis=1)[[0, -1]].all()
            assert defect["n_dead_px"] == mask[:, dead].sum()
            assert defect["sizes_mm"]


def test_dead_columns_are_at_the_same_place_in_every_image(bars):
    on, off = (read(bars / "calibration" / f"exposure_{state}.png") for state in ("on", "off"))
    dead = (on.astype(int) - off < 20).all(axis=0)
    assert dead.sum() == 9 + 7 + 3
    for path in [*bars.glob("train/*/*.png"), *bars.glob("test/*/*.png")]:
        assert ((read(path) == 0).all(axis=0) == dead).all()
    assert ((off == 0).all(axis=0) == dead).all()


def test_calibration_images_have_the_width_of_the_detector(potatoes):
    assert read(potatoes / "calibration" / "exposure_on.png").shape == (256, 205)


def test_images_with_16_bits_show_the_same(potatoes, tmp_path):
    simulate(tmp_path, Settings("potato", seed=3, bits=16), n_train=1)
    deep, flat = (read(folder / "train" / "good" / "item-000_scan-0.png") for folder in (tmp_path, potatoes))
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - flat).max() <= 0.5 + 1e-6


def test_the_readme_says_that_all_is_simulated(bars):
    text = (bars / "README.txt").read_text()
    assert text.startswith("SIMULATED")
    assert "no image shows a real chocolate" in text
    assert all(record["simulated"] for record in records(bars))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"product": "potatoe"}, "did you mean 'potato'"),
        ({"bits": 12}, "8 or 16"),
        ({"seed": -1}, "0 or more"),
        ({"max_angle_degrees": 200.0}, "0 to 180"),
        ({"max_angle_degrees": float("nan")}, "0 to 180"),
        ({"voltage_kv": 5.0}, "5 kV"),
        ({"voltage_kv": 0.0}, "0 kV"),
        ({"n_train": 0}, "1 or more"),
        ({"n_scans": 0}, "1 to 100"),
        ({"max_defects": 0}, "1 to 100"),
        ({"current_ma": 2.0}, "at most 1.25 mA"),
        ({"exposure_ms": 0.0}, "above 0"),
        ({"filters_mm": {"alumnium": 1.0}}, "did you mean 'aluminium'"),
        ({"detector": {"light_spred_mm": 1.0}}, "did you mean 'light_spread_mm'"),
        ({"detector": {"pitch_mm": 1.0}}, "no detector has 'pitch_mm' to change"),
        ({"detector": {"drift": -1.0}}, r"detector\.drift = -1\.0"),
        ({"detector": {"scintillator": "Gd2O3S"}}, "density"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(tmp_path, options, message):
    n_train = options.pop("n_train", 1)
    with pytest.raises((InputError, RecipeError), match=message):
        simulate(tmp_path / "out", Settings(**{"product": "potato"} | options), n_train=n_train)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.txt").write_text("keep")
    with pytest.raises(InputError, match="other files"):
        simulate(tmp_path, Settings("potato"), n_train=1)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.txt"]


def test_another_data_set_is_not_mixed_with_what_is_there(potatoes):
    before = files(potatoes)
    for settings, n_train in ((Settings("potato", seed=3), 20), (Settings("potato", seed=33), 2)):
        with pytest.raises(InputError, match="other files"):
            simulate(potatoes, settings, n_train=n_train)
    assert files(potatoes) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("keep")
    with pytest.raises(InputError, match="is a file"):
        simulate(tmp_path / "out", Settings("potato"), n_train=1)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    detector = {"drift": 0.0, "column_spread": 0.02}
    simulate(folder, Settings("potato", seed=5, n_scans=2, max_defects=3, detector=detector), n_train=1)
    return folder


def test_scans_of_an_item_show_the_same_potato_laid_down_anew(scanned):
    found = {(r["file"].split("/")[-2], r["item"], r["scan"]): r["scene"] for r in records(scanned)}
    assert {r["file"] for r in records(scanned)} >= {f"test/needle/item-001_scan-{scan}.png" for scan in (0, 1)}
    first, second = (found["needle", 1, scan] for scan in (0, 1))
    good = found["good", 1, 0]["product"]
    poses = {"angle_degrees", "x_mm", "y_mm", "stretch", "length_mm"}
    for one, other in ((first["product"], second["product"]), (first["product"], good)):
        assert {name for name in one if one[name] != other[name]} == poses
    assert [d["sizes_mm"] for d in first["defects"]] == [d["sizes_mm"] for d in second["defects"]]
    assert found["good", 0, 0]["product"]["texture_seed"] != good["texture_seed"]


def test_items_have_several_defects_and_one_mask_of_all(scanned):
    combined = [record for record in records(scanned) if "/combined/" in record["file"]]
    for record in combined:
        masks = replay(json.dumps(record)).masks
        written = scanned / record["file"].replace("test", "ground_truth").replace(".png", "_mask.png")
        assert (read(written) == 255 * np.logical_or.reduce(masks)).all()
        assert {defect["kind"] for defect in record["defects"]} == {"needle", "hollow_heart"}
    assert len(combined) == 2


def test_current_and_time_say_how_many_photons_there_are_and_gain_stays():
    usual, weak = Settings("chocolate"), Settings("chocolate", current_ma=2.5, exposure_ms=50.0)
    photons = [settings.scanner().beam().n_photons for settings in (usual, weak)]
    assert photons[1] == pytest.approx(photons[0] * 2 / 3)
    assert Settings("chocolate", voltage_kv=100.0).scanner().exposure.current_at(100.0) == pytest.approx(5.25)  # 525 W


def test_what_differs_in_the_detector_is_in_the_images(scanned):
    on = read(scanned / "calibration" / "exposure_on.png").astype(float)
    assert 0.015 < on.mean(axis=0).std() / on.mean() < 0.06
