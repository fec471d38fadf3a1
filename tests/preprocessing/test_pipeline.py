from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from urushi import catalogue
from urushi.errors import RecipeError, UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Step
from urushi.preprocessing.grey import Grey
from urushi.preprocessing.resize import Resize
from urushi.preprocessing.scale import Scale
from urushi.recipe import Recipe

RESIZE = {"name": "resize", "height": 8, "width": 6}


CALIBRATED = {"flat_field", "inpainting"}  # read files; their own tests save and load them
REQUIRED = {
    "contrast_stretching": {"knots": [[30, 0], [140, 255]]},
    "gamma": {"exponent": 0.6},
    "resize": {"height": 8, "width": 6},
    "seam_carving": {"height": 8, "width": 6},
}


def pipeline(*steps: str | dict[str, Any]) -> Pipeline:
    tables = [{"name": step} if isinstance(step, str) else step for step in steps]
    table = {"preprocessing": tables, "model": {"name": "autoencoder"}, "score": {"name": "squared_error"}}
    return Pipeline.of(Recipe.from_table(table, "test"))


@dataclass(frozen=True, kw_only=True)
class Centre(Step):
    """Takes the mean of the training images off and comes back into [0, 1]: a step that learns."""

    mean: float = 0.0

    def apply(self, image: np.ndarray) -> np.ndarray:
        return (image - np.float32(self.mean)) / 2 + np.float32(0.5)

    def fit(self, images: Iterable[np.ndarray]) -> "Centre":
        list(images)  # a first pass, as a step that looks twice would need
        return Centre(mean=float(np.mean([image.mean() for image in images])))

    def state(self) -> Mapping[str, np.ndarray]:
        return {"mean": np.array(self.mean)}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Centre":
        return Centre(mean=float(state["mean"]))


@dataclass(frozen=True, kw_only=True)
class Crop(Step):
    """Cuts 4 px off the left and 2 px off the top: a step that moves the picture."""

    def apply(self, image: np.ndarray) -> np.ndarray:
        return self.place(image)[0]

    def place(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return image[2:, 4:], np.array([[1.0, 0, 4], [0, 1, 2], [0, 0, 1]])


shapes = st.one_of(
    st.tuples(st.integers(1, 30), st.integers(1, 30)), st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3))
)
images = shapes.flatmap(
    lambda shape: st.one_of(
        arrays(np.uint8, shape), arrays(np.uint16, shape), arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
    )
)


@given(
    images,
    st.sampled_from([("grey", 1), ("rgb", 3)]),
    st.sampled_from(["scale", "min_max"]),
    st.sampled_from(["nearest", "bilinear", "bicubic", "area", "lanczos"]),
    st.permutations([0, 1, 2]),
)
def test_any_image_becomes_what_a_model_takes(image, channels, scaling, interpolation, order):
    name, n_channels = channels
    steps = [name, {**RESIZE, "interpolation": interpolation}, scaling]
    prepared = pipeline(*(steps[i] for i in order)).prepare(image)
    assert prepared.pixels.shape == (n_channels, 8, 6)
    assert prepared.pixels.dtype == np.float32
    assert prepared.pixels.flags.c_contiguous
    assert prepared.pixels.min() >= 0
    assert prepared.pixels.max() <= 1
    assert np.allclose(prepared.to_original @ [6, 8, 1], [image.shape[1], image.shape[0], 1])


def test_steps_come_in_the_order_of_the_recipe():
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    shrink = {"name": "resize", "height": 3, "width": 4}
    first_stretched = pipeline("min_max", shrink).prepare(image).pixels
    first_shrunk = pipeline(shrink, "min_max").prepare(image).pixels
    assert first_shrunk.max() == 1
    assert first_stretched.max() < 1


def test_the_way_back_goes_through_all_steps():
    image = np.zeros((10, 40), np.uint8)
    steps = ({"name": "resize", "height": 33, "width": 17}, "grey", RESIZE, "scale")
    assert np.allclose(pipeline(*steps).prepare(image).to_original, np.diag([40 / 6, 10 / 8, 1]))


@pytest.mark.parametrize(("size", "n_crops"), [((20, 40), 1), ((10, 10), 2)])
def test_the_way_back_goes_through_the_last_step_first(size, n_crops):
    image = np.zeros((40, 80), np.uint8)
    steps = (Crop(), Resize(height=size[0], width=size[1]), Crop(), Scale())[-2 - n_crops :]
    prepared = Pipeline(steps).prepare(image)
    assert np.allclose(prepared.to_original @ [*prepared.pixels.shape[:0:-1], 1], [80, 40, 1])  # the far corner


