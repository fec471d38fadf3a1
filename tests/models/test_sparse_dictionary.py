"""Codes against scikit-learn's, patches and what they are put together to, and what is normal of both."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode

from urushi.errors import RecipeError
from urushi.models.sparse_dictionary import SparseDictionary

SHAPE = (1, 32, 32)


@pytest.fixture(scope="module")
def fitted(pictures):
    model = SparseDictionary(SHAPE, n_atoms=16)
    model.fit([torch.from_numpy(pictures(6))])
    return model


@pytest.mark.thorough
def test_codes_are_those_of_scikit_learn(fitted, pictures):
    patches, _ = fitted._patches(torch.from_numpy(pictures(2, seed=1)))
    found = fitted._codes(patches).flatten(0, 1).numpy()
    wanted = sparse_encode(
        patches.flatten(0, 1).double().numpy(),
        fitted.atoms.double().numpy(),
        algorithm="lasso_cd",
        alpha=1.0,
        max_iter=5000,
    )
    z, atoms = patches.flatten(0, 1).numpy(), fitted.atoms.numpy()

    def objective(codes):
        return 0.5 * ((codes @ atoms - z) ** 2).sum(1) + np.abs(codes).sum(1)

    assert (objective(found) <= objective(wanted) * 1.01 + 0.01).all()
    assert (found == 0).mean() > 0.3


def test_atoms_have_length_one(fitted):
    assert torch.allclose(fitted.atoms.norm(dim=1), torch.ones(16), atol=1e-4)


def test_patches_put_together_give_the_image(pictures):
    model, images = SparseDictionary((3, 32, 32), stride=4), torch.from_numpy(pictures(2, 32, 3))
    patches, means = model._patches(images)
    assert patches.shape == (2, 49, 192)
    whole = model._put_together((patches + means).movedim(1, 2).unflatten(2, (7, 7)))
    assert torch.allclose(whole, images, atol=1e-5)


def test_a_patch_is_the_pixels_where_it_lies(pictures):
    image = torch.from_numpy(pictures(1))
    patches, means = SparseDictionary(SHAPE)._patches(image)
    assert torch.allclose((patches + means)[0, 8], image[0, 0, 4:12, 4:12].flatten(), atol=1e-6)  # second row, second


def test_normal_images_are_rebuilt_and_a_stripe_is_not(fitted, pictures):
    clean = torch.from_numpy(pictures(6, seed=2))
    striped = clean.clone()
    striped[:, :, 12:20, 14:16] = 1.0
    one, other = fitted.reconstruct(clean), fitted.reconstruct(striped)
    assert (one.original - one.reconstruction).square().mean() < 0.1 * clean.var()
    assert (other.critique.amax((1, 2, 3)) > one.critique.amax((1, 2, 3))).all()
    y, x = divmod(other.critique[0, 0].argmax().item(), 7)
    assert 1 <= y <= 4
    assert 1 <= x <= 3


def test_error_and_code_are_standard_normal_where_they_were_learnt(fitted, pictures):
    critique = fitted.reconstruct(torch.from_numpy(pictures(6))).critique
    assert critique.mean().item() == pytest.approx(1.0, rel=0.05)  # half the mean of chi squared with two


@pytest.mark.parametrize("options", [{"patch_px": 7}, {"stride": 5}, {"patch_px": 4, "stride": 8}])
def test_images_that_are_not_covered_are_refused(options):
    with pytest.raises(RecipeError, match=r"32 × 32 px, which patches of . px, . px apart, do not cover evenly"):
        SparseDictionary(SHAPE, **options)
