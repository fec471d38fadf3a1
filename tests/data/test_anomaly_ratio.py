from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urushi.data.anomaly_ratio import RATIOS, draw, draw_labelled, largest_total
from urushi.errors import DatasetError, InputError

POTATOES = ["good"] * 380 + ["metal"] * 300 + ["hollow"] * 300  # S2 table 5.3


def counts(defects, indices):
    return Counter(np.asarray(defects)[indices])


def test_the_ratios_of_s2_come_out_from_a_fixed_total():
    for ratio in RATIOS:
        found = counts(POTATOES, draw(POTATOES, ratio, 380, seed=0))
        assert sum(found.values()) == 380, ratio
        assert found["metal"] + found["hollow"] == pytest.approx(ratio * 380, abs=0.5), ratio
        assert abs(found["metal"] - found["hollow"]) <= 1, ratio


def test_the_potatoes_of_s2_have_the_numbers_of_its_table():
    for ratio, n_anomalous, n_normal in [
        (0.05, 20, 380),
        (0.1, 41, 369),
        (0.3, 144, 336),
        (0.5, 350, 350),
        (0.7, 546, 234),
        (0.9, 558, 62),
        (0.95, 570, 30),
    ]:
        found = counts(POTATOES, draw(POTATOES, ratio, n_anomalous + n_normal, seed=0))
        assert (found["metal"] + found["hollow"], found["good"]) == (n_anomalous, n_normal), ratio


def test_scores_and_labels_are_enough():
    labels = np.repeat([1, 0], [40, 100])
    indices = draw_labelled(labels, 0.3, 90, np.random.default_rng(0))
    assert len(set(indices)) == 90
    assert labels[indices].sum() == 27
    rng = np.random.default_rng(0)
    first, second = (draw_labelled(labels, 0.3, 90, rng) for _ in range(2))
    np.testing.assert_array_equal(first, indices)
    assert not np.array_equal(first, second)  # a generator goes on
    with pytest.raises(DatasetError, match=r"takes 30 normal and 70 anomalous .* there are 100 and 40: .* works is 57"):
        draw_labelled(labels, 0.7, 100, rng)
    with pytest.raises(InputError, match=r"0 .normal. and 1"):
        draw_labelled([0, 1, 2], 0.5, 2, rng)


def test_the_same_seed_draws_the_same_images_and_another_seed_others():
    first = draw(POTATOES, 0.3, 200, seed=1)
    np.testing.assert_array_equal(first, draw(POTATOES, 0.3, 200, seed=1))
    assert not np.array_equal(first, draw(POTATOES, 0.3, 200, seed=2))


def test_a_scarce_kind_is_used_up_and_the_others_share_the_rest():
    defects = ["good"] * 50 + ["rare"] * 3 + ["a"] * 40 + ["b"] * 40
    found = counts(defects, draw(defects, 0.5, 60, seed=0))
    assert (found["rare"], found["good"]) == (3, 30)
    assert sorted((found["a"], found["b"])) == [13, 14]


kinds = st.lists(st.sampled_from(["good", "a", "b", "c"]), min_size=2, max_size=60)


@given(kinds, st.floats(0.01, 0.99), st.integers(0, 9))
def test_the_largest_total_works_without_replacement_and_no_larger_one_does(defects, ratio, seed):
    largest = largest_total(defects, ratio)
    if largest:
        indices = draw(defects, ratio, largest, seed=seed)
        assert len(indices) == largest
        assert (np.diff(indices) > 0).all()
        n_anomalous = largest - counts(defects, indices)["good"]
        assert 0 < n_anomalous < largest
        assert n_anomalous == pytest.approx(ratio * largest, abs=0.5 + 1e-9)
    for more in range(largest + 1, len(defects) + 2):
        with pytest.raises(DatasetError):
            draw(defects, ratio, more, seed=seed)


def test_too_few_images_are_told_with_the_largest_total_that_works():
    with pytest.raises(DatasetError, match=r"700 with 50% .* 350 normal and 350 .* are 380 and 340: .* works is 680"):
        draw(["good"] * 380 + ["a"] * 340, 0.5, 700, seed=0)
    with pytest.raises(DatasetError, match=r"0 normal|no total works"):
        draw(["good"] * 5, 0.5, 2, seed=0)


def test_a_total_without_any_anomaly_is_refused():
    with pytest.raises(DatasetError, match="8 normal and 0 anomalous images, at least one of each"):
        draw(POTATOES, 0.05, 8, seed=0)


@pytest.mark.parametrize("ratio", [0, 1, 5, 30, -0.1, float("nan")])
def test_a_ratio_is_a_share_of_one(ratio):
    with pytest.raises(InputError, match=r"0\.05 for 5 %"):
        draw(POTATOES, ratio, 100, seed=0)
    with pytest.raises(InputError, match=r"0\.05 for 5 %"):
        largest_total(POTATOES, ratio)
