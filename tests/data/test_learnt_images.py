"""What is kept of good images adds up, comes back from a file, and is checked when it does."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from urushi.data.appearance import Appearance
from urushi.data.learnt_images import IMAGES, SUMS, LearntImages
from urushi.errors import DetectorFileError, InputError


def kept(*numbers: int) -> LearntImages:
    """Image n adds n and n² to the sums, and its descriptor is (n, -n)."""
    n = np.array(numbers, np.float64)
    seen = tuple(Appearance(content(number), 4, 5, "uint8", 1.0, 0.5, 0.1, 0.0) for number in numbers)
    sums = (np.array(len(n)), np.array([n.sum(), np.square(n).sum()]))
    descriptors = np.stack([n, -n], axis=1).astype(np.float32)
    return LearntImages(seen, tuple(map(content, numbers)), sums, descriptors, tuple(map(content, numbers[:1])))


def content(number: int) -> str:
    return f"{number:016x}"


def require_same(one: LearntImages, other: LearntImages) -> None:
    assert (one.appearances, one.contents, one.pictures) == (other.appearances, other.contents, other.pictures)
    for a, b in zip((*one.sums, one.descriptors), (*other.sums, other.descriptors), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_images_are_added_and_taken_away_again() -> None:
    both = kept(1, 2, 3).plus(kept(4, 5))
    require_same(both.less(kept(4, 5)), kept(1, 2, 3))
    assert both.less(kept(2, 4)).contents == (content(1), content(3), content(5))
    assert [one.tolist() for one in both.sums] == [5, [15, 55]]


def test_no_image_counts_twice_and_none_is_taken_away_that_was_not_there() -> None:
    with pytest.raises(InputError, match="1 image would be learnt from twice"):
        kept(1, 2).plus(kept(2, 3))
    with pytest.raises(InputError, match="not learnt from cannot be unlearnt"):
        kept(1, 2).less(kept(3))


def test_it_comes_back_from_a_file_as_it_was() -> None:
    found = LearntImages.from_members(kept(1, 2, 3).to_members())
    assert found is not None
    require_same(found, kept(1, 2, 3))
    assert LearntImages.from_members({}) is None


def listed(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], Any]:
    def apply(members: dict[str, bytes]) -> None:
        found = json.loads(members[IMAGES])
        change(found)
        members[IMAGES] = json.dumps(found).encode()

    return apply


def summed(name: str, array: np.ndarray) -> Callable[[dict[str, bytes]], Any]:
    def apply(members: dict[str, bytes]) -> None:
        members[SUMS] = safetensors.numpy.save(safetensors.numpy.load(members[SUMS]) | {name: array})

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda members: members.pop(SUMS),
        lambda members: members.pop(IMAGES),
        lambda members: members.update({IMAGES: b"[" * 10_000}),
        listed(lambda found: found.pop("pictures")),
        listed(lambda found: found.update(more=1)),
        listed(lambda found: found["contents"].append(content(9))),
        listed(lambda found: found["contents"].__setitem__(1, found["contents"][0])),
        listed(lambda found: found["contents"].__setitem__(0, "no digits")),
        listed(lambda found: found["appearances"][0].update(kind="int3")),
        listed(lambda found: found["appearances"][0].update(height=-1)),
        listed(lambda found: found["appearances"][0].update(brightness=float("nan"))),
        summed("descriptors", np.zeros((2, 2), np.float32)),
        summed("descriptors", np.full((3, 2), np.nan, np.float32)),
        summed("sum-1", np.array([np.inf, 1.0])),
        summed("sum-9", np.zeros(2)),
    ],
)
def test_what_is_damaged_or_forged_is_refused(spoil: Callable[[dict[str, bytes]], Any]) -> None:
    members = kept(1, 2, 3).to_members()
    spoil(members)
    with pytest.raises((ValueError, KeyError)):
        LearntImages.from_members(members)


def test_sums_of_another_size_do_not_add_up() -> None:
    other = LearntImages((), (), (np.array(0), np.zeros(3)), np.zeros((0, 2), np.float32))
    with pytest.raises(DetectorFileError, match="summed up in other sizes"):
        kept(1).plus(other)
