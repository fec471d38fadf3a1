import numpy as np
import pytest

from urushi.data.mask_on_map import fit_mask
from urushi.errors import InputError

HALVED = np.diag([2.0, 2.0, 1])  # maps have half the resolution of the images


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_fit_mask_keeps_pixels_that_are_more_than_half_marked(kind):
    mask = np.zeros((4, 6), kind)
    mask[:2, :2] = 1  # all of one pixel
    mask[:2, 2] = 1  # just half of the next
    mask[2:, 4:] = 1
    mask[3, 5] = 0  # three quarters of another
    assert fit_mask(mask, (2, 3), HALVED, (4, 6)).tolist() == [[True, False, False], [False, False, True]]


def test_fit_mask_follows_what_preprocessing_cut_off_and_added():
    mask = np.zeros((20, 30), np.uint8)
    mask[6:10, 12:18] = 1
    cropped = np.array([[2.0, 0, 10], [0, 2.0, 4], [0, 0, 1]])  # from (10, 4) on, at half the resolution
    assert np.argwhere(fit_mask(mask, (5, 6), cropped, (20, 30))).tolist() == [
        [y, x] for y in (1, 2) for x in (1, 2, 3)
    ]
    padded = np.array([[1.0, 0, -5], [0, 1.0, -3], [0, 0, 1]])
    assert np.array_equal(fit_mask(mask, (26, 40), padded, (20, 30)), np.pad(mask, ((3, 3), (5, 5))) > 0)
    assert not fit_mask(mask, (4, 4), np.array([[1.0, 0, 40], [0, 1.0, 0], [0, 0, 1]]), (20, 30)).any()


def test_fit_mask_of_another_resolution_than_its_image():
    mask = np.zeros((10, 15), np.uint8)
    mask[3:5, 6:9] = 1
    cropped = np.array([[2.0, 0, 10], [0, 2.0, 4], [0, 0, 1]])
    assert np.argwhere(fit_mask(mask, (5, 6), cropped, (20, 30))).tolist() == [
        [y, x] for y in (1, 2) for x in (1, 2, 3)
    ]


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (2, 0), (2, 1)])
def test_fit_mask_follows_a_map_that_is_turned_sheared_or_in_perspective(place):
    to_original = np.diag([2.0, 3.0, 1.0])
    to_original[place] = -0.004 if place[0] == 2 else -0.4
    mask = np.zeros((60, 50), np.uint8)
    mask[14:41, 9:33] = 255
    y, x = np.mgrid[:20, :25] + 0.5
    places = np.tensordot(to_original, np.stack([x, y, np.ones_like(x)]), axes=1)
    column, row = places[:2] / places[2]
    inside = (column > 9) & (column < 33) & (row > 14) & (row < 41)  # by the middle of each pixel
    found = fit_mask(np.kron(mask, np.ones((2, 2), np.uint8)), (20, 25), to_original, (60, 50))
    assert inside.sum() > 60
    assert (found != inside).sum() <= 8  # a middle may lie beyond an edge that leaves most of its pixel


def test_fit_mask_takes_any_size_of_one_channel():
    mask = np.full((5, 7), 9, np.uint8)
    enlarged = np.diag([7 / 3, 5 / 11, 1])
    assert fit_mask(mask, (11, 3), enlarged, (5, 7)).all()
    assert fit_mask(mask, (11, 3), enlarged, (5, 7)).shape == (11, 3)
    for wrong in (np.zeros((0, 3)), np.zeros((5, 7, 3)), np.zeros(5)):
        with pytest.raises(InputError, match="at least one pixel"):
            fit_mask(wrong, (2, 2), np.eye(3), (2, 2))
