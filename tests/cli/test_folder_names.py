"""What the commands say and do where folders are called otherwise than in MVTec AD."""

import shutil
import zipfile

import numpy as np
import pytest

from urushi.data.writing import write_image


@pytest.fixture
def renamed(dataset, tmp_path):
    """Copies the weave with other names: {"train/good": "train/OK"}; folders that are not named are left out."""

    def renamed(**places):
        for old, new in places.items():
            shutil.copytree(dataset / old.replace("_", "/", 1), tmp_path / "own" / new)
        return tmp_path / "own"

    return renamed


@pytest.fixture
def ok_ng(renamed):
    return renamed(train_good="train/OK", test_good="test/OK", test_scratch="test/NG")


def test_fit_learns_from_ok_and_says_what_it_took_for_what(urushi, quick, ok_ng):
    result = urushi("fit", ok_ng, "-o", "part.urushi", *quick)
    assert result.status == 0
    assert "note: taken as good: train/OK, test/OK; as defects: test/NG" in result.err
    assert "fitted on 24 of 24 good images" in result.out


def test_evaluate_counts_ok_as_good_and_says_so(urushi, fitted, ok_ng):
    result = urushi("evaluate", fitted, ok_ng)
    assert result.status == 0
    assert "6 normal and 5 anomalous images" in result.out
    assert "taken as good: train/OK, test/OK; as defects: test/NG" in result.err


@pytest.mark.thorough
def test_nothing_is_said_where_folders_are_called_as_everybody_calls_them(urushi, fitted, dataset):
    assert "taken as" not in urushi("evaluate", fitted, dataset).err + urushi("doctor", dataset).err


def test_doctor_says_what_is_taken_for_what(urushi, ok_ng):
    result = urushi("doctor", ok_ng)
    assert "taken as good: train/OK, test/OK; as defects: test/NG" in result.err
    assert result.status == 0


@pytest.mark.parametrize("command", ["fit", "evaluate", "doctor"])
def test_folders_declared_good_are_good(urushi, quick, fitted, renamed, command):
    folder = renamed(train_good="train/A", test_good="test/B", test_scratch="test/C")
    before = {"fit": (), "evaluate": (fitted,), "doctor": ()}[command]
    after = ("-o", "part.urushi", *quick) if command == "fit" else ()
    assert urushi(command, *before, folder, *after).status == (1 if command == "doctor" else 2)
    result = urushi(command, *before, folder, "--good-folder", "A", "--good-folder", "b", *after)
    assert "taken as good: train/A, test/B; as defects: test/C" in result.err
    assert result.status == 0


@pytest.mark.thorough
def test_what_was_declared_good_is_remembered_with_the_detector(urushi, quick, renamed):
    folder = renamed(train_good="train/A", test_good="test/B")
    urushi("fit", folder, "--good-folder", "A", "-o", "part.urushi", *quick)
    assert '"good_folders": ["A"]' in " ".join(
        zipfile.ZipFile("part.urushi").read("card.json").decode().split()
    ).replace("[ ", "[").replace(" ]", "]")


def test_a_good_folder_that_is_not_there_is_an_error(urushi, ok_ng):
    result = urushi("doctor", ok_ng, "--good-folder", "fein")
    assert result.status == 2
    assert "no folder called 'fein' to take as good; it has: 'NG', 'OK', 'test', 'train'" in result.err


@pytest.mark.parametrize(("kind", "place"), [("good", "test_good"), ("defective", "test_scratch")])
def test_evaluate_needs_good_and_defective_images_and_says_what_it_took_for_what(urushi, fitted, renamed, kind, place):
    other = {"test_good": "test/NG", "test_scratch": "test/OK"}[place]
    result = urushi("evaluate", fitted, renamed(train_good="train/good", **{place: other}))
    assert (result.status, result.out) == (2, "")
    assert f"has no {kind} images to test with: taken as good: train/good" in result.err
    assert f"{other}" in result.err
    assert "--good-folder NAME" in result.err


