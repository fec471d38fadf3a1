"""What is read of a folder, and what is refused with a word on what to do. None of it needs transformers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from urushi.backbones._folder import Folder
from urushi.errors import BackboneError

MARK = "was-run"


class Hostile:
    """What leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path, "config.json", {"model_type": "resnet"})
    write(tmp_path, "preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 1]})
    save_file({"weight": np.ones((64, 64), np.float32)}, tmp_path / "model.safetensors")
    return tmp_path


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def split(folder: Path, names: list[str]) -> None:
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    write(folder, "model.safetensors.index.json", {"weight_map": {str(n): name for n, name in enumerate(names)}})


def test_a_whole_folder_gives_its_files_and_their_digests(folder):
    assert [file.name for file in Folder(folder).weights] == ["model.safetensors"]
    ((name, digest),) = Folder(folder).digests.items()
    assert (name, len(digest)) == ("model.safetensors", 64)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pth", "weights.pkl", "tf_model.h5"])
def test_pickled_weights_are_refused_and_not_unpickled(folder, name):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Hostile(folder / MARK)))
    with pytest.raises(BackboneError, match=f"only {name}: that is not read"):
        _ = Folder(folder).weights
    assert not (folder / MARK).exists()


def test_a_pickle_under_the_name_of_safetensors_is_damage(folder):
    (folder / "model.safetensors").write_bytes(pickle.dumps(Hostile(folder / MARK)))
    with pytest.raises(BackboneError, match="damaged, cut off or no safetensors"):
        _ = Folder(folder).weights
    assert not (folder / MARK).exists()


@pytest.mark.parametrize("n_bytes", [0, 7, 200])
def test_weights_that_were_cut_off_are_damage(folder, n_bytes):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:n_bytes])
    with pytest.raises(BackboneError, match=r"model.safetensors is damaged, cut off .* download it again"):
        _ = Folder(folder).weights


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BackboneError, match=f"has no {name}"):
        _ = Folder(folder).config, Folder(folder).normalisation, Folder(folder).weights


@pytest.mark.parametrize("content", ["", "{", "[1]", "7", "[" * 100_000, "\xff"])
def test_a_config_that_is_no_table_is_refused(folder, content):
    (folder / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(BackboneError, match=r"config\.json"):
        _ = Folder(folder).config


def test_code_in_the_folder_is_never_asked_for(folder):
    write(folder, "config.json", {"model_type": "resnet", "auto_map": {"AutoModel": "modeling.Mine"}})
    (folder / "modeling.py").write_text("open('was-run', 'w')")
    with pytest.raises(BackboneError, match="asks for code of its own"):
        _ = Folder(folder).config


def test_shards_are_all_counted(folder):
    split(folder, ["model-1.safetensors", "model-1.safetensors"])
    assert [file.name for file in Folder(folder).weights] == ["model-1.safetensors"]


def test_a_shard_that_is_missing_is_named(folder):
    split(folder, ["model-1.safetensors", "model-2.safetensors"])
    with pytest.raises(BackboneError, match=r"model-2\.safetensors is missing"):
        _ = Folder(folder).weights


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a\\b.safetensors", "model.bin", 3, None])
def test_shards_lie_in_the_folder_itself(folder, name):
    split(folder, [name])
    with pytest.raises(BackboneError, match="does not name files of this folder"):
        _ = Folder(folder).weights


@pytest.mark.parametrize(
    ("more", "mean", "deviation"),
    [
        ({}, [0.5, 0.5, 0.5], [0.25, 0.5, 1]),
        ({"rescale_factor": 1 / 255, "do_rescale": True, "do_normalize": True}, [0.5, 0.5, 0.5], [0.25, 0.5, 1]),
        ({"rescale_factor": 2 / 255}, [0.25, 0.25, 0.25], [0.125, 0.25, 0.5]),
        ({"do_rescale": False, "image_mean": [127.5], "image_std": [255]}, [0.5], [1]),
        ({"do_normalize": False}, [0], [1]),
        ({"image_mean": 0.5, "image_std": 0.5}, [0.5], [0.5]),
    ],
)
def test_pixels_are_brought_to_what_the_preprocessor_says(folder, more, mean, deviation):
    known = json.loads((folder / "preprocessor_config.json").read_text())
    write(folder, "preprocessor_config.json", {**known, **more})
    assert Folder(folder).normalisation == (pytest.approx(mean), pytest.approx(deviation))


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_mean": None},
        {"image_mean": [0.5, 0.5]},
        {"image_std": [0, 1, 1]},
        {"image_std": ["a"]},
        {"image_mean": [float("nan")] * 3},
        {"do_flip_channel_order": True},
    ],
)
def test_a_preprocessor_that_tells_no_mean_and_deviation_is_refused(folder, wrong):
    known = json.loads((folder / "preprocessor_config.json").read_text())
    write(folder, "preprocessor_config.json", {**known, **wrong})
    with pytest.raises(BackboneError, match=r"preprocessor_config\.json"):
        _ = Folder(folder).normalisation


@pytest.mark.parametrize(
    ("size", "px"),
    [
        ({"size": {"height": 224, "width": 240}}, 224),
        ({"crop_size": 96, "size": 128}, 96),
        ({}, None),
        ({"size": "x"}, None),
    ],
)
def test_the_size_that_it_was_made_for_is_told(folder, size, px):
    write(folder, "preprocessor_config.json", size)
    assert Folder(folder).size_px == px


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0"),
        ("---\ntags: [x]\nlicense: other\nlicense_name: dinov3-license\n---\n", "dinov3-license"),
        ("---\nlicense: 'mit'\n---\nlicense: gpl", "mit"),
        ("# A network\n\nlicense: mit\n", "unknown"),
        ("", "unknown"),
        ("---\nlicense:\n---\n", "unknown"),
    ],
)
def test_the_licence_is_that_of_the_front_matter(folder, readme, licence):
    (folder / "README.md").write_text(readme)
    assert Folder(folder).licence == licence


def test_a_licence_in_the_config_counts_where_there_is_no_page(folder):
    write(folder, "config.json", {"license": "mit\x1b[31m"})
    assert Folder(folder).licence == "mit\\x1b[31m"
