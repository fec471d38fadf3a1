import json
import re
import zipfile

import numpy as np
import pytest
import torch

from urushi.data.writing import write_image
from urushi.detector import Detector


def test_a_folder_becomes_a_detector_that_finds_the_scratches(urushi, quick, dataset, good, defects, tmp_path):
    result = urushi("fit", dataset, "-o", tmp_path / "part.urushi", *quick, "--false-alarm-rate", 0.1, "--seed", 3)
    assert result.status == 0
    assert "fitted on 24 of 24 good images" in result.out
    assert re.search(r"threshold \S+: .*at most .*% of good parts", result.out)
    fitted = Detector.load(tmp_path / "part.urushi")
    assert [item.decision for item in fitted.inspect_many(sorted(defects.iterdir()))] == ["anomalous"] * 5
    assert sum(item.decision == "normal" for item in fitted.inspect_many(sorted(good.iterdir()))) >= 4
    card = json.loads(zipfile.ZipFile(tmp_path / "part.urushi").read("card.json"))
    assert (card["seed"], card["data"]["layout"]) == (3, "mvtec")
    assert card["recipe"].startswith("default preprocessing.resize.height=64 ")  # what was changed is kept


@pytest.mark.thorough
def test_a_method_that_is_trained_keeps_its_logs_beside_the_detector(urushi, dataset, defects, tmp_path):
    settings = ["preprocessing.resize.height=32", "preprocessing.resize.width=32", "training.max_epochs=2"]
    options = [argument for setting in settings for argument in ("--set", setting)]
    result = urushi("fit", dataset / "train" / "good", "-o", tmp_path / "a.urushi", "--recipe", "autoencoder", *options)
    assert result.status == 0
    assert (tmp_path / "a.urushi.training" / "training.html").is_file()
    again = (dataset / "train" / "good", "-o", tmp_path / "b.urushi", "--recipe", "autoencoder", *options)
    opened = urushi("fit", *again, "--from-checkpoint", tmp_path / "a.urushi.training" / "best.ckpt")
    assert opened.out.splitlines()[-1] == result.out.splitlines()[-1]  # the threshold, in words
    assert not (tmp_path / "b.urushi.training").exists()
    assert "give either" in urushi("fit", *again, "--from-checkpoint", "best", "--resume").err
    inspected = Detector.load(tmp_path / "a.urushi").inspect(defects / "200.png")
    assert inspected.reconstruction.shape == (32, 32, 1)
    assert inspected.original_size == (64, 64)


def test_an_image_that_cannot_be_read_is_listed_with_status_1(urushi, quick, dataset, tmp_path):
    folder = tmp_path / "good"
    folder.mkdir()
    for path in (dataset / "train" / "good").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.png").write_bytes(b"")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    result = urushi("fit", folder, "-o", tmp_path / "part.urushi", *quick)
    assert result.status == 1
    assert "broken.png: the file is empty (zero bytes)" in result.err
    assert "gone.png: no such file or directory" in result.err
    assert "fitted on 24 of 24 good images" in result.out
    assert (tmp_path / "part.urushi").exists()


def test_names_of_scans_are_said_unless_products_are_told(urushi, tmp_path):
    for n in range(10):
        write_image(tmp_path / "scans" / f"item-{n // 2}_scan-{n % 2}.png", np.full((9, 9), 20 * n, np.uint8))
    fit = ("fit", tmp_path / "scans", "-o", tmp_path / "nowhere" / "part.urushi")  # ends before anything is learnt
    said = r"note: names are those of 5 products with 2 images each"
    assert said in urushi(*fit).err
    assert said not in urushi(*fit, "--group-by", r"item-(\d+)").err


