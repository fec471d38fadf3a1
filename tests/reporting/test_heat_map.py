import numpy as np
import pytest

from urushi.errors import InputError
from urushi.inspection import MapScale, Region, View
from urushi.reporting.heat_map import colour_stops, heat_layer, heat_map, overlay, scale_fraction

SCALE = MapScale(low=1.0, high=5.0, region_threshold=3.0)


def lightness(colours: np.ndarray) -> np.ndarray:
    return colours.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_same_value_has_same_colour_in_images_of_different_range() -> None:
    mild = np.array([[1.0, 2.0]], np.float32)
    strong = np.array([[2.0, 100.0]], np.float32)
    assert (heat_map(mild, SCALE)[0, 1] == heat_map(strong, SCALE)[0, 0]).all()


def test_values_beyond_the_scale_are_clipped() -> None:
    colours = heat_map(np.array([[-9.0, 1.0, 5.0, 99.0]], np.float32), SCALE)[0]
    assert (colours[0] == colours[1]).all()
    assert (colours[2] == colours[3]).all()


def test_region_threshold_is_the_middle_of_the_scale() -> None:
    lopsided = MapScale(low=0.0, high=10.0, region_threshold=2.0)
    assert scale_fraction(np.array([[0.0, 2.0, 10.0]]), lopsided)[0].tolist() == [0.0, 0.5, 1.0]


def test_lightness_rises_along_the_scale_so_that_it_survives_grey_print() -> None:
    colours = heat_map(np.linspace(1, 5, 200, dtype=np.float32)[None], SCALE)[0]
    assert (np.diff(lightness(colours)) > -0.6).all()  # rounding to whole bytes may cost half a step
    assert lightness(colours[-1]) - lightness(colours[0]) > 150


def test_colour_stops_are_the_colours_of_the_map() -> None:
    place, colour = colour_stops()[-1]
    assert place == 1.0
    assert colour == "#{:02x}{:02x}{:02x}".format(*heat_map(np.array([[99.0]]), SCALE)[0, 0])


def test_value_that_is_not_a_number_does_not_look_normal() -> None:
    colours = heat_map(np.array([[np.nan, 99.0]], np.float32), SCALE)[0]
    assert (colours[0] == colours[1]).all()


def test_scale_without_extent_gives_colours_all_the_same() -> None:
    flat = MapScale(low=0.0, high=0.0, region_threshold=0.0)
    assert heat_map(np.array([[-1.0, 0.0, 1.0]]), flat).shape == (1, 3, 3)


def test_map_with_a_channel_axis_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"\(1, 4, 4\)"):
        heat_map(np.zeros((1, 4, 4)), SCALE)


def test_layer_is_transparent_where_normal_and_opaque_where_bright() -> None:
    assert heat_layer(np.array([[0.0, 9.0]]), SCALE)[0, :, 3].tolist() == [0, 255]


def test_overlay_leaves_normal_areas_as_they_are() -> None:
    image = np.full((16, 16, 1), 100 / 255, np.float32)
    assert (overlay(image, np.ones((16, 16)), SCALE, (), View(0, 0, 16, 16), long_side_px=32) == 100).all()


@pytest.mark.parametrize(("view", "shape"), [(View(5, 6, 200, 100), (32, 64, 3)), (View(0, 0, 10, 3000), (64, 4, 3))])
def test_overlay_has_the_aspect_ratio_of_the_original(view: View, shape: tuple[int, int, int]) -> None:
    image = np.zeros((16, 16, 3), np.float32)
    assert overlay(image, np.zeros((16, 16)), SCALE, (), view, long_side_px=64).shape == shape


def test_overlay_boxes_a_region_given_in_pixels_of_the_original() -> None:
    image = np.zeros((16, 16, 3), np.float32)
    boxed = overlay(
        image, np.zeros((16, 16)), SCALE, [Region(50, 25, 25, 50, 9, 4.0)], View(0, 0, 100, 100), long_side_px=64
    )
    white = np.argwhere((boxed == 255).all(axis=-1))
    assert white.min(axis=0).tolist() == [16, 32]
    assert white.max(axis=0).tolist() == [47, 47]


def test_a_normal_image_does_not_glow_whatever_its_map() -> None:
    hot, half_way = (heat_layer(np.array([[value]]), SCALE, is_normal=True)[0, 0] for value in (99.0, 2.0))
    assert (hot == half_way).all()
    assert hot[3] < 0.2 * 255
    assert (heat_map(np.array([[99.0]]), SCALE, is_normal=True)[0, 0] == half_way[:3]).all()


def test_overlay_of_a_normal_image_does_not_glow() -> None:
    image, hot = np.full((16, 16, 1), 0.5, np.float32), np.full((16, 16), 99.0)
    view = View(0, 0, 16, 16)
    calm = overlay(image, hot, SCALE, (), view, long_side_px=32)
    assert abs(lightness(calm) - 127.5).max() < 25
    boxed = overlay(image, hot, SCALE, [Region(0, 0, 1, 1, 1, 99.0)], view, long_side_px=32)
    assert lightness(boxed[20, 20]) - 127.5 > 25


def test_overlay_hatches_what_is_ignored_and_leaves_the_rest() -> None:
    image, ignored = np.full((16, 16, 1), 100 / 255), np.zeros((16, 16), bool)
    ignored[:8] = True
    found = overlay(image, np.zeros((16, 16)), SCALE, (), View(0, 0, 16, 16), long_side_px=64, ignored=ignored)
    assert (found[32:] == 100).all()
    assert set(np.unique(found[:32])) == {50, 100}
