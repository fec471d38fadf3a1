"""Which images show one product."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urushi.data.groups import digest_of, grouped, groups_of, section_of, sizes
from urushi.data.images import Stated
from urushi.data.splits import folds, split
from urushi.errors import DatasetError, RecipeError
from urushi.recipe import Groups, Recipe

SCANS = ["a/item-07_scan-1.png", "b/item-07_scan-2.png", "b/item-12_scan-1.png"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"pattern": r"item-(\d+)"}, ("07", "07", "12")),
        ({"pattern": r"^(\w)/"}, ("a", "b", "b")),  # a slash: the whole path
        ({"pattern": r"(item)-(\d+)_scan-(9)?"}, ("item-07", "item-07", "item-12")),
        ({"folder": True}, ("a", "b", "b")),
    ],
)
def test_products_are_told_by_name_or_folder(section, expected):
    assert groups_of(SCANS, Groups.model_validate(section)) == expected


def test_folders_above_do_not_name_a_product_by_chance():
    assert groups_of(["/data/item-99/item-07.png"], Groups(pattern=r"item-(\d+)")) == ("07",)


def test_a_table_tells_products_by_the_end_of_a_path(tmp_path):
    table = tmp_path / "parts.csv"
    table.write_text("image,product\nscan-1.png,A\nb/scan-1.png,B\nstack.tif,C\n", encoding="utf-8-sig")
    section = Groups(csv=str(table), column="product")
    assert groups_of(["x/a/scan-1.png", "x/b/scan-1.png", "x/stack.tif#2"], section) == ("A", "B", "C")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("file,product\na.png,A\n", "no column 'image'; it has: 'file', 'product'"),
        ("image,product\nx/a.png,A\nx/a.png,B\n", "is of 2 products there: A, B"),
        ("", "no column"),
        (None, "is no file"),
    ],
)
def test_a_table_that_does_not_tell_is_refused(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "parts.csv").write_text(content)
    with pytest.raises(RecipeError, match=problem):
        groups_of(["x/a.png"], Groups(csv=str(tmp_path / "parts.csv"), column="product"))


def test_a_table_in_another_encoding_is_refused_without_a_traceback(tmp_path):
    (tmp_path / "parts.csv").write_bytes(b"image,product\n\xff\xfe,A\n")
    with pytest.raises(RecipeError, match="cannot be read as a table in UTF-8"):
        groups_of(["x/a.png"], Groups(csv=str(tmp_path / "parts.csv"), column="product"))


def test_an_image_of_no_product_is_named():
    with pytest.raises(
        DatasetError, match=r"1 of 2 images belong to no product, by the pattern .*; the first: other.png"
    ):
        groups_of(["item-1.png", "other.png"], Groups(pattern=r"item-(\d+)"))
    with pytest.raises(DatasetError, match="1 of 2 images belong to no product, for no group is stated"):
        groups_of([Stated("a.png", group="1"), "b.png"], None)


def test_what_is_stated_goes_before_the_name_and_serves_images_in_memory():
    section = Groups(pattern=r"item-(\d+)")
    assert groups_of([Stated("item-1.png", group="x"), "item-1.png"], section) == ("x", "1")
    assert groups_of([Stated(np.zeros((4, 4), np.uint8), group="x")], None) == ("x",)
    assert [one.group for one in grouped(["item-1.png"], section)] == ["1"]
    assert Stated.of(Stated("a.png", group="x"), bits=10).group == "x"
    assert groups_of(["a.png"], None) == ()


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"pattern": r"item-\d+"}, "parentheses must say"),
        ({"pattern": "item-("}, "no regular expression"),
        ({"pattern": "(a)", "folder": True}, "in one way"),
        ({}, "in one way"),
        ({"csv": "a.csv"}, "csv and column go together"),
    ],
)
def test_a_section_that_tells_nothing_is_refused(table, problem):
    plain = Recipe.find("autoencoder").model_dump(exclude_none=True)
    with pytest.raises(RecipeError, match=problem):
        Recipe.from_table(plain | {"groups": table}, "test")


def test_a_recipe_keeps_its_groups():
    recipe = Recipe.find("autoencoder").with_settings({"groups.pattern": r"item-(\d+)"})
    assert Recipe.from_toml(recipe.to_toml()).groups == Groups(pattern=r"item-(\d+)")


def test_one_option_says_each_way():
    assert section_of("folder") == Groups(folder=True)
    assert section_of("C:/a.csv:product") == Groups(csv="C:/a.csv", column="product")
    assert section_of(r"item-(\d+)") == Groups(pattern=r"item-(\d+)")
    with pytest.raises(RecipeError, match=r"'folder', by TABLE.csv:COLUMN, or by a regular expression, not 'item'"):
        section_of("item")


def test_names_of_products_are_no_part_of_a_file():
    assert digest_of("customer 7") == digest_of("customer 7") != digest_of("customer 8")
    assert len(digest_of("customer 7")) == 16


# Parts

some_groups = st.lists(st.integers(0, 12), min_size=28, max_size=50).map(
    lambda numbers: [f"g{n}" for n in (0, 13, *numbers)]
)


@settings(max_examples=30)
@given(some_groups, st.integers(0, 99))
def test_no_product_is_divided_and_no_image_lost(groups, seed):
    parts = list(split(len(groups), {"a": 0.8, "b": 0.2}, seed=seed, groups=groups).values())
    for found in (parts, folds(len(groups), min(3, len(set(groups))), seed=seed, groups=groups)):
        of_parts = [{groups[image] for image in part} for part in found]
        assert sum(map(len, of_parts)) == len(set(groups))
        assert sorted(np.concatenate(found)) == list(range(len(groups)))
        assert all(len(part) for part in found)


def test_each_product_has_the_same_chance_however_many_images_it_has():
    """Ten products of which one has half of the images: with two of ten drawn, it is drawn in a fifth of the cases."""
    groups = ["large"] * 9 + [f"small-{n}" for n in range(9)]
    drawn = [split(18, {"a": 0.8, "b": 0.2}, seed=seed, groups=groups)["b"] for seed in range(500)]
    assert np.mean([0 in part for part in drawn]) == pytest.approx(0.2, abs=0.06)
    assert {len(part) for part in drawn} == {2, 10}


def test_products_of_one_image_each_are_divided_as_images_are():
    names = [str(n) for n in range(20)]
    for part, other in zip(folds(20, 4, seed=3), folds(20, 4, seed=3, groups=names), strict=True):
        np.testing.assert_array_equal(part, other)


def test_too_few_products_say_so():
    with pytest.raises(DatasetError, match="8 images of 1 product cannot be divided into a, b; at least 2 products"):
        split(8, {"a": 0.5, "b": 0.5}, seed=0, groups=["x"] * 8)
    assert sizes(["a", "b", "b"]) == {"n": 2, "smallest": 1, "largest": 2}
