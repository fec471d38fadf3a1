import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from urushi.inspection.regions import find_places, find_regions, marks, mask_in_original

IDENTITY = np.eye(3)


def blank(height: int = 16, width: int = 16) -> np.ndarray:
    return np.zeros((height, width), np.float32)


def stretched(map_size: tuple[int, int], original: tuple[int, int]) -> np.ndarray:
    return np.diag([original[1] / map_size[1], original[0] / map_size[0], 1.0])


def box_of(region) -> tuple[int, int, int, int]:
    return region.x, region.y, region.width, region.height


def test_nothing_above_the_threshold_is_no_region():
    assert find_regions(blank() + 0.5, 0.5, IDENTITY, (16, 16)) == ()


def test_a_region_is_the_box_around_what_lies_above():
    anomaly_map = blank()
    anomaly_map[3:7, 5:12] = 0.6
    anomaly_map[4, 6] = 0.9
    (region,) = find_regions(anomaly_map, 0.5, IDENTITY, (16, 16))
    assert box_of(region) == (5, 3, 7, 4)
    assert region.area_px == 28
    assert region.peak == pytest.approx(0.9)


def test_pixels_that_touch_at_a_corner_belong_together():
    anomaly_map = blank()
    anomaly_map[[3, 4], [5, 6]] = 1
    (region,) = find_regions(anomaly_map, 0.5, IDENTITY, (16, 16))
    assert box_of(region) == (5, 3, 2, 2)
    assert region.area_px == 2


def test_the_highest_peak_comes_first():
    anomaly_map = blank()
    for place, peak in zip((1, 5, 9, 13), (0.6, 0.9, 0.7, 0.8), strict=True):
        anomaly_map[place, place] = peak
    assert [region.x for region in find_regions(anomaly_map, 0.5, IDENTITY, (16, 16))] == [5, 13, 9, 1]


def test_a_region_inside_the_box_of_another_keeps_its_own_peak():
    anomaly_map = blank()
    anomaly_map[2:13, 2:13] = 0.6
    anomaly_map[4:11, 4:11] = 0
    anomaly_map[7, 7] = 0.9
    inner, outer = find_regions(anomaly_map, 0.5, IDENTITY, (16, 16))
    assert (box_of(inner), inner.peak) == ((7, 7, 1, 1), pytest.approx(0.9))
    assert (box_of(outer), outer.peak) == ((2, 2, 11, 11), pytest.approx(0.6))


def test_boxes_are_those_of_the_original_image_whose_sides_were_scaled_differently():
    anomaly_map = blank(16, 32)
    anomaly_map[4:8, 8:24] = 1
    (region,) = find_regions(anomaly_map, 0.5, stretched((16, 32), (160, 64)), (160, 64))
    assert box_of(region) == (16, 40, 32, 40)
    assert region.area_px == 32 * 40


def test_a_box_that_ends_within_a_pixel_covers_it():
    anomaly_map = blank(4, 4)
    anomaly_map[1, 1] = 1
    (region,) = find_regions(anomaly_map, 0.5, stretched((4, 4), (10, 10)), (10, 10))  # 2.5 … 5
    assert box_of(region) == (2, 2, 3, 3)


def test_a_box_is_never_empty_where_the_original_is_smaller_than_the_map():
    anomaly_map = blank()
    anomaly_map[15, 15] = 1
    (region,) = find_regions(anomaly_map, 0.5, stretched((16, 16), (2, 3)), (2, 3))
    assert box_of(region) == (2, 1, 1, 1)
    assert region.area_px == 1


def test_a_shift_is_followed_and_what_lies_outside_is_cut_off():
    anomaly_map = blank()
    anomaly_map[0:4, 0:4] = 1
    shift = np.array([[1.0, 0, -2], [0, 1, 10], [0, 0, 1]])  # the map shows 2 px beyond the left edge
    (region,) = find_regions(anomaly_map, 0.5, shift, (12, 16))
    assert box_of(region) == (0, 10, 2, 2)


def test_a_turned_map_gives_the_upright_box_around_it():
    anomaly_map = blank(8, 8)
    anomaly_map[1:3, 2:7] = 1
    quarter_turn = np.array([[0.0, -1, 8], [1, 0, 0], [0, 0, 1]])
    (region,) = find_regions(anomaly_map, 0.5, quarter_turn, (8, 8))
    assert box_of(region) == (5, 2, 2, 5)


maps = st.tuples(st.integers(1, 14), st.integers(1, 14)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
)
sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(maps, sizes)
def test_every_pixel_above_the_threshold_lies_in_a_box_and_every_box_in_the_image(anomaly_map, original):
    matrix = stretched(anomaly_map.shape, original)
    regions = find_regions(anomaly_map, 0.5, matrix, original)
    covered = np.zeros(original, bool)
    for region in regions:
        assert region.x >= 0
        assert region.y >= 0
        assert region.width >= 1
        assert region.height >= 1
        assert region.x + region.width <= original[1]
        assert region.y + region.height <= original[0]
        covered[region.y : region.y + region.height, region.x : region.x + region.width] = True
    for y, x in np.argwhere(anomaly_map > 0.5):
        left, top, _ = matrix @ [x, y, 1]
        right, bottom, _ = matrix @ [x + 1, y + 1, 1]
        rows = slice(int(top + 1e-6), max(int(top + 1e-6) + 1, int(np.ceil(bottom - 1e-6))))
        columns = slice(int(left + 1e-6), max(int(left + 1e-6) + 1, int(np.ceil(right - 1e-6))))
        assert covered[rows, columns].all()


