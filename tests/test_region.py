"""A detector with a region: whatever lies in what it ignores, every runtime gives the same, and its file says so."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from urushi import Detector
from urushi.catalogue.extras import is_installed
from urushi.cli.evaluate import print_figures
from urushi.data.defects import draw_inspected, planted
from urushi.data.defects._painting import footprint
from urushi.data.masks import read_mask
from urushi.data.samples import Sample
from urushi.detector_file import archive
from urushi.errors import DetectorFileError
from urushi.evaluation import evaluate
from urushi.evaluation.pixel_metrics import PixelHistograms

EXTRAS = {"onnx": "onnxruntime", "openvino": "openvino"}
CORNER = [[0, 0], [0.5, 0], [0.5, 0.25], [0, 0.25]]  # rows 0…7, columns 0…15 of 32


@pytest.fixture(scope="session")
def part(shared, textures, autoencoder):
    """The file of a detector that ignores a corner."""
    recipe = Detector.load(autoencoder).recipe.with_settings({"region.ignore": [CORNER]})
    return shared("region.urushi", lambda place: Detector.fit(textures, recipe).save(place))


def spoilt(image, seed=0):
    """Anything at all in the corner."""
    found = image.copy()
    found[:8, :16] = np.random.default_rng(seed).integers(0, 256, (8, 16))
    return found


@pytest.mark.parametrize(
    "runtime", ["torch", *(pytest.param(engine, marks=pytest.mark.thorough) for engine in ("onnx", "openvino"))]
)
def test_nothing_in_the_ignored_area_changes_anything_in_any_runtime(part, textures, runtime, tmp_path):
    if runtime != "torch":  # of the score's graph alone tests/scoring/test_inspected.py says the same sooner
        if not is_installed(EXTRAS[runtime]):
            pytest.skip(f"{EXTRAS[runtime]} is not installed")
        Detector.load(part).export(textures, to=runtime).save(tmp_path / "part.urushi")
        part = tmp_path / "part.urushi"
    detector = Detector.load(part, runtime=runtime)
    for image in textures[:3]:
        clean, other = detector.inspect(image), detector.inspect(spoilt(image))
        assert (clean.score, clean.p_value, clean.decision) == (other.score, other.p_value, other.decision)
        assert np.array_equal(clean.anomaly_map, other.anomaly_map)
        assert (other.anomaly_map[:8, :16] == 0).all()
        assert (other.anomaly_map[8:] > 0).any()
        assert clean.places == other.places
        assert [caution.kind for caution in other.cautions if caution.kind != "learnt"] == []


def test_the_same_image_outside_is_not_ignored(part, textures):
    detector = Detector.load(part, runtime="torch")
    turned = textures[0][::-1, ::-1]
    assert detector.inspect(turned).decision == "normal"
    assert detector.inspect(spoilt(textures[0])[::-1, ::-1]).decision == "anomalous"


def test_without_a_region_that_corner_is_an_anomaly(autoencoder, textures):
    detector = Detector.load(autoencoder)
    assert detector.inspect(textures[0]).decision == "normal"
    assert detector.inspect(spoilt(textures[0])).decision == "anomalous"


def test_results_and_card_say_what_is_ignored(part, textures):
    detector = Detector.load(part, runtime="torch")
    found = detector.inspect(textures[0])
    assert found.ignored.sum() == 8 * 16
    assert found.to_json()["ignored_share"] == pytest.approx(1 / 8)
    assert "ignored_share=0.125" in repr(detector)
    assert detector.card["region"] == {"ignored_share": 0.125, "by": "polygons"}
    assert "region" not in detector.card["fit"]


def test_held_out_maps_are_those_of_inspected_places(part, textures):
    """Peaks and medians make the scale of colours and regions."""
    detector = Detector.load(part, runtime="torch")
    outside = ~detector.pipeline.ignored_places
    places = detector.card["fit"]["held_out"]
    maps = [detector.inspect(textures[place]).anomaly_map[outside] for place in places]
    assert np.allclose(sorted(detector.held_out.map_medians), sorted(map(np.median, maps)), rtol=1e-4)


def test_a_file_with_a_region_has_a_format_that_older_versions_refuse_and_others_keep_theirs(part, autoencoder):
    formats = {path: json.loads(zipfile.ZipFile(path).read("card.json"))["format"] for path in (part, autoencoder)}
    assert formats == {part: 2, autoencoder: 1}


def test_a_saved_detector_is_the_same_again(part, tmp_path):
    Detector.load(part).save(tmp_path / "again.urushi")
    assert (tmp_path / "again.urushi").read_bytes() == part.read_bytes()


@pytest.mark.parametrize("change", ["no area", "no fact", "another size", "no recipe"])
def test_a_file_whose_parts_do_not_agree_on_the_region_is_refused(part, autoencoder, tmp_path, change):
    detector, plain = Detector.load(part, runtime="torch"), Detector.load(autoencoder)
    pipeline, origin = detector.pipeline, dict(detector.origin)
    if change == "no area":
        pipeline = plain.pipeline
    elif change == "no fact":
        origin.pop("region")
    elif change == "another size":
        pipeline = replace(pipeline, ignored=pipeline.ignored.on(np.zeros((16, 16), bool), is_whole=True))
    changed = replace(detector, pipeline=pipeline, origin=origin)
    if change == "no recipe":
        changed = replace(changed, recipe=changed.recipe.model_copy(update={"region": None}))
    archive.write(tmp_path / "a.urushi", changed._members(), changed.card)
    with pytest.raises(DetectorFileError, match="region"):
        Detector.load(tmp_path / "a.urushi")


def test_defects_are_planted_where_the_detector_looks(textures):
    ignored = np.ones((32, 32), bool)
    ignored[:, 16:] = False
    for seed in range(20):
        defect = draw_inspected(np.random.default_rng(seed), (32, 32), ignored)
        assert ignored[footprint(defect, 32, 32)].mean() <= 0.5
    clean = np.stack([image[None] / np.float32(255) for image in textures[:4]])
    found = np.stack(list(planted(clean, 0, ignored=ignored)))
    assert np.array_equal(found[:, :, ignored], clean[:, :, ignored])
    assert (found != clean).any(axis=(1, 2, 3)).all()


def test_pixel_figures_leave_out_what_is_ignored_and_say_so(part, textures, tmp_path, capsys):
    detector = Detector.load(part, runtime="torch")
    mask = np.zeros((32, 32), np.uint8)
    mask[4:12, 4:12] = 255  # half of it is ignored
    Image.fromarray(mask).save(tmp_path / "half.png")
    mask[8:] = 0
    Image.fromarray(mask).save(tmp_path / "all.png")
    bad = textures[0].copy()
    bad[4:12, 4:12] = 255
    found = [detector.inspect(image) for image in (textures[1], bad, bad)]
    found = [replace(one, source=name) for one, name in zip(found, ("good", "half", "all"), strict=True)]
    samples = [Sample(tmp_path / one.source, "test", 1, "hole", tmp_path / f"{one.source}.png") for one in found[1:]]
    results = zip([Sample(tmp_path / "good", "test", 0, "good", None), *samples], found, strict=True)
    figures = evaluate(results, read_mask=read_mask, n_resamples=10)
    assert figures.to_json()["ignored_share"] == 0.125
    assert [(one.source, one.reason) for one in figures.pixel_left_out] == [
        ("all", "its mask marks only what the detector ignores")
    ]
    assert figures.pixel.n_images == 2
    print_figures(figures)
    assert (
        "pixel figures leave out what the detector ignores or only frames an image, 12.5% of it"
        in capsys.readouterr().err
    )
    histograms = PixelHistograms()
    for one, where in ((found[0], np.zeros((32, 32), bool)), (found[1], np.arange(32)[:, None] * np.ones(32) > 27)):
        histograms.add(one.source, one.anomaly_map, where, ignored=one.ignored)
    assert [image.n_pixels for image in histograms._images] == [32 * 32 - 8 * 16] * 2
