from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi import catalogue
from urushi.data.dataset import find_dataset
from urushi.data.layouts.base import Layout, Rank
from urushi.errors import DatasetError


def put(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(path)
    return root


def rows(dataset) -> list[tuple]:
    def relative(path: Path | None) -> str | None:
        return path and str(path.relative_to(dataset.root))

    return [(relative(s.path), s.split, s.label, s.defect, relative(s.mask)) for s in dataset.samples]


def problems(dataset) -> list[tuple[str, str]]:
    return [(str(p.path.relative_to(dataset.root)), p.reason) for p in dataset.problems]


def test_every_layout_is_found_by_its_name_and_exactly_one_is_the_fallback():
    found = [catalogue.load("urushi.data.layouts", name, Layout) for name in catalogue.names("urushi.data.layouts")]
    assert {layout.__module__.rpartition(".")[2] for layout in found} >= {"flat", "mvtec", "mvtec2", "visa"}
    assert sum(layout.rank == Rank.fallback for layout in found) == 1
    assert all(layout.expects for layout in found)


# --- flat -------------------------------------------------------------------------------------------------------------


def test_flat_takes_every_image_below_as_good_for_training(tmp_path):
    dataset = find_dataset(put(tmp_path, "b.png", "lot 2/a.png"))
    assert dataset.layout == "flat"
    assert rows(dataset) == [("b.png", "train", 0, "good", None), ("lot 2/a.png", "train", 0, "good", None)]
    assert dataset.problems == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Defects", "defects"),
        ("lot 1/NG", "defects"),
        ("masks", "masks"),
        ("Test", "test images"),
        ("val", "validation"),
    ],
)
def test_flat_leaves_out_a_folder_whose_name_says_that_it_is_not_good_and_says_so(tmp_path, name, says):
    dataset = find_dataset(put(tmp_path, "a.png", f"{name}/b.png", f"{name}/c.png"))
    assert dataset.layout == "flat"
    assert [row[0] for row in rows(dataset)] == ["a.png"]
    ((place, reason),) = problems(dataset)
    assert place == name
    assert reason.startswith(f"its 2 images are left out: its name says {says}")


def test_flat_of_nothing_but_defects_says_why_nothing_is_left(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no usable images: .*its name says defects\. Expected: good images"):
        find_dataset(put(tmp_path, "NG/0.png"))


def test_a_folder_named_like_an_image_may_be_the_data_set_itself(tmp_path):
    assert len(find_dataset(put(tmp_path / "set.png", "a.png")).samples) == 1


# --- MVTec AD ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def mvtec(tmp_path):
    return put(
        tmp_path,
        "train/good/000.png",
        "test/good/000.png",
        "test/cut/000.png",
        "test/cut/001.jpg",
        "ground_truth/cut/000_mask.png",
        "ground_truth/cut/001_mask.png",
    )


def test_mvtec_gives_splits_labels_defects_and_masks(mvtec):
    dataset = find_dataset(mvtec)
    assert dataset.layout == "mvtec"
    assert rows(dataset) == [
        ("test/cut/000.png", "test", 1, "cut", "ground_truth/cut/000_mask.png"),
        ("test/cut/001.jpg", "test", 1, "cut", "ground_truth/cut/001_mask.png"),
        ("test/good/000.png", "test", 0, "good", None),
        ("train/good/000.png", "train", 0, "good", None),
    ]
    assert dataset.problems == ()


def test_mvtec_without_any_mask_has_no_problem(tmp_path):
    assert find_dataset(put(tmp_path, "train/good/0.png", "test/good/0.png", "test/cut/0.png")).problems == ()


def test_mvtec_reports_a_missing_mask_where_others_have_one(mvtec):
    (mvtec / "ground_truth/cut/001_mask.png").unlink()
    assert problems(find_dataset(mvtec)) == [("test/cut/001.jpg", "has no mask, other images have one")]


def test_mvtec_reports_a_kind_of_defect_without_masks_once(mvtec):
    put(mvtec, "test/hole/0.png", "test/hole/1.png")
    assert problems(find_dataset(mvtec)) == [("test/hole", "none of its 2 images has a mask, other defects have masks")]


def test_mvtec_reports_masks_that_match_no_image(mvtec):
    put(mvtec, "ground_truth/cut/007_mask.png", "ground_truth/gone/000_mask.png", "ground_truth/good/009.png")
    reason = "this mask matches no image"
    assert problems(find_dataset(mvtec)) == [
        ("ground_truth/cut/007_mask.png", reason),
        ("ground_truth/gone/000_mask.png", reason),
        ("ground_truth/good/009.png", reason),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "000.png",
        "000_gt.png",
        "000_label.png",
        "000_Mask.png",
        "000_GT.TIF",
        "000.jpg",
        "000_mask.bmp",
        "000_segmentation.png",
        "000_Seg.png",
        "000.mask.png",
        "000-gt.png",
        "000.png.png",
        "000.png_mask.png",
    ],
)
def test_masks_may_be_named_in_several_ways(mvtec, name):
    (mvtec / "ground_truth/cut/000_mask.png").unlink()
    put(mvtec, f"ground_truth/cut/{name}")
    assert rows(find_dataset(mvtec))[0][-1] == f"ground_truth/cut/{name}"
    assert find_dataset(mvtec).problems == ()


