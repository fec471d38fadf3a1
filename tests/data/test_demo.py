import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data import demo
from urushi.errors import InputError, MissingPackageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.make_demo(tmp_path_factory.mktemp("demo") / "wall")


def pixels(folder: Path) -> dict[str, bytes]:
    files = sorted(folder.rglob("*.png"))
    return {str(path.relative_to(folder)): np.asarray(Image.open(path)).tobytes() for path in files}


def test_layout_is_that_of_mvtec(folder: Path) -> None:
    counts = {str(d.relative_to(folder)): len(list(d.glob("*.png"))) for d in folder.rglob("*") if d.is_dir()}
    assert (counts["train/good"], counts["test/good"]) == (100, 20)
    for kind in demo.DEFECTS:
        stems = sorted(path.stem for path in (folder / "test" / kind).iterdir())
        masks = sorted(path.stem for path in (folder / "ground_truth" / kind).iterdir())
        assert masks == [f"{stem}_mask" for stem in stems]
        assert len(stems) == 5


def test_images_are_grey_tiles_and_masks_are_black_and_white(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("L", (96, 96))
            if "ground_truth" in path.parts:
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_no_test_tile_shares_pixels_with_a_training_tile() -> None:
    rows = {"train": demo._TRAIN_ROWS, "test": demo._TEST_ROWS}
    seen = {name: {row for top, bottom in strips for row in range(top, bottom)} for name, strips in rows.items()}
    assert not seen["train"] & seen["test"]


def test_tiles_stay_in_their_strip() -> None:
    rows = np.repeat(np.arange(512)[:, None], 512, axis=1)  # each pixel is its row number
    tiles = demo._tiles(rows, demo._TEST_ROWS, 200, np.random.default_rng(0))
    assert {row for tile in tiles for row in np.unique(tile)} <= set(range(160, 352))


def test_defects_change_the_tile_only_inside_the_mask(folder: Path) -> None:
    wall = demo._photograph()
    windows = np.lib.stride_tricks.sliding_window_view(wall[160:352], (96, 96))
    image = np.asarray(Image.open(folder / "test" / "hole" / "000.png"))
    mask = np.asarray(Image.open(folder / "ground_truth" / "hole" / "000_mask.png")) > 0
    y, x = (indices[::97] for indices in np.nonzero(~mask))
    origins = np.argwhere((windows[:, :, y, x] == image[y, x]).all(axis=2))
    assert len(origins) == 1
    tile = windows[tuple(origins[0])]
    np.testing.assert_array_equal(tile != image, mask)


def test_same_seed_same_images_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    assert pixels(demo.make_demo(tmp_path / "again")) == pixels(folder)
    other = pixels(demo.make_demo(tmp_path / "other", seed=1))
    assert not set(other.values()) & set(pixels(folder).values())


def test_its_own_folder_is_written_anew(tmp_path: Path) -> None:
    demo.make_demo(tmp_path, seed=1)
    (tmp_path / "train" / "good" / "000.png").write_bytes(b"half written")
    first = pixels(demo.make_demo(tmp_path, seed=0))
    assert first == pixels(demo.make_demo(tmp_path, seed=0))


@pytest.mark.parametrize("name", ["notes.txt", "README.txt"])
def test_foreign_folder_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="other files"):
        demo.make_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        demo.make_demo(tmp_path / "demo")


def test_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    demo.make_demo(tmp_path)


def test_missing_scikit_image_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingPackageError, match=r"urushi\[train\]"):
        demo.make_demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
