"""Turned, rebuilt and turned back: accurate, and to one orientation."""

import math

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstruction
from urushi.models.networks.localisation import gradient_loss
from urushi.models.networks.rotation import central_square, rotate
from urushi.models.orientation_normalisation import OrientationNormalisation

MLP = {"name": "autoencoder", "architecture": "mlp", "latent_dimension": 4}


def photograph(name: str, px: int = 128) -> Tensor:
    image = torch.from_numpy(getattr(data, name)()[:px, :px].copy()).float() / 255
    return (image if image.ndim == 2 else image.mean(dim=2))[None, None]


def model(strategy: str, px: int = 32, **more: object) -> OrientationNormalisation:
    torch.manual_seed(0)
    return options.build(OrientationNormalisation, {"inner": MLP, "strategy": strategy, **more}, "model", (1, px, px))


def turned_error(image: Tensor, sampling: str) -> float:
    angle = torch.tensor([math.pi / 4])
    back = rotate(rotate(image, angle, sampling), -angle, sampling)
    inside = central_square(image.shape[-1]).bool()
    return (back - image)[inside].abs().mean().item()


@pytest.mark.parametrize("name", ["brick", "grass", "gravel", "camera"])
def test_turning_by_45_degrees_and_back_is_accurate_and_bicubic_more_so(name):
    """S4 fig. 4. As shares of full scale; the errors are those of fine texture, which no sampler keeps."""
    bilinear, bicubic = (turned_error(photograph(name), sampling) for sampling in ("bilinear", "bicubic"))
    assert bicubic < 0.75 * bilinear
    assert bilinear < 0.05
    assert bicubic < 0.03


def test_a_quarter_turn_is_exact_and_goes_the_way_of_equation_8():
    image = photograph("camera", 64)
    assert torch.allclose(rotate(image, torch.tensor([math.pi / 2])), torch.rot90(image, 1, (2, 3)), atol=1e-4)
    assert torch.allclose(rotate(image, torch.tensor([0.0])), image, atol=1e-5)


def test_the_central_square_stays_inside_however_it_is_turned():
    square = central_square(64)
    assert square.sum() == pytest.approx(64**2 / 2, rel=0.1)
    for degrees in range(0, 360, 15):
        shown = rotate(torch.ones(1, 1, 64, 64), torch.tensor([math.radians(degrees)]), "bilinear")
        assert (shown[square.bool()] > 0.99).all()


def test_the_loss_is_least_where_stripes_lie_across_the_filter():
    stripes = torch.sin(torch.arange(64.0) / 2)[:, None].expand(64, 64)[None, None] * 0.5 + 0.5
    angles = torch.deg2rad(torch.arange(-90.0, 91, 15))
    found = [gradient_loss(rotate(stripes, angle[None], "bilinear"), angle[None]).item() for angle in angles]
    assert int(np.argmin(found)) == 6  # not turned: all gradients are vertical
    assert max(found) == pytest.approx(found[0], rel=0.05)


@pytest.mark.parametrize("strategy", ["none", "random", "pretrained_frozen", "pretrained_finetuned"])
def test_only_the_centre_is_compared_in_the_frame_of_the_image(strategy):
    made, images = model(strategy).eval(), torch.rand(3, 1, 32, 32)
    with torch.no_grad():
        pair = made.reconstruct(images)
    outside = ~central_square(32).bool().expand_as(images)
    assert torch.equal(pair.original, images)
    assert torch.equal(pair.reconstruction[outside], images[outside])
    assert (pair.reconstruction[~outside] != images[~outside]).any()


