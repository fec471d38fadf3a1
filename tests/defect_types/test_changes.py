"""What is said of types that drift, vanish or are one, on codes whose directions are known."""

import numpy as np
import pytest

from urushi.defect_types import NoveltyBuffer, changes
from urushi.errors import InputError

DIRECTIONS = dict(zip("abc", np.eye(3, 12) * 4, strict=True))


def buffer_of(names: str | list[str], codes: list[np.ndarray]) -> NoveltyBuffer:
    n = len(codes)
    pictures = np.zeros((n, 64, 64, 3), np.uint8)
    return NoveltyBuffer("key", np.array(codes, np.float32), pictures, ("",) * n, tuple(names), (0,) * n)


def codes_of(types: str, seed: int, shift: float = 0) -> list[np.ndarray]:
    """In the direction of each type, moved by `shift` along another one from the first to the last."""
    rng, moved = np.random.default_rng(seed), np.eye(12)[7]
    share = np.linspace(0, shift, len(types))
    return [DIRECTIONS[kind] + rng.normal(0, 0.7, 12) + s * moved for kind, s in zip(types, share, strict=True)]


def test_of_types_that_stay_as_they_are_little_is_said():
    said = [changes(buffer_of("abcab" * 6, codes_of("abcab" * 6, seed))) for seed in range(40)]
    assert sum(bool(one) for one in said) <= 5  # 2 expected at most; more in 1.4 % of all seeds


def test_a_type_that_moves_has_drifted():
    names = "ab" * 15
    still, moved = (changes(buffer_of(names, codes_of(names, 1, shift))) for shift in (0, 3))
    assert still == []
    assert [(one.name, one.kind) for one in moved] == [("a", "drifted"), ("b", "drifted")]
    assert moved[0].text == "a has drifted: its last 8 images look unlike those before"


def test_a_type_that_no_longer_comes_has_vanished():
    names = "ab" * 6 + "b" * 14
    (found,) = (one for one in changes(buffer_of(names, codes_of(names, 2))) if one.kind == "vanished")
    assert found.name == "a"
    assert "none of the last 15 images is one, where 8.2 would be expected" in found.text
    # ∫ (1 − p)^15 of the posterior Beta(7, 6) of its share, the product of (6 + i) / (13 + i)
    assert found.p_value == pytest.approx(np.prod([(6 + i) / (13 + i) for i in range(15)]))


def test_images_without_a_name_count_for_the_type_that_they_are_told_by():
    types = "ab" * 6 + "b" * 6 + "a" * 4
    names = ["" if place >= 18 else kind for place, kind in enumerate(types)]
    found = buffer_of(names, codes_of(types, 3))
    assert [one.name for one in changes(found) if one.kind == "vanished"] == []


def test_two_names_of_one_type_are_alike_and_become_one():
    names, types = "abcabc" * 3, "aacaac" * 3
    found = buffer_of(names, codes_of(types, 5))
    (alike,) = changes(found)
    assert (alike.kind, alike.p_value) == ("alike", None)
    assert alike.text == "a and b cannot be told apart: --rename a=b makes them one"
    one = found.renamed({"a": "b"})
    assert sorted(set(one.names)) == ["b", "c"]
    assert changes(one) == []


@pytest.mark.parametrize("names", [{"d": "a"}, {"a": " "}, {"": "a"}])
def test_only_types_are_renamed_and_only_to_names(names):
    with pytest.raises(InputError, match="types are"):
        buffer_of("ab", codes_of("ab", 0)).renamed(names)


def test_an_empty_buffer_has_no_changes():
    assert changes(NoveltyBuffer("key")) == []
