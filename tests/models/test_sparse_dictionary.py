"""Codes against scikit-learn's, patches and what they are put together to, and what is normal of both."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode

from urushi.errors import RecipeError
from urushi.models.networks.code_density import CodeDensity
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


def test_pursuit_takes_so_many_atoms_and_finds_what_was_made_of_them(fitted):
    made = SparseDictionary(SHAPE, n_atoms=16, n_nonzero=2)
    made.load_state_dict(fitted.state_dict())
    random = torch.randn(made.atoms.shape[::-1], generator=torch.Generator().manual_seed(0))
    made.atoms.copy_(torch.linalg.qr(random).Q.T)  # of atoms that are alike it may take others
    wanted = torch.zeros(2, 3, 16)
    wanted[..., 3], wanted[..., 7] = 2.0, -1.0
    wanted[0, 0] = 0.0  # an even patch
    found = made._codes(wanted @ made.atoms)
    assert ((found != 0).sum(dim=-1) <= 2).all()
    assert torch.allclose(found @ made.atoms, wanted @ made.atoms, atol=1e-4)
    assert "model.n_nonzero = 0" in made.exportable


@pytest.mark.thorough
@pytest.mark.parametrize("n_nonzero", [0, 3])
def test_given_its_size_a_code_is_as_far_as_normal_variables_are(pictures, n_nonzero):
    images = torch.from_numpy(pictures(12))
    model = SparseDictionary(SHAPE, n_atoms=6, n_nonzero=n_nonzero, density="given_size")
    model.fit([images[:5], images[5:]])
    critique = model.reconstruct(images).critique
    assert critique.shape == (12, 1, 7, 7)
    assert 0 < critique.mean().item() < 7 / 2 + 0.2  # half of chi squared with 7; atoms never used add nothing


def test_a_density_given_the_size_knows_what_is_usual_of_that_size():
    """Of large codes an error of 10 is usual, of small ones it is not."""
    sizes = torch.linspace(0, 1, 4000)
    features = (torch.where(sizes < 0.5, 0.0, 10.0) + torch.randn(4000))[:, None]
    density = CodeDensity(1)
    density.fit(features, sizes)
    small, large = density(torch.full((1, 2, 1), 10.0), torch.tensor([[0.1, 0.9]]))[0]
    assert small > 30
    assert large < 1


def test_more_atoms_than_there_are_are_refused():
    with pytest.raises(RecipeError, match=r"model\.n_nonzero = 8, but there are 4 atoms"):
        SparseDictionary(SHAPE, n_atoms=4, n_nonzero=8)
