"""Data sets whose folders are called otherwise than in MVTec AD: OK and NG, Good, normal beside abnormal."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.data.dataset import find_dataset, find_defects
from urushi.data.taken import is_plain, taken
from urushi.errors import DatasetError


def put(root: Path, *names: str, marked: bool = False) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.pad(np.full((8, 8), 255 * marked, np.uint8), 12)).save(path)
    return root


def kinds(dataset) -> dict[str, str]:
    """Folder -> split and kind."""
    return {str(s.path.parent.relative_to(dataset.root)): f"{s.split} {s.label} {s.defect}" for s in dataset.samples}


def problems(dataset) -> list[tuple[str, str]]:
    return [(str(p.path.relative_to(dataset.root)), p.reason) for p in dataset.problems]


# --- train and test ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "good", "bad"),
    [
        ("train/Good", "test/Good", "test/Scratch"),
        ("train/OK", "test/OK", "test/NG"),
        ("TRAIN/normal", "Test/NORMAL", "Test/abnormal"),
        ("Training/i.O.", "Testing/i.O.", "Testing/n.i.O."),
        ("train/good", "test/Good ", "test/NG "),
        ("train/GOOD_parts", "test/good-parts", "test/bad-parts"),
        ("train/ＯＫ", "test/ＯＫ", "test/ＮＧ"),
        ("train/no defect", "test/no defect", "test/deep scratch"),
        ("train/good", "test/good/day1", "test/NG"),
    ],
)
def test_good_folders_of_any_name_are_good_and_the_others_are_defects_named_as_their_folders(
    tmp_path, train, good, bad
):
    dataset = find_dataset(put(tmp_path, f"{train}/0.png", f"{good}/1.png", f"{bad}/2.png"))
    assert dataset.layout == "mvtec"
    assert kinds(dataset) == {train: "train 0 good", good: "test 0 good", bad: f"test 1 {bad.split('/')[1]}"}
    assert dataset.problems == ()


def test_several_good_folders_are_all_good(tmp_path):
    put(tmp_path, "train/good/0.png", "train/OK/1.png", "test/good/2.png", "test/OK/3.png", "test/NG/4.png")
    assert [sample.label for sample in find_dataset(tmp_path).test()] == [1, 0, 0]
    assert len(find_dataset(tmp_path).normal_training()) == 2


def test_masks_are_found_whatever_the_case_of_their_folders(tmp_path):
    put(tmp_path, "train/OK/0.png", "test/OK/0.png", "test/NG/0.png", "Ground_Truth/ng/0_mask.png")
    assert [sample.mask for sample in find_dataset(tmp_path).test()] == [tmp_path / "Ground_Truth/ng/0_mask.png", None]


def test_folders_alike_but_for_their_case_have_masks_of_their_own(tmp_path):
    for name in ("cut", "Cut"):
        put(tmp_path, "train/good/0.png", f"test/{name}/0.png", f"ground_truth/{name}/0_mask.png")
    assert all(sample.mask.parent.name == sample.defect for sample in find_dataset(tmp_path).test())


def test_masks_within_test_or_within_good_images_are_no_parts(tmp_path):
    put(tmp_path, "train/good/0.png", "train/good/masks/0.png", "test/good/0.png", "test/NG/0.png", "test/masks/0.png")
    dataset = find_dataset(tmp_path)
    assert set(kinds(dataset)) == {"train/good", "test/good", "test/NG"}
    assert problems(dataset) == [
        ("test/masks", "is not read: its name says masks"),
        ("train/good/masks", "its 1 image is left out: its name says masks"),
    ]


def test_a_defect_called_label_is_one_if_it_has_masks(tmp_path):
    put(tmp_path, "train/good/0.png", "test/label/0.png", "ground_truth/label/0_mask.png")
    assert kinds(find_dataset(tmp_path))["test/label"] == "test 1 label"


def test_a_validation_folder_is_the_validation_split(tmp_path):
    dataset = find_dataset(put(tmp_path, "train/good/0.png", "Val/OK/0.png", "val/bad/0.png", "test/good/0.png"))
    assert kinds(dataset)["Val/OK"] == "validation 0 good"
    assert problems(dataset) == [("val/bad", "is not read: validation uses validation/good only")]


# --- good and bad side by side ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("good", "scratch"),
        ("OK", "NG"),
        ("normal", "abnormal"),
        ("良品", "不良品"),
        ("GoodParts", "NotOK"),
        ("io", "n.i.O."),
    ],
)
def test_a_good_folder_beside_others_is_learnt_and_the_others_are_defects(tmp_path, good, bad):
    dataset = find_dataset(put(tmp_path, f"{good}/0.png", f"{bad}/1.png"))
    assert dataset.layout == "labelled"
    assert kinds(dataset) == {good: "train 0 good", bad: f"test 1 {bad}"}
    assert dataset.problems == ()


def test_a_good_folder_whose_name_says_test_is_tested_with_and_masks_are_no_parts(tmp_path):
    dataset = find_dataset(put(tmp_path, "normal/0.png", "normal_test/1.png", "abnormal/2.png", "mask/2.png"))
    assert kinds(dataset) == {"normal": "train 0 good", "normal_test": "test 0 good", "abnormal": "test 1 abnormal"}
    assert "mask" not in {sample.path.parent.name for sample in dataset.samples}
    assert taken(dataset) == ("taken as good: normal (to learn from), normal_test (to test with); as defects: abnormal")


def test_masks_beside_the_defects_are_theirs(tmp_path):
    dataset = find_dataset(put(tmp_path, "good/0.png", "dent/0.png", "masks/dent/0_mask.png", "masks/dent/9_mask.png"))
    assert [sample.mask for sample in dataset.test()] == [tmp_path / "masks/dent/0_mask.png"]
    assert problems(dataset) == [("masks", "1 mask is left out: it matches no image")]


@pytest.mark.parametrize("mask", ["mask/0.png", "masks/0_mask.png", "GT/0/000.png"])
def test_masks_in_one_folder_are_those_of_the_one_kind_of_defect(tmp_path, mask):
    dataset = find_dataset(put(tmp_path, "good/0.png", "dent/0.png", mask))
    assert [sample.mask is not None for sample in dataset.test()] == [True]
    assert dataset.problems == ()


def test_folders_within_good_and_bad_name_the_split(tmp_path):
    dataset = find_dataset(put(tmp_path, "good/train/0.png", "good/test/1.png", "bad/test/2.png", "bad/train/3.png"))
    assert kinds(dataset) == {
        "good/train": "train 0 good",
        "good/test": "test 0 good",
        "bad/test": "test 1 bad",
        "bad/train": "test 1 bad",
    }


def test_a_good_folder_beside_a_test_folder_is_learnt(tmp_path):
    dataset = find_dataset(put(tmp_path, "good/0.png", "test/good/1.png", "test/dent/2.png", "test/3.png"))
    assert kinds(dataset) == {"good": "train 0 good", "test/good": "test 0 good", "test/dent": "test 1 dent"}
    assert problems(dataset) == [("test", "1 image directly in it is not read: no folder says whether they are good")]


def test_images_beside_the_folders_are_left_out_and_said_once(tmp_path):
    dataset = find_dataset(put(tmp_path, "good/0.png", "bad/1.png", "2.png", "3.png"))
    assert len(dataset.samples) == 2
    assert problems(dataset) == [
        (".", "2 images directly in it are not read: they lie beside the folders that say what is good")
    ]


def test_train_and_test_come_before_good_folders_beside_them(tmp_path):
    dataset = find_dataset(put(tmp_path, "train/good/0.png", "test/good/1.png", "test/NG/2.png", "good/3.png"))
    assert (dataset.layout, len(dataset.samples)) == ("mvtec", 3)
    assert problems(dataset) == [("good", "is not read: it lies beside train and test")]


@pytest.mark.parametrize("names", [("good/0.png",), ("good/0.png", "OK/1.png"), ("lot1/0.png", "lot2/0.png")])
def test_folders_that_do_not_tell_good_from_anything_are_flat_as_ever(tmp_path, names):
    (tmp_path / "reports").mkdir()  # holds no images
    dataset = find_dataset(put(tmp_path, *names))
    assert (dataset.layout, len(dataset.normal_training()), dataset.problems) == ("flat", len(names), ())


def test_several_such_folders_are_several_data_sets(tmp_path):
    with pytest.raises(DatasetError, match="holds data sets rather than images: 'day1', 'day2'"):
        find_dataset(put(tmp_path, *(f"{day}/{kind}/0.png" for day in ("day1", "day2") for kind in ("good", "bad"))))


@pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", ".thumbnails"])
@pytest.mark.parametrize("places", [("good", "bad", "{}"), ("train/good", "test/bad", "test/{}")])
def test_folders_of_programs_are_no_defects(tmp_path, name, places):
    dataset = find_dataset(put(tmp_path, *(f"{place.format(name)}/0.png" for place in places)))
    assert len(dataset.samples) == 2
    assert problems(dataset) == [(places[2].format(name), "is not read: a hidden folder")]


# --- label images beside images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "label",
    [
        *("p1_label.png", "p1_mask.png", "p1_GT.bmp", "p1-groundtruth.png", "p1_ground_truth.png", "p1.seg.png"),
        *("p1mask.png", "P1_Mask.PNG", "mask_p1.png", "p1_mask_0.png", "p1_annotation.png", "p1Label.png"),
    ],
)
def test_label_images_beside_images_are_no_parts_in_any_spelling(tmp_path, label):
    dataset = find_dataset(put(tmp_path, "p1.png", "p2.png", label))
    assert [sample.path.name for sample in dataset.normal_training()] == ["p1.png", "p2.png"]
    assert problems(dataset) == [(".", "1 label image beside its image is left out of the parts")]


@pytest.mark.parametrize("name", ["p1_label.png", "mask.png", "masked_p2.png", "p2_labelled.png", "p2_gta.png"])
def test_what_labels_no_image_is_a_part(tmp_path, name):
    assert len(find_dataset(put(tmp_path, "p2.png", name)).samples) == 2


def test_a_good_image_whose_label_image_marks_something_is_a_defective_one_with_that_mask(tmp_path):
    put(tmp_path, "p0.png", "p0_label.png", "p1.png", "p2.png", "p2_label.png")
    put(tmp_path, "p1_label.png", marked=True)
    dataset = find_dataset(tmp_path)
    assert [sample.path.name for sample in dataset.normal_training()] == ["p0.png", "p2.png"]
    (found,) = dataset.test()
    assert (found.path.name, found.label, found.defect, found.mask.name) == ("p1.png", 1, "defect", "p1_label.png")
    ((_, reason),) = problems(dataset)
    assert reason.startswith(
        "3 label images beside their images are left out of the parts; 1 image counts as defective"
    )


def test_an_image_whose_label_image_cannot_be_read_is_not_learnt(tmp_path):
    put(tmp_path, "p0.png", "p1.png")
    (tmp_path / "p1_label.png").write_text("no image")
    assert [sample.path.name for sample in find_dataset(tmp_path).samples] == ["p0.png"]


def test_label_images_in_a_test_folder_are_the_masks(tmp_path):
    put(tmp_path, "train/good/0.png", "test/good/0.png", "test/NG/0.jpg", "test/NG/0_gt.png", marked=True)
    assert [sample.mask and sample.mask.name for sample in find_dataset(tmp_path).test()] == ["0_gt.png", None]


@pytest.mark.parametrize(
    ("image", "mask"),
    [("images/{}.png", "masks/{}.png"), ("{}.png", "Label/{}_label.PNG"), ("{}.jpg", "ground truth/x/{}_mask.png")],
)
def test_good_images_whose_masks_in_a_folder_beside_them_mark_something_are_defective(tmp_path, image, mask):
    put(tmp_path, image.format("p0"), image.format("p1"), image.format("p2"), mask.format("p0"))
    put(tmp_path, mask.format("p1"), marked=True)
    dataset = find_dataset(tmp_path)
    assert [sample.path.stem for sample in dataset.normal_training()] == ["p0", "p2"]
    assert [(s.path.stem, s.label, s.mask) for s in dataset.test()] == [("p1", 1, tmp_path / mask.format("p1"))]
    assert any("1 image counts as defective" in reason for _, reason in problems(dataset))
    assert any("its 2 images are left out: its name says masks" in reason for _, reason in problems(dataset))


def test_photographs_in_a_folder_named_labels_say_nothing_of_their_namesakes(tmp_path):
    put(tmp_path, "boxes/0.png")
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "labels/0.png")
    assert len(find_dataset(tmp_path).normal_training()) == 1


@pytest.mark.parametrize(("image", "label"), [("jpg", "png"), ("bmp", "tif")])
def test_of_namesakes_those_that_look_like_masks_are_label_images(tmp_path, image, label):
    photograph = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for number in range(3):
        Image.fromarray(photograph + np.uint8(number)).save(tmp_path / f"p{number}.{image}")
    put(tmp_path, *(f"p{number}.{label}" for number in range(2)))
    put(tmp_path, f"p2.{label}", marked=True)
    dataset = find_dataset(tmp_path)
    assert [sample.path.name for sample in dataset.normal_training()] == [f"p0.{image}", f"p1.{image}"]
    assert [(s.path.name, s.mask and s.mask.name) for s in dataset.test()] == [(f"p2.{image}", f"p2.{label}")]
    assert "3 label images beside their images are left out of the parts" in str(problems(dataset))


def test_namesakes_that_are_all_photographs_or_all_masks_are_parts(tmp_path):
    for name in ("a.jpg", "a.png"):
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / name)
    put(tmp_path, "b.bmp", "b.png", marked=True)
    assert len(find_dataset(tmp_path).samples) == 4


# --- names declared good ----------------------------------------------------------------------------------------------


def test_folders_declared_good_are_good_whatever_they_are_called(tmp_path):
    put(tmp_path, "train/A/0.png", "test/A/1.png", "test/bad/2.png", "test/B/3.png")
    assert kinds(find_dataset(tmp_path, good_folders=["a", "bad"])) == {
        "train/A": "train 0 good",
        "test/A": "test 0 good",
        "test/bad": "test 0 good",
        "test/B": "test 1 B",
    }


def test_a_good_folder_that_is_not_there_is_an_error_with_those_that_are(tmp_path):
    with pytest.raises(DatasetError, match=r"no folder called 'C' to take as good; it has: 'A', 'B'\."):
        find_dataset(put(tmp_path, "A/0.png", "B/1.png"), good_folders=["C"])


# --- what was taken for what ------------------------------------------------------------------------------------------


def test_what_was_taken_for_what_is_told_where_it_is_not_plain(tmp_path):
    dataset = find_dataset(put(tmp_path, "train/OK/0.png", "test/OK/1.png", "test/NG/2.png"))
    assert taken(dataset) == "taken as good: train/OK, test/OK; as defects: test/NG"
    assert not is_plain(dataset)
    assert is_plain(find_dataset(put(tmp_path / "plain", "train/good/0.png", "test/good/1.png", "test/Scratch/2.png")))


def test_images_of_defects_are_all_but_good_ones_and_masks(tmp_path):
    put(tmp_path, "test/good/0.png", "test/NG/1.png", "test/NG/1_mask.png", "ground_truth/NG/1.png", "test/dent/2.png")
    images, left_out = find_defects(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in images] == ["test/NG/1.png", "test/dent/2.png"]
    assert len(left_out) == 3
    with pytest.raises(DatasetError, match=re.escape("holds no usable images")):
        find_defects(tmp_path / "test", good_folders=["NG", "dent"])


# --- other layouts ----------------------------------------------------------------------------------------------------


def test_images_directly_in_train_and_test_are_what_the_label_images_beside_them_say(tmp_path):
    put(tmp_path, "train/0.png", "train/0_GT.png", "train/1.png", "test/2.png", "test/2_GT.png", "test/3.png")
    put(tmp_path, "train/1_GT.png", "test/3_GT.png", marked=True)
    put(tmp_path, "test/4.png")  # no label, no place
    dataset = find_dataset(tmp_path)
    assert [sample.path.name for sample in dataset.normal_training()] == ["0.png"]
    assert [(s.path.name, s.label, s.mask and s.mask.name) for s in dataset.test()] == [
        ("2.png", 0, None),
        ("3.png", 1, "3_GT.png"),
        ("1.png", 1, "1_GT.png"),
    ]
    assert [place for place, _ in problems(dataset)] == ["test", "test/4.png", "train"]
    assert taken(dataset) == (
        "taken as good: train (to learn from), test (to test with); "
        "as defects: test (as their masks say), train (as their masks say)"
    )


def test_mvtec2_understands_the_same_names(tmp_path):
    put(tmp_path, "train/OK/0.png", "validation/Good/1.png", "test_public/OK/2.png", "test_public/NG/3.png")
    put(tmp_path, "test_public/ground_truth/NG/3_mask.png", "test_public/odd/4.png")
    dataset = find_dataset(tmp_path)
    assert dataset.layout == "mvtec2"
    assert kinds(dataset) == {
        "train/OK": "train 0 good",
        "validation/Good": "validation 0 good",
        "test_public/OK": "test 0 good",
        "test_public/NG": "test 1 NG",
    }
    assert sum(sample.mask is not None for sample in dataset.samples) == 1
    assert taken(dataset).endswith("test_public/OK; as defects: test_public/NG")
    assert [place for place, _ in problems(dataset)] == ["test_public/odd"]


def test_mvtec2_called_as_it_is_needs_no_words(tmp_path):
    put(tmp_path, "train/good/0.png", "test_public/good/1.png", "test_public/bad/2.png")
    assert is_plain(find_dataset(tmp_path))


def test_visa_understands_labels_and_splits_in_any_spelling(tmp_path):
    put(tmp_path, "pcb/0.png", "pcb/1.png", "pcb/2.png")
    (tmp_path / "split_csv").mkdir()
    lines = ("object,split,label,image,mask", "pcb,Train,Normal,pcb/0.png,", "pcb,TEST,OK,pcb/1.png,")
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join((*lines, "pcb,test,Anomaly,pcb/2.png,", "")))
    dataset = find_dataset(tmp_path / "pcb")
    assert [(s.split, s.label) for s in dataset.samples] == [("train", 0), ("test", 0), ("test", 1)]
