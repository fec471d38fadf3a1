"""What has learnt on is what a fit on all images gives; only held-out scores are those of their time."""

import json
import zipfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from urushi import Detector, Recipe
from urushi.errors import CalibrationError, DatasetError, InputError
from urushi.recipe import Part
from weave import texture

SMALL = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64, "split.n_folds": 2, "model.pictures": 4}
RECIPE = Recipe.find("default").with_settings(SMALL)
IMAGES = [texture(seed) for seed in range(14)]
OLD, NEW = IMAGES[:8], IMAGES[8:12]
FUSED = Part(name="fusion", scores=[{"name": "feature"}, {"name": "squared_error"}])
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def looks(detector: Detector) -> tuple[np.ndarray, np.ndarray]:
    """Maps and scores of images that nothing here learns."""
    found = [detector.inspect(image) for image in IMAGES[12:]]
    return np.stack([one.anomaly_map for one in found]), np.array([one.score for one in found])


def require_equal(one: Detector, other: Detector) -> None:
    """Maps relative to their highest value, scores relative to themselves."""
    maps, scores = looks(one)
    expected_maps, expected = looks(other)
    assert np.abs(maps - expected_maps).max() <= 1e-6 * expected_maps.max()
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


@pytest.fixture(scope="module")
def files(shared: Callable[..., Path]) -> Callable[[str, Iterable[np.ndarray]], Detector]:
    """Detectors from their files, as they come after days."""

    def files(name: str, images: Iterable[np.ndarray], recipe: Recipe = RECIPE) -> Detector:
        return Detector.load(shared(name, lambda place: Detector.fit(list(images), recipe).save(place)))

    return files


@pytest.fixture(scope="module")
def old(files) -> Detector:
    return files("going-on-old.urushi", OLD)


@pytest.fixture(scope="module")
def everything(files) -> Detector:
    return files("going-on-all.urushi", [*OLD, *NEW])


@pytest.fixture(scope="module")
def more(old) -> Detector:
    return old.add(NEW, now=NOW)


def test_a_file_with_sums_has_a_format_that_older_versions_refuse_and_a_final_one_keeps_theirs(old, tmp_path):
    formats = []
    for detector in (old, old.final()):
        detector.save(tmp_path / "part.urushi")
        formats.append(json.loads(zipfile.ZipFile(tmp_path / "part.urushi").read("card.json"))["format"])
    assert formats == [2, 1]


# More images


def test_added_images_count_as_if_they_had_been_there_from_the_beginning(more, everything):
    require_equal(more, everything)
    assert more.familiar == everything.familiar
    assert [len(one.learnt.contents) for one in (more, everything)] == [12, 12]


def beside_descriptors(detector: Detector) -> np.ndarray:
    """Of the held-out scores, what comes from the maps."""
    return np.subtract(detector.held_out.scores, detector.held_out.summands)


def test_new_images_are_scored_before_they_are_learnt(old, more):
    own = old.add(NEW, is_selected=True).held_out
    np.testing.assert_allclose(beside_descriptors(more)[:8], beside_descriptors(old), rtol=1e-5)
    assert more.held_out.contents[8:] == tuple(old.inspect(image).content for image in NEW)
    at_the_map = [np.sort(old.inspect(image).anomaly_map.ravel())[-1] for image in NEW]
    assert np.corrcoef(beside_descriptors(more)[8:], at_the_map)[0, 1] > 0.9
    assert own.contents == old.held_out.contents
    assert more.held_out.method == "cross"
    assert more.threshold.n_normals == 12
    assert "The rate is approximate" in more.threshold.explanation


def test_what_descriptors_add_to_held_out_scores_is_that_of_a_fit_on_all(more, everything):
    """By folds of its own, of the same images in the same order: descriptors are kept."""
    theirs = dict(zip(everything.held_out.contents, everything.held_out.summands, strict=True))
    expected = [theirs[content] for content in more.held_out.contents]
    np.testing.assert_allclose(more.held_out.summands, expected, rtol=1e-5)
    assert more.threshold.value == pytest.approx(everything.threshold.value, rel=0.05)