def test_a_folder_named_as_the_image_is_its_mask(mvtec):
    (mvtec / "ground_truth/cut/000_mask.png").unlink()
    put(mvtec, "ground_truth/cut/000/000-seg.png", "ground_truth/cut/000/001.png")
    dataset = find_dataset(mvtec)
    assert rows(dataset)[0][-1] == "ground_truth/cut/000"
    assert dataset.problems == ()
    before = dataset.fingerprint()
    (mvtec / "ground_truth/cut/000/001.png").write_bytes(b"another")
    assert dataset.fingerprint() != before


def test_masks_of_images_in_a_subfolder_are_not_those_of_the_image_of_its_name(mvtec):
    (mvtec / "ground_truth/cut/000_mask.png").unlink()
    put(mvtec, "test/cut/000/7.png", "ground_truth/cut/000/7_mask.png")
    masks = {row[0]: row[-1] for row in rows(find_dataset(mvtec))}
    assert masks["test/cut/000/7.png"] == "ground_truth/cut/000/7_mask.png"
    assert masks["test/cut/000.png"] is None


def test_a_mask_in_a_file_that_is_not_read_is_said(mvtec):
    (mvtec / "ground_truth/cut/000_mask.png").unlink()
    for name in ("000_mask.gif", "readme.txt"):
        (mvtec / "ground_truth/cut" / name).write_bytes(b"GIF89a")
    assert problems(find_dataset(mvtec)) == [
        ("ground_truth/cut/000_mask.gif", "masks are not read from this kind of file; save it as PNG"),
        ("test/cut/000.png", "has no mask, other images have one"),
    ]


@pytest.mark.parametrize("name", ["000.png", "000_gt.png"])
def test_mvtec_reports_two_masks_of_different_names(mvtec, name):
    put(mvtec, f"ground_truth/cut/{name}")
    assert problems(find_dataset(mvtec)) == [
        (f"ground_truth/cut/{name}", "a second mask beside '000_mask.png'; it is not used")
    ]


def test_mvtec_reports_a_second_mask_of_one_image(mvtec):
    put(mvtec, "ground_truth/cut/000_mask.tif")
    assert problems(find_dataset(mvtec)) == [
        ("ground_truth/cut/000_mask.tif", "a second mask beside '000_mask.png'; it is not used")
    ]


def test_mvtec_reports_an_empty_or_absent_train_good(mvtec):
    (mvtec / "train/good/000.png").unlink()
    reason = "holds no images; there is nothing to learn what normal looks like from"
    assert problems(find_dataset(mvtec)) == [("train/good", reason)]
    (mvtec / "train/good").rmdir()
    assert problems(find_dataset(mvtec)) == [("train/good", reason)]


