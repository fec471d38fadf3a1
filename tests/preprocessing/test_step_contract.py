"""What every step promises, whatever it does; steps are found by themselves, so a new one is tested by being there."""

from contextlib import nullcontext, suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from urushi import catalogue
from urushi.catalogue import options
from urushi.data.writing import write_image
from urushi.errors import UnreadableImageError
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Step
from urushi.preprocessing.scale import Scale

NAMES = catalogue.names("urushi.preprocessing")
SIDE = 120
FULL = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
# What has no default; files are named as the fixture writes them.
OPTIONS: dict[str, dict[str, Any]] = {
    "contrast_stretching": {"knots": [[30, 0], [220, 255]]},
    "gamma": {"exponent": 0.6},
    "resize": {"height": 80, "width": 80},
    "inpainting": {"mask": "mask.png", "radius_px": 3},
    "flat_field": {"bright": "bright.png"},
}


def ramp(dtype: Any, channels: int = 1) -> np.ndarray:
    """A dark object on a bright ground, every level of both a little different from the next."""
    levels = 0.8 + 0.15 * np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)
    levels[20:100, 16:96] -= 0.6
    image = (levels * FULL[dtype]).astype(dtype)
    return image if channels == 1 else np.dstack([image] * channels)


def chosen(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """The options of a step; seams are carved one by one in Python: a few will do."""
    if name == "seam_carving":
        return {"height": max(shape[0] - 2, 1), "width": max(shape[1] - 2, 1)}
    return OPTIONS.get(name, {})


@pytest.fixture
def fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A step by its name, fitted on two images."""
    monkeypatch.chdir(tmp_path)

    def fitted(name: str, training: np.ndarray | None = None) -> Step:
        image = ramp(np.uint16) if training is None else training
        mask = np.zeros(image.shape[:2], bool)
        mask[: len(mask) // 2, :1] = image.shape[1] > 1
        write_image(tmp_path / "mask.png", mask)
        write_image(tmp_path / "bright.png", np.full(image.shape[:2], 65000, np.uint16))
        step = options.build(catalogue.load("urushi.preprocessing", name, Step), chosen(name, image.shape), name)
        return step.fit([image, image])

    return fitted


def test_sixteen_bits_keep_more_than_256_levels(fitted: Any) -> None:
    for name in NAMES:
        found = fitted(name).apply(ramp(np.uint16))
        assert len(np.unique(found)) > 1000, name
        assert found.dtype in (np.uint16, np.float32), name


@pytest.mark.parametrize("name", NAMES)
def test_any_depth_is_taken_and_the_callers_array_stays_as_it_is(name: str, fitted: Any) -> None:
    for dtype, channels in product(FULL, (1, 3)):
        image = ramp(dtype, channels)
        image.setflags(write=False)
        found, back = fitted(name, image).place(image)
        assert found.ndim in (2, 3), (dtype, channels)
        assert found.dtype in (dtype, np.float32), (dtype, channels)
        assert back.shape == (3, 3), (dtype, channels)


def test_the_corners_of_the_result_lie_where_the_matrix_says(fitted: Any) -> None:
    """Within the image, but for steps that add room round it."""
    for name in NAMES:
        image = ramp(np.uint16)
        found, back = fitted(name).place(image)
        height, width = found.shape[:2]
        corners = back @ np.array([[0, width], [0, height], [1, 1]])
        inside = (corners[:2] >= -1e-6).all() and (corners[:2] <= SIDE + 1e-6).all()
        assert inside != (name == "rotation_padding"), name


@pytest.mark.parametrize("name", NAMES)
def test_pixels_that_are_no_number_are_refused(name: str, fitted: Any) -> None:
    """A median or a look-up would hide them."""
    pipeline = Pipeline((fitted(name), Scale()))
    for value in (np.nan, np.inf):
        image = ramp(np.float32)
        image[3, 4] = value
        with pytest.raises(UnreadableImageError, match="finite number"):
            pipeline.prepare(image)


# Whatever else there is may have to refuse them: `crop` without an object, `seam_carving` with a single line.
TAKING_ANY_SIZE = (
    "alignment",
    "bilateral_filter",
    "contrast_stretching",
    "exposure",
    "flat_field",
    "gamma",
    "gaussian_filter",
    "grey",
    "histogram_matching",
    "inpainting",
    "log_transform",
    "median_filter",
    "midway_equalization",
    "min_max",
    "resize",
    "rgb",
    "rotation_padding",
    "scale",
)


def test_the_steps_that_take_any_size_are_there() -> None:
    assert set(TAKING_ANY_SIZE) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_constant_and_tiny_images_give_a_result_or_say_why_not(name: str, fitted: Any) -> None:
    for dtype, shape in product(FULL, ((1, 1), (1, 7), (5, 1), (12, 12))):
        image = np.full(shape, FULL[dtype] // 2 if dtype is not np.float32 else 0.5).astype(dtype)
        with nullcontext() if name in TAKING_ANY_SIZE else suppress(UnreadableImageError):
            found = fitted(name, image).apply(image)
            assert np.isfinite(found).all(), (dtype, shape)
            assert found.size, (dtype, shape)
