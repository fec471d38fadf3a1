import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.cli._prepared import choose_shown, find_items
from urushi.data.images import read_image
from urushi.data.mask_on_map import fit_mask
from urushi.data.writing import write_image
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe

RECIPE = """
model.name = "autoencoder"
score.name = "squared_error"
[[preprocessing]]
name = "grey"
[[preprocessing]]
name = "crop"
[[preprocessing]]
name = "resize"
height = 32
width = 32
[[preprocessing]]
name = "contrast_stretching"
knots = [[30, 0], [140, 255]]
[[preprocessing]]
name = "scale"
"""
FEW = ("--n-shown", 1)  # to draw each step of each image would take longer than all else


def part(seed, dtype=np.uint8):
    """(40, 60) grey: a noisy dark box before a bright background; the box lies elsewhere in each image."""
    rng = np.random.default_rng(seed)
    levels = rng.integers(180, 190, (40, 60))
    top, left = rng.integers(2, 15, 2)
    levels[top : top + 20, left : left + 30] = rng.integers(40, 120, (20, 30))
    return (levels * (np.iinfo(dtype).max // 255)).astype(dtype)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def parts(tmp_path):
    """MVTec layout: 6 good images to train, 2 good ones and 2 defective ones with masks to test."""
    root = tmp_path / "parts"
    for seed in range(6):
        write_image(root / "train" / "good" / f"{seed}.png", part(seed))
    for seed in range(2):
        write_image(root / "test" / "good" / f"{seed}.png", part(10 + seed))
        write_image(root / "test" / "hole" / f"{seed}.png", part(20 + seed))
        mask = np.zeros((40, 60), bool)
        mask[18:24, 18:26] = True
        write_image(root / "ground_truth" / "hole" / f"{seed}_mask.png", mask)
    return root


def written(path):
    return read_image(path) / 65535


def test_written_images_are_those_that_the_pipeline_gives(urushi, parts, recipe, tmp_path):
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert (result.status, result.err) == (0, f"reading {parts}/\n10 images found in {parts}\n")
    pipeline = Pipeline.of(Recipe.find(str(recipe)))
    images = [p.relative_to(parts) for p in sorted(parts.rglob("*.png")) if "ground_truth" not in p.parts]
    assert len(images) == 10
    for name in images:
        expected = pipeline.prepare(read_image(parts / name)).pixels[0]
        assert read_image(tmp_path / "out" / name).dtype == np.uint16
        assert written(tmp_path / "out" / name) == pytest.approx(expected, abs=0.5 / 65535)
    assert "10 images prepared, 0 not" in result.out


def test_masks_follow_their_images(urushi, parts, recipe, tmp_path):
    urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    prepared = Pipeline.of(Recipe.find(str(recipe))).prepare(part(20))
    mask = np.zeros((40, 60), bool)
    mask[18:24, 18:26] = True
    expected = fit_mask(mask, (32, 32), prepared.to_original, (40, 60))
    found = read_image(tmp_path / "out" / "ground_truth" / "hole" / "0_mask.png")
    assert expected.any()
    assert np.array_equal(found, np.where(expected, 255, 0))


def test_sixteen_bits_stay_sixteen_bits(urushi, tmp_path):
    ramp = np.arange(1024, dtype=np.uint16).reshape(32, 32) + 30000  # all within four levels of 8 bits
    write_image(tmp_path / "deep" / "ramp.png", ramp)
    recipe = tmp_path / "scale.toml"
    recipe.write_text(RECIPE.split("[[")[0] + '[[preprocessing]]\nname = "scale"\n')
    urushi("prepare", tmp_path / "deep", tmp_path / "out", "--recipe", recipe, *FEW)
    assert np.array_equal(read_image(tmp_path / "out" / "ramp.png"), ramp)


def test_colour_stays_colour(urushi, tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_image(tmp_path / "rgb" / "a.png", rgb)
    recipe = tmp_path / "scale.toml"
    recipe.write_text(RECIPE.split("[[")[0] + '[[preprocessing]]\nname = "scale"\n')
    assert urushi("prepare", tmp_path / "rgb", tmp_path / "out", "--recipe", recipe, *FEW).status == 0
    assert np.array_equal(read_image(tmp_path / "out" / "a.png"), rgb.astype(np.uint16) * 257)


def test_what_cannot_be_read_is_listed_and_the_rest_written(urushi, parts, recipe, tmp_path):
    (parts / "test" / "good" / "broken.png").write_text("no image")
    write_image(parts / "train" / "good" / "flat.png", np.full((20, 20), 90, np.uint8))  # nothing to crop to
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert result.status == 1
    assert f"not read: {parts / 'test' / 'good' / 'broken.png'}: not an image" in result.err
    assert "flat.png: no object to crop to" in result.err
    assert "10 images prepared, 2 not" in result.out
    page = (tmp_path / "out" / "prepare.html").read_text("utf-8")
    assert "2 images not prepared" in page


def test_masks_in_a_folder_become_one(urushi, parts, recipe, tmp_path):
    folder = parts / "ground_truth" / "hole"
    mask = read_image(folder / "0_mask.png") > 0
    (folder / "0_mask.png").unlink()
    (folder / "0").mkdir()
    for i, side in enumerate((np.arange(60) < 20, np.arange(60) >= 20)):
        write_image(folder / "0" / f"{i}.png", mask & side)
    prepared = Pipeline.of(Recipe.find(str(recipe))).prepare(read_image(parts / "test/hole/0.png"))
    assert urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW).status == 0
    expected = fit_mask(mask, (32, 32), prepared.to_original, (40, 60))
    np.testing.assert_array_equal(read_image(tmp_path / "out/ground_truth/hole/0.png") > 0, expected)


def test_a_mask_of_another_ratio_is_listed(urushi, parts, recipe, tmp_path):
    write_image(parts / "ground_truth" / "hole" / "0_mask.png", np.eye(40, dtype=bool))
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert "0_mask.png: the mask has 40 × 40 px, its image 60 × 40 px" in result.err
    assert not (tmp_path / "out/ground_truth/hole/0_mask.png").exists()


def test_a_mask_that_cannot_be_read_is_listed_and_its_image_written(urushi, parts, recipe, tmp_path):
    (parts / "ground_truth" / "hole" / "0_mask.png").write_text("no image")
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert result.status == 1
    assert "0_mask.png: not an image" in result.err
    assert (tmp_path / "out" / "test" / "hole" / "0.png").is_file()


@pytest.mark.parametrize("named", [False, True])
def test_steps_learn_from_good_training_images_only(urushi, parts, tmp_path, named):
    recipe = tmp_path / "midway.toml"
    recipe.write_text(
        RECIPE.split("[[")[0] + '[[preprocessing]]\nname="midway_equalization"\n[[preprocessing]]\nname="scale"\n'
    )
    teachers = sorted((parts / "test" / "good" if named else parts / "train" / "good").iterdir())
    fit_on = ["--fit-on", parts / "test" / "good"] if named else []
    urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *fit_on, *FEW)
    pipeline = Pipeline.of(Recipe.find(str(recipe))).fit([read_image(path) for path in teachers])
    expected = pipeline.prepare(part(20)).pixels[0]
    assert written(tmp_path / "out" / "test" / "hole" / "0.png") == pytest.approx(expected, abs=0.5 / 65535)


def test_names_that_differ_in_their_ending_only_are_both_kept(urushi, recipe, tmp_path):
    folder = tmp_path / "in"
    write_image(folder / "a.png", part(0))
    Image.fromarray(part(1)).save(folder / "a.bmp")
    Image.fromarray(part(2)).save(folder / "b.bmp")
    assert urushi("prepare", folder, tmp_path / "out", "--recipe", recipe, *FEW).status == 0
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {"a.png.png", "a.bmp.png", "b.png"}


def test_single_files_are_taken_too(urushi, parts, recipe, tmp_path):
    files = [parts / "train" / "good" / "0.png", parts / "train" / "good" / "1.png"]
    assert urushi("prepare", *files, tmp_path / "out", "--recipe", recipe, *FEW).status == 0
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {"0.png", "1.png"}


def test_two_images_for_one_place_are_refused_before_any_work(urushi, parts, recipe, tmp_path):
    folders = [parts / "test" / "good", parts / "test" / "hole"]
    result = urushi("prepare", *folders, tmp_path / "out", "--recipe", recipe, *FEW)
    assert result.status == 2
    assert "would both become 0.png.png" in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["parts/out", ".", "parts"])
