"""Networks of transformers: features, detectors that hold or refer to them, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from random_networks import IMAGENET, NETWORKS
from torch import Tensor
from without_torch import inspected_without_torch

from urushi import Detector, Recipe
from urushi.backbones import _hub, find
from urushi.catalogue.extras import is_installed
from urushi.detector_file import archive
from urushi.errors import BackboneError, DetectorFileError, RecipeError
from urushi.models.feature_pyramid import FeaturePyramid

# To import it here would take seconds of every worker, whichever tests it runs.
pytestmark = pytest.mark.skipif(not is_installed("transformers"), reason="needs the extra backbones")

SMALL = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64, "split.n_folds": 3}
EXPORTED = ("resnet", "convnext", "dinov2")


@pytest.fixture(scope="session")
def good(pictures) -> list[np.ndarray]:
    return [np.uint8(255 * image[0]) for image in pictures(16, 64)]


@pytest.fixture(scope="session")
def holed(good) -> np.ndarray:
    image = good[0].copy()
    image[20:34, 24:40] = 255 - image[20:34, 24:40]
    return image


@pytest.fixture(scope="session")
def detector(network_folder, shared, good):
    """The file of a fitted detector, by model_type."""

    def detector(model_type: str) -> Path:
        recipe = Recipe.find("default").with_settings({**SMALL, "model.backbone": str(network_folder(model_type))})
        return shared(f"{model_type}.urushi", lambda place: Detector.fit(good, recipe).save(place))

    return detector


@pytest.fixture
def copy(network_folder, tmp_path):
    """A folder that a test may change."""
    return lambda model_type: Path(shutil.copytree(network_folder(model_type), tmp_path / model_type))


def backbone(folder: Path, layers: tuple[int, ...] | None = None):
    network = find(str(folder))
    return network.backbone(layers or network.pyramid)


def rewritten(folder: Path, name: str, **changes: Any) -> None:
    found = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**found, **changes}))


def normalised(images: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(IMAGENET[key])[:, None, None] for key in ("image_mean", "image_std"))
    return (images - mean) / deviation


# A detector


def test_a_detector_holds_its_network_and_needs_no_folder_nor_hub(detector, good, holed, sent):
    file = detector("dinov2")
    found = Detector.load(file)
    assert "dinov2" in found.recipe.model.options["backbone"]
    told = found.card["fit"]["backbone"]
    assert (told["licence"], told["size_px"], told["kept"]) == ("apache-2.0", 64, "inside")
    assert len(told["weights"]["model.safetensors"]) == 64
    assert found.inspect(holed).score > found.threshold.value > found.inspect(good[0]).score
    moved = Detector.load(renamed(file, "no-such-folder", file.with_name("moved.urushi")))
    assert moved.inspect(holed).score == found.inspect(holed).score
    assert sent == []


def renamed(file: Path, folder: str, to: Path) -> Path:
    """The same detector as if its network had lain elsewhere, where nothing is."""
    members, card = parts(file)
    recipe = Recipe.from_toml(members["recipe.toml"].decode()).with_settings({"model.backbone": folder})
    archive.write(to, {**members, "recipe.toml": recipe.to_toml().encode()}, card)
    return to


def parts(file: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Members and card, to be changed and written anew."""
    members, card = archive.read(file)
    return {name: content for name, content in members.items() if name != archive.CARD}, card


