"""Pictures that were turned lie as the original does again."""

import cv2
import numpy as np
import pytest

from urushi.inspection.turning import is_turned, turned_back, whole_original

SIZE = (60, 80)  # of the original


def test_only_what_turns_shears_or_foreshortens_is_turned() -> None:
    assert not is_turned(np.array([[2.0, 0, 5], [0, 3, -4], [0, 0, 1]]))
    for place in ((0, 1), (1, 0), (2, 0), (2, 1)):
        matrix = np.eye(3)
        matrix[place] = 0.01
        assert is_turned(matrix), place


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("size", [(60, 80), (40, 40)])
def test_a_spot_of_a_turned_picture_comes_to_lie_where_it_is_in_the_original(
    size: tuple[int, int], channels: tuple[int, ...]
) -> None:
    turn = np.vstack([cv2.getRotationMatrix2D((40, 30), 30, 1), [0, 0, 1]])
    to_original = turn @ whole_original(size, SIZE)
    picture = np.zeros((*size, *channels), np.float32)
    picture[10:14, 20:24] = 1
    found = turned_back(picture, to_original, SIZE, 0)
    assert found.shape == picture.shape
    levels = found if not channels else found[..., 0]
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    middle = whole_original(size, SIZE) @ [(levels * x).sum() / levels.sum(), (levels * y).sum() / levels.sum(), 1]
    assert middle == pytest.approx(to_original @ [22, 12, 1], abs=0.1)


def test_what_the_model_did_not_see_has_the_level_that_is_asked_for() -> None:
    turn = np.vstack([cv2.getRotationMatrix2D((20, 20), 45, 1), [0, 0, 1]])
    found = turned_back(np.ones((40, 40), np.float32), turn, (40, 40), 0.25)
    assert (found[0, 0], found[-1, -1], found[20, 20]) == (0.25, 0.25, 1)
