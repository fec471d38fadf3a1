"""DFM against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F

from urushi.errors import DatasetError, RecipeError
from urushi.models.dfm import Dfm

SHAPE = (3, 64, 96)


def small(**options: object) -> Dfm:
    """40 channels on a grid of 2 × 3."""
    return Dfm(SHAPE, **({"blocks": (4,), "stride": 32, "pictures": 0} | options))


def pooled(n: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(30, 240))
    return torch.from_numpy(3 + rng.normal(size=(n, 30)) @ mixing).float().reshape(n, 40, 2, 3)


def test_features_are_averages_over_squares():
    model, images = small(), torch.rand(2, *SHAPE)
    (features,) = model.backbone(images)
    torch.testing.assert_close(model.embed(images), F.avg_pool2d(features, 4))


@pytest.mark.parametrize("variance", [0.5, 0.9])
def test_restoration_is_that_of_scikit_learn(variance):
    model, training, new = small(variance=variance), pooled(40), pooled(5, seed=1)
    model.fit(training.split(7))
    pca = PCA(variance, svd_solver="full").fit(training.flatten(1).double())
    expected = pca.inverse_transform(pca.transform(new.flatten(1).double()))
    np.testing.assert_allclose(model.reconstruct(new).reconstruction.flatten(1), expected, atol=1e-3)
    assert int((model.directions.square().sum(1) > 0.5).sum()) == pca.n_components_


def test_of_more_directions_than_there_is_room_for_the_first_are_kept():
    model = Dfm((3, 128, 128), blocks=(10,), stride=32, variance=1.0, pictures=0)
    values = torch.randn(300, 112, 4, 4, generator=torch.Generator().manual_seed(0))
    model.fit([values])
    torch.testing.assert_close(model.directions @ model.directions.T, torch.eye(256), atol=1e-4, rtol=0)
    centred = values.flatten(1) - values.flatten(1).mean(0)
    held = (centred @ model.directions.T).square().sum()
    torch.testing.assert_close(held, torch.linalg.svdvals(centred)[:256].square().sum(), rtol=1e-3, atol=0)


def test_images_that_are_all_alike_leave_everything_finite():
    model = small()
    model.fit([pooled(1).expand(4, -1, -1, -1)])
    assert torch.isfinite(model.reconstruct(pooled(2)).reconstruction).all()


def test_one_image_is_too_few():
    with pytest.raises(DatasetError, match="Only one image was left to learn from"):
        small().fit([pooled(1)])


def test_images_smaller_than_a_square_are_refused():
    with pytest.raises(RecipeError, match=r"images are 96 × 64 px .*, but dfm pools squares of 128 px"):
        small(stride=128)
