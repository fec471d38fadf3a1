"""models, scores, recipes and doctor: tables made from the classes, the package and the data themselves."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from urushi import catalogue
from urushi.data import demo
from urushi.recipe import Recipe, recipe_names

ROOMS = {
    "models": "urushi.models",
    "scores": "urushi.scoring",
    "steps": "urushi.preprocessing",
    "transforms": "urushi.augmentation",
}


@pytest.mark.parametrize(("command", "room"), ROOMS.items())
def test_all_entries_are_listed_with_what_they_are(urushi, command, room):
    result = urushi(command)
    assert result.status == 0
    for name in catalogue.names(room):
        (line,) = [line for line in result.out.splitlines() if line.startswith(f"│ {name} ")]
        assert len(line.split()) > 5, f"{name} does not say what it is"
    assert re.findall(r"\bS[1-5]\b|§|METHODS", result.out) == []
    assert "S2" in urushi(command, "--source").out


def test_one_model_is_shown_with_every_option_and_its_default(urushi):
    result = urushi("models", "autoencoder")
    assert result.status == 0
    assert "S2 §6.1.2" not in result.out
    assert "S2 §6.1.2" in urushi("models", "autoencoder", "--source").out
    (line,) = [line for line in result.out.splitlines() if "│ latent_dimension " in line]
    for part in ("int", "64", "the size of the bottleneck"):
        assert part in line
    assert "--set model.OPTION=VALUE" in result.out


def test_one_score_is_shown_with_every_option_and_its_default(urushi):
    out = urushi("scores", "ssim").out
    (line,) = [line for line in out.splitlines() if "│ window_px " in line]
    assert " 11 " in line
    assert "│ pooling " in out


@pytest.mark.parametrize(
    ("command", "name", "option"), [("steps", "inpainting", "radius_px"), ("transforms", "elastic", "alpha_px")]
)
def test_one_step_and_one_transform_are_shown_with_every_option(urushi, command, name, option):
    out = urushi(command, name).out
    assert f"│ {option} " in out
    assert f".{name}.OPTION=VALUE" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "autoencodr"], "did you mean 'autoencoder'"),
        (["scores", "sim"], "did you mean 'ssim'"),
        (["recipes", "defaut"], "did you mean 'default'"),
    ],
)
def test_an_unknown_name_names_the_nearest_one(urushi, arguments, message):
    result = urushi(*arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err


def test_all_recipes_are_listed_with_their_model(urushi):
    out = urushi("recipes").out
    for name in recipe_names():
        assert any(f" {name} " in line and Recipe.find(name).model.name in line for line in out.splitlines())


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_shown_as_toml_with_its_defaults(urushi, name):
    out = urushi("recipes", name).out
    assert Recipe.from_toml(out) == Recipe.find(name)
    assert "batch_size" in tomllib.loads(out)["training"]


def test_doctor_tells_what_is_installed(urushi):
    result = urushi("doctor")
    assert result.status == 0
    for package in ("urushi", "Python", "torch", "kornia"):
        assert package in result.out


def test_doctor_finds_nothing_wrong_with_a_sound_data_set(urushi, dataset):
    result = urushi("doctor", dataset)
    assert result.status == 0
    assert "layout mvtec, 5 masks" in result.out
    assert "64 × 64 px" in result.out
    assert "nothing is wrong with it" in result.out
    assert "24 good images to learn from can state a rate of 4 % or more (1/25); without a wish it is 4 %" in result.out


def test_doctor_counts_a_copy_and_what_cannot_be_read_for_no_good_image(urushi, tmp_path, good):
    (tmp_path / "folder").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "folder" / name).write_bytes((good / "100.png").read_bytes())
    (tmp_path / "folder" / "c.png").write_bytes((good / "101.png").read_bytes())
    (tmp_path / "folder" / "d.png").write_text("no image")
    assert "2 good images to learn from can state a rate of 33.3 % or more (1/3)" in urushi("doctor", "folder").out


def test_doctor_says_what_is_wrong(urushi, tmp_path, good):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes((good / "100.png").read_bytes())
    (folder / "\x1bc.png").write_text("no image")
    result = urushi("doctor", folder)
    assert result.status == 1
    assert "not readable: \\x1bc.png: not an image" in result.out
    assert "duplicates: a.png = b.png" in result.out


def test_doctor_gives_json(urushi, dataset):
    found = json.loads(urushi("doctor", dataset, "--json").out)
    assert found["counts"]["test"] == {"good": 6, "scratch": 5}
    assert found["unreadable"] == []
    assert found["false_alarm_rates"] == {"n_good": 24, "smallest": 1 / 25, "default": 1 / 25}
    assert [group["name"] for group in found["luminance"]["groups"]] == ["test/good", "train/good", "test/scratch"]


def test_doctor_warns_where_brightness_alone_separates(urushi, dataset, tmp_path):
    darkened = Path(shutil.copytree(dataset, tmp_path / "weave"))
    for path in (darkened / "test" / "scratch").glob("*.png"):
        with Image.open(path) as image:
            image.point(lambda level: level // 4).save(path)
    out = " ".join(urushi("doctor", darkened).out.split())
    assert "warning: brightness alone tells test/scratch from test/good: it is darker (ROC-AUC 0.00" in out


def test_doctor_refuses_a_folder_that_is_not_there(urushi, tmp_path):
    result = urushi("doctor", tmp_path / "nowhere")
    assert (result.status, result.out) == (2, "")
    assert "There is no folder" in result.err


@pytest.mark.thorough
def test_the_demo_goes_the_whole_way(urushi, tmp_path, monkeypatch):
    for name, n in {"N_TRAIN": 40, "N_GOOD": 6, "N_PER_DEFECT": 1, "N_DEFECTIVE": 18}.items():
        monkeypatch.setattr(demo, name, n)
    text = urushi("recipes", "default").out
    assert "= 256" in text
    (tmp_path / "small.toml").write_text(text.replace("= 256", "= 64"), "utf-8")
    result = urushi("demo", "--out", "demo", "--recipe", "small.toml")
    assert result.status == 0, result.err
    assert "fitted on 20 of 40 good images" in result.out
    assert "6 normal and 18 anomalous images" in result.out
    assert set(re.findall(r"(\w+) +6 +[01]\.", result.out)) == {"full", "half", "quarter"}
    assert "aupro_0.3" in result.out
    assert (tmp_path / "demo" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "demo" / "part.urushi").exists()


def test_models_with_a_setting_prints_the_layers_of_the_network(urushi):
    result = urushi("models", "autoencoder", "--set", "architecture=inspection", "--set", "latent_dimension=100")
    assert result.status == 0
    assert "32×64×64" in result.out
    assert "100×1×1" in result.out
    assert "parameters for images of 3×128×128" in result.out
    assert urushi("models", "autoencoder", "--set", "architecture=inspect").status == 2