@given(maps)
def test_regions_agree_with_scipy(anomaly_map):
    labels, n = ndimage.label(anomaly_map > 0.5, structure=np.ones((3, 3)))
    expected = sorted(
        (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        for rows, columns in ndimage.find_objects(labels)
    )
    regions = find_regions(anomaly_map, 0.5, IDENTITY, anomaly_map.shape)
    assert sorted(box_of(region) for region in regions) == expected
    assert sum(region.area_px for region in regions) == int((anomaly_map > 0.5).sum())
    assert len(regions) == n
    peaks = [region.peak for region in regions]
    assert peaks == sorted(peaks, reverse=True)
    assert all(peak > 0.5 for peak in peaks)
    if peaks:
        assert peaks[0] == anomaly_map.max()


def test_without_a_region_the_highest_place_is_marked_as_far_as_half_its_height():
    anomaly_map = blank() + 0.2
    anomaly_map[3:7, 5:12] = 0.28
    anomaly_map[4:6, 6:9] = 0.4
    anomaly_map[12, 12] = 0.39
    (place,) = find_places(anomaly_map, 0.5, IDENTITY, (16, 16))
    assert box_of(place) == (6, 4, 3, 2)
    assert place.peak == pytest.approx(0.4)


def test_where_there_are_regions_they_are_the_places():
    anomaly_map = blank()
    anomaly_map[[3, 9], [5, 9]] = (0.9, 0.6)
    assert find_places(anomaly_map, 0.5, IDENTITY, (16, 16)) == find_regions(anomaly_map, 0.5, IDENTITY, (16, 16))
    assert len(find_places(anomaly_map, 0.5, IDENTITY, (16, 16))) == 2


@pytest.mark.parametrize("value", [0.0, 0.3, -2.0, np.nan])
def test_of_a_flat_map_everything_is_the_highest_place(value):
    (place,) = find_places(blank() + np.float32(value), 0.5, IDENTITY, (16, 16))
    assert box_of(place) == (0, 0, 16, 16)


@given(maps)
def test_there_is_always_a_place_and_it_holds_the_highest_value(anomaly_map):
    first, *_ = find_places(anomaly_map, 0.5, IDENTITY, anomaly_map.shape)
    inside = anomaly_map[first.y : first.y + first.height, first.x : first.x + first.width]
    assert first.peak == inside.max() == anomaly_map.max()


def test_mask_lies_where_the_model_saw_it_and_is_empty_where_it_did_not():
    above = np.zeros((4, 4), bool)
    above[1, 2] = True
    to_original = np.array([[3.0, 0, 2], [0, 2, -1], [0, 0, 1]])  # 3 × 2 px per pixel of the map, shifted
    mask = mask_in_original(above, to_original, (9, 20))
    assert mask.shape == (9, 20)
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2) for x in (8, 9, 10)]


@pytest.mark.parametrize("size", [(40, 70), (16, 16), (7, 5)])
def test_mask_fills_the_boxes_of_the_regions_whatever_the_size_of_the_image(size):
    anomaly_map = blank()
    anomaly_map[3, 4] = anomaly_map[9:12, 10:15] = 1
    to_original = np.diag([size[1] / 16, size[0] / 16, 1])
    filled = np.zeros(size, bool)
    for box in find_regions(anomaly_map, 0.5, to_original, size):
        filled[box.y : box.y + box.height, box.x : box.x + box.width] = True
    assert (mask_in_original(anomaly_map > 0.5, to_original, size) == filled).all()


@given(maps)
def test_marks_fill_the_box_of_the_first_place(anomaly_map):
    first, *_ = find_places(anomaly_map, 0.5, IDENTITY, anomaly_map.shape)
    marked = marks(anomaly_map, 0.5)
    inside = marked[first.y : first.y + first.height, first.x : first.x + first.width]
    assert inside.any(axis=0).all()
    assert inside.any(axis=1).all()
    assert (anomaly_map > 0.5).any() or marked.sum() == inside.sum()


def test_the_box_of_a_turned_region_is_no_larger_than_what_it_marks():
    """A bar along the diagonal of the map, which a turn by 45° lays flat in the original."""
    anomaly_map = blank(64, 64)
    for k in range(20, 45):
        anomaly_map[k, k - 1 : k + 2] = 1
    turn = np.vstack([cv2.getRotationMatrix2D((32, 32), 45, 1), [0, 0, 1]])
    (region,) = find_regions(anomaly_map, 0.5, turn, (64, 64))
    assert region.height <= 5
    assert 35 <= region.width <= 38
    middle = turn @ [32.5, 32.5, 1]
    assert region.x <= middle[0] <= region.x + region.width
    assert region.y <= middle[1] <= region.y + region.height
    assert region.area_px == pytest.approx(75, abs=1)
