import pytest
import torch

from urushi.errors import MissingPackageError, RecipeError
from urushi.losses.inpainting import CompletionLoss, fooling_loss, triplet_loss
from urushi.losses.networks.base import gram, perceptual_loss, style_loss
from urushi.losses.parts import build_loss_network
from urushi.recipe import Part

VGG16 = [
    (64, 3),
    (64, 64),
    (128, 64),
    (128, 128),
    (256, 128),
    (256, 256),
    (256, 256),
    (512, 256),
    (512, 512),
    (512, 512),
]
PLACES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21]  # in torchvision's `features`


@pytest.fixture(scope="module")
def vgg16_file(tmp_path_factory):
    torch.manual_seed(0)
    path, weights = tmp_path_factory.mktemp("vgg") / "vgg16.pth", {}
    for place, (n_out, n_in) in zip(PLACES, VGG16, strict=True):
        weights[f"features.{place}.weight"] = torch.randn(n_out, n_in, 3, 3) * (2 / (9 * n_in)) ** 0.5
        weights[f"features.{place}.bias"] = torch.zeros(n_out)
    torch.save(weights, path)
    return path


def vgg16(path=""):
    return build_loss_network(Part.model_validate({"name": "vgg16", "weights": str(path)}))


def test_pixels_alone_are_the_mean_squared_error():
    restored, true = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    found = CompletionLoss(0.0, None)((restored, true), (restored, true))
    assert found.item() == pytest.approx((restored - true).square().mean().item(), rel=1e-5)


def test_edge_of_the_hole_counts_more():
    true = torch.zeros(1, 1, 8, 8)
    at_edge, inside = true.clone(), true.clone()
    at_edge[..., 0, 3], inside[..., 4, 3] = 1, 1
    judge = CompletionLoss(4.0, None)
    assert judge((at_edge, true), (true, true)) > 3 * judge((inside, true), (true, true))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "vgg16"])
def test_perceptual_and_style_loss_vanish_for_the_same_image_only(name, vgg16_file):
    network = vgg16(vgg16_file) if name == "vgg16" else build_loss_network(Part(name=name))
    one, other = (network.features(torch.rand(1, 1, 64, 64)) for _ in range(2))
    for measure in (perceptual_loss, style_loss):
        assert measure(one, one) == 0
        assert measure(one, other) > 0


def test_loss_network_weighs_both_losses():
    network = build_loss_network(Part.model_validate({"name": "efficientnet_lite0", "perceptual": 3.0, "style": 5.0}))
    one, other = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64)
    pair = network.features(one), network.features(other)
    expected = 3 * perceptual_loss(*pair) + 5 * style_loss(*pair)
    assert torch.allclose(network(one, other), expected)


def test_style_does_not_ask_where_something_is():
    features = torch.rand(1, 4, 6, 6)
    moved = features.roll((2, 3), dims=(2, 3))
    assert style_loss([features], [moved]) < 1e-6 < perceptual_loss([features], [moved])


def test_gram_matrix_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels of 1×2
    assert torch.allclose(gram(features), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)


def test_vgg16_gives_the_maps_before_its_poolings(vgg16_file):
    maps = vgg16(vgg16_file).features(torch.rand(2, 1, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8)]


def test_vgg16_without_weights_names_the_ways_out():
    with pytest.raises(
        MissingPackageError, match=r"model\.loss_network\.weights, install torchvision, or take efficientnet"
    ):
        vgg16().features(torch.rand(1, 1, 64, 64))


@pytest.mark.parametrize("content", [b"no weights", None])
def test_file_that_holds_no_vgg16_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content is None:
        torch.save({"features.0.weight": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"model\.loss_network\.weights"):
        vgg16(path).features(torch.rand(1, 1, 64, 64))


# Triplets: unit vectors at 0°, 90° and 180°

EAST, NORTH, WEST = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([[-1.0, 0.0]])


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("image_anchor", 1 - 2 + 1.5),  # d(I, Rot) = 1, d(I, R) = 2
        ("turned_anchor", 1 - 1 + 1.5),  # d(Rot, I) = 1, d(Rot, R) = 1
        ("euclidean", 2**0.5 - 2 + 1.5),
    ],
)
def test_triplet_loss_by_hand(variant, expected):
    found = triplet_loss(variant, image=EAST, turned=NORTH, restored=WEST, margin=1.5)
    assert found.item() == pytest.approx(expected, abs=1e-4)


def test_triplet_that_is_far_enough_apart_costs_nothing():
    assert triplet_loss("image_anchor", image=EAST, turned=EAST, restored=WEST, margin=0.5) == 0


@pytest.mark.parametrize(("variant", "expected"), [("image_anchor", 2.0), ("turned_anchor", 1.0), ("euclidean", 2.0)])
def test_generator_plays_for_a_restoration_near_the_anchor(variant, expected):
    found = fooling_loss(variant, image=EAST, turned=NORTH, restored=WEST)
    assert found.item() == pytest.approx(expected, abs=1e-4)
