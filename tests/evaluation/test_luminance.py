"""The luminance report warns when brightness alone tells kinds apart, and only then."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from urushi.data.images import luminance
from urushi.evaluation.luminance import PREPARED, LuminanceReport, compare_luminances, dataset_luminances
from urushi.preprocessing import Pipeline
from urushi.recipe import Part, Recipe
from urushi.xray.phantoms.simulation import Settings, simulate


def test_luminance_is_the_mean_in_shares_of_full_scale():
    for dtype in [np.uint8, np.uint16]:
        image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (40, 50, 3), dtype, endpoint=True)
        by_hand = sum(int(value) for value in image.ravel()) / image.size / np.iinfo(dtype).max
        assert luminance(image) == pytest.approx(by_hand, rel=1e-12), dtype


def test_luminance_of_a_large_float_image_does_not_drift():
    assert luminance(np.full((3000, 3000), 0.1, np.float32)) == pytest.approx(np.float32(0.1), abs=1e-9)


def test_separation_is_the_roc_auc_of_brightness():
    rng = np.random.default_rng(0)
    good, dent = rng.normal(0.5, 0.1, 40), rng.normal(0.55, 0.1, 30)
    reference, other = compare_luminances(("good", good), {"dent": dent}).groups
    expected = roc_auc_score(np.repeat([0, 1], [40, 30]), np.concatenate([good, dent]))
    assert reference.roc_auc is None
    assert other.roc_auc.value == pytest.approx(expected)
    assert (other.n, other.lowest, other.highest) == (30, dent.min(), dent.max())


@pytest.mark.parametrize(("shift", "word"), [(0.3, "brighter"), (-0.3, "darker")])
def test_warns_in_both_directions_and_says_which(shift, word):
    rng = np.random.default_rng(0)
    found = compare_luminances(("good", rng.normal(0.5, 0.05, 20)), {"dent": rng.normal(0.5 + shift, 0.05, 20)})
    (warning,) = found.warnings
    assert "tells dent from good" in warning
    assert word in warning


def test_equal_brightness_is_no_warning():
    rng = np.random.default_rng(0)
    assert not compare_luminances(("good", rng.random(50)), {"dent": rng.random(50)}).warnings


def test_one_odd_image_is_no_evidence():
    assert not compare_luminances(("good", [0.5, 0.51, 0.52]), {"dent": [0.9]}).warnings


def test_constant_brightness_is_no_separation():
    (_, dent) = compare_luminances(("good", [0.5] * 10), {"dent": [0.5] * 10}).groups
    assert dent.roc_auc.value == 0.5
    assert not dent.is_separate


def test_data_set_is_compared_within_the_test_split_and_with_the_training():
    bright, dark = [0.8, 0.81, 0.82, 0.83, 0.84], [0.2, 0.21, 0.22, 0.23, 0.24]
    kinds = {("train", "good"): bright, ("test", "good"): dark, ("test", "dent"): dark}
    found = dataset_luminances(kinds)
    assert [group.name for group in found.groups] == ["test/good", "train/good", "test/dent"]
    (warning,) = found.warnings
    assert "tells train/good from test/good" in warning


def test_without_good_test_images_the_training_images_are_the_reference():
    found = dataset_luminances({("train", "good"): [0.1, 0.2], ("test", "dent"): [0.1, 0.2]})
    assert [group.name for group in found.groups] == ["train/good", "test/dent"]


def test_no_good_image_at_all_is_no_figure_and_no_crash():
    (dent,) = dataset_luminances({("test", "dent"): [0.1, 0.2]}).groups
    assert dent.roc_auc.value is None
    assert not dataset_luminances({}).groups


@pytest.mark.parametrize(("n", "n_others"), [(2, 2), (3, 3), (4, 4), (5, 5), (7, 7), (20, 3), (40, 9)])
def test_equal_groups_seldom_warn_however_few_their_images(n, n_others):
    rng = np.random.default_rng(0)
    draws = rng.normal(0.5, 0.1, (300, n + n_others))
    warned = sum(bool(compare_luminances(("good", row[:n]), {"dent": row[n:]}).warnings) for row in draws)
    assert warned <= 6  # 2 %; two, three and four images warned in 34, 9 and 6 % once


@pytest.mark.parametrize(("n", "warns"), [(4, False), (5, True)])
def test_five_images_each_are_enough_to_tell_light_from_dark(n, warns):
    found = compare_luminances(("good", np.linspace(0.2, 0.3, n)), {"dent": np.linspace(0.7, 0.8, n)})
    assert bool(found.warnings) == warns
    assert found.groups[1].is_separate == warns


@pytest.mark.parametrize(("n_brighter", "warns"), [(80, True), (79, False)])
def test_what_is_brighter_by_little_is_no_warning_however_many_its_images(n_brighter, warns):
    dent = np.repeat([1.0, 0.0], [n_brighter, 100 - n_brighter])
    assert bool(compare_luminances(("good", [0.5] * 100), {"dent": dent}).warnings) == warns


def test_a_group_is_told_by_its_moments_and_the_reference_has_no_figure():
    found = compare_luminances(("good", [0.1, 0.2, 0.3, 0.2]), {"dent": [0.5, 0.7], "none": []}).to_json()
    good, dent = found["groups"]
    moments = {"mean": 0.2, "standard_deviation": 0.005**0.5, "lowest": 0.1, "highest": 0.3}
    assert {name: good[name] for name in moments} == pytest.approx(moments)
    assert (good["name"], good["n"], good["roc_auc"], good["is_separate"]) == ("good", 4, None, False)
    assert dent["roc_auc"].keys() == {"value", "low", "high"}
    assert (dent["name"], dent["n"], dent["mean"], dent["roc_auc"]["value"]) == ("dent", 2, 0.6, 1.0)
    assert found["warnings"] == []


def test_the_warning_says_how_much_brighter_or_darker():
    good, dark = [0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.3, 0.1, 0.2]
    found = compare_luminances(("good", good), {"dent": dark})
    figure = found.groups[1].roc_auc
    assert found.warnings == (
        "brightness alone tells dent from good: it is darker (ROC-AUC 0.00, 95 % interval "
        f"{figure.low:.2f} … {figure.high:.2f}; mean 0.180 of full scale)",
    )


def bars(n: int, *, has_metal: bool, seed: int = 0) -> list[np.ndarray]:
    """(24, 48) uint8 each: bars of 150…170 levels before a white ground, with metal a few black pixels in them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        image = np.full((24, 48), 255, np.uint8)
        image[4:20, 6:42] = rng.integers(150, 170) + rng.integers(0, 10, (16, 36))
        image[10:12, 20:22] = 0 if has_metal else image[10:12, 20:22]
        found.append(image)
    return found


