"""What a region ignores is painted over before the first step, so that nothing in it can matter."""

import numpy as np
import pytest
from PIL import Image

from urushi.errors import InputError, RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.recipe import Recipe

HALF = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]  # the left one
CORNER = [[0, 0], [0.25, 0], [0.25, 0.5], [0, 0.5]]


def recipe(region, *steps):
    steps = [{"name": step} if isinstance(step, str) else step for step in (*steps, "scale")]
    table = {"preprocessing": steps, "model": {"name": "autoencoder"}, "score": {"name": "squared_error"}}
    return Recipe.from_table(table | {"region": region}, "test")


def ignored(region, shape=(16, 32)):
    """(height, width) bool: what is ignored of images of a shape."""
    return Pipeline.of(recipe(region)).fit([np.zeros(shape, np.uint8)]).ignored.marked


@pytest.fixture
def mask(tmp_path):
    def mask(marked, name="mask.png"):
        Image.fromarray(np.asarray(marked).astype(np.uint8) * 255).save(tmp_path / name)
        return str(tmp_path / name)

    return mask


def test_polygons_are_shares_of_width_and_height_and_mark_whole_pixels():
    found = ignored({"ignore": [CORNER]})
    assert found[:8, :8].all()
    assert found.sum() == 8 * 8
    assert np.array_equal(ignored({"inspect": [CORNER]}), ~found)
    both = ignored({"inspect": [HALF], "ignore": [CORNER]})
    assert both[:8, :8].all()
    assert both[:, 16:].all()
    assert both.sum() == 8 * 8 + 16 * 16


def test_a_polygon_through_pixels_marks_those_that_lie_in_it_by_more_than_half():
    assert ignored({"ignore": [[[0, 0], [0.34, 0], [0.34, 1], [0, 1]]]}, (10, 10))[0].sum() == 3
    assert ignored({"ignore": [[[0, 0], [0.37, 0], [0.37, 1], [0, 1]]]}, (10, 10))[0].sum() == 4