@pytest.mark.slow
@pytest.mark.parametrize("model_type", EXPORTED)
def test_exported_it_passes_the_gate_and_is_inspected_without_torch_and_transformers(
    model_type, detector, good, holed, tmp_path
):
    fitted = Detector.load(detector(model_type))
    exported = fitted.export(good)
    assert exported.card["exports"][0]["parity"]["n_flips"] == 0
    expected = [fitted.inspect(image).score for image in (good[0], holed)]
    assert inspected_without_torch(exported, [good[0], holed], tmp_path) == pytest.approx(expected, rel=1e-2)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "settings",
    [{"model.name": "feature_reconstruction"}, {"model.name": "feature_reconstruction", "model.kind": "nearest"}],
)
def test_other_methods_on_features_take_it_too(settings, network_folder, good, holed):
    recipe = Recipe.find("default")
    table = recipe.model_dump(exclude_none=True)
    table["model"] = {"backbone": str(network_folder("dinov2")), "windows": (2, 0)}
    table["model"] |= {key.removeprefix("model."): value for key, value in settings.items()}
    found = Detector.fit(good, Recipe.from_table(table, "test").with_settings(SMALL))
    assert found.inspect(holed).score > found.threshold.value


# Features


def expected(model_type: str, network: Any, pixels: Tensor, layer: int) -> Tensor:
    """A map by the network's own model class, not by the one that is used here."""
    told = network(pixels, output_hidden_states=True)
    if model_type in ("swin", "swinv2"):
        tokens: list[Any] = []
        network.encoder.layers[layer - 1].blocks[-1].register_forward_hook(lambda _m, _i, out: tokens.append(out))
        network(pixels)
        found = tokens[0][0] if isinstance(tokens[0], tuple) else tokens[0]
        side = pixels.shape[-1] // 4 // 2 ** (layer - 1)
        return found.transpose(1, 2).unflatten(2, (-1, side))
    found = told.hidden_states[layer]
    if found.ndim == 4:
        return found
    norm = next(getattr(network, name) for name in ("layernorm", "norm", "post_layernorm") if hasattr(network, name))
    side = pixels.shape[-1] // network.config.patch_size
    n_cells = pixels.shape[-2] // network.config.patch_size * side
    return norm(found)[:, -n_cells:].transpose(1, 2).unflatten(2, (-1, side))


@pytest.mark.thorough
@pytest.mark.parametrize("model_type", NETWORKS)
def test_features_are_those_of_the_networks_own_model(model_type, network_folder):
    import transformers

    folder = network_folder(model_type)
    name = NETWORKS[model_type][0].replace("ForImageClassification", "Model")
    network = getattr(transformers, name).from_pretrained(folder).eval()
    side = {"dinov2": 70, "dinov2_with_registers": 84, "swin": 128, "swinv2": 128}.get(model_type, 64)
    images = torch.rand(2, 3, side, side)
    found = backbone(folder, (1, 2, 3))
    with torch.no_grad():
        for layer, maps in zip(found.taken, found(images), strict=True):
            torch.testing.assert_close(
                maps, expected(model_type, network, normalised(images), layer), rtol=1e-4, atol=1e-4
            )


@pytest.mark.thorough
@pytest.mark.parametrize("model_type", NETWORKS)
def test_maps_have_the_shapes_that_are_told_before_on_images_of_any_size(model_type, network_folder):
    found = backbone(network_folder(model_type))
    with torch.no_grad():
        maps = found(torch.rand(2, 1, 60, 90))
    assert [tuple(one.shape[1:]) for one in maps] == [found.shape(place, (1, 60, 90)) for place in range(len(maps))]
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert not found.train().training


