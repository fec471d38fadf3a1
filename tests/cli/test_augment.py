import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.augmentation import read_records
from urushi.data.dataset import find_dataset


def test_an_enlarged_data_set_is_written_and_counted(urushi, dataset, tmp_path):
    result = urushi("augment", dataset, "out", "--copies", 2, "--transforms", "rotation, flip")
    assert (result.status, result.err) == (0, f"reading {dataset}/\n35 images found in {dataset}\n")
    counted = {line.split()[1]: int(line.split()[0]) for line in result.out.splitlines()}
    assert counted == {"out/test/good": 6, "out/test/scratch": 5, "out/train/good": 72}
    names = {step[0] for record in read_records(tmp_path / "out") for step in record.drawn.steps}
    assert names == {"rotation", "flip"}


def test_settings_and_total_and_split_reach_the_images(urushi, good, tmp_path):
    transforms = ("--transforms", "rotation", "--set", "augmentation.rotation.high_degrees=5")
    settings = ("--set", "augmentation.border=constant", "--set", "augmentation.fill_level=9", "--no-originals")
    result = urushi("augment", good, "out", "--total", 20, *transforms, *settings, "--test-fraction", 0.4)
    assert result.status == 0
    found = find_dataset(tmp_path / "out")
    assert (len(found.normal_training()), len(found.test())) == (20, 2)
    varied = [record for record in read_records(tmp_path / "out") if record.drawn.steps]
    assert len(varied) == 20
    assert all(record.drawn.steps[0][1]["degrees"] <= 5 for record in varied)
    assert {(record.border, record.fill_level) for record in varied} == {("constant", 9)}


def test_copies_may_come_from_the_recipe(urushi, good, tmp_path):
    copies = ("--set", "augmentation.n_copies=3")
    assert urushi("augment", good, "out", "--transforms", "flip", *copies).out.split() == ["24", "out/train/good"]


def test_synthetic_defects_and_an_anomaly_ratio_make_a_test_set_from_good_images_alone(urushi, dataset, tmp_path):
    options = ("--synthetic-defects", 3, "--anomaly-ratio", 0.5, "--test-total", 8, "--seed", 3)
    assert urushi("augment", dataset / "train" / "good", "out", *options).status == 0
    tests = find_dataset(tmp_path / "out").test()
    assert sum(sample.label for sample in tests) == 4
    assert len(tests) == 8
    assert all(sample.defect.startswith("synthetic_") and sample.mask for sample in tests if sample.label)
    readme = (tmp_path / "out" / "README.txt").read_text("utf-8")
    assert "say nothing about real defects" in readme
    assert "Seed: 3" in readme


def test_all_parts_are_varied_where_asked_for(urushi, dataset):
    result = urushi("augment", dataset, "out", "--copies", 1, "--transforms", "flip", "--parts", "all")
    assert {line.split()[0] for line in result.out.splitlines()} == {"12", "10", "48"}


def test_validation_images_are_kept_and_can_be_read(urushi, tmp_path):
    for part in ("train/good", "validation/good", "test_public/good"):
        (tmp_path / "in" / part).mkdir(parents=True)
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "in" / part / "a.png")
    result = urushi("augment", "in", "out", "--copies", 1, "--transforms", "flip")
    assert result.status == 0
    assert result.out.split() == ["1", "out/test/good", "2", "out/train/good", "1", "out/validation/good"]
    assert len(find_dataset(tmp_path / "out").validation()) == 1


def test_an_image_that_cannot_be_read_is_listed_with_status_1_and_the_rest_is_written(urushi, tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no image")
    result = urushi("augment", "in", "out", "--copies", 1, "--transforms", "flip")
    assert result.status == 1
    assert "not read: in/b.png: not an image" in result.err
    assert result.out.split() == ["2", "out/train/good"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing is asked for"),
        (["--copies", 1], "no transforms are given"),
        (["--copies", 1, "--transforms", ","], "no transforms are given"),
        (["--copies", 1, "--total", 90, "--transforms", "flip"], "not both"),
        (["--copies", 1, "--transforms", "flop"], "no 'flop'; did you mean 'flip'"),
        (["--copies", 1, "--transforms", "flip", "--set", "augmentation.flip.vertical=2"], "less than or equal to 1"),
        (["--copies", 1, "--transforms", "rotation", "--set", "augmentation.rotation.high_degrees=-5"], "is more than"),
        (["--copies", 1, "--transforms", "flip", "--set", "training.max_epochs=1"], "has no effect here"),
        (["--total", 3, "--transforms", "flip"], "there are 24 originals"),
        (["--anomaly-ratio", 50], "0.05 for 5 %"),
        (["--anomaly-ratio", 0.5, "--test-total", 12], "the largest total that works is 10"),
    ],
)
def test_wrong_use_is_told_in_one_message_and_nothing_is_written(urushi, dataset, tmp_path, options, message):
    result = urushi("augment", dataset, "out", *options)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert "Please report" not in result.err
    assert not (tmp_path / "out").exists()


def test_inverted_masks_are_left_out_and_said(urushi, dataset, tmp_path):
    own = Path(shutil.copytree(dataset, tmp_path / "own"))
    for path in (own / "ground_truth" / "scratch").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    result = urushi("augment", own, "out", "--copies", 1, "--transforms", "flip")
    assert result.status == 0
    assert f"{own / 'ground_truth' / 'scratch'}: 5 masks are left out; each marks most of its image" in result.err
    assert not (tmp_path / "out" / "ground_truth").exists()


def test_folders_of_a_name_may_be_declared_good(urushi, dataset, tmp_path):
    own = Path(shutil.copytree(dataset, tmp_path / "own"))
    for split in ("train", "test"):
        (own / split / "good").rename(own / split / "A")
    result = urushi("augment", own, "out", "--copies", 1, "--transforms", "flip", "--good-folder", "A")
    assert result.out.split() == ["6", "out/test/good", "5", "out/test/scratch", "48", "out/train/good"]