def test_results_among_the_images_are_refused(urushi, parts, recipe, tmp_path, out):
    before = sorted(tmp_path.rglob("*"))
    result = urushi("prepare", parts, tmp_path / out, "--recipe", recipe, *FEW)
    assert result.status == 2
    assert "choose another OUT" in result.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_somebody_else_is_left_alone(urushi, parts, recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert result.status == 2
    assert "holds other files" in result.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.thorough
def test_results_can_be_written_anew_but_not_over_those_of_other_images(urushi, parts, recipe, tmp_path):
    run = ("--recipe", recipe, *FEW)
    assert urushi("prepare", parts, tmp_path / "out", *run).status == 0
    assert urushi("prepare", parts, tmp_path / "out", *run, "--set", "preprocessing.resize.width=16").status == 0
    assert read_image(tmp_path / "out" / "train" / "good" / "0.png").shape == (32, 16)
    assert urushi("prepare", parts / "train", tmp_path / "out", *run).status == 2


@pytest.mark.parametrize(
    "options", [["--recipe", "potatoe"], ["--recipe", "potato", "--set", "preprocessing.crop.x=1"]]
)
def test_a_wrong_recipe_is_found_out_before_anything_is_written(urushi, parts, tmp_path, options):
    assert urushi("prepare", parts, tmp_path / "out", *options).status == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [[], ["--recipe", "potato", "--propose"]])
