import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from urushi.data.dataset import Problem, Sample, count_other_files, find_dataset, find_images
from urushi.errors import DatasetError, UnreadableImageError


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), value, np.uint8)).save(path, format="PNG")
    return path


def names(root: Path, entries) -> list[str]:
    return [str((entry.path if isinstance(entry, Problem) else entry).relative_to(root)) for entry in entries]


def test_images_are_found_recursively_in_sorted_order_whatever_the_case_of_their_suffix(tmp_path):
    for name in ("b/2.PNG", "b/10.jpeg", "a.tif", "c.webp", "b.bmp"):
        picture(tmp_path / name)
    assert names(tmp_path, find_images([tmp_path])) == ["a.tif", "b/10.jpeg", "b/2.PNG", "b.bmp", "c.webp"]


def test_the_order_of_find_images_is_that_of_sorted_paths(tmp_path):
    for name in ("b/2.png", "b/c/1.png", "b.png", "b-1.png", "B/9.png", "ü.png", "a/z.png"):
        picture(tmp_path / name)
    found = list(find_images([tmp_path]))
    assert found == sorted(found)


def test_a_file_named_explicitly_is_given_back_whatever_its_suffix_and_in_the_order_given(tmp_path):
    files = [picture(tmp_path / name) for name in ("z.dat", "a.png")]
    assert list(find_images(files)) == files


def test_other_files_are_left_alone_and_counted(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "deep").mkdir()
    for name in ("notes.txt", "deep/Thumbs.db", ".png"):
        (tmp_path / name).write_text("x")
    assert names(tmp_path, find_images([tmp_path])) == ["a.png"]
    assert count_other_files([tmp_path, tmp_path / "notes.txt"]) == 3


def test_a_folder_named_like_an_image_is_a_problem_and_is_not_searched(tmp_path):
    picture(tmp_path / "x.png" / "inside.png")
    for paths in ([tmp_path], [tmp_path / "x.png"]):
        (problem,) = find_images(paths)
        assert problem == Problem(tmp_path / "x.png", "is a directory with the name of an image; rename it")


def test_links_to_folders_are_reported_and_not_followed_while_links_to_files_are_images(tmp_path):
    picture(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    found = list(find_images([tmp_path]))
    assert names(tmp_path, found) == ["broken.png", "link.png", "real/a.png", "real/loop", "self.png"]
    assert [entry.reason for entry in found if isinstance(entry, Problem)] == [
        "is a symbolic link to a directory, which is not followed; give its target"
    ]


def test_a_path_that_does_not_exist_is_an_error_with_its_name_on_one_line(tmp_path):
    with pytest.raises(DatasetError, match=r"no file or folder '.*new\\nline'") as caught:
        list(find_images([tmp_path / "new\nline"]))
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError):
        list(find_images([Path("null\0byte")]))


def test_a_folder_without_permission_is_reported():
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        picture(root / "closed" / "a.png")
        find_dataset(root)  # imports the layouts while that is still allowed
        (root / "closed").chmod(0)
        picture(root / "open.png")
        is_root = os.geteuid() == 0
        os.seteuid(65534 if is_root else os.geteuid())  # root may read everything
        try:
            found = list(find_images([root]))
            with pytest.raises(DatasetError, match="permission denied"):
                find_dataset(root / "closed")
            with pytest.raises(DatasetError, match="not a folder that can be opened"):
                find_dataset(root / "closed" / "inner")
        finally:
            os.seteuid(0 if is_root else os.geteuid())
            (root / "closed").chmod(0o755)
    assert found == [Problem(root / "closed", "cannot be searched: permission denied"), root / "open.png"]