def test_calibrate_leaves_good_images_and_masks_out_of_the_defects(urushi, detector, dataset):
    result = urushi("calibrate", detector, "--rule", "g-mean", "--defects", dataset)
    assert "finds 5 of 5 labelled defects" in result.out
    assert "test/good: its 6 images are left out: its name says good images" in result.err
    assert "ground_truth: its 5 images are left out: its name says masks" in result.err
    declared = urushi("calibrate", detector, "--rule", "g-mean", "--defects", dataset, "--good-folder", "scratch")
    assert declared.status == 2


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Ground Truth", "masks", "scratch"])
def test_fit_refuses_a_folder_of_masks_by_its_name_or_by_what_is_in_it(urushi, dataset, tmp_path, name):
    folder = shutil.copytree(dataset / "ground_truth" / "scratch", tmp_path / name)
    result = urushi("fit", folder, "-o", "part.urushi")
    assert (result.status, result.out) == (2, "")
    seen = "nearly all of them are black with one other level" if name == "scratch" else "its name says so"
    assert f"look like masks of defects: {seen}. Give the folder of images of good parts" in result.err
    assert not (tmp_path / "part.urushi").exists()


def test_photographs_in_a_folder_named_labels_are_parts(urushi, quick, dataset, tmp_path):
    folder = shutil.copytree(dataset / "train" / "good", tmp_path / "labels")
    assert urushi("fit", folder, "-o", "part.urushi", *quick).status == 0


def test_fit_says_so_where_the_folder_that_is_given_is_called_bad(urushi, quick, dataset, tmp_path):
    folder = shutil.copytree(dataset / "train" / "good", tmp_path / "NG")
    assert "its images count as good, but its name says defects" in urushi("fit", folder, "-o", "a.urushi", *quick).err


def test_label_images_beside_good_ones_are_not_learnt(urushi, quick, dataset, tmp_path):
    folder = shutil.copytree(dataset / "train" / "good", tmp_path / "good")
    for path in sorted(folder.iterdir()):
        write_image(folder / f"{path.stem}_label.png", np.zeros((64, 64), np.uint8))
    result = urushi("fit", folder, "-o", "part.urushi", *quick)
    assert "24 label images beside their images are left out of the parts" in result.err
    assert "fitted on 24 of 24 good images" in result.out


def test_inspect_leaves_out_masks_of_a_data_set_and_says_how_many(urushi, fitted, dataset):
    result = urushi("inspect", fitted, dataset)
    assert "ground_truth" not in result.out
    assert len(result.out.splitlines()) == 1 + 24 + 6 + 5
    assert f"note: {dataset / 'ground_truth'}: its 5 images are left out: its name says masks" in result.err


def test_inspect_leaves_out_label_images_beside_images(urushi, fitted, good, tmp_path):
    folder = shutil.copytree(good, tmp_path / "parts")
    shutil.copy(folder / "100.png", folder / "100_label.png")
    result = urushi("inspect", fitted, folder)
    assert len(result.out.splitlines()) == 7
    assert f"note: {folder}: 1 label image beside its image is left out of the parts" in result.err


def test_inspect_takes_a_file_or_folder_that_is_given_whatever_its_name(urushi, fitted, dataset):
    masks = dataset / "ground_truth"
    assert len(urushi("inspect", fitted, masks / "scratch" / "200_mask.png").out.splitlines()) == 2
    assert len(urushi("inspect", fitted, masks).out.splitlines()) == 6


@pytest.mark.thorough
def test_validation_images_of_loco_are_left_out_of_a_fit_with_a_word(urushi, dataset, tmp_path, quick):
    own = shutil.copytree(dataset, tmp_path / "own")
    (own / "validation").mkdir()
    shutil.copytree(dataset / "test" / "good", own / "validation" / "good")
    result = urushi("fit", own, "-o", tmp_path / "new.urushi", *quick)
    assert "note: 6 validation images are left out: the fit holds out some of its own" in result.err
    assert "of 24 good images" in result.out
