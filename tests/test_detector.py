"""The whole path of an image, through the public face and the real components."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from urushi import Detector, Inspection, Recipe, Unreadable
from urushi.defect_types import DefectTypes, NoveltyBuffer
from urushi.defect_types._head import Head
from urushi.errors import CalibrationError, InputError, RecipeError, UnreadableImageError
from urushi.inspection.regions import marks, mask_in_original
from urushi.preprocessing import Pipeline
from urushi.preprocessing.alignment import Alignment
from urushi.recipe import Part
from urushi.xray.phantoms.radiograph import Radiograph

GREY = [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}]
MODELS = {"autoencoder": "squared_error", "variational_autoencoder": "ssim", "feature_reconstruction": "feature"}


def recipe(model: str = "feature_reconstruction", *, steps: list[dict[str, Any]] = GREY, **settings: Any) -> Recipe:
    return Recipe.from_table(
        {
            "preprocessing": steps,
            "model": {"name": model} | ({"windows": [], "blocks": [4, 7]} if model == "feature_reconstruction" else {}),
            "score": {"name": MODELS[model]},
            "training": {"max_epochs": 3, "batch_size": 4, "accelerator": "cpu"},
        },
        "test",
    ).with_settings(settings)


def pictures(n: int, seed: int = 0, size: int = 32) -> list[np.ndarray]:
    """A wave of varied phase in soft light, as 8-bit grey."""
    rng = np.random.default_rng(seed)
    x = np.arange(size) / 3
    waves = [0.5 + 0.3 * np.sin(x + rng.uniform(-0.5, 0.5)) for _ in range(n)]
    return [np.uint8(255 * (wave + rng.normal(0, 0.02, (size, size))).clip(0, 1)) for wave in waves]


def defective(n: int, seed: int = 1) -> list[np.ndarray]:
    images = pictures(n, seed)
    for image in images:
        image[10:20, 12:22] = 255 - image[10:20, 12:22]
    return images


def scores(detector: Detector, images: list[Any], **how: Any) -> list[float]:
    return [found.score for found in detector.inspect_many(images, **how)]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.fit(pictures(30), recipe())


@pytest.fixture(scope="module", params=MODELS)
def any_detector(request) -> Detector:
    return Detector.fit(pictures(30), recipe(request.param))


# What an inspection says


def test_defect_is_anomalous_and_good_parts_pass_at_about_the_promised_rate(detector):
    found = detector.inspect(defective(1)[0])
    assert found.decision == "anomalous"
    assert found.score > found.threshold == detector.threshold.value
    good = [inspection.decision for inspection in detector.inspect_many(pictures(20, seed=7))]
    assert good.count("normal") >= 14  # 6 held-out images promise a rate of 1/7


def test_defect_is_found_where_it_is_in_pixels_of_the_original():
    steps = [{"name": "grey"}, {"name": "resize", "height": 128, "width": 128}, {"name": "scale"}]
    fine = {"model.blocks": [4], "model.stride": 8}  # sees little beyond a cell
    detector = Detector.fit(pictures(20, size=128), recipe(steps=steps, **fine))
    image = pictures(1, seed=1, size=128)[0]
    image[80:96, 24:40] = 255 - image[80:96, 24:40]
    found = detector.inspect(Image.fromarray(image).resize((256, 384), Image.Resampling.NEAREST))
    y, x = np.unravel_index(found.anomaly_map.argmax(), found.anomaly_map.shape)
    assert 64 <= y < 112
    assert 8 <= x < 56
    region = found.regions[0]
    assert found.original_size == (384, 256)
    assert region.x <= 2 * 32 < region.x + region.width  # the middle of the defect
    assert region.y <= 3 * 88 < region.y + region.height
    assert region.width * region.height < 256 * 384 / 2


def bolt(angle: float, *, is_bad: bool = False) -> np.ndarray:
    """A dark part on a bright ground, turned about the middle of 128 px; a bad one has a bright spot by its end."""
    image = np.random.default_rng(round(10 * angle)).normal(200, 3, (128, 128))
    image[58:70, 20:100] = 90
    image[50:78, 94:108] = 90
    if is_bad:
        image[60:68, 28:40] = 200
    turn = cv2.getRotationMatrix2D((63.5, 63.5), angle, 1)
    return cv2.warpAffine(image, turn, (128, 128), borderValue=200).clip(0, 255).astype(np.uint8)


@pytest.mark.thorough
def test_a_defect_of_a_turned_part_is_found_shown_and_measured_where_it_is_in_the_original(tmp_path):
    steps = [{"name": "grey"}, {"name": "alignment"}, {"name": "scale"}]
    fine = {"model.blocks": [4], "model.stride": 8}
    detector = Detector.fit([bolt(angle) for angle in range(0, 360, 18)], recipe(steps=steps, **fine))
    assert detector.card["fit"]["alignment"]["n_aligned"] == 20
    detector.save(tmp_path / "part.urushi")
    image = bolt(130, is_bad=True)
    found = Detector.load(tmp_path / "part.urushi").inspect(image)
    x, y = cv2.getRotationMatrix2D((63.5, 63.5), 130, 1) @ [33.5, 63.5, 1]  # the middle of the spot, in pixel centres
    assert found.decision == "anomalous"
    region = found.regions[0]
    assert region.x <= x <= region.x + region.width
    assert region.y <= y <= region.y + region.height
    assert region.width * region.height < 60**2
    row, column = np.unravel_index(found.anomaly_map.argmax(), (128, 128))
    assert np.hypot(column - x, row - y) < 12
    assert (found.view, found.image.shape) == ((0, 0, 128, 128), (128, 128, 1))
    inside = cv2.circle(np.zeros((128, 128), np.uint8), (64, 64), 50, 1, -1) > 0
    assert np.abs(found.image[..., 0] - image / 255)[inside].mean() < 0.02  # the picture lies as the original does
    marked = mask_in_original(marks(found.anomaly_map, found.map_scale.region_threshold), found.to_original, (128, 128))
    assert marked[round(y), round(x)]


def test_what_cannot_be_aligned_is_decided_on_and_that_is_said(detector):
    step = Alignment().fit([bolt(0)])
    aligning = replace(detector, pipeline=Pipeline((step, *detector.pipeline.steps)))
    noise = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    (caution,) = [one for one in aligning.inspect(noise).cautions if one.kind == "alignment"]
    assert "could not be aligned" in caution.text
    assert not [one for one in aligning.inspect(bolt(40)).cautions if one.kind == "alignment"]


def test_every_field_has_the_form_it_promises(any_detector):
    found = any_detector.inspect(pictures(1, seed=3)[0])
    assert (found.image.shape, found.anomaly_map.shape) == ((32, 32, 1), (32, 32))
    assert {found.image.dtype, found.anomaly_map.dtype} == {np.dtype(np.float32)}
    assert found.original_size == (32, 32)
    assert 0 < found.p_value <= 1
    assert (found.decision == "anomalous") == (found.score > found.threshold)
    assert found.reconstruction.shape == (32, 32, 1)
    assert 0 <= found.reconstruction.min() <= found.reconstruction.max() <= 1
    assert found.shows_similar == (any_detector.recipe.model.name == "feature_reconstruction")


def test_p_value_counts_held_out_scores_that_are_as_high(detector):
    found = detector.inspect(defective(1)[0])
    held_out = np.array(detector.held_out.scores)
    assert found.p_value == (1 + (held_out >= found.score).sum()) / (len(held_out) + 1)


def test_brightness_is_that_of_the_image_before_preprocessing(exported_autoencoder):
    plain = Detector.load(exported_autoencoder)
    steps = Pipeline.of(recipe(steps=[*GREY, {"name": "gamma", "exponent": 0.5}]))
    lighter = replace(plain, pipeline=steps)
    found = lighter.inspect(np.full((32, 32), 51, np.uint8))
    assert found.brightness == pytest.approx(0.2)
    assert found.image.mean() > 0.4


def test_pictures_have_the_light_of_the_file_with_and_without_inspecting(exported_autoencoder):
    steps = Pipeline.of(recipe(steps=[*GREY, {"name": "exposure", "mean": 0.3}]))
    detector, image = replace(Detector.load(exported_autoencoder), pipeline=steps), np.full((32, 32), 204, np.uint8)
    found = detector.inspect(image)
    assert found.image.mean() == pytest.approx(0.3)
    assert found.picture.mean() == pytest.approx(0.8)
    assert found.rebuilt_picture.mean() == pytest.approx(
        np.minimum(found.reconstruction / found.light_factor, 1).mean()
    )
    assert np.array_equal(detector.picture(image), found.picture)


def test_colours_of_maps_are_on_one_scale_whatever_is_inspected(detector):
    found = list(detector.inspect_many([*pictures(2), *defective(2)]))
    assert {inspection.map_scale for inspection in found} == {detector.held_out.map_scale()}
    assert found[-1].anomaly_map.max() > found[-1].map_scale.region_threshold > found[-1].map_scale.low


def test_every_anomalous_image_shows_a_place_and_no_normal_one_a_region(detector):
    strict, lax = map(detector.calibrate, (Part(name="quantile", quantile=0.1), Part(name="mean_deviation", k=100)))
    images = [*pictures(20, seed=7), *defective(10)]
    found = [one for judge in (strict, lax) for one in judge.inspect_many(images)]
    kinds = {(one.decision, one.places[0].peak > one.map_scale.region_threshold, one.decided_by) for one in found}
    assert kinds >= {("anomalous", True, "regions"), ("anomalous", False, "whole"), ("normal", True, None)}
    assert {(one.decision, bool(one.regions)) for one in found} == {("anomalous", True), ("normal", False)}


def test_a_detector_knows_what_its_method_weighs_beside_the_map(detector):
    windows = Detector.fit(pictures(4), recipe(**{"model.windows": [2]}))
    assert detector.inspect(pictures(1)[0]).beside_map is None
    assert windows.inspect(pictures(1)[0]).beside_map == "windows"
    pooled = replace(windows, recipe=windows.recipe.with_settings({"score.pooling": "max"}))  # which leaves them out
    assert pooled.inspect(pictures(1)[0]).beside_map is None


def test_a_score_of_statistics_weighs_the_residual_beside_the_map_unless_a_pooling_is_named(detector):
    for options, expected in (({}, "residual"), ({"pooling": "top"}, None)):
        part = Part.model_validate({"name": "residual_statistics"} | options)
        assert replace(detector.decisions, score=part).beside_map == expected


# What is printed of it


def test_whatever_a_user_gets_is_printed_in_one_line(any_detector, exported_autoencoder):
    detectors = [any_detector, Detector.load(exported_autoencoder)]
    parts = [part for one in detectors for part in (one, one.ways, one.familiar, one.held_out, one.pipeline)]
    image = pictures(1)[0]
    shown = [*map(repr, parts), repr(any_detector.inspect(image))]
    assert [text for text in shown if len(text) > 600 or "\n" in text] == []


def test_arrays_and_what_grows_with_the_images_are_not_printed():
    n, code = 50, np.ones(4, np.float32)
    buffer = NoveltyBuffer("key", np.ones((n, 4), np.float32), sources=("a.png",) * n, names=("hole",) * n)
    head = Head(code, code, np.ones((2, 4)), np.ones(2), np.ones((n, 4)))
    types = DefectTypes(("hole", "bar"), head, np.ones(n), 40, 5, 0.05, "key", {"layer": np.ones((9, 9))})
    radiograph = Radiograph(np.ones((9, 9)), (np.ones((9, 9), bool),) * n)
    assert {len(repr(one)) < 200 and "array" not in repr(one) for one in (buffer, types, radiograph)} == {True}


def test_detector_is_printed_by_what_tells_it_from_others(any_detector, exported_autoencoder):
    method, value = any_detector.recipe.model.name, any_detector.threshold.value
    assert repr(any_detector) == (
        f'Detector(recipe="of one\'s own", method={method!r}, n_good_images=30, threshold={value:.6g}, '
        "false_alarm_rate=0.142857, rate_kind='guaranteed', exports=())"
    )
    assert repr(Detector.load(exported_autoencoder)).endswith("exports=('onnx fp32',))")


def test_inspection_is_printed_with_its_decision_and_without_pictures(detector):
    found = detector.inspect(defective(1)[0])
    assert repr(found) == (
        f"Inspection(source='<array>', decision='anomalous', score={found.score:.6g}, "
        f"threshold={found.threshold:.6g}, p_value=0.142857, n_regions={len(found.regions)})"
    )


def test_notebook_shows_a_small_table_in_which_nothing_is_markup(detector):
    found = replace(detector.inspect(defective(1)[0]), source="<script>alert(1)</script>.png")
    page = found._repr_html_() + replace(detector, origin=detector.origin | {"recipe": "<b>"})._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.png" in page
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert page.count("<table") == 2
    assert "n good images" in page
    assert len(page) < 3000


# Sources


def test_paths_arrays_pictures_and_tensors_of_an_image_give_the_same_score(detector, tmp_path):
    image = defective(1)[0]
    path = tmp_path / "part.png"
    Image.fromarray(image).save(path)
    sources = [path, str(path), image, Image.fromarray(image), torch.from_numpy(image), torch.from_numpy(image)[None]]
    assert len(set(scores(detector, sources, batch_size=1))) == 1


def test_paths_arrays_pictures_and_tensors_train_the_same_detector(tmp_path):
    images = pictures(8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.iterdir())
    kinds = [images, paths, [Image.fromarray(i) for i in images], [torch.from_numpy(i) for i in images]]
    assert len({Detector.fit(kind, recipe()).held_out for kind in kinds}) == 1


def test_eight_and_sixteen_bits_of_an_image_give_nearly_the_same_score(detector):
    image = defective(1)[0]
    wide = image.astype(np.uint16) * 257
    assert detector.inspect(wide).score == pytest.approx(detector.inspect(image).score, rel=1e-3)


def test_unreadable_image_is_an_error_alone_and_an_entry_among_others(detector, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG")
    with pytest.raises(UnreadableImageError, match=str(broken)):
        detector.inspect(broken)
    good = pictures(3)
    found = list(detector.inspect_many([good[0], broken, good[1], tmp_path / "absent.png", good[2]], batch_size=2))
    assert [type(item) for item in found] == [Inspection, Unreadable, Inspection, Unreadable, Inspection]
    assert found[1].source == str(broken)
    assert [item.score for item in found[::2]] == pytest.approx(scores(detector, good), rel=1e-4)


def test_unreadable_training_images_are_listed_with_their_reasons(tmp_path):
    broken, text = tmp_path / "broken.png", tmp_path / "text.png"
    broken.write_bytes(b"\x89PNG")
    text.write_text("no image")
    detector = Detector.fit([broken, *pictures(8), text, np.zeros((4, 4, 7))], recipe())
    assert [item.source for item in detector.unreadable] == [str(broken), str(text), "<array>"]
    assert all(item.reason for item in detector.unreadable)
    assert detector.card["fit"]["n_images"] == 8
    assert detector.held_out == Detector.fit(pictures(8), recipe()).held_out  # what is learnt is the same


def test_image_of_another_size_is_listed_where_the_recipe_does_not_resize():
    detector = Detector.fit(pictures(8), recipe(steps=[{"name": "scale"}]))
    normal, wide = pictures(1)[0], np.zeros((32, 40), np.uint8)
    found = list(detector.inspect_many([normal, wide, np.dstack([normal] * 3), normal]))
    assert [type(item) for item in found] == [Inspection, Unreadable, Unreadable, Inspection]
    assert "(1, 32, 40), but the detector takes (1, 32, 32)" in found[1].reason
    with pytest.raises(UnreadableImageError, match="the detector takes"):
        detector.inspect(wide)


# Batches and seeds. Sums run in another order in another batch: float32 agrees to a few units in 1e-5.


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_scores_and_maps_do_not_depend_on_the_batch_size(any_detector, batch_size):
    images = [*pictures(6, seed=4), *defective(5)]
    for a, b in zip(
        any_detector.inspect_many(images), any_detector.inspect_many(images, batch_size=batch_size), strict=True
    ):
        assert a.score == pytest.approx(b.score, rel=1e-4)
        np.testing.assert_allclose(a.anomaly_map, b.anomaly_map, rtol=1e-3, atol=1e-4 * a.anomaly_map.max())


def test_scores_do_not_depend_on_the_order(any_detector):
    images = [*pictures(6, seed=4), *defective(5)]
    assert scores(any_detector, images[::-1])[::-1] == pytest.approx(scores(any_detector, images), rel=1e-4)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_no_images_at_a_time_is_an_error_and_not_silence(detector, batch_size):
    with pytest.raises(InputError, match="at least 1"):
        list(detector.inspect_many(pictures(2), batch_size=batch_size))


def test_images_are_read_as_they_are_asked_for(detector):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield pictures(1)[0]

    stream = detector.inspect_many(endless(), batch_size=2)
    assert next(stream).score == next(stream).score
    assert len(taken) <= 10
    stream.close()


@pytest.mark.thorough
@pytest.mark.parametrize("model", MODELS)
def test_same_seed_twice_gives_identical_scores_and_another_holds_out_other_images(model):
    first, second, other = (Detector.fit(pictures(8), recipe(model), seed=seed) for seed in (5, 5, 6))
    assert first.held_out == second.held_out
    assert scores(first, defective(3)) == scores(second, defective(3))
    assert first.held_out.scores != other.held_out.scores


# Calibration


def test_calibration_needs_no_training_and_changes_the_threshold_alone(detector):
    looser = detector.calibrate(Part(name="quantile", quantile=0.5))
    assert looser.threshold.value < detector.threshold.value
    assert looser.threshold.rule == "quantile"
    assert looser.recipe.threshold == Part(name="quantile", quantile=0.5)
    assert looser.backend is detector.backend
    assert looser.held_out is detector.held_out
    assert scores(looser, defective(2)) == scores(detector, defective(2))
    assert detector.recipe.threshold == Part(name="conformal")


def test_calibrating_with_the_same_rule_gives_the_same_threshold(detector):
    assert detector.calibrate(detector.recipe.threshold).threshold == detector.threshold


def test_rate_asked_for_decides_how_many_held_out_images_lie_above(detector):
    for n_above in (1, 2, 3):
        threshold = detector.calibrate(Part(name="conformal", false_alarm_rate=n_above / 7)).threshold
        assert sum(score > threshold.value for score in detector.held_out.scores) == n_above - 1


def test_g_mean_puts_the_threshold_between_normals_and_defects(detector, tmp_path):
    calibrated = detector.calibrate(Part(name="g_mean"), defects=[*defective(5), tmp_path / "absent.png"])
    assert max(detector.held_out.scores) < calibrated.threshold.value < min(scores(detector, defective(5)))
    assert (calibrated.threshold.n_normals, calibrated.threshold.n_defects) == (6, 5)
    assert [item.source for item in calibrated.unreadable] == [str(tmp_path / "absent.png")]


def test_defects_given_while_fitting_serve_the_rule_and_nothing_else(detector):
    fitted = Detector.fit(pictures(30), recipe(**{"threshold.name": "g_mean"}), defects=defective(5))
    assert fitted.threshold.rule == "g_mean"
    assert fitted.held_out == detector.held_out


def test_rule_that_needs_defects_says_so(detector):
    with pytest.raises(CalibrationError, match="g_mean needs images of defects"):
        detector.calibrate(Part(name="g_mean"))


def test_rate_that_so_few_normals_cannot_support_is_refused(detector):
    with pytest.raises(CalibrationError, match="needs at least 99"):
        detector.calibrate(Part(name="conformal", false_alarm_rate=0.01))


def test_unknown_rule_is_refused_with_the_nearest(detector):
    with pytest.raises(RecipeError, match="did you mean 'quantile'"):
        detector.calibrate(Part(name="quantil"))


# Files


def test_detector_decides_the_same_after_save_and_load(any_detector, tmp_path):
    path = tmp_path / "part.urushi"
    any_detector.save(path)
    loaded = Detector.load(str(path))
    assert (loaded.recipe, loaded.held_out, loaded.threshold) == (
        any_detector.recipe,
        any_detector.held_out,
        any_detector.threshold,
    )
    for a, b in zip(*(d.inspect_many([*pictures(3), *defective(3)]) for d in (any_detector, loaded)), strict=True):
        assert a.to_json() == b.to_json()
        assert (a.anomaly_map == b.anomaly_map).all()


def test_loaded_detector_can_be_calibrated_anew(detector, tmp_path):
    path: Path = tmp_path / "part.urushi"
    detector.save(path)
    rule = Part(name="conformal", false_alarm_rate=0.5)
    assert Detector.load(path).calibrate(rule).threshold == detector.calibrate(rule).threshold