@pytest.mark.thorough
def test_grey_and_colour_are_the_same_for_a_network_of_either(network_folder, copy):
    grey = torch.rand(1, 1, 64, 64)
    found = backbone(network_folder("resnet"))
    for one, other in zip(found(grey), found(grey.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.thorough
def test_layers_after_the_last_that_is_taken_are_left_out(network_folder):
    whole, some = (backbone(network_folder("dinov2"), layers) for layers in ((1, 2, 3), (1, 2)))
    images = torch.rand(1, 3, 70, 70)
    with torch.no_grad():
        for one, other in zip(whole(images), some(images), strict=False):
            torch.testing.assert_close(one, other)
    assert len(some.state_dict()) < len(whole.state_dict())


@pytest.mark.thorough
@pytest.mark.parametrize("blocks", [(), (0, 1, 2), (1, 1, 2), (2, 3, 4), (1, 2)])
def test_layers_that_there_are_not_are_refused_with_those_that_there_are(blocks, network_folder):
    with pytest.raises(RecipeError, match=r"features after \[1, 2, 3\], each once|three levels"):
        FeaturePyramid((3, 64, 64), backbone=str(network_folder("dinov2")), blocks=blocks)


@pytest.mark.thorough
def test_a_siglip_with_its_text_gives_the_vision_alone(copy, network_folder):
    folder = copy("siglip_vision_model")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    state = {f"vision_model.{name}": tensor for name, tensor in state.items()} | {"logit_scale": torch.ones(1)}
    safetensors.torch.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({"model_type": "siglip", "vision_config": config}))
    images = torch.rand(1, 3, 64, 64)
    for one, other in zip(
        backbone(folder)(images), backbone(network_folder("siglip_vision_model"))(images), strict=True
    ):
        torch.testing.assert_close(one, other)


# What is refused


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_sizes": [8, 16, 24, 40]}, "does not fit its config"),
        ({"depths": [1, 1, 3, 1]}, "lack .* those of another network"),
        ({"depths": [10**6, 1, 1, 1]}, "out of all proportion"),
        ({"hidden_sizes": [10**9, 16, 24, 32]}, "out of all proportion"),
        ({"hidden_sizes": "many"}, "hidden_sizes"),
        ({"depths": [1, 1, [2], 1]}, "config.json"),
        ({"hidden_sizes": [8]}, "config.json"),
        ({"num_channels": 4}, "num_channels = 4"),
        ({"hidden_act": "no-such"}, "does not fit|no-such"),
        ({"model_type": "timm_backbone"}, "not taken; there is: convnext, .*dinov2"),
        ({"model_type": ["resnet"]}, "not taken"),
        ({"model_type": None}, "not taken"),
    ],
)
def test_a_config_that_does_not_go_with_the_weights_is_refused(change, message, copy):
    folder = copy("resnet")
    rewritten(folder, "config.json", **change)
    with pytest.raises(BackboneError, match=message):
        backbone(folder)


@pytest.mark.thorough
def test_weights_of_another_network_are_refused(copy, network_folder):
    folder = copy("dinov2")
    shutil.copy(network_folder("resnet") / "model.safetensors", folder)
    with pytest.raises(BackboneError, match=r"lack .* they are those of another network"):
        backbone(folder)


@pytest.mark.thorough
def test_weights_that_are_no_numbers_are_refused(copy):
    folder = copy("resnet")
    state = safetensors.torch.load_file(folder / "model.safetensors")
    state["resnet.embedder.embedder.convolution.weight"][0] = torch.nan
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with pytest.raises(BackboneError, match="not all finite"):
        backbone(folder)


@pytest.mark.parametrize("name", ["no/such/folder", "/no-such-folder", "~/no-such-folder"])
def test_a_folder_that_is_not_there_is_said(name):
    with pytest.raises(BackboneError, match="there is no such folder"):
        find(name)


def test_a_name_that_is_none_is_said_with_what_there_is():
    with pytest.raises(RecipeError, match=r"'dinov2-small': there is no such network\. Take efficientnet_lite0"):
        find("dinov2-small")


def test_weights_that_come_as_a_package_cannot_be_referred_to():
    with pytest.raises(RecipeError, match="there is no folder to refer to"):
        FeaturePyramid((3, 64, 64), backbone_weights="reference")


# A reference instead of the weights


@pytest.fixture
def referring(copy, good, tmp_path) -> tuple[Path, Path]:
    folder, file = copy("resnet"), tmp_path / "part.urushi"
    recipe = Recipe.find("default").with_settings(
        {**SMALL, "model.backbone": str(folder), "model.backbone_weights": "reference", "model.pictures": 0}
    )
    Detector.fit(good, recipe).save(file)
    return folder, file