def of_bars(step: str) -> LuminanceReport:
    pipeline = Pipeline.of(Recipe.find("autoencoder").model_copy(update={"preprocessing": (Part(name=step),)}))
    good, metal = (
        [luminance(pipeline.prepare(one).pixels) for one in bars(30, has_metal=has_metal, seed=int(has_metal))]
        for has_metal in (False, True)
    )
    return compare_luminances(("good", good), {"metal": metal}, of=PREPARED)


def test_min_max_lightens_a_bar_with_metal_and_prepared_brightness_says_so():
    (warning,) = of_bars("min_max").warnings
    assert warning.startswith("brightness after preprocessing alone tells metal from good: it is brighter")
    assert not of_bars("scale").warnings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("product", "kinds", "is_warned"),
    [("chocolate", ("lead_ball", "staple"), True), ("potato", ("needle", "hollow_heart"), False)],
)
def test_simulated_chocolate_with_metal_is_warned_of_and_simulated_potatoes_are_not(
    product, kinds, is_warned, tmp_path
):
    simulate(tmp_path, Settings(product, seed=0), n_train=40)
    frames = {f"exposure_{state}": str(tmp_path / "calibration" / f"exposure_{state}.png") for state in ("on", "off")}
    repaired = {"radius_px": 3, **frames} if product == "chocolate" else {}
    recipe = Recipe.find(product).with_settings({f"preprocessing.inpainting.{k}": v for k, v in repaired.items()})
    pipeline = Pipeline.of(recipe).fit([])

    def prepared(kind: str) -> list[float]:
        return [luminance(pipeline.read(path).pixels) for path in sorted((tmp_path / "test" / kind).glob("*.png"))]

    metal = [one for kind in kinds for one in prepared(kind)]
    assert bool(compare_luminances(("good", prepared("good")), {"metal": metal}, of=PREPARED).warnings) == is_warned