@pytest.mark.parametrize("inner", ["autoencoder", "variational_autoencoder"])
@pytest.mark.parametrize("strategy", ["none", "random", "pretrained_frozen", "pretrained_finetuned"])
def test_every_strategy_learns_the_error_of_the_centre_as_it_came(strategy, inner):
    settings = MLP if inner == "autoencoder" else {"name": inner, "latent_dimension": 4, "beta": 0, "reduction": "mean"}
    made, images = model(strategy, inner=settings), torch.rand(3, 1, 32, 32)
    if inner == "variational_autoencoder":  # without what it draws
        torch.nn.init.constant_(made.inner.log_variance.bias, -60.0)
        torch.nn.init.zeros_(made.inner.log_variance.weight)
    inside = central_square(32).bool().expand_as(images)
    ((name, loss),) = made.losses(images)
    pair = made.reconstruct(images)
    assert loss.item() == pytest.approx((pair.reconstruction - images)[inside].square().mean().item(), rel=1e-3)
    loss.backward()
    learnt = {id(weight) for group in made.optimizers()[name].param_groups for weight in group["params"]}
    moved = {id(weight) for weight in made.parameters() if weight.grad is not None and weight.grad.abs().sum() > 0}
    assert moved <= learnt
    angle = set() if made.localisation is None else {id(weight) for weight in made.localisation.parameters()}
    assert bool(angle & moved) == (strategy in ("random", "pretrained_finetuned"))


@pytest.mark.parametrize("strategy", ["none", "random"])
def test_a_wrapped_method_learns_before_the_first_step_what_it_gets_to_see(strategy):
    made = model(strategy, inner=MLP | {"linear_path": True})
    images = torch.rand(6, 1, 32, 32)
    with torch.no_grad():
        expected = made._turned(images)[0].flatten(1).mean(dim=0)
    made.pretrain([images[:4], images[4:]])
    assert made.inner.path.mean.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_corrupted_places_weigh_where_they_lie_in_the_image():
    noisy = MLP | {"corruption": {"name": "blocks"}}
    made, images = model("random", inner=noisy), torch.rand(3, 1, 32, 32)
    ((_, loss),) = made.losses(images)
    assert torch.isfinite(loss)


def test_the_mask_of_the_pretraining_turns_with_what_it_shows():
    """An image that is white in the square and black around it has no gradient but the border's, which is masked."""
    made = model("random", px=64)
    made.localisation.forward = lambda images: torch.full((len(images),), 0.5)
    with torch.no_grad():
        assert made.orientation_loss(torch.ones(8, 1, 64, 64)).item() < 0.01


def test_what_is_turned_for_rebuilding_is_turned_back():
    """With a method that copies, what comes back is the image itself, whatever the angle."""
    made, image = model("random", px=128), photograph("camera")
    made.inner.reconstruct = lambda inputs: Reconstruction(inputs, inputs)
    made.localisation.forward = lambda images: torch.full((len(images),), 0.7)
    with torch.no_grad():
        assert abs(made.localisation(image).item()) > 0.5
        pair = made.reconstruct(image)
    inside = central_square(128).bool()
    assert 0 < (pair.reconstruction - image)[inside].abs().mean() < 0.02


def test_strategies_differ_in_what_learns():
    images = torch.rand(4, 1, 32, 32)

    def learns(strategy: str) -> tuple[bool, bool]:
        made = model(strategy, pretraining_epochs=1)
        before = None if made.localisation is None else [p.clone() for p in made.localisation.parameters()]
        made.pretrain([images])
        moved = before is not None and any(
            not torch.equal(a, b) for a, b in zip(before, made.localisation.parameters(), strict=True)
        )
        goes_on = before is not None and all(p.requires_grad for p in made.localisation.parameters())
        return moved, goes_on

    assert learns("none") == (False, False)
    assert learns("random") == (False, True)
    assert learns("pretrained_frozen") == (True, False)
    assert learns("pretrained_finetuned") == (True, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inner": "feature_reconstruction"}, "only methods that are trained on pixels"),
        ({"inner": "orientation_normalisation"}, "only methods that are trained on pixels"),
        ({"inner": {"name": "autoencoder", "loss": "mes"}}, "did you mean 'mse'"),
        ({"strategy": "frozen"}, "model.strategy"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        options.build(OrientationNormalisation, settings, "model", (1, 32, 32))


def test_images_that_are_not_square_are_refused():
    with pytest.raises(RecipeError, match=r"64 × 32 px \(width × height\), but what is turned must be square"):
        OrientationNormalisation((1, 32, 64))