@pytest.mark.thorough
def test_a_detector_may_refer_to_weights_that_are_then_checked(referring, holed):
    folder, file = referring
    held = safetensors.torch.load(archive.read(file)[0]["weights.safetensors"])
    assert not [name for name in held if "network" in name]
    found = Detector.load(file)
    assert found.inspect(holed).score > found.threshold.value
    changed = safetensors.torch.load_file(folder / "model.safetensors")
    changed["resnet.embedder.embedder.convolution.weight"] *= 1.01
    safetensors.torch.save_file(changed, folder / "model.safetensors")
    with pytest.raises(DetectorFileError, match="are not those that it was fitted with; bring that folder back"):
        Detector.load(file)
    shutil.rmtree(folder)
    with pytest.raises(DetectorFileError, match=r"part\.urushi cannot be used: .* there is no such folder"):
        Detector.load(file)


# Detector files that lie


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "no-such"}, "there is no such network"),
        ({"config": [1]}, "model_type None is not taken"),
        ({"config": {"model_type": "resnet", "depths": [10**9]}}, "out of all proportion"),
        ({"config": {"model_type": "resnet", "attn_implementation": "kernels-community/x"}}, "fit together"),
        ({"kept": "elsewhere"}, "kept 'elsewhere'"),
        ({"kept": "reference", "folder": "."}, "no such folder"),
        ({"kept": "reference", "folder": 7}, "fit together"),
        ({"mean": "grey"}, "fit together"),
        ({"mean": [0.5]}, "fit together"),
    ],
)
def test_a_card_that_lies_about_the_network_is_an_error_of_the_file(change, message, detector, tmp_path):
    members, card = parts(detector("dinov2"))
    card["fit"]["backbone"] |= change
    archive.write(tmp_path / "part.urushi", members, card)
    with pytest.raises(DetectorFileError, match=message):
        Detector.load(tmp_path / "part.urushi")


@pytest.mark.thorough
@pytest.mark.parametrize("told", [None, {}, [], "x", {"family": "efficientnet_lite"}])
def test_no_folder_is_read_that_a_recipe_in_a_detector_file_names(told, detector, tmp_path):
    members, card = parts(detector("dinov2"))
    card["fit"]["backbone"] = told
    archive.write(tmp_path / "part.urushi", members, card)
    with pytest.raises(DetectorFileError, match=r"there is no such network|fit together"):
        Detector.load(tmp_path / "part.urushi")


# The hub


@pytest.fixture
def asked(monkeypatch, network_folder) -> list[tuple[str, dict[str, Any]]]:
    """What the client of the hub is asked for; it gives a folder that is there."""
    found: list[tuple[str, dict[str, Any]]] = []

    def snapshot_download(name: str, **how: Any) -> str:
        found.append((name, how))
        return str(network_folder("resnet"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return found


@pytest.mark.thorough
def test_the_hub_is_asked_only_by_a_name_that_says_so_and_for_no_file_that_could_hold_code(asked, network_folder):
    backbone(network_folder("resnet"))
    assert asked == []
    found = find("hub:some/network@abc")
    assert found.backbone((1, 2)).card()["name"] == "hub:some/network@abc"
    ((name, how),) = asked
    assert (name, how["revision"]) == ("some/network", "abc")
    assert all(pattern.endswith((".json", ".safetensors", ".md")) for pattern in how["allow_patterns"])


@pytest.mark.parametrize("name", ["hub:", "hub:network", "hub:a/b/c", "hub:a b/c", "hub:../x"])
def test_a_name_of_the_hub_has_an_owner(name):
    with pytest.raises(BackboneError, match="write hub:OWNER/NAME"):
        find(name)


@pytest.mark.thorough
def test_without_a_network_the_hub_is_an_error_with_a_way_out(monkeypatch):
    def snapshot_download(*_: Any, **__: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(BackboneError, match=r"no route to host. Without a network, download the folder elsewhere"):
        _hub.downloaded("hub:some/network")
