import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urushi.data.splits import folds, split
from urushi.errors import DatasetError, InputError

fractions_of_one = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(
    lambda parts: {f"part{i}": part / sum(parts) for i, part in enumerate(parts)}
)


@settings(max_examples=50, deadline=None)
@given(st.integers(5, 300), fractions_of_one, st.integers(0, 2**32))
def test_parts_of_one_are_disjoint_sorted_never_empty_and_together_everything(n, fractions, seed):
    parts = split(n, fractions, seed=seed)
    assert list(parts) == list(fractions)
    assert all(len(part) > 0 and (np.diff(part) > 0).all() for part in parts.values())
    assert sorted(np.concatenate(list(parts.values()))) == list(range(n))


@settings(max_examples=50, deadline=None)
@given(st.integers(100, 300), fractions_of_one, st.integers(0, 9))
def test_sizes_are_as_asked_to_within_one_image_for_each_part(n, fractions, seed):
    for name, part in split(n, fractions, seed=seed).items():
        assert abs(len(part) - n * fractions[name]) <= len(fractions)


def test_the_ordinary_case_is_exact():
    parts = split(100, {"train": 0.7, "validation": 0.2, "calibration": 0.1}, seed=0)
    assert [len(part) for part in parts.values()] == [70, 20, 10]


def test_what_the_fractions_leave_over_belongs_to_no_part():
    parts = split(100, {"a": 0.3, "b": 0.2}, seed=0)
    assert [len(part) for part in parts.values()] == [30, 20]
    assert not set(parts["a"]) & set(parts["b"])


def test_a_small_part_gets_its_one_image_from_the_largest():
    parts = split(3, {"large": 0.98, "tiny": 0.01, "tinier": 0.01}, seed=0)
    assert [len(part) for part in parts.values()] == [1, 1, 1]


def test_the_seed_alone_decides():
    fractions = {"a": 0.5, "b": 0.5}
    first, again, other = (split(50, fractions, seed=seed)["a"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again, other = (np.concatenate(folds(50, 5, seed=seed)).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_too_few_images_say_how_many_are_needed():
    with pytest.raises(DatasetError, match=r"^2 images cannot be divided into a, b, c; at least 3 are needed"):
        split(2, {"a": 0.4, "b": 0.3, "c": 0.3}, seed=0)
    with pytest.raises(DatasetError, match="at least 5 are needed"):
        folds(4, 5, seed=0)


@pytest.mark.parametrize(
    "fractions", [{}, {"a": 0}, {"a": -0.1}, {"a": 1.1}, {"a": float("nan")}, {"a": 0.6, "b": 0.5}]
)
def test_wrong_fractions_are_refused(fractions):
    with pytest.raises(InputError, match="Fractions must"):
        split(10, fractions, seed=0)


def test_wrong_folds_and_seeds_are_refused():
    with pytest.raises(InputError, match="at least 2"):
        folds(10, 1, seed=0)
    with pytest.raises(InputError, match="seed"):
        folds(10, 2, seed=-1)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 200), st.integers(2, 10), st.integers(0, 99))
def test_folds_are_a_partition_into_sizes_that_differ_by_one_at_most(n, k, seed):
    if n < k:
        return
    parts = folds(n, k, seed=seed)
    assert sorted(np.concatenate(parts)) == list(range(n))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(part) > 0).all() for part in parts)
