import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data.dataset import count_other_files, find_dataset, find_images
from urushi.data.diagnosis import diagnose


def put(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (32, 32)).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    for i in range(20):
        put(tmp_path / f"train/good/{i}.png", noise(i))
    put(tmp_path / "test/good/0.png", noise(100))
    put(tmp_path / "test/cut/0.png", noise(101))
    put(tmp_path / "ground_truth/cut/0_mask.png", np.eye(32, dtype=np.uint8))
    return tmp_path


def found(root: Path):
    return diagnose(find_dataset(root))


def problems(root: Path) -> list[tuple[str, str]]:
    return [(p["path"], p["reason"]) for p in found(root).to_json()["problems"]]


def leave_system_files(root: Path) -> list[Path]:
    """What macOS and Windows put beside images; the first two are named like images, and are none."""
    names = ["train/good/._0.png", "ground_truth/cut/._0_mask.png", "train/.DS_Store", "test/Thumbs.db", "desktop.ini"]
    for name in names:
        (root / name).write_bytes(b"\x00\x05\x16\x07")
    return [root / name for name in names]


def test_files_of_the_operating_system_are_no_images_and_are_said_once(root):
    before = found(root)
    leave_system_files(root)
    after = found(root)
    (said,) = after.warnings
    assert said == "left alone: 5 files of the operating system, such as desktop.ini"
    assert replace(after, warnings=()) == before
    assert list(find_images([root])) == [path for path in sorted(root.rglob("*.png")) if path.name[:2] != "._"]
    assert count_other_files([root]) == 5


def test_a_sound_data_set_has_counts_and_nothing_to_complain_of(root):
    assert found(root).to_json() == {
        "root": str(root),
        "layout": "mvtec",
        "counts": {"test": {"cut": 1, "good": 1}, "train": {"good": 20}},
        "n_masks": 1,
        "sizes": {
            "distinct": 1,
            "smallest": {"height": 32, "width": 32},
            "largest": {"height": 32, "width": 32},
        },
        "dtypes": {"uint8": 22},
        "colours": {"grey": 22},
        "unreadable": [],
        "problems": [],
        "duplicates": [],
        "leaks": [],
        "near_duplicates": [],
        "near_leaks": [],
        "group_by": None,
        "warnings": [],
    }


def test_unreadable_images_are_listed_with_their_reason_and_counted(root):
    (root / "train/good/0.png").write_bytes(b"")
    (root / "test/cut/x.png").mkdir()
    diagnosis = found(root)
    assert diagnosis.to_json()["unreadable"] == [
        {"path": "train/good/0.png", "reason": "the file is empty (zero bytes)"}
    ]
    assert diagnosis.counts["train"] == {"good": 20}
    assert ("test/cut/x.png", "is a directory with the name of an image; rename it") in problems(root)


def test_fewer_than_20_readable_training_images_are_warned_of(root):
    assert found(root).warnings == ()
    (root / "train/good/0.png").write_bytes(b"no image")
    assert found(root).warnings == ("19 good training images can be read; fewer than 20 rarely suffice",)


def test_copies_do_not_count_as_training_images(root):
    for number in range(1, 20):
        shutil.copy(root / "train/good/0.png", root / f"train/good/{number}.png")
    few, repeated = found(root).warnings
    assert few == "1 different good training image can be read; fewer than 20 rarely suffice"
    assert repeated == "1 image occurs more than once in its split; a fit counts each once"


def test_training_images_of_one_level_are_warned_of(root):
    for number in range(20):
        put(root / f"train/good/{number}.png", np.full((32, 32), number, np.uint8))
    said = "20 good training images have one level all over: there is nothing to learn from them"
    assert said in found(root).warnings


def test_mixed_sizes_depths_and_colours_are_noted(root):
    put(root / "train/good/wide.png", noise(30, 32, 48))
    put(root / "train/good/deep.png", noise(31).astype(np.uint16) * np.uint16(257))
    put(root / "train/good/rgb.png", noise(32, 32, 32, 3))
    diagnosis = found(root)
    assert diagnosis.warnings == (
        "mixed sizes: 32 × 32 px, 48 × 32 px (width × height)",
        "mixed bit depths: uint16, uint8",
        "mixed colours: RGB, grey",
    )
    assert diagnosis.sizes == {(32, 32): 24, (32, 48): 1}
    assert diagnosis.dtypes == {"uint16": 1, "uint8": 24}
    assert diagnosis.colours == {"RGB": 1, "grey": 24}


