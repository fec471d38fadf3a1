"""A data set from one picture of a texture."""

import cv2
import numpy as np
import pytest

from urushi.augmentation import TextureWish, make_texture_set
from urushi.data.dataset import find_dataset
from urushi.data.writing import write_image
from urushi.errors import InputError

WISH = TextureWish(patch_px=32, n_patches=20, defects=("crack", "hole"))


@pytest.fixture
def ramp(tmp_path):
    """A picture whose values say from which row a pixel comes: 0 … 199, each of its own grey."""
    path = tmp_path / "ramp.png"
    write_image(path, np.tile(np.arange(200, dtype=np.uint8)[:, None], (1, 150)))
    return path


def pixels(folder):
    return np.stack([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(folder.glob("*.png"))])


def test_layout_and_numbers(ramp, tmp_path):
    written = make_texture_set(ramp, tmp_path / "set", WISH)
    assert written == {"train/good": 16, "test/good": 4, "test/crack": 2, "test/hole": 2}
    dataset = find_dataset(tmp_path / "set")
    assert dataset.layout == "mvtec"
    assert (len(dataset.normal_training()), len(dataset.test())) == (16, 8)
    assert all(sample.mask for sample in dataset.test() if sample.label)


def test_training_and_testing_share_no_row_of_the_picture(ramp, tmp_path):
    make_texture_set(ramp, tmp_path / "set", WISH)
    trained, tested = (pixels(tmp_path / "set" / name) for name in ("train/good", "test/good"))
    assert trained.max() < tested.min()
    assert tested.min() >= 200 - 2 * 32


def test_patches_are_bent_unless_alpha_is_zero(ramp, tmp_path):
    for name, alpha in (("bent", 4.0), ("straight", 0.0)):
        wish = TextureWish(patch_px=32, n_patches=10, defects=(), alpha_px=alpha)
        assert "test/crack" not in make_texture_set(ramp, tmp_path / name, wish)
    bent, straight = (pixels(tmp_path / name / "train/good").astype(int) for name in ("bent", "straight"))
    assert np.ptp(straight, axis=2).max() == 0  # all pixels of a row come from one row
    assert np.ptp(bent, axis=2).max() >= 3


def test_a_seed_names_the_files(ramp, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        make_texture_set(ramp, tmp_path / name, TextureWish(patch_px=32, n_patches=10, seed=seed))
    a, b, c = (pixels(tmp_path / name / "train/good") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_colour_stays(tmp_path):
    picture = tmp_path / "colour.png"
    write_image(picture, np.random.default_rng(0).integers(0, 255, (40, 160, 3), np.uint8))
    make_texture_set(picture, tmp_path / "set", WISH)
    assert pixels(tmp_path / "set/train/good").shape == (16, 32, 32, 3)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (
            TextureWish(patch_px=64),
            r"150 × 200 px .*; for patches of 64 px it has at least 64 × 256 px",
        ),
        (TextureWish(patch_px=32, defects=("mould",)), "got mould"),
        (TextureWish(patch_px=32, n_patches=4), "the least is 5"),
        (TextureWish(patch_px=4), "the least is 5 of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(ramp, tmp_path, wish, words):
    with pytest.raises(InputError, match=words):
        make_texture_set(ramp, tmp_path / "set", wish)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_other_files_and_a_file_that_is_no_picture_are_refused(ramp, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="holds other files"):
        make_texture_set(ramp, tmp_path, WISH)
    with pytest.raises(InputError, match=r"text\.png"):
        make_texture_set(tmp_path / "text.png", tmp_path / "set", WISH)
