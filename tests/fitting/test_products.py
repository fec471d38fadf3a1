"""No product is divided between what is learnt from and what is held out, nor its scans taken for independent."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi import Detector, Recipe
from urushi.data.groups import digest_of
from urushi.data.images import Stated
from urushi.errors import CalibrationError, DatasetError, InputError
from urushi.fitting import _cross, _split, learning

N_PRODUCTS, N_SCANS = 8, 3


def scans(n_products: int = N_PRODUCTS, n_scans: int = N_SCANS, seed: int = 0) -> list[np.ndarray]:
    """Products differ by what lies on them, scans of one by noise alone."""
    rng = np.random.default_rng(seed)
    wave = 0.5 + 0.3 * np.sin(np.arange(32) / 3)
    bodies = [wave + np.kron(rng.normal(0, 0.08, (8, 8)), np.ones((4, 4))) for _ in range(n_products)]
    drawn = (body + rng.normal(0, 0.02, (32, 32)) for body in bodies for _ in range(n_scans))
    return [np.uint8(255 * image.clip(0, 1)) for image in drawn]


def stated(images: list[np.ndarray], n_scans: int = N_SCANS, first: int = 0) -> list[Any]:
    return [Stated(image, group=f"item-{first + place // n_scans}") for place, image in enumerate(images)]


def recipe(model: str = "feature_reconstruction", **settings: Any) -> Recipe:
    options = {"windows": [], "blocks": [4], "stride": 8} if model == "feature_reconstruction" else {}
    return Recipe.from_table(
        {
            "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
            "model": {"name": model} | options,
            "score": {"name": "squared_error"},
            "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
        },
        "test",
    ).with_settings(settings)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[np.ndarray]]:
    """The parts of each division that a fit makes."""
    found: list[list[np.ndarray]] = []

    def noted(divide: Any) -> Any:
        def divided(*args: Any, **how: Any) -> Any:
            parts = divide(*args, **how)
            found.append(list(parts.values()) if isinstance(parts, dict) else parts)
            return parts

        return divided

    monkeypatch.setattr(_split, "split", noted(_split.split))
    monkeypatch.setattr(_split, "folds", noted(_split.folds))
    monkeypatch.setattr(learning, "split", noted(learning.split))
    return found


def of_products(part: np.ndarray) -> set[int]:
    return {int(image) // N_SCANS for image in part}


@pytest.mark.parametrize("n_folds", [0, 4, 50])
def test_a_fit_holds_out_whole_products(drawn, n_folds):
    detector = Detector.fit(stated(scans()), recipe(**{"split.n_folds": n_folds}))
    assert drawn
    for parts in drawn:
        assert sum(len(of_products(part)) for part in parts) == N_PRODUCTS
    held_out = detector.held_out
    assert len(held_out.groups) == len(held_out.scores) == (6 if n_folds == 0 else 24)
    assert set(held_out.groups) <= {digest_of(f"item-{n}") for n in range(N_PRODUCTS)}
    assert detector.threshold.n_groups == held_out.normals.n_independent == (2 if n_folds == 0 else 8)
    assert detector.card["fit"]["groups"] == {"n": 8, "smallest": 3, "largest": 3}


def test_early_stopping_watches_other_products_than_are_learnt(drawn):
    Detector.fit(stated(scans()), recipe("autoencoder", **{"split.validation_fraction": 0.3}))
    training, validation = drawn[-1]  # places among those that are learnt from
    assert len(validation) % N_SCANS == len(training) % N_SCANS == 0
    assert not of_products(training) & of_products(validation)


@pytest.mark.thorough
def test_a_product_whose_scans_are_held_out_with_it_scores_as_a_new_one_does():
    """By the nearest cells that were learnt: those of another scan are near, those of other products are not."""
    images, new = scans(12, 6), scans(12, 1, seed=1)
    how = {"split.n_folds": 6, "model.kind": "nearest"}
    apart = Detector.fit(stated(images, 6), recipe(**how))
    mixed = Detector.fit(images, recipe(**how))
    fair = np.median([apart.inspect(image).score for image in new])
    assert np.median(apart.held_out.scores) == pytest.approx(fair, rel=0.35)
    assert np.median(mixed.held_out.scores) < 0.6 * fair


def test_products_come_from_names_and_stay_in_the_file(tmp_path):
    import cv2

    for place, image in enumerate(scans()):
        cv2.imwrite(str(tmp_path / f"item-{place // N_SCANS}_scan-{place % N_SCANS}.png"), image)
    files = sorted(tmp_path.glob("*.png"))
    detector = Detector.fit(files, recipe(**{"groups.pattern": r"item-(\d+)", "split.n_folds": 4}))
    detector.save(tmp_path / "part.urushi")
    loaded = Detector.load(tmp_path / "part.urushi")
    assert loaded.held_out.groups == detector.held_out.groups
    assert loaded.threshold == detector.threshold
    one = loaded.inspect(files[0])
    assert one.p_value == pytest.approx(float(detector.held_out.normals.p_values(one.score)))
    with pytest.raises(DatasetError, match="to no product, by the pattern"):
        Detector.fit([*files, Path("other.png")], loaded.recipe)


def test_too_few_products_are_refused_before_the_fit():
    with pytest.raises(CalibrationError, match=r"there are 8.* 24 images of 8 products"):
        Detector.fit(stated(scans()), recipe(**{"split.n_folds": 4, "threshold.false_alarm_rate": 0.05}))
    with pytest.raises(DatasetError, match="6 images of 1 product cannot be divided"):
        Detector.fit(stated(scans(1, 6), 6), recipe())


# Learning on


@pytest.fixture(scope="module")
def fitted() -> Detector:
    return Detector.fit(stated(scans()), recipe(**{"split.n_folds": 4, "model.kind": "pca"}))


def test_more_products_join_the_threshold_and_more_scans_of_known_ones_do_not(fitted):
    new, again = scans(2, seed=2), scans(seed=0)
    again = [np.uint8(np.clip(image.astype(int) + 1, 0, 255)) for image in again[:3]]  # another scan of item-0
    more = fitted.add([*stated(new, first=100), *(Stated(image, group="item-0") for image in again)])
    assert more.threshold.n_groups == N_PRODUCTS + 2
    assert len(more.held_out.scores) == 24 + 6
    assert more.card["rounds"][-1]["of_known_products"] == [6, 7, 8]
    assert more.card["fit"]["n_training"] == 24 + 9
    assert more.learnt.groups.count(digest_of("item-0")) == 6


def test_removed_images_take_their_products_along(fitted):
    less = fitted.remove(scans()[:3])
    assert less.threshold.n_groups == N_PRODUCTS - 1
    assert digest_of("item-0") not in (*less.held_out.groups, *less.learnt.groups)


def test_products_of_all_images_are_known_or_of_none(fitted):
    with pytest.raises(DatasetError, match=r"it is known which product .* and not of the new images"):
        fitted.add(scans(1, seed=3))
    plain = Detector.fit(scans(), recipe(**{"split.n_folds": 4, "model.kind": "pca"}))
    with pytest.raises(DatasetError, match=r"it is not known which product .* and of the new images"):
        plain.add(stated(scans(1, seed=3)))
    with pytest.raises(InputError, match="of the other's it is not"):
        fitted.merge(plain)


def test_detectors_of_other_products_are_merged_with_them(fitted):
    other = Detector.fit(stated(scans(seed=5), first=50), recipe(**{"split.n_folds": 4, "model.kind": "pca"}))
    assert fitted.merge(other).threshold.n_groups == 2 * N_PRODUCTS


def test_folds_cross_whole_products_where_images_are_left_out(drawn):
    images = scans()
    images[4] = 255 - images[4]
    asked = {"split.n_folds": 8, "split.leave_out_suspicious": True, "model.variance": 0.999}
    Detector.fit(stated(images), recipe(**asked))
    assert len(drawn) >= 2
    assert _cross.divided is _split.divided
