"""Images whose brightest pixels are of another order than those of the good images may be of another bit depth."""

from dataclasses import replace

import numpy as np
import pytest

from urushi.data.appearance import Appearance
from urushi.data.familiar import Familiar

SEEN = [np.full((4, 4), level, np.uint16) for level in (900, 1020)]
SEEN_8 = [np.full((4, 4), level, np.uint8) for level in (200, 250)]


def familiar(images: list[np.ndarray]) -> Familiar:
    return Familiar.of([Appearance.of(image) for image in images])


@pytest.mark.parametrize(
    ("known", "image", "is_doubtful"),
    [
        (SEEN, np.uint16([[1000]]), False),
        (SEEN, np.uint16([[4095]]), True),
        (SEEN, np.uint16([[255]]), False),
        (SEEN, np.uint16([[200]]), True),
        (SEEN, np.uint8([[250]]), True),
        (SEEN_8, np.uint8([[3]]), False),
        (SEEN_8, np.uint16([[1020]]), True),
        (SEEN_8, np.uint16([[64000]]), False),
        (SEEN_8, np.float32([[0.9]]), False),
        (SEEN_8, np.float32([[255]]), True),
        ([np.float32([[-500]])], np.float32([[700]]), False),
        ([np.float32([[3000]])], np.float32([[200]]), True),
    ],
)
def test_an_image_whose_levels_are_of_another_order_is_doubted(known, image, is_doubtful):
    assert bool(familiar(known).doubt_of_depth(Appearance.of(image))) == is_doubtful


def test_a_doubt_says_what_was_found_and_what_to_do():
    said = familiar(SEEN_8).doubt_of_depth(Appearance.of(np.uint16([[1020]])))
    assert said == (
        "Its highest level is 1020 of 65535, 1.6% of full scale, that of good images 78.4% … 98.0%: is it of another "
        "bit depth? --bits (bits= in Python) says so."
    )


def test_good_images_that_use_a_quarter_of_16_bits_at_most_are_noted():
    assert "reach 1020 of 65535 only" in str(familiar(SEEN).note)
    assert "--bits 10" in str(familiar(SEEN).note)
    assert "--bits 14" in str(familiar([np.uint16([[16383]])]).note)
    assert familiar([*SEEN, np.uint16([[30000]])]).note is None
    assert familiar(SEEN_8).note is None
    assert familiar([np.uint16([[0]])]).note is None


def test_a_file_that_knows_no_levels_doubts_none():
    unknown = replace(familiar(SEEN), highest={})
    assert unknown.doubt_of_depth(Appearance.of(np.uint16([[1]]))) is None
    assert unknown.note is None


def test_the_doubt_is_the_first_caution():
    kinds = [
        caution.kind for caution in familiar(SEEN).cautions(Appearance.of(np.full((4, 4), 9, np.uint16)), is_far=False)
    ]
    assert kinds == ["depth"]