def test_the_same_pixels_in_train_and_test_are_a_leak_even_in_another_format(root):
    put(root / "test/good/copy.tif", noise(3))
    diagnosis = found(root)
    assert diagnosis.to_json()["leaks"] == [["test/good/copy.tif", "train/good/3.png"]]
    assert diagnosis.duplicates == ()
    assert diagnosis.warnings == ("1 image is in more than one split: results on the test split would be too good",)


def test_the_same_pixels_twice_in_one_split_are_duplicates(root):
    put(root / "train/good/again.png", noise(3))
    diagnosis = found(root)
    assert diagnosis.to_json()["duplicates"] == [["train/good/3.png", "train/good/again.png"]]
    assert diagnosis.leaks == ()


def test_equal_bytes_of_another_shape_or_depth_are_no_duplicates(root):
    put(root / "train/good/a.png", np.zeros((16, 64), np.uint8))
    put(root / "train/good/b.png", np.zeros((64, 16), np.uint8))
    put(root / "train/good/c.png", np.zeros((16, 32), np.uint16))
    assert found(root).duplicates == ()


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.eye(32, 16, dtype=np.uint8), "the mask has 16 × 32 px (width × height), its image 32 × 32 px"),
        (np.zeros((32, 32), np.uint8), "the mask marks nothing, but its image is anomalous"),
    ],
)
def test_a_mask_that_cannot_be_right_is_a_problem(root, mask, reason):
    put(root / "ground_truth/cut/0_mask.png", mask)
    assert problems(root) == [("ground_truth/cut/0_mask.png", reason)]


@pytest.mark.parametrize("side", [16, 64])
def test_a_mask_of_another_resolution_is_no_problem_as_it_is_scaled(root, side):
    put(root / "ground_truth/cut/0_mask.png", np.eye(side, dtype=np.uint8))
    assert problems(root) == []


def box(*, is_inverted: bool = False) -> np.ndarray:
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 255
    return 255 - mask if is_inverted else mask


def test_masks_that_mark_more_than_half_are_problems_and_inverted_where_all_do(root):
    put(root / "ground_truth/cut/0_mask.png", box(is_inverted=True))
    ((path, reason),) = problems(root)
    assert path == "ground_truth/cut/0_mask.png"
    assert "are they inverted? They must be 0 where there is no defect" in reason
    for i in (1, 2):
        put(root / f"test/cut/{i}.png", noise(200 + i))
        put(root / f"ground_truth/cut/{i}_mask.png", box())
    assert problems(root) == [("ground_truth/cut/0_mask.png", "the mask marks 86% of its image; is that right?")]


def test_an_ambiguous_mask_is_a_problem(root):
    put(root / "ground_truth/cut/0_mask.png", noise(7) // 2 + np.uint8(60))
    ((_, reason),) = problems(root)
    assert "looks like a picture" in reason


def test_a_folder_of_masks_is_looked_at_as_one(root):
    (root / "ground_truth/cut/0_mask.png").unlink()
    put(root / "ground_truth/cut/0/000.png", box() * 0)
    put(root / "ground_truth/cut/0/001.png", box())
    assert problems(root) == []


def test_an_unreadable_mask_and_a_mask_of_a_normal_image_are_problems(root):
    (root / "ground_truth/cut/0_mask.png").write_bytes(b"")
    put(root / "ground_truth/good/0_mask.png", np.eye(32, dtype=np.uint8))
    assert problems(root) == [
        ("ground_truth/cut/0_mask.png", "the mask cannot be read: the file is empty (zero bytes)"),
        ("ground_truth/good/0_mask.png", "the mask marks a defect in a normal image"),
    ]


def test_a_mask_of_no_image_is_a_problem(root):
    put(root / "ground_truth/cut/9_mask.png", np.eye(32, dtype=np.uint8))
    assert problems(root) == [("ground_truth/cut/9_mask.png", "this mask matches no image")]


def test_an_image_of_less_than_8_px_a_side_is_a_problem(root):
    put(root / "train/good/dot.png", noise(40, 1, 1))
    put(root / "train/good/just.png", noise(41, 8, 8))
    assert problems(root) == [("train/good/dot.png", "is only 1 × 1 px; at least 8 px a side are needed")]


def test_a_data_set_of_unreadable_images_only_is_diagnosed(tmp_path):
    (tmp_path / "a.png").write_text("text")
    sizes = found(tmp_path).to_json()["sizes"]
    assert sizes == {"distinct": 0, "smallest": None, "largest": None}


def test_the_json_can_be_written_whatever_the_names(tmp_path):
    put(tmp_path / "new\nline ü.png", noise(1))
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"")
    text = json.dumps(found(tmp_path).to_json())
    assert json.loads(text)["unreadable"][0]["path"] == os.fsdecode(b"\xff.png")