def test_a_place_in_the_prepared_image_is_found_again_in_the_original():
    image = np.zeros((60, 90), np.uint8)
    image[30:40, 45:60] = 255  # pixels x 3…3, y 4…4 of the prepared one: 15 × 7.5 px each
    prepared = pipeline(RESIZE, "scale").prepare(image)
    _, y, x = np.unravel_index(prepared.pixels.argmax(), prepared.pixels.shape)
    left, top, _ = prepared.to_original @ [x, y, 1]
    right, bottom, _ = prepared.to_original @ [x + 1, y + 1, 1]
    assert image[round(top) : round(bottom), round(left) : round(right)].mean() > 250


def test_channels_come_first_in_their_order():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0], image[..., 2] = 255, 51
    red, green, blue = pipeline("scale").prepare(image).pixels
    assert (red.mean(), green.mean(), round(float(blue.mean()), 6)) == (1, 0, 0.2)


def test_a_sixteen_bit_ramp_keeps_more_than_256_levels():
    for scaling in ["scale", "min_max"]:
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        pixels = pipeline("grey", {"name": "resize", "height": 128, "width": 128}, scaling).prepare(ramp).pixels
        assert len(np.unique(pixels)) > 8192, scaling


def test_a_constant_image_passes():
    for value in [0, 255]:
        pixels = pipeline("rgb", RESIZE, "min_max").prepare(np.full((5, 5), value, np.uint8)).pixels
        assert not pixels.any(), value


def test_a_white_float_image_passes():
    for image in [np.full((4, 4, 3), 1, np.float32), np.full((9, 7), 1, np.float32)]:
        assert np.allclose(pipeline("grey", RESIZE, "scale").prepare(image).pixels, 1), image


def test_floats_out_of_range_are_refused_even_where_no_step_looks_at_them():
    with pytest.raises(UnreadableImageError, match=r"range over 0…7 after preprocessing.*`scale` or `min_max`"):
        pipeline("grey").prepare(np.linspace(0, 7, 16, dtype=np.float32).reshape(4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_reaches_a_model(value):
    image = np.full((4, 4), 0.5, np.float32)
    image[1, 2] = value
    with pytest.raises(UnreadableImageError):
        pipeline("grey").prepare(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_pipeline_that_does_not_end_in_floats_says_how_it_should(dtype):
    with pytest.raises(RecipeError, match=rf"{np.dtype(dtype)}.*`scale` or `min_max`"):
        pipeline("grey", RESIZE).prepare(np.zeros((4, 4), dtype))


def test_an_unknown_step_names_the_nearest_one():
    with pytest.raises(RecipeError, match=r"'resise'; did you mean 'resize'\? There is: "):
        pipeline({"name": "resise", "height": 3, "width": 3})


def test_an_unknown_option_is_named_with_its_step():
    with pytest.raises(RecipeError, match=r"preprocessing\.resize\.hight is unknown; did you mean 'height'"):
        pipeline({"name": "resize", "hight": 3, "height": 3, "width": 3})


def test_a_step_learns_from_images_as_the_steps_before_it_leave_them():
    training = [np.full((4, 4, 3), value, np.uint8) for value in (0, 51)]
    fitted = Pipeline((Grey(), Scale(), Centre())).fit(training)
    assert fitted.steps[2] == Centre(mean=pytest.approx(0.1))
    assert fitted.prepare(training[1]).pixels.mean() == pytest.approx(0.5 + (0.2 - 0.1) / 2)


def test_what_was_learnt_can_be_saved_and_loaded():
    training = [np.full((4, 4), value, np.uint8) for value in (10, 90)]
    fresh = Pipeline((Scale(), Centre(), Centre()))
    fitted = fresh.fit(training)
    assert set(fitted.state()) == {"1/mean", "2/mean"}
    assert fresh.with_state(fitted.state()) == fitted
    assert fitted != fresh


@pytest.mark.parametrize("name", sorted(set(catalogue.names("urushi.preprocessing")) - CALIBRATED))
def test_every_step_is_the_same_after_saving_and_loading(name):
    required = REQUIRED.get(name, {})
    image = np.random.default_rng(0).integers(200, 256, (18, 14, 3)).astype(np.uint8)
    image[4:12, 3:9] //= 4  # an object on a bright ground
    fresh = pipeline({"name": name, **required}, RESIZE, "min_max")
    fitted = fresh.fit([image, image // 2])
    again = fresh.with_state(fitted.state())
    assert np.array_equal(again.prepare(image).pixels, fitted.prepare(image).pixels)


def test_a_state_for_a_step_that_learns_nothing_is_refused():
    with pytest.raises(ValueError, match="Resize learns nothing"):
        Pipeline((Resize(height=3, width=3),)).with_state({"0/mean": np.zeros(1)})
