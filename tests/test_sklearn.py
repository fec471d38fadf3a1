"""The estimator for scikit-learn, used as scikit-learn uses estimators."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

from urushi import Detector, Recipe
from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.sklearn import AnomalyDetector, PyodDetector

RECIPE = Recipe.from_table(
    {
        "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
        "model": {"name": "feature_reconstruction", "windows": [], "blocks": [4]},
        "score": {"name": "feature"},
    },
    "test",
)


@pytest.fixture(scope="module")
def good(pictures):
    """(30, 32, 32) uint8."""
    return (255 * pictures(30)[:, 0]).astype(np.uint8)


@pytest.fixture(scope="module")
def bad(good):
    images = good[:5].copy()
    images[:, 8:20, 8:20] = 255 - images[:, 8:20, 8:20]
    return images


@pytest.fixture(scope="module")
def fitted(good):
    return AnomalyDetector(RECIPE, false_alarm_rate=0.25).fit(good)


def test_it_decides_as_the_detector_does_with_the_signs_of_scikit_learn(fitted, good, bad):
    images = np.concatenate([good, bad])
    detector = Detector.fit(list(good), RECIPE.with_settings({"threshold.false_alarm_rate": 0.25}))
    found = list(detector.inspect_many(images))
    np.testing.assert_allclose(fitted.score_samples(images), [-one.score for one in found], rtol=1e-5)
    np.testing.assert_allclose(
        fitted.decision_function(images), [one.threshold - one.score for one in found], rtol=1e-4
    )
    assert fitted.predict(images).tolist() == [-1 if one.decision == "anomalous" else 1 for one in found]
    assert fitted.predict(bad).tolist() == [-1] * 5
    assert fitted.offset_ == -detector.threshold.value


def test_arrays_lists_and_paths_of_the_same_images_give_the_same_scores(fitted, good, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, image in zip(paths, good, strict=False):
        Image.fromarray(image).save(path)
    forms = [good[:4], list(good[:4]), paths, np.array([str(path) for path in paths]), good[:4, :, :, None]]
    expected = fitted.score_samples(forms[0])
    for form in forms[1:]:
        np.testing.assert_allclose(fitted.score_samples(form), expected, rtol=1e-6)


def test_it_is_cloned_with_its_settings_and_without_what_it_has_learnt(fitted, good):
    copy = clone(fitted).set_params(random_state=3, settings={"split.calibration_fraction": 0.5})
    assert copy.get_params() == fitted.get_params() | {
        "random_state": 3,
        "settings": {"split.calibration_fraction": 0.5},
    }
    with pytest.raises(NotFittedError):
        copy.predict(good)
    card = copy.fit(good).detector_.card
    assert (card["seed"], copy.detector_.threshold.n_normals) == (3, 15)


@pytest.mark.thorough
def test_it_ends_a_pipeline_and_is_cross_validated(fitted, good, bad):
    darker = FunctionTransformer(lambda images: images // 2)
    pipeline = make_pipeline(darker, clone(fitted)).fit(good)
    assert pipeline.predict(bad).tolist() == [-1] * 5
    held_out = cross_val_predict(clone(fitted), good, cv=KFold(2), method="decision_function")
    scores = np.concatenate([-held_out, -fitted.decision_function(bad)])
    assert roc_auc_score([0] * 30 + [1] * 5, scores) > 0.9


def test_what_was_pickled_decides_the_same(fitted, bad):
    copy = pickle.loads(pickle.dumps(fitted))  # noqa: S301  it is our own
    np.testing.assert_allclose(copy.score_samples(bad), fitted.score_samples(bad))


def test_wrong_input_is_said_and_nothing_is_left_out(fitted, good, tmp_path):
    with pytest.raises(InputError, match=r"shape \(30, 1024\); images are \(n, H, W\)"):
        fitted.predict(good.reshape(30, -1))
    with pytest.raises(InputError, match="give a list"):
        fitted.predict("part.png")
    with pytest.raises(UnreadableImageError, match=r"absent\.png"):
        fitted.predict([good[0], tmp_path / "absent.png"])
    pages = [Image.fromarray(image) for image in good[:2]]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="1 file holds 2 images"):
        fitted.predict([tmp_path / "stack.tif"])
    with pytest.raises(RecipeError, match="no recipe is called 'defaut'"):
        AnomalyDetector("defaut").fit(good)
    with pytest.warns(UserWarning, match=r"1 image is left out, the first: .*absent.png"):
        clone(fitted).fit([*good, tmp_path / "absent.png"])


@pytest.mark.thorough
def test_importing_urushi_imports_no_scikit_learn():
    code = "import sys, urushi, urushi.detector; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# scikit-learn's own checks


class OfRows(AnomalyDetector):
    """Rows of numbers, looked at by scikit-learn, as pictures of 8 × 8 grey levels: its checks know rows only."""

    def __init__(self, random_state=0):
        super().__init__(RECIPE, random_state=random_state)

    def fit(self, X, y=None):  # noqa: N803
        return super().fit(as_pictures(validate_data(self, X)), y)

    def score_samples(self, X):  # noqa: N803
        check_is_fitted(self)
        return super().score_samples(as_pictures(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        return tags


def as_pictures(rows):
    levels = 127 * (1 + np.sin(rows.astype(np.float64)))
    return np.stack([np.resize(row, (8, 8)) for row in levels]).astype(np.uint8)


@pytest.mark.thorough
def test_what_scikit_learn_asks_of_every_estimator_is_kept():
    done = check_estimator(OfRows(), legacy=False, on_fail=None)
    assert len(done) > 10
    assert [one["check_name"] for one in done if one["status"] == "failed"] == []


@pytest.mark.slow
def test_all_other_checks_of_scikit_learn_pass_but_two_that_make_no_images():
    expected = {
        "check_fit2d_1sample": "one image is too few, as it may be, but the error is Urushi's own and no ValueError",
        "check_fit2d_1feature": "a row of one number is a picture of one level, from which nothing is learnt",
    }
    done = check_estimator(OfRows(), expected_failed_checks=expected, on_fail=None, on_skip=None)
    assert len(done) > 40
    assert [one["check_name"] for one in done if one["status"] == "failed"] == []
    assert {one["check_name"] for one in done if one["status"] == "xfail"} == set(expected)


def test_scikit_learn_knows_that_it_takes_images():
    with pytest.warns(SkipTestWarning, match="three_d_array=True"):
        check_estimator(AnomalyDetector())


@pytest.mark.thorough
def test_as_a_detector_of_pyod_it_has_its_signs_labels_and_names(fitted, good, bad, tmp_path):
    found = PyodDetector(RECIPE, false_alarm_rate=0.25).fit(good)
    np.testing.assert_allclose(found.decision_function(bad), -fitted.score_samples(bad), rtol=1e-5)
    assert found.predict(bad).tolist() == [1] * 5
    np.testing.assert_allclose(found.decision_scores_, -fitted.score_samples(good), rtol=1e-5)
    assert found.labels_.tolist() == (found.decision_scores_ > found.threshold_).astype(int).tolist()
    (tmp_path / "torn.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="1 image is left out"):
        torn = found.fit([*good, tmp_path / "torn.png"])
    assert np.isnan(torn.decision_scores_).tolist() == [False] * 30 + [True]
    assert torn.labels_[-1] == 1