def test_very_deep_folders_are_searched(tmp_path):
    folders = [tmp_path / "d"]
    for _ in range(600):
        folders.append(folders[-1] / "d")
    for folder in folders:
        folder.mkdir()
    image = picture(folders[-1] / "a.png")
    assert list(find_images([tmp_path])) == [image]
    image.unlink()
    for folder in reversed(folders):  # too deep for pytest's own cleaning
        folder.rmdir()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "There is no folder"),
        (lambda root: root.write_text("x"), "not a folder"),
        (lambda root: root.mkdir(), "is empty; expected: good images"),
        (lambda root: (root.mkdir(), (root / "a.txt").write_text("x")), "holds 1 file, none of them an image"),
        (lambda root: (root / "x.png").mkdir(parents=True), "no usable images: .*rename it"),
        (lambda root: root.symlink_to(root), "not a folder"),
    ],
    ids=["absent", "file", "empty", "no image", "directory like an image", "loop"],
)
def test_a_folder_that_cannot_be_a_data_set_is_an_error_that_says_why(tmp_path, make, message):
    make(tmp_path / "data")
    with pytest.raises(DatasetError, match=message):
        find_dataset(tmp_path / "data")


def test_an_unknown_layout_is_an_error_that_names_the_nearest(tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="did you mean 'mvtec'"):
        find_dataset(tmp_path, layout="mvtek")
    with pytest.raises(DatasetError, match="does not have the layout 'mvtec'; expected: train/good"):
        find_dataset(tmp_path, layout="mvtec")


def test_a_folder_of_data_sets_lists_them(tmp_path):
    for name in ("screw", "tile"):
        picture(tmp_path / name / "train" / "good" / "0.png")
    with pytest.raises(DatasetError, match=r"holds data sets rather than images: 'screw', 'tile'\. Give one of them"):
        find_dataset(tmp_path)


def test_a_folder_that_fits_two_layouts_must_be_told_which(tmp_path):
    for part in ("train", "test", "test_public"):
        picture(tmp_path / part / "good" / "0.png")
    with pytest.raises(DatasetError, match="fits the layouts mvtec, mvtec2"):
        find_dataset(tmp_path)
    assert find_dataset(tmp_path, layout="mvtec2").layout == "mvtec2"


def test_training_and_test_samples_are_kept_apart(tmp_path):
    train = picture(tmp_path / "train" / "good" / "0.png")
    bad = picture(tmp_path / "test" / "scratch" / "0.png")
    dataset = find_dataset(tmp_path)
    assert dataset.normal_training() == (Sample(train, "train", 0, "good", None),)
    assert dataset.test() == (Sample(bad, "test", 1, "scratch", None),)
    assert dataset.validation() == ()


@pytest.fixture
def dataset(tmp_path):
    for i in range(3):
        picture(tmp_path / "data" / f"{i}.png", i)
    return find_dataset(tmp_path / "data")


def test_a_fingerprint_does_not_depend_on_place_or_order(dataset, tmp_path):
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere" / "copy")
    copy = find_dataset(tmp_path / "elsewhere" / "copy")
    assert len(dataset.fingerprint()) == 64
    assert copy.fingerprint() == dataset.fingerprint() == dataset.fingerprint(dataset.samples[::-1])


def test_a_fingerprint_depends_on_names_contents_and_the_choice_of_samples(dataset, tmp_path):
    first = dataset.fingerprint()
    assert dataset.fingerprint(dataset.samples[1:]) != first
    picture(tmp_path / "data" / "0.png", 77)
    changed = dataset.fingerprint()
    assert changed != first
    (tmp_path / "data" / "0.png").rename(tmp_path / "data" / "9.png")
    assert find_dataset(tmp_path / "data").fingerprint() not in (first, changed)


def test_a_fingerprint_names_the_file_that_is_gone(dataset):
    dataset.samples[1].path.unlink()
    with pytest.raises(UnreadableImageError, match=r"1\.png: no such file"):
        dataset.fingerprint()


def test_a_name_that_is_no_unicode_is_found_and_fingerprinted(tmp_path):
    picture(tmp_path / os.fsdecode(b"\xff.png"))
    assert len(find_dataset(tmp_path).fingerprint()) == 64
