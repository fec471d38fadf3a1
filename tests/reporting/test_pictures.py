import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from urushi.cli._outputs import _overlay
from urushi.inspection import Inspection
from urushi.reporting.gallery import Gallery
from urushi.reporting.pictures import data_uri, from_data_uri, resize_image, resize_map, rgb_bytes
from urushi.reporting.plots.thumbnail import Thumbnail
from urushi.serving import evidence


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_peak_of_one_pixel_survives_any_shrinking() -> None:
    for size in [(64, 64), (50, 37), (1024, 100)]:
        rng = np.random.default_rng(0)
        for y, x in rng.integers(0, 1024, (20, 2)):
            anomaly_map = np.zeros((1024, 1024), np.float32)
            anomaly_map[y, x] = 7.0
            assert resize_map(anomaly_map, size).max() == 7.0, size


def test_enlarged_map_of_infinite_values_holds_numbers() -> None:
    assert np.isfinite(resize_map(np.array([[0, np.inf], [np.nan, -np.inf]]), (16, 16))).all()


def test_tiny_image_is_enlarged_in_squares() -> None:
    tiny = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert set(np.unique(resize_image(tiny, (8, 16)))) == {0, 255}


def test_large_image_is_averaged_when_shrunk() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=-1)
    assert np.ptp(resize_image(board, (16, 16))) <= 1


def test_image_without_three_channels_is_shown_grey() -> None:
    for n_channels in [1, 2, 5]:
        shown = rgb_bytes(np.full((2, 2, n_channels), 0.4, np.float32))
        assert shown.shape == (2, 2, 3), n_channels
        assert (shown == 102).all(), n_channels


def test_values_outside_the_range_are_clipped() -> None:
    assert rgb_bytes(np.array([[[-1.0, 2.0, np.nan]]])).tolist() == [[[0, 255, 0]]]


def test_noise_is_encoded_within_the_byte_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    assert len(base64.b64decode(data_uri(noise).split(",")[1])) <= 14_000


def test_data_uri_gives_the_picture_back() -> None:
    picture = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    assert np.abs(np.asarray(decoded(data_uri(picture)), int) - picture).max() < 6


@pytest.mark.parametrize(("light_factor", "level"), [(0.5, 128), (4.0, 64)])  # brightened: more is seen
def test_pictures_for_people_are_not_darker_than_what_was_read(
    light_factor: float, level: int, inspect: Callable[..., Inspection]
) -> None:
    grey = np.full((32, 32, 3), 0.25, np.float32)
    changes: dict[str, Any] = {"light_factor": light_factor, "image": grey, "reconstruction": grey}
    found = inspect(**changes, anomaly_map=np.zeros((32, 32), np.float32), score=0.1)
    small = Thumbnail.of(found, "good")
    gallery = Gallery(1)
    gallery.offer(found, "good", "normal")
    (card,) = gallery.cards()
    files = [from_data_uri(card.image), from_data_uri(str(card.reconstruction)), evidence.thumbnail_of(found)]
    shown = [small.image, small.reconstruction, _overlay(found)]
    shown += [np.asarray(Image.open(io.BytesIO(content))) for content in files]
    assert [round(float(np.mean(picture))) for picture in shown if picture is not None] == [level] * 6
    assert np.array_equal(found.image, grey)  # what is measured stays as the model saw it