def test_a_recipe_must_be_named_or_proposed(urushi, parts, tmp_path, options):
    result = urushi("prepare", parts, tmp_path / "out", *options)
    assert result.status == 2
    assert "--recipe" in result.err
    assert "--propose" in result.err


@pytest.mark.thorough
def test_a_proposal_is_a_recipe_that_prepares_the_same(urushi, parts, tmp_path):
    result = urushi("prepare", parts, tmp_path / "one", "--propose", "--set", "preprocessing.resize.width=48", *FEW)
    assert result.status == 0
    assert "The background is bright" in result.out
    proposed = tmp_path / "one" / "proposed.toml"
    recipe = Recipe.find(str(proposed))
    assert recipe.model == Recipe.find("autoencoder").model
    assert urushi("prepare", parts, tmp_path / "two", "--recipe", proposed).status == 0
    for path in (tmp_path / "one").rglob("test/*/*.png"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    assert "What is proposed, and why" in (tmp_path / "one" / "prepare.html").read_text("utf-8")


@pytest.mark.thorough
def test_a_proposal_repairs_dead_columns(urushi, tmp_path):
    for seed in range(10):
        image = part(seed)
        image[:, 30] = 0
        write_image(tmp_path / "in" / f"{seed}.png", image)
    assert urushi("prepare", tmp_path / "in", tmp_path / "out", "--propose", *FEW).status == 0
    mask = read_image(tmp_path / "out" / "dead_pixels.png")
    assert np.flatnonzero(mask.any(axis=0)).tolist() == [30]
    assert "red: dead pixels" in (tmp_path / "out" / "prepare.html").read_text("utf-8")


def test_constant_images_are_prepared_with_a_proposal_that_says_so(urushi, tmp_path):
    write_image(tmp_path / "in" / "a.png", np.full((20, 30), 80, np.uint8))
    result = urushi("prepare", tmp_path / "in", tmp_path / "out", "--propose", *FEW)
    assert result.status == 0
    assert "Nothing to stretch" in result.out


def test_the_page_shows_images_of_every_class(urushi, parts, recipe, tmp_path):
    urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, "--n-shown", 4)
    page = (tmp_path / "out" / "prepare.html").read_text("utf-8")
    shown = re.findall(r'<article [^>]*aria-label="([^"]+)"', page)
    assert len(shown) == 4
    assert {str(Path(name).parent) for name in shown} == {"test/good", "test/hole", "train/good"}