def test_mvtec_reports_every_image_that_lies_where_it_has_no_place(mvtec):
    put(mvtec, "stray.png", "train/1.png", "train/bad/2.png", "test/3.png", "ground_truth/4.png")
    (mvtec / "test/cut/x.png").mkdir()
    assert [path for path, _ in problems(find_dataset(mvtec))] == [
        "ground_truth/4.png",
        "stray.png",
        "test/3.png",
        "test/cut/x.png",
        "train/1.png",
        "train/bad",
    ]
    assert len(find_dataset(mvtec).samples) == 4


def test_train_and_test_without_good_are_not_taken_for_a_flat_folder(tmp_path):
    dataset = find_dataset(put(tmp_path, "train/0.png", "test/cut/0.png"))
    assert dataset.layout == "mvtec"
    assert dataset.normal_training() == ()


# --- MVTec AD 2 -------------------------------------------------------------------------------------------------------


def test_mvtec2_gives_its_validation_split_and_its_public_test(tmp_path):
    put(tmp_path, "train/good/0.png", "validation/good/0.png", "test_public/good/0.png", "test_public/bad/0.png")
    put(tmp_path, "test_public/ground_truth/bad/0_mask.png", "test_private/7.png")
    dataset = find_dataset(tmp_path)
    assert dataset.layout == "mvtec2"
    assert rows(dataset) == [
        ("test_public/bad/0.png", "test", 1, "bad", "test_public/ground_truth/bad/0_mask.png"),
        ("test_public/good/0.png", "test", 0, "good", None),
        ("train/good/0.png", "train", 0, "good", None),
        ("validation/good/0.png", "validation", 0, "good", None),
    ]
    assert dataset.problems == ()


def test_mvtec2_reports_what_is_missing_or_misplaced(tmp_path):
    put(tmp_path, "validation/good/0.png", "test_public/bad/0.png", "test_public/bad/1.png", "test_public/odd/0.png")
    put(tmp_path, "test_public/ground_truth/bad/0_mask.png", "test_public/ground_truth/bad/5_mask.png", "train/1.png")
    assert [path for path, _ in problems(find_dataset(tmp_path))] == [
        "test_public/bad/1.png",
        "test_public/ground_truth/bad/5_mask.png",
        "test_public/odd",
        "train/1.png",
        "train/good",
    ]


# --- VisA -------------------------------------------------------------------------------------------------------------

HEADER = "object,split,label,image,mask\n"
CANDLE = (
    "candle,train,normal,candle/Data/Images/Normal/0.png,\n"
    "candle,test,normal,candle/Data/Images/Normal/1.png,\n"
    "candle,test,anomaly,candle/Data/Images/Anomaly/0.png,candle/Data/Masks/Anomaly/0.png\n"
)


@pytest.fixture
def visa(tmp_path):
    put(tmp_path, *(f"candle/Data/{name}.png" for name in ("Images/Normal/0", "Images/Normal/1", "Images/Anomaly/0")))
    put(tmp_path, "candle/Data/Masks/Anomaly/0.png")
    return table(tmp_path, HEADER + CANDLE)


