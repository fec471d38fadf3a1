"""Networks of timm: features, detectors that hold them, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from without_torch import inspected_without_torch

from urushi import Detector, Recipe
from urushi.backbones import find
from urushi.catalogue.extras import is_installed
from urushi.errors import BackboneError, MissingPackageError

HAS_TIMM = is_installed("timm") and is_installed("torchvision")
with_timm = pytest.mark.skipif(not HAS_TIMM, reason="needs the extra timm, with a torchvision that goes with torch")
SMALL = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64, "split.n_folds": 3}
NETWORKS = {"test_resnet": (2, 3, 4), "test_convnext": (1, 2, 3), "test_vit": (1, 3, 5)}


def save(architecture: str, place: Path) -> None:
    """A random network as timm's lie on the hub."""
    import timm

    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = timm.create_model(architecture, pretrained=False)
        for parameter in made.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        timm.models.save_for_hf(made, str(place), safe_serialization=True)


@pytest.fixture(scope="session")
def folder(shared: Callable[..., Path]) -> Callable[[str], Path]:
    return lambda architecture: shared(f"timm-{architecture}", lambda place: save(architecture, place))


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    """A folder that a test may change."""
    return Path(shutil.copytree(folder("test_resnet"), tmp_path / "network"))


@pytest.fixture(scope="session")
def good(pictures) -> list[np.ndarray]:
    return [np.uint8(255 * image[0]) for image in pictures(16, 64)]


@pytest.fixture(scope="session")
def detector(folder, shared, good) -> Callable[[str], Path]:
    """The file of a fitted detector, by architecture, whose folder is gone."""

    def fit(architecture: str, place: Path) -> None:
        network = Path(shutil.copytree(folder(architecture), place.with_name(f"gone-{architecture}")))
        recipe = Recipe.find("default").with_settings({**SMALL, "model.backbone": str(network)})
        Detector.fit(good, recipe).save(place)
        shutil.rmtree(network)

    return lambda architecture: shared(f"timm-{architecture}.urushi", lambda place: fit(architecture, place))


def rewritten(folder: Path, **changes: Any) -> None:
    found = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**found, **changes}))


@pytest.mark.skipif(HAS_TIMM, reason="timm is here")
@pytest.mark.parametrize("name", ["timm:resnet18", "timm:resnet18.a1_in1k@main"])
def test_without_timm_it_says_what_to_install_and_which_versions_go_together(name, sent):
    with pytest.raises(MissingPackageError, match=r"timm\].*torch 2.11 with torchvision 0.26"):
        find(name)
    assert sent == []


@pytest.mark.skipif(HAS_TIMM, reason="timm is here")
def test_a_folder_of_timm_asks_for_it_too(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18"}))
    with pytest.raises(MissingPackageError, match="timm"):
        find(str(tmp_path))


@pytest.mark.parametrize("name", ["timm:", "timm:timm/resnet18", "timm:../resnet18", "timm:resnet18.a1.b2"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BackboneError, match="timm:NAME"):
        find(name)


@with_timm
@pytest.mark.parametrize("architecture", NETWORKS)
def test_features_are_those_that_timm_gives(architecture, folder):
    import timm

    places = NETWORKS[architecture]
    network = find(str(folder(architecture)))
    assert network.pyramid == places
    state = safetensors_of(folder(architecture))
    theirs = timm.create_model(architecture, pretrained=False).eval()
    theirs.load_state_dict(state)
    mean, deviation = (torch.tensor(theirs.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs.forward_intermediates(
            (images - mean) / deviation, indices=list(places), norm=architecture == "test_vit", intermediates_only=True
        )
        found = network.backbone(network.pyramid)(images)
    for ours, other, (px, channels) in zip(found, expected, (network.layers[k] for k in places), strict=True):
        assert ours.shape == (2, channels, 160 // px, 160 // px)
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-5)


def safetensors_of(folder: Path) -> dict[str, torch.Tensor]:
    import safetensors.torch

    return safetensors.torch.load_file(folder / "model.safetensors")


@with_timm
@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_detector_holds_its_network_and_needs_no_folder(architecture, detector, good, sent):
    found = Detector.load(detector(architecture))
    told = found.card["fit"]["backbone"]
    assert (told["family"], told["licence"], told["config"]["architecture"]) == ("timm", "apache-2.0", architecture)
    assert (told["mean"], told["size_px"]) == ([0.5, 0.5, 0.5], 160)
    assert len(told["weights"]["model.safetensors"]) == 64
    holed = good[0].copy()
    holed[20:34, 24:40] = 255 - holed[20:34, 24:40]
    assert found.inspect(holed).score > found.inspect(good[0]).score
    assert sent == []


@with_timm
@pytest.mark.slow
@pytest.mark.parametrize("architecture", NETWORKS)
def test_exported_it_passes_the_gate_and_is_inspected_without_torch_and_timm(architecture, detector, good, tmp_path):
    fitted = Detector.load(detector(architecture))
    exported = fitted.export(good)
    assert exported.card["exports"][0]["parity"]["n_flips"] == 0
    expected = [fitted.inspect(image).score for image in good[:2]]
    assert inspected_without_torch(exported, good[:2], tmp_path) == pytest.approx(expected, rel=1e-2)


@with_timm
def test_blocks_are_counted_as_timm_counts_them(folder):
    network = find(str(folder("test_resnet")))
    assert network.backbone([0, 2]).channels == [32, 48]


@with_timm
def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"pytorch_model\.bin: that is not read"):
        find(str(copy)).backbone([2, 3, 4])


@with_timm
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architecture": "no_such_network"}, "no architecture 'no_such_network'"),
        ({"architecture": "hf-hub:timm/test_resnet.r160_in1k"}, "no architecture"),
        ({"architecture": ["resnet18"]}, "no architecture"),
        ({"architecture": "test_vit", "model_args": {"img_size": 10**9}}, "img_size"),
        ({"architecture": "test_convnext"}, "another network"),
        ({"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0, 1, 1]}}, "no std of 1 or 3 numbers"),
        ({"pretrained_cfg": {}}, "no mean of 1 or 3 numbers"),
    ],
)
def test_a_config_that_is_wrong_or_of_another_network_is_refused(changes, reason, copy, sent):
    rewritten(copy, **changes)
    with pytest.raises(BackboneError, match=reason):
        find(str(copy)).backbone([1, 2, 3])
    assert sent == []


@with_timm
def test_a_name_is_asked_of_the_hub_with_the_tag_of_timm_and_without_pickles(folder, monkeypatch):
    import huggingface_hub

    asked = []

    def snapshot(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        assert not [one for one in allow_patterns if not one.endswith((".json", ".safetensors", ".md"))]
        return str(folder("test_resnet"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    for name in ("timm:test_resnet", "timm:test_resnet.own_tag@v2"):
        assert find(name).layers[4].channels == 96
    assert asked == [("timm/test_resnet.r160_in1k", None), ("timm/test_resnet.own_tag", "v2")]
