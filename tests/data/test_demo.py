import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data import demo
from urushi.errors import InputError, MissingPackageError

N_TILES = 200 + 50 + 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.make_demo(tmp_path_factory.mktemp("demo") / "wall")


def pixels(folder: Path) -> dict[str, bytes]:
    files = sorted(folder.rglob("*.png"))
    return {str(path.relative_to(folder)): np.asarray(Image.open(path)).tobytes() for path in files}


def clean_tiles(seed: int) -> list[list[np.ndarray]]:
    """What was cut from the photograph for training, good and defective test images, in order."""
    wall, (drawing, division, _) = demo._photograph(), np.random.default_rng(seed).spawn(3)
    parts = demo._divided(demo._places(wall.shape, N_TILES, drawing), division)
    return [list(demo._tiles(wall, part)) for part in parts]


def defective(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Strength, image, mask and the tile below, of seed 0."""
    *_, tiles = clean_tiles(0)
    names = [(strength, f"{kind}_00{i}") for strength in demo.STRENGTHS for kind in demo.DEFECTS for i in range(5)]
    for (strength, name), tile in zip(names, tiles, strict=True):
        mask = np.asarray(Image.open(folder / "ground_truth" / strength / f"{name}_mask.png")) > 0
        yield strength, np.asarray(Image.open(folder / "test" / strength / f"{name}.png")), mask, tile


def test_layout_is_that_of_mvtec(folder: Path) -> None:
    counts = {str(d.relative_to(folder)): len(list(d.glob("*.png"))) for d in folder.rglob("*") if d.is_dir()}
    assert (counts["train/good"], counts["test/good"]) == (200, 50)
    for strength in demo.STRENGTHS:
        stems = sorted(path.stem for path in (folder / "test" / strength).iterdir())
        masks = sorted(path.stem for path in (folder / "ground_truth" / strength).iterdir())
        assert masks == [f"{stem}_mask" for stem in stems]
        assert stems == sorted(f"{kind}_00{number}" for kind in demo.DEFECTS for number in range(5))


def test_images_are_grey_tiles_and_masks_are_black_and_white(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("L", (demo.TILE_PX, demo.TILE_PX))
            if "ground_truth" in path.parts:
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_another_seed_of_the_division_divides_the_same_places() -> None:
    places = demo._places((512, 512), N_TILES, np.random.default_rng(0))
    one, other = (demo._divided(places, np.random.default_rng(seed)) for seed in (1, 2))
    assert [len(part) for part in one] == [len(part) for part in other] == [200, 50, 90]
    divided = [[set(map(tuple, part.tolist())) for part in parts] for parts in (one, other)]
    assert set.union(*divided[0]) == set.union(*divided[1]) == set(map(tuple, places.tolist()))
    assert all(a != b for a, b in zip(*divided, strict=True))


def test_every_place_is_as_likely_in_each_part() -> None:
    """Whatever the order in which places come: here by their number, from the top to the bottom."""
    places = np.stack([np.arange(N_TILES), np.zeros(N_TILES, int)], axis=1)
    parts = [demo._divided(places, np.random.default_rng(seed)) for seed in range(400)]
    for index in range(3):
        rows = np.concatenate([part[index][:, 0] for part in parts])
        assert rows.mean() == pytest.approx((N_TILES - 1) / 2, abs=4 * N_TILES / 12**0.5 / len(rows) ** 0.5)


def test_places_cover_the_photograph_evenly_and_none_is_taken_twice() -> None:
    places = demo._places((512, 300), 20_000, np.random.default_rng(0))
    assert len({tuple(place) for place in places.tolist()}) == 20_000
    bottom, right = 512 - demo.TILE_PX, 300 - demo.TILE_PX
    assert (places.min(axis=0).tolist(), places.max(axis=0).tolist()) == ([0, 0], [bottom, right])
    error = 4 * np.array([bottom, right]) / 12**0.5 / 20_000**0.5
    assert (np.abs(places.mean(axis=0) - np.array([bottom, right]) / 2) < error).all()


def test_good_images_are_the_tiles_of_the_divided_places_and_nothing_else(folder: Path) -> None:
    for part, tiles in zip(("train", "test"), clean_tiles(0), strict=False):
        found = [np.asarray(Image.open(path)) for path in sorted((folder / part / "good").iterdir())]
        np.testing.assert_array_equal(found, tiles)


def test_defects_lie_on_tiles_of_their_own_and_change_them_only_inside_the_mask(folder: Path) -> None:
    for _, image, mask, tile in defective(folder):
        np.testing.assert_array_equal(image != tile, mask)


def test_half_and_quarter_are_as_strong_as_they_say(folder: Path) -> None:
    changes: dict[str, list[float]] = {strength: [] for strength in demo.STRENGTHS}
    for strength, image, mask, tile in defective(folder):
        changes[strength].append(float(np.abs(image.astype(int) - tile)[mask].mean()))
    full, half, quarter = (np.mean(values) for values in changes.values())
    assert half / full == pytest.approx(1 / 2, rel=0.25)  # other defects on other tiles
    assert quarter / full == pytest.approx(1 / 4, rel=0.25)


def test_what_an_earlier_run_left_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "N_TRAIN", 2)
    monkeypatch.setattr(demo, "N_GOOD", 2)
    demo.make_demo(tmp_path)
    (tmp_path / "test" / "crack").mkdir()
    (tmp_path / "test" / "crack" / "000.png").write_bytes(b"of another layout")
    demo.make_demo(tmp_path)
    assert sorted(path.name for path in (tmp_path / "test").iterdir()) == ["full", "good", "half", "quarter"]


@pytest.mark.thorough
def test_same_seed_same_images_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    assert pixels(demo.make_demo(tmp_path / "again")) == pixels(folder)
    other = pixels(demo.make_demo(tmp_path / "other", seed=1))
    assert not set(other.values()) & set(pixels(folder).values())


@pytest.mark.thorough
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
    with pytest.raises(MissingPackageError, match=r"\[train\]"):
        demo.make_demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()