def table(root: Path, text: str | bytes) -> Path:
    (root / "split_csv").mkdir(exist_ok=True)
    (root / "split_csv/1cls.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_visa_takes_the_object_whose_folder_is_given(visa):
    table(visa, HEADER + CANDLE + "pcb1,train,normal,pcb1/Data/Images/Normal/0.png,\n")
    dataset = find_dataset(visa / "candle")
    assert dataset.layout == "visa"
    assert rows(dataset) == [
        ("Data/Images/Anomaly/0.png", "test", 1, "anomaly", "Data/Masks/Anomaly/0.png"),
        ("Data/Images/Normal/0.png", "train", 0, "good", None),
        ("Data/Images/Normal/1.png", "test", 0, "good", None),
    ]
    assert dataset.problems == ()


def test_visa_with_one_object_may_be_given_by_its_root(visa):
    assert rows(find_dataset(visa))[0][0] == "candle/Data/Images/Anomaly/0.png"
    assert find_dataset(visa).problems == ()


def test_visa_with_several_objects_lists_them(visa):
    table(visa, HEADER + CANDLE + "pcb1,train,normal,pcb1/a.png,\n")
    with pytest.raises(DatasetError, match=r"several objects: candle, pcb1\. Give the folder of one"):
        find_dataset(visa)


def test_visa_says_which_objects_there_are_if_another_is_given(visa):
    put(visa, "cashew/0.png")
    with pytest.raises(DatasetError, match="lists no object 'cashew'; it lists: candle"):
        find_dataset(visa / "cashew")


@pytest.mark.parametrize(
    "entry",
    [
        "/etc/passwd",
        "../secret.png",
        "candle/../../secret.png",
        "candle/../secret.png",
        "secret.png",
        "candle/link/secret.png",
        "candle\\..\\secret.png",
        "candle/nowhere.png",
        "candle",
        "candle/new\nline.png",
        "",
    ],
)
def test_visa_reads_nothing_outside_its_folder_and_reports_the_entry(visa, entry):
    put(visa, "secret.png", "other/secret.png")
    (visa / "candle/link").symlink_to(visa / "other")
    table(visa, HEADER + CANDLE + f'candle,test,normal,"{entry}",\n')
    dataset = find_dataset(visa / "candle")
    assert len(dataset.samples) == 3
    reasons = [problem.reason for problem in dataset.problems if problem.path.suffix == ".csv"]
    assert len(reasons) == 1
    assert repr(entry) in reasons[0]
    assert "\n" not in reasons[0]


def test_visa_masks_must_lie_inside_too(visa):
    put(visa, "secret.png")
    table(visa, HEADER + CANDLE.replace("candle/Data/Masks/Anomaly/0.png", "../secret.png"))
    assert all(sample.mask is None for sample in find_dataset(visa / "candle").samples)


def test_visa_reports_odd_rows_and_unlisted_images(visa):
    put(visa, "candle/Data/Images/Normal/2.png", "candle/Data/Images/Normal/3.png")
    table(visa, HEADER + CANDLE + CANDLE.splitlines()[0] + "\ncandle,dev,normal,candle/Data/Images/Normal/2.png,\n")
    reasons = [problem.reason for problem in find_dataset(visa / "candle").problems]
    assert reasons[0] == "2 images are not listed in the table"
    assert reasons[1].startswith("has split 'dev' and label 'normal' for 'candle/Data/Images/Normal/2.png'")
    assert reasons[2] == "lists 'candle/Data/Images/Normal/0.png' a second time"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns"),
        ("object,split\ncandle,train\n", "lacks the columns .*'image', 'label', 'mask'"),
        (HEADER, "lists no object 'candle'; it lists: nothing"),
        (b"\xff\xfe" + HEADER.encode(), "cannot be read"),
        (HEADER + "candle,train\n", "no usable images"),
        (HEADER + '"' + "x" * 200_000, "cannot be read"),
        (HEADER + "candle,train,normal,a\0b.png,\n", "usable images|cannot be read"),
    ],
    ids=["empty", "columns", "no rows", "encoding", "short row", "huge field", "null byte"],
)
def test_a_broken_visa_table_is_an_error_that_says_why(visa, text, message):
    table(visa, text)
    with pytest.raises(DatasetError, match=message):
        find_dataset(visa / "candle")


def test_visa_asked_for_by_name_where_there_is_no_table_says_what_is_expected(tmp_path):
    put(tmp_path, "a.png")
    with pytest.raises(DatasetError, match=r"does not have the layout 'visa'; expected: ROOT/<object>"):
        find_dataset(tmp_path, layout="visa")