@pytest.mark.thorough
def test_a_recipe_can_come_from_a_file(urushi, dataset, tmp_path):
    shown = urushi("recipes", "default").out
    changed = shown.replace("height = 256", "height = 64").replace("width = 256", "width = 64")
    assert changed != shown
    (tmp_path / "mine.toml").write_text(changed, "utf-8")
    small = ["--set", "split.n_folds=2"]
    result = urushi("fit", dataset, "-o", "part.urushi", "--recipe", tmp_path / "mine.toml", *small)
    assert result.status == 0
    assert Detector.load(tmp_path / "part.urushi").card["recipe"].startswith(f"{tmp_path / 'mine.toml'} ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "defaut"], "no recipe is called 'defaut'; did you mean 'default'"),
        (["--recipe", "nowhere.toml"], "nowhere.toml: cannot be read as a recipe"),
        (["--set", "training.max_epoch=3"], "training.max_epoch is unknown; did you mean 'max_epochs'"),
        (["--set", "model.varience=0.9"], "model.varience is unknown; did you mean 'variance'"),
        (["--set", "model.variance=2"], "model.variance = 2"),
        (["--set", "model.name=autoencodr"], "did you mean 'autoencoder'"),
        (["--set", "score.name=sim"], "did you mean 'ssim'"),
        (["--set", "preprocessing.resize.interpolation=cubic"], "preprocessing.resize.interpolation = 'cubic'"),
        (["--set", "nonsense"], "written section.key=value"),
        (["--false-alarm-rate", "0.001"], "needs at least 999 held-out normal images; there are 24"),
        (["--false-alarm-rate", "2"], "false_alarm_rate = 2"),
        (["--set", "threshold.name=g_mean"], "needs images of defects; give them with --defects DIR"),
        (["--layout", "mvtecc"], "did you mean 'mvtec'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(urushi, quick, dataset, tmp_path, arguments, message):
    result = urushi("fit", dataset, "-o", "part.urushi", *quick, *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert "unexpected" not in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "message"), [("nowhere/part.urushi", "nowhere does not exist"), (".", "is a folder; give -o the path")]
)
def test_a_place_that_cannot_be_written_is_said_before_the_work(urushi, quick, dataset, place, message):
    result = urushi("fit", dataset, "-o", place, *quick)
    assert result.status == 2
    assert message in result.err


@pytest.mark.parametrize("command", ["fit", "calibrate", "export"])
def test_no_detector_takes_the_place_of_a_file_that_is_none(urushi, quick, dataset, detector, tmp_path, command):
    (mine := tmp_path / "results.csv").write_text("a year of work")
    arguments = {
        "fit": [dataset, *quick],
        "calibrate": [detector, "--false-alarm-rate", 0.2],
        "export": [detector, "--to", "onnx"],
    }
    result = urushi(command, *arguments[command], "-o", mine)
    assert (result.status, result.out) == (2, "")
    assert "results.csv is there and is no detector file: it is not overwritten; give -o another place" in result.err
    assert mine.read_text() == "a year of work"


def test_a_detector_takes_the_place_of_another_and_of_an_empty_file(urushi, detector, tmp_path):
    (tmp_path / "new.urushi").touch()
    assert urushi("calibrate", detector, "--false-alarm-rate", 0.2, "-o", tmp_path / "new.urushi").status == 0
    assert urushi("calibrate", detector, "--false-alarm-rate", 0.2, "-o", tmp_path / "new.urushi").status == 0


@pytest.mark.parametrize("command", ["sample", "represent", "classify", "evaluate"])
def test_nothing_else_takes_the_place_of_a_detector(urushi, detector, dataset, labelled, good, command):
    before = detector.read_bytes()
    arguments = {
        "sample": [detector, "-o", detector],
        "represent": [good / "100.png", "-o", detector],
        "classify": [detector, labelled, "-o", detector],
        "evaluate": [detector, dataset, "--json", detector],
    }
    result = urushi(command, *arguments[command])
    assert result.status == 2
    assert "part.urushi is a detector file: it is not overwritten" in result.err
    assert detector.read_bytes() == before


def test_where_it_is_learnt_is_an_option_that_the_recipe_keeps(urushi, quick, dataset, tmp_path):
    assert urushi("fit", dataset, "-o", tmp_path / "a.urushi", *quick, "--device", "cpu").status == 0
    fitted = Detector.load(tmp_path / "a.urushi")
    assert fitted.recipe.training.accelerator == "cpu"
    assert fitted.card["recipe"].endswith(" training.accelerator=cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("recipe", ["default", "autoencoder"])
def test_a_device_that_is_not_here_is_said_in_words(urushi, dataset, tmp_path, recipe):
    small = ["--set", "preprocessing.resize.height=32", "--set", "preprocessing.resize.width=32"]
    result = urushi("fit", dataset, "-o", tmp_path / "a.urushi", "--recipe", recipe, *small, "--device", "cuda")
    assert (result.status, result.out) == (2, "")
    assert "the device 'cuda' cannot be used here" in result.err
    assert "cpu always can" in result.err


@pytest.mark.parametrize("content", [None, "notes.txt"], ids=["empty", "no images"])
def test_a_folder_without_images_is_wrong_input(urushi, tmp_path, content):
    (tmp_path / "folder").mkdir()
    if content:
        (tmp_path / "folder" / content).write_text("no image")
    result = urushi("fit", tmp_path / "folder", "-o", "part.urushi")
    assert (result.status, result.out) == (2, "")
    assert "folder" in result.err


def test_too_few_images_say_how_many_there_are(urushi, quick, dataset, tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "a.png").write_bytes((dataset / "train" / "good" / "00.png").read_bytes())
    result = urushi("fit", tmp_path / "good", "-o", "part.urushi", *quick)
    assert result.status == 2
    assert "1 readable image was found" in result.err


@pytest.mark.thorough
def test_candidates_are_tried_aloud_and_the_verdict_is_told(urushi, pictures, tmp_path):
    for number, pixels in enumerate(pictures(40, 64, 3, seed=0)):
        write_image(tmp_path / "good" / f"{number:02}.png", (255 * pixels).astype(np.uint8).transpose(1, 2, 0))
    small = ["preprocessing.resize.height=64", "preprocessing.resize.width=64", "split.n_folds=2"]
    chosen = [argument for setting in small for argument in ("--set", setting)]
    result = urushi("fit", tmp_path / "good", "-o", tmp_path / "a.urushi", "--recipe", "auto", *chosen)
    assert result.status == 0
    assert re.search(r"trial of default: ROC-AUC [01]\.\d+\ntrial of nearest: ROC-AUC", result.err)
    assert re.search(r"of 2 candidates (default|nearest) was fitted: ", result.out)


def test_a_trial_on_too_few_images_is_refused_in_words(urushi, quick, dataset, tmp_path):
    result = urushi("fit", dataset, "-o", tmp_path / "a.urushi", "--recipe", "auto", *quick)
    assert result.status == 2
    assert "take a recipe without candidates, such as default" in " ".join(result.err.split())