def test_scores_of_images_that_were_chosen_for_them_set_no_threshold(old, more):
    selected = old.add(NEW, is_selected=True)
    assert selected.held_out.contents == old.held_out.contents
    assert selected.threshold.n_normals == 8
    require_equal(selected, more)


def test_what_is_known_or_comes_twice_is_left_out_and_named(old, everything):
    again = old.add([OLD[0], NEW[0], NEW[0], Path("nowhere.png"), *NEW[1:]], now=NOW)
    require_equal(again, everything)
    (round_,) = again.card["rounds"]
    assert (round_["known"], round_["copies"], round_["n_images"]) == ([0], [2], 4)
    assert [one.source for one in again.unreadable] == ["nowhere.png"]
    with pytest.raises(DatasetError, match="none of 2 images is new: 2 are known"):
        old.add(OLD[:2])


def test_what_looks_like_none_learnt_before_is_learnt_and_named(old):
    found = old.add([NEW[0], 255 - NEW[1] // 3])
    (round_,) = found.card["rounds"]
    assert [one["image"] for one in round_["above"]] == [1]
    assert [one["image"] for one in round_["unlike"]] == [1]
    assert len(found.learnt.contents) == 10


def test_the_card_says_when_and_how_learning_went_on(more):
    less = more.remove(NEW[:1], now=NOW)
    what = [(one["what"], one["date"], one["n_images"]) for one in less.card["rounds"]]
    assert what == [("added", "2026-11-30T00:00:00+00:00", 4), ("removed", "2026-11-30T00:00:00+00:00", 1)]
    assert less.summary()["n_good_images"] == 11


# Fewer images


def test_removed_images_are_unlearnt_exactly(old, more, everything, tmp_path):
    require_equal(everything.remove(NEW), old)
    less = more.remove(NEW)
    np.testing.assert_allclose(less.held_out.scores, old.held_out.scores, rtol=1e-6)
    assert less.threshold.value == pytest.approx(old.threshold.value, rel=1e-6)
    less.save(tmp_path / "less.urushi")
    assert_no_trace(tmp_path / "less.urushi", NEW, more)


def assert_no_trace(file: Path, images: Iterable[np.ndarray], known: Detector) -> None:
    """Neither their digests nor their pictures."""
    with zipfile.ZipFile(file) as archive:
        kept = b"".join(archive.read(name) for name in archive.namelist())
    contents = [known.inspect(image).content for image in images]
    assert not any(content.encode() in kept for content in contents)
    assert set(Detector.load(file).learnt.pictures) <= set(Detector.load(file).learnt.contents)


@pytest.mark.thorough
def test_a_removed_image_is_not_shown_any_more(old):
    first = old.learnt.pictures[0]
    (place,) = [i for i, image in enumerate(OLD) if old.inspect(image).content == first]
    less = old.remove([OLD[place]])
    assert first not in less.learnt.pictures
    shown = less.inspect(OLD[place]).reconstruction
    own = old.inspect(OLD[place])
    np.testing.assert_allclose(own.reconstruction, own.image, atol=1 / 255)
    assert np.abs(shown - own.image).max() > 0.02


def test_an_image_that_was_never_learnt_is_named_and_nothing_is_removed(old):
    with pytest.raises(DatasetError, match=r"1 of 2 images were never learnt .* <array>; nothing was removed"):
        old.remove([OLD[0], NEW[0]])
    with pytest.raises(DatasetError, match="cannot be read, so it cannot be unlearnt"):
        old.remove([Path("nowhere.png")])


def test_too_few_cannot_be_left(old):
    with pytest.raises(DatasetError, match="1 image would be left to learn from; at least 2"):
        old.remove(OLD[:7])
    strict = old.calibrate(RECIPE.threshold.model_copy(update={"false_alarm_rate": 0.12}))
    with pytest.raises(CalibrationError, match="needs at least 8 held-out normal images; there are 7"):
        strict.remove(OLD[:1])


@pytest.mark.thorough
def test_of_a_split_what_was_only_held_out_is_removed_with_its_score(files):
    split = files("going-on-split.urushi", OLD, RECIPE.with_settings({"split.n_folds": 0}))
    (place,) = [i for i, image in enumerate(OLD) if split.inspect(image).content == split.held_out.contents[0]]
    less = split.remove([OLD[place]])
    assert len(less.held_out.scores) == len(split.held_out.scores) - 1
    assert less.held_out.method == "split"
    require_equal(less, split)
    assert split.add(NEW).held_out.method == "cross"


# Several detectors


@pytest.mark.thorough
def test_merged_detectors_have_learnt_what_each_has(old, everything, files):
    other = files("going-on-new.urushi", NEW)
    merged = old.merge(other, now=NOW)
    require_equal(merged, everything)
    assert merged.held_out.contents == (*old.held_out.contents, *other.held_out.contents)
    assert merged.threshold.value == pytest.approx(everything.threshold.value, rel=0.1)
    assert set(merged.learnt.pictures) & set(other.learnt.contents)
    assert set(merged.learnt.pictures) & set(old.learnt.contents)
    assert merged.card["rounds"][-1]["others"] == [{"n_images": 4}]


@pytest.mark.thorough
def test_two_that_went_on_from_one_are_merged_by_it(old, everything):
    parts = [old.add(NEW[:2]), old.add(NEW[2:])]
    with pytest.raises(InputError, match=r"8 images were learnt by several of these detectors.* --base"):
        parts[0].merge(parts[1])
    merged = parts[0].merge(parts[1], base=old)
    require_equal(merged, everything)
    assert len(merged.held_out.scores) == 12
    with pytest.raises(InputError, match="1 image of the base is not known"):
        parts[0].remove(OLD[:1]).merge(parts[1], base=old)


@pytest.mark.thorough
def test_detectors_of_different_kinds_do_not_merge(old, files):
    other = files("going-on-weight.urushi", NEW, RECIPE.with_settings({"model.weight": 5}))
    with pytest.raises(InputError, match="detector 2 does not go together with the first: their recipes differ in mod"):
        old.merge(other)
    with pytest.raises(InputError, match="the images of one have no stated bits, of the other 12"):
        old.merge(old.at_bits(12))


# What cannot


def test_what_does_not_add_up_says_so_and_what_would(autoencoder, old):
    with pytest.raises(InputError, match=r"what autoencoder learns.* is no sum over images.* feature_pyramid"):
        Detector.load(autoencoder).add(NEW)
    with pytest.raises(InputError, match="an older Urushi made it, or it was made final"):
        old.final().add(NEW)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"augmentation.n_copies": 1, "augmentation.transforms": [{"name": "flip"}]}, "varies the images by chance"),
        pytest.param(
            {"tiling.tile_px": 32, "tiling.n_training_tiles": 2},
            "tiles, which are drawn by chance",
            marks=pytest.mark.thorough,
        ),
        pytest.param({"score": FUSED}, "its score fusion learns from all images together", marks=pytest.mark.thorough),
    ],
)
def test_recipes_that_need_all_images_keep_no_sums(settings, reason):
    score = settings.pop("score", RECIPE.score)
    fitted = Detector.fit(OLD, RECIPE.with_settings(settings).model_copy(update={"score": score}))
    assert fitted.learnt is None
    with pytest.raises(InputError, match=reason):
        fitted.add(NEW)


@pytest.mark.thorough
def test_rules_that_need_defects_get_them_again(old):
    defects = [255 - image for image in NEW]
    judged = old.calibrate(RECIPE.threshold.model_copy(update={"name": "youden"}), defects=defects)
    with pytest.raises(CalibrationError, match="needs images of defects"):
        judged.add(NEW[:1])
    assert judged.add(NEW[:1], defects=defects).threshold.n_defects == 4


@pytest.mark.thorough
def test_other_methods_that_add_up_learn_on_too(files):
    small = RECIPE.with_settings(
        {"model.name": "feature_reconstruction", "model.blocks": [4], "model.windows": [0], "model.pictures": 0}
    )
    old = files("going-on-pca.urushi", OLD, small)
    require_equal(old.add(NEW), files("going-on-pca-all.urushi", [*OLD, *NEW], small))