@pytest.mark.parametrize("n_shown", [0, 1, 3, 5, 10, 100])
def test_shown_images_are_as_many_as_asked_for(parts, tmp_path, n_shown):
    items, _ = find_items([parts], tmp_path / "out", None)
    chosen = choose_shown(items, n_shown)
    assert len(set(chosen)) == len(chosen) == min(n_shown, 10)
    assert len({item.group for item in chosen}) == min(n_shown, 3)


def test_inverted_masks_are_left_out_and_said(urushi, parts, recipe, tmp_path):
    for path in (parts / "ground_truth" / "hole").iterdir():
        write_image(path, read_image(path) == 0)
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, *FEW)
    assert result.status == 0
    assert f"note: {parts / 'ground_truth' / 'hole'}: 2 masks are left out; each marks most of its image" in result.err
    assert not (tmp_path / "out" / "ground_truth").exists()


def test_folders_of_a_name_may_be_declared_good(urushi, parts, recipe, tmp_path):
    for split in ("train", "test"):
        (parts / split / "good").rename(parts / split / "A")
    items, _ = find_items([parts], tmp_path / "out", None, ["A"])
    assert sum(item.is_training for item in items) == 6
    result = urushi("prepare", parts, tmp_path / "out", "--recipe", recipe, "--good-folder", "A", *FEW)
    assert result.status == 0
    assert len(list((tmp_path / "out" / "train" / "A").iterdir())) == 6


@pytest.mark.parametrize("both", [False, True], ids=["fit-on alone", "both"])
def test_good_folders_of_the_images_that_steps_learn_from(urushi, parts, tmp_path, both):
    recipe = tmp_path / "midway.toml"
    recipe.write_text(
        RECIPE.split("[[")[0] + '[[preprocessing]]\nname="midway_equalization"\n[[preprocessing]]\nname="scale"\n'
    )
    for number in range(4):
        write_image(tmp_path / "known" / ("A", "B")[number % 2] / f"{number}.png", part(30 + number))
    source = parts if both else parts / "test" / "hole"
    if both:
        (parts / "train" / "good").rename(parts / "train" / "A")
    named = ["--fit-on", tmp_path / "known", "--good-folder", "A"]
    assert urushi("prepare", source, tmp_path / "out", "--recipe", recipe, *named, *FEW).status == 0
    pipeline = Pipeline.of(Recipe.find(str(recipe))).fit([part(30), part(32)])
    expected = pipeline.prepare(part(20)).pixels[0]
    place = "test/hole/0.png" if both else "0.png"
    assert written(tmp_path / "out" / place) == pytest.approx(expected, abs=0.5 / 65535)
    result = urushi("prepare", source, tmp_path / "more", "--recipe", recipe, *named, "--good-folder", "fein", *FEW)
    assert result.status == 2
    assert "no folder called 'fein'" in result.err


def test_it_says_how_well_parts_could_be_aligned(urushi, tmp_path):
    (tmp_path / "good").mkdir()
    for seed in range(4):
        write_image(tmp_path / "good" / f"{seed}.png", part(seed))
    recipe = tmp_path / "aligned.toml"
    recipe.write_text(RECIPE.replace('name = "crop"', 'name = "alignment"'))
    found = urushi("prepare", tmp_path / "good", tmp_path / "out", "--recipe", recipe, *FEW)
    assert re.search(r"alignment: 4 of 4 good images fit the template; median correlation 0\.\d\d before", found.out)
    assert "4 of 4 good images fit the template" in (tmp_path / "out" / "prepare.html").read_text(encoding="utf-8")
