"""An image is known again by its pixels, and one that is far from all known ones is told from them."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from urushi.data.appearance import Appearance, content_of
from urushi.data.familiar import Familiar
from urushi.data.images import read_image
from urushi.errors import CalibrationError, DetectorFileError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), np.uint8)
COLOUR = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def familiar(*images: np.ndarray) -> Familiar:
    return Familiar.of([Appearance.of(image) for image in images])


def words(known: Familiar, image: np.ndarray) -> str:
    return "; ".join(known.differences(Appearance.of(image)))


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_the_same_pixels_are_known_in_any_format(tmp_path: Path, ending: str) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    Image.fromarray(GREY).convert("RGB").save(tmp_path / f"b.{ending}", lossless=True)
    assert content_of(read_image(tmp_path / "a.png")) == content_of(read_image(tmp_path / f"b.{ending}"))


def test_one_other_pixel_shape_or_channel_is_another_image() -> None:
    other, coloured = GREY.copy(), np.dstack([GREY] * 3)
    other[-1, -1] ^= 1
    coloured[-1, -1, 2] ^= 1  # the first row is grey
    images = [GREY, other, GREY.T, GREY.reshape(30, 20), coloured, COLOUR, COLOUR[:, :, ::-1], GREY.astype(np.uint16)]
    assert len({content_of(image) for image in images}) == len(images)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_light_contrast_and_colour_are_shares_of_full_scale(dtype: type) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    image = np.zeros((4, 4, 3), dtype)
    image[:2, :, 0] = full
    found = Appearance.of(image)
    assert (found.height, found.width) == (4, 4)
    assert found.brightness == pytest.approx(1 / 6)
    assert found.contrast == pytest.approx((0.25 / 3) ** 0.5)
    assert found.colour == pytest.approx(0.5)
    assert Appearance.of(np.full((4, 4), full // 2 if full > 1 else 0.5, dtype)).contrast == 0


def test_between_the_rows_that_stand_for_a_large_image_nothing_is_overlooked() -> None:
    """One pixel there makes another content, a contrast, a highest level and a colour."""
    flat = np.full((300, 40), 100, np.uint8)
    spotted, tinted = flat.copy(), np.dstack([flat] * 3)
    spotted[1, 7] = tinted[1, 7, 2] = 110
    assert Appearance.of(flat).contrast == Appearance.of(np.dstack([flat] * 3)).colour == 0
    assert Appearance.of(spotted).contrast > 0
    assert Appearance.of(spotted).highest == 110 / 255
    assert Appearance.of(tinted).colour > 0
    assert len({content_of(image) for image in (flat, spotted, tinted)}) == 3
    assert content_of(flat) == content_of(np.dstack([flat] * 3))


def test_some_rows_of_a_large_image_tell_its_light_as_all_do() -> None:
    image = np.clip(np.add.outer(np.linspace(0, 200, 1000), RNG.normal(0, 20, 700)), 0, 255).astype(np.uint8)
    found = Appearance.of(image)
    assert found.brightness == pytest.approx(image.mean() / 255, abs=0.01)
    assert found.contrast == pytest.approx(image.std() / 255, abs=0.01)


def test_what_is_near_the_known_images_differs_in_nothing() -> None:
    known = familiar(GREY, GREY // 2 + 64)
    assert words(known, GREY) == words(known, GREY // 2 + 50) == words(known, np.pad(GREY, 2, "reflect")) == ""
    assert words(known, np.dstack([GREY] * 3)) == ""


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.tile(GREY, (2, 1)), "has 30 × 40 px (width × height), they 30 × 20"),
        (GREY // 8, "is much darker"),
        (224 + GREY // 8, "is much brighter"),
        (120 + GREY // 32, "has much less contrast"),
        (np.full_like(GREY, 128), "has much less contrast (0.0%"),
        (COLOUR, "is in colour, they are grey"),
    ],
)
def test_another_size_light_contrast_or_colour_is_said(image: np.ndarray, said: str) -> None:
    assert said in words(familiar(GREY), image)


def test_a_grey_image_is_said_where_all_others_are_in_colour() -> None:
    assert words(familiar(COLOUR), np.dstack([GREY] * 3)) == "is grey, they are in colour"
    assert words(familiar(COLOUR, GREY), GREY) == ""


def test_more_contrast_is_said() -> None:
    assert "has much more contrast" in words(familiar(120 + GREY // 16), np.where(GREY > 127, 255, 0).astype(np.uint8))


def test_a_good_image_among_the_defects_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "no_image.png").write_text("")
    Image.fromarray(GREY).save(tmp_path / "again.bmp")
    known = familiar(GREY)
    known.require_apart([GREY.T, tmp_path / "no_image.png"])
    with pytest.raises(CalibrationError, match=r"their pixels: 1, the first: .*again\.bmp"):
        known.require_apart([GREY.T, tmp_path / "again.bmp"])


def test_it_comes_back_from_json_and_nothing_else_does() -> None:
    plain = familiar(GREY, COLOUR).to_json()
    assert Familiar.from_json(plain) == familiar(GREY, COLOUR)
    wrong = [{"width": [1, "x"]}, {"height": [1, float("nan")]}, {"contents": ["../"]}]
    wrong += [{"highest": damage} for damage in ({"uint8": [0.1]}, {"uint8": [0.1, float("nan")]}, [], None)]
    for one in ({}, None, *(plain | change for change in wrong)):
        with pytest.raises(DetectorFileError, match="good images is damaged"):
            Familiar.from_json(one)


def test_an_encoded_copy_that_lost_something_is_another_image() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG")
    assert content_of(read_image(Image.open(buffer))) != content_of(GREY)


def test_a_map_that_is_far_tells_as_well_and_a_copy_is_known() -> None:
    known = familiar(GREY)
    assert [caution.kind for caution in known.cautions(Appearance.of(GREY), is_far=False)] == ["learnt"]
    assert list(known.cautions(Appearance.of(GREY.T.reshape(20, 30)), is_far=False)) == []
    (caution,) = known.cautions(Appearance.of(GREY.T.reshape(20, 30) // 8), is_far=True)
    assert caution.kind == "unlike"
    assert "it is much darker" in caution.text
    assert caution.text.endswith("; it is farther from its reconstruction in most places than any of them is.")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_sharpness_falls_by_blur_and_not_by_more_light_and_levels_are_those_of_the_tails(dtype: type) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    noise = np.random.default_rng(0).uniform(0.2, 0.4, (64, 400, 3))
    image, brighter, blurred = (
        Appearance.of((one * full).astype(dtype)) for one in (noise, 2 * noise, cv2.GaussianBlur(noise, (0, 0), 1))
    )
    assert image.sharpness == pytest.approx(2**0.5, rel=0.02)  # of pixels that have nothing to do with each other
    assert brighter.sharpness == pytest.approx(image.sharpness, rel=0.01)
    assert blurred.sharpness < image.sharpness / 1.5
    assert (image.dark, image.bright) == pytest.approx((0.21, 0.39), abs=0.006)
    assert list(image.light) == ["brightness", "contrast", "sharpness", "dark", "bright", "right", "below", "colour"]


def test_light_from_one_side_is_seen_and_darkness_has_no_side() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    image[:, 30:], image[20:] = 50, image[20:] // 2
    found = Appearance.of(image)
    assert (found.right, found.below) == pytest.approx((1 / 3, 1 / 3), abs=0.01)
    dark = Appearance.of(np.zeros((40, 60), np.uint8))
    assert (dark.right, dark.below) == (0.5, 0.5)


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 5), (3, 2, 3)])
def test_the_smallest_images_have_levels_and_a_sharpness(shape: tuple[int, ...]) -> None:
    levels = dict.fromkeys(("brightness", "dark", "bright"), 0.2) | dict.fromkeys(("right", "below"), 0.5)
    expected = levels | dict.fromkeys(("contrast", "sharpness", "colour"), 0)
    assert Appearance.of(np.full(shape, 51, np.uint8)).light == pytest.approx(expected)