def test_a_mask_marks_what_is_ignored_or_what_alone_is_inspected(mask):
    marked = np.zeros((16, 32), bool)
    marked[2:5, 3:9] = True
    assert np.array_equal(ignored({"mask": mask(marked)}), marked)
    assert np.array_equal(ignored({"mask": mask(marked), "marks": "inspected"}), ~marked)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_the_ignored_pixels_of_any_image_become_the_mean_of_the_others(dtype, colours):
    rng = np.random.default_rng(0)
    image = (rng.random((16, 32, *colours)) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    pipeline = Pipeline.of(recipe({"ignore": [CORNER]})).fit([image])
    found = pipeline.painted(image)
    assert found.dtype == dtype
    outside = ~pipeline.ignored.marked
    assert np.array_equal(found[outside], image[outside])
    assert np.allclose(found[0, 0], image[outside].mean(axis=0), rtol=1e-5, atol=0.5 * (dtype is not np.float32))
    assert (found[:8, :8] == found[0, 0]).all()


def test_nothing_in_the_area_changes_what_any_step_makes_of_the_image_not_even_nan():
    rng = np.random.default_rng(0)
    steps = ("min_max", {"name": "gaussian_filter"}, {"name": "resize", "height": 12, "width": 20})
    images = [rng.random((16, 32)).astype(np.float32) for _ in range(3)]
    pipeline = Pipeline.of(recipe({"ignore": [CORNER]}, *steps)).fit(images)
    other = images[0].copy()
    for content in (rng.random((8, 8)), 0.0, 1.0, np.nan):
        other[:8, :8] = content
        assert np.array_equal(pipeline.prepare(other).pixels, pipeline.prepare(images[0]).pixels)
    other[0, 8] = 0.9  # beside it
    assert not np.array_equal(pipeline.prepare(other).pixels, pipeline.prepare(images[0]).pixels)
    assert pipeline.prepare(other).appearance.content != pipeline.prepare(images[0]).appearance.content


def test_the_area_follows_images_of_another_size_and_the_steps():
    pad = {"name": "rotation_padding"}
    pipeline = Pipeline.of(recipe({"ignore": [HALF]}, {"name": "resize", "height": 20, "width": 40}))
    fitted = pipeline.fit([np.zeros((16, 32), np.uint8)])
    assert np.array_equal(fitted.ignored_places, np.arange(40) < np.full((20, 1), 20))
    larger = fitted.painted(np.arange(64 * 128, dtype=np.uint16).reshape(64, 128))
    assert len(np.unique(larger[:, :64])) == 1
    assert len(np.unique(larger[:, 64:])) == 64 * 64
    padded = Pipeline.of(recipe({"ignore": [HALF]}, pad)).fit([np.zeros((32, 32), np.uint8)])
    assert not padded.ignored_places[:, 16:].any()
    assert not padded.ignored_places[0].any()  # what was added is no part of the image
    assert padded.ignored_places[16, 6:16].all()


def test_polygons_lie_on_images_of_any_shape_and_a_mask_on_those_of_its_own(mask):
    resize, images = {"name": "resize", "height": 16, "width": 32}, [np.zeros((16, 32), np.uint8)]
    by_polygons = Pipeline.of(recipe({"ignore": [CORNER]}, resize)).fit(images)
    square = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    assert len(np.unique(by_polygons.painted(square)[:16, :8])) == 1
    assert (by_polygons.painted(square) == square).sum() == 1024 - 128
    assert by_polygons.with_state(by_polygons.state()).ignored.is_of_any_shape
    by_mask = Pipeline.of(recipe({"mask": mask(by_polygons.ignored.marked)}, resize)).fit(images)
    with pytest.raises(UnreadableImageError, match=r"another shape: the mask has 32 × 16 px .*, its image 32 × 32"):
        by_mask.prepare(square)


def test_an_image_of_another_shape_cannot_be_prepared_where_a_step_adds_by_shape():
    fitted = Pipeline.of(recipe({"ignore": [CORNER]}, "rotation_padding")).fit([np.zeros((16, 32), np.uint8)])
    with pytest.raises(UnreadableImageError, match=r"another shape: the mask has 32 × 16 px .*, its image 32 × 32"):
        fitted.prepare(np.zeros((32, 32), np.uint8))


def test_the_state_of_a_region_is_one_bit_a_pixel_and_comes_back():
    pipeline = Pipeline.of(recipe({"ignore": [CORNER]}))
    fitted = pipeline.fit([np.zeros((16, 33), np.uint8)])
    state = fitted.state()
    assert state["region/marked"].nbytes == 16 * 5
    again = pipeline.with_state(state)
    assert np.array_equal(again.ignored.marked, fitted.ignored.marked)
    assert np.array_equal(again.ignored_places, fitted.ignored_places)
    for name, wrong in [
        ("marked", np.zeros((0, 5), np.uint8)),
        ("width_and_any_shape", np.array([50, 1])),
        ("prepared", np.ones(3)),
    ]:
        with pytest.raises(ValueError, match="damaged"):
            pipeline.with_state(state | {f"region/{name}": wrong})
    with pytest.raises(ValueError, match="do not agree"):
        pipeline.with_state({})


@pytest.mark.parametrize(
    ("region", "problem"),
    [
        ({}, "nothing says what is ignored"),
        ({"mask": "a.png", "ignore": [CORNER]}, "a mask and polygons were given"),
        ({"ignore": [[[0, 0], [1, 1]]]}, r"region\.ignore\.0"),
        ({"ignore": [[[0, 0], [1, 1], [1, 1.5]]]}, "less than or equal to 1"),
        ({"ignore": [[[0, 0], [1, 1], [float("nan"), 0]]]}, r"region\.ignore"),
        ({"ignored": [CORNER]}, r"region\.ignored is unknown.*ignore"),
    ],
)
def test_a_region_that_says_nothing_too_much_or_what_lies_outside_is_refused(region, problem):
    with pytest.raises(RecipeError, match=problem):
        recipe(region)


def test_a_region_that_ignores_everything_or_nothing_is_refused(mask):
    with pytest.raises(RecipeError, match=r"leaves 0\.0% of the image to inspect.*marks = 'inspected'"):
        ignored({"mask": mask(np.ones((16, 32)))})
    with pytest.raises(RecipeError, match="ignores nothing"):
        ignored({"mask": mask(np.zeros((16, 32)))})
    with pytest.raises(RecipeError, match="ignores nothing"):
        ignored({"ignore": [[[0, 0], [1, 1], [0.5, 0.5]]]})  # a line


def test_a_mask_of_another_shape_that_is_ambiguous_or_not_there_is_refused(mask, tmp_path):
    with pytest.raises(InputError, match=r"mask\.png: the mask has 32 × 32 px, its image 32 × 16"):
        ignored({"mask": mask(np.eye(32))})
    with pytest.raises(UnreadableImageError, match=r"gone\.png"):
        ignored({"mask": str(tmp_path / "gone.png")})
    Image.fromarray(np.kron(np.uint8([[0, 1], [2, 255]]), np.ones((8, 8), np.uint8))).save(tmp_path / "labels.png")
    with pytest.raises(UnreadableImageError, match="may mean 'ignore' or a defect"):
        ignored({"mask": str(tmp_path / "labels.png")}, (16, 16))


def test_a_step_that_moves_what_an_image_shows_is_refused_and_so_are_tiles():
    with pytest.raises(RecipeError, match=r"preprocessing\.crop moves each image by what it shows"):
        Pipeline.of(recipe({"ignore": [CORNER]}, "crop"))
    with pytest.raises(RecipeError, match=r"preprocessing\.seam_carving moves"):
        Pipeline.of(recipe({"ignore": [CORNER]}, {"name": "seam_carving", "height": 8, "width": 8}))
    with pytest.raises(RecipeError, match="does not go together with tiles"):
        Recipe.find("tiled").with_settings({"region.ignore": [CORNER]})


def test_a_recipe_without_a_region_is_written_as_before():
    plain = Recipe.find("default")
    assert "region" not in plain.to_toml()
    changed = plain.with_settings({"region.mask": "a.png"})
    assert changed.region.marks == "ignored"
    assert Recipe.from_toml(changed.to_toml()) == changed


def test_a_region_is_read_while_the_pipeline_is_fitted():
    with pytest.raises(RecipeError, match="fit the pipeline first"):
        Pipeline.of(recipe({"ignore": [CORNER]})).prepare(np.zeros((16, 32), np.uint8))
