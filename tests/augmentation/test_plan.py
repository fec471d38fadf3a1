from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.augmentation import Wish, plan
from urushi.data.defects import KINDS
from urushi.data.samples import Sample
from urushi.errors import DatasetError, InputError


def samples(n_train=10, n_good=0, n_cut=0):
    train = [Sample(Path(f"train/good/{i}.png"), "train", 0, "good", None) for i in range(n_train)]
    good = [Sample(Path(f"test/good/{i}.png"), "test", 0, "good", None) for i in range(n_good)]
    cut = [Sample(Path(f"test/cut/{i}.png"), "test", 1, "cut", Path(f"m/{i}.png")) for i in range(n_cut)]
    return train + good + cut


def count(pictures):
    return Counter((picture.split, picture.kind) for picture in pictures)


def test_test_images_are_kept_but_not_varied_unless_asked_for():
    found = plan(samples(10, 4, 3), Wish(n_copies=5), seed=0)
    assert count(found) == {("train", "good"): 60, ("test", "good"): 4, ("test", "cut"): 3}
    everything = plan(samples(10, 4, 3), Wish(n_copies=5, augments_test=True), seed=0)
    assert count(everything) == {("train", "good"): 60, ("test", "good"): 24, ("test", "cut"): 18}


def test_originals_are_left_out_only_where_there_are_variants():
    found = plan(samples(10, 4), Wish(n_copies=2, keeps_originals=False), seed=0)
    assert count(found) == {("train", "good"): 20, ("test", "good"): 4}
    assert {picture.variant for picture in found if picture.split == "train"} == {1, 2}


@pytest.mark.parametrize("keeps_originals", [True, False])
def test_a_total_is_met_and_spread_evenly(keeps_originals):
    found = plan(samples(10), Wish(n_training=47, keeps_originals=keeps_originals), seed=0)
    assert len(found) == len(set(found)) == 47
    assert set(Counter(picture.position for picture in found).values()) == {4, 5}


@given(
    st.integers(2, 30), st.integers(0, 4), st.floats(0.05, 0.9), st.integers(0, 3), st.booleans(), st.integers(0, 99)
)
def test_no_source_has_pictures_in_two_splits_and_no_file_is_written_twice(
    n_images, n_copies, fraction, n_synthetic, augments_test, seed
):
    wish = Wish(n_copies=n_copies, test_fraction=fraction, n_synthetic=n_synthetic, augments_test=augments_test)
    found = plan(samples(n_images), wish, seed=seed)
    splits = {}
    for picture in found:
        splits.setdefault(picture.source, set()).add(picture.split)
    assert all(len(parts) == 1 for parts in splits.values())
    assert {part for parts in splits.values() for part in parts} == {"train", "test"}
    files = [(picture.split, picture.kind, picture.stem) for picture in found]
    assert len(files) == len(set(files))
    positions = [picture.position for picture in found]
    assert positions == sorted(positions)


def test_synthetic_defects_go_on_good_test_images_each_kind_as_often_as_asked_for():
    found = plan(samples(10, 4, 3), Wish(n_synthetic=6), seed=0)
    synthetic = [picture for picture in found if picture.defect]
    assert count(synthetic) == {("test", f"synthetic_{kind}"): 6 for kind in KINDS}
    assert {picture.source.defect for picture in synthetic} == {"good"}
    used = Counter((picture.defect, picture.position) for picture in synthetic)
    assert set(used.values()) == {1, 2}  # six on four images


def test_which_images_get_synthetic_defects_depends_on_the_seed():
    chosen = [plan(samples(5, 30), Wish(n_synthetic=2), seed=seed) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_defective_test_images_are_no_ground_for_synthetic_defects():
    found = plan(samples(10, 0, 4), Wish(n_synthetic=1), seed=0)
    assert count(found)[("train", "good")] == 8
    assert all(picture.source.label == 0 for picture in found if picture.defect)


def test_without_good_test_images_synthetic_defects_take_some_from_training():
    found = plan(samples(10), Wish(n_synthetic=1), seed=0)
    assert count(found) == {("train", "good"): 8, ("test", "good"): 2} | {("test", f"synthetic_{k}"): 1 for k in KINDS}


def test_the_anomaly_ratio_concerns_the_test_images_alone():
    found = count(plan(samples(10, 20, 30), Wish(n_copies=1, anomaly_ratio=0.25, n_test=16), seed=0))
    assert found == {("train", "good"): 20, ("test", "good"): 12, ("test", "cut"): 4}
    largest = count(plan(samples(10, 20, 30), Wish(anomaly_ratio=0.25), seed=0))
    assert largest == {("train", "good"): 10, ("test", "good"): 20, ("test", "cut"): 7}


def test_the_same_seed_plans_the_same_and_another_seed_something_else():
    wish = Wish(n_training=25, test_fraction=0.3, n_synthetic=2, anomaly_ratio=0.5)
    assert plan(samples(20), wish, seed=4) == plan(samples(20), wish, seed=4)
    assert plan(samples(20), wish, seed=4) != plan(samples(20), wish, seed=5)


def test_names_are_those_of_the_sources_made_safe_and_not_too_long():
    (sample,) = samples(1)
    odd = Sample(Path("in/a b\x1b[2J\udcff " + "x" * 200 + ".png"), *list(vars(sample).values())[1:])
    (picture,) = plan([odd], Wish(anomaly_ratio=None), seed=0)
    assert picture.stem == "000000-a_b__2J__" + "x" * 31


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"n_copies": 2, "n_training": 50}, "not both"),
        ({"n_test": 50}, "needs an anomaly ratio"),
        ({"n_training": 50, "augments_test": True}, "number of copies"),
    ],
)
def test_wishes_that_contradict_themselves_are_refused(wish, message):
    with pytest.raises(InputError, match=message):
        Wish(**wish)


@pytest.mark.parametrize(
    ("there", "wish", "error", "message"),
    [
        (samples(10), {"n_training": 9}, DatasetError, "9 training images was asked for; there are 10"),
        (samples(0, 3), {"n_training": 9}, DatasetError, "there are 0"),
        (samples(1), {"n_synthetic": 1}, DatasetError, "cannot be divided"),
        (samples(5, 3), {"test_fraction": 0.5}, InputError, "good test images already"),
        (samples(5), {"test_fraction": 1.5}, InputError, "Fractions must be"),
        (samples(5, 3, 3), {"anomaly_ratio": 0.5, "n_test": 9}, DatasetError, "largest total that works is 6"),
    ],
)
def test_too_few_images_are_told_before_anything_is_written(there, wish, error, message):
    with pytest.raises(error, match=message):
        plan(there, Wish(**wish), seed=0)
