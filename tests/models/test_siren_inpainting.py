from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from urushi import Detector, Recipe
from urushi.catalogue.options import build
from urushi.errors import RecipeError, TrainingError
from urushi.losses.adversarial import Contest
from urushi.losses.inpainting import Variant
from urushi.models.networks.crop_convolution import ContextEncoder, CropConvolution
from urushi.models.networks.siren import grid
from urushi.models.networks.windows import Windows, filled, taken
from urushi.models.siren_inpainting import SirenInpainting

SHAPE = (1, 48, 40)
SMALL = {"window_px": 32, "hole_px": 8, "width": 4, "decoder_width": 16, "latent_dimension": 8}


def model(**options):
    torch.manual_seed(0)
    return build(SirenInpainting, SMALL | options, "model", SHAPE)


def images(n=2, seed=0):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


# Crop convolution


@st.composite
def holes(draw, side=32):
    size = draw(st.integers(2, side * 3 // 4))
    top, left = (draw(st.integers(0, side - size)) for _ in range(2))
    seen = torch.ones(1, 1, side, side)
    seen[..., top : top + size, left : left + size] = 0
    return seen


def responses(encoder, windows, seen):
    """Of every layer, and the code."""
    found, hooks = [], []
    for layer in encoder.layers:
        hooks.append(layer.register_forward_hook(lambda _module, _inputs, output: found.append(output[0])))
    with torch.no_grad():
        found.append(encoder(windows, seen))
    for hook in hooks:
        hook.remove()
    return found


def depends_on_hole(convolution, seen, tolerance):
    torch.manual_seed(0)
    how = {"width": 4, "n_latents": 8, "convolution": convolution, "tolerance": tolerance}
    encoder = ContextEncoder(1, 32, **how).eval()
    window = torch.rand(1, 1, 32, 32)
    other = torch.where(seen > 0, window, torch.rand(1, 1, 32, 32))
    pairs = zip(responses(encoder, window, seen), responses(encoder, other, seen), strict=True)
    return [not torch.equal(a, b) for a, b in pairs]


@given(holes(), st.integers(0, 8))
def test_no_response_of_a_crop_convolution_depends_on_the_hole(seen, tolerance):
    assert not any(depends_on_hole("crop", seen, tolerance))


@given(holes())
def test_responses_of_a_plain_convolution_do(seen):
    assert all(depends_on_hole("plain", seen, 3))


def test_without_a_hole_a_crop_convolution_is_a_convolution():
    torch.manual_seed(0)
    layer, x = CropConvolution(3, 5, 3), torch.rand(2, 3, 16, 16)
    found, counts = layer(x, torch.ones(2, 1, 16, 16))
    assert torch.allclose(found, layer.convolution(x), atol=1e-6)
    assert counts.min() == 1


def test_missing_pixels_are_made_up_for():
    layer = CropConvolution(1, 1, 6)
    torch.nn.init.constant_(layer.convolution.weight, 1 / 9)
    seen = torch.ones(1, 1, 32, 32)
    seen[..., 12:20, 12:20] = 0
    found, counts = layer(torch.full((1, 1, 32, 32), 0.5) * seen, seen)
    inner = found[..., 1:, 1:][counts[..., 1:, 1:] > 0]  # beyond the image's edge, padding counts as known zeros
    assert torch.allclose(inner, torch.full_like(inner, 0.5), atol=1e-6)


@pytest.mark.parametrize(("tolerance", "sides"), [(0, [9, 5, 3]), (3, [8, 4, 2]), (6, [7, 3, 1])])
def test_hole_shrinks_by_the_tolerance(tolerance, sides):
    """A hole of 16 px; how many positions of the maps of 32, 16 and 8 px are left out along an axis."""
    seen, found = torch.ones(1, 1, 64, 64), []
    seen[..., 24:40, 24:40] = 0
    for _ in sides:
        _, seen = CropConvolution(1, 1, tolerance)(torch.rand(seen.shape), seen)
        found.append(int((seen[0, 0].min(dim=0).values == 0).sum()))
    assert found == sides


# Windows


@pytest.mark.thorough
@settings(max_examples=15)
@given(st.integers(32, 56), st.integers(32, 56), st.sampled_from([4, 8, 14, 24]), st.sampled_from([0.0, 0.3, 0.75]))
def test_holes_cover_every_pixel_and_what_was_in_them_gives_the_image_back(height, width, hole_px, overlap):
    windows = Windows(32, hole_px, overlap, "anywhere")
    image = torch.rand(2, 3, height, width)
    cut, pixels = windows.cut_all(image), windows.all_pixels(height, width)
    there = torch.stack([taken(cut[:, n], pixels[n : n + 1].expand(2, -1), hole_px) for n in range(len(pixels))], dim=1)
    assert torch.allclose(windows.put_back(torch.zeros_like(image), there), image, atol=1e-6)


def test_windows_with_a_hole_in_the_middle_leave_a_frame_alone():
    windows = Windows(32, 8, 0.0, "centre")
    assert (windows.all_pixels(48, 40) == windows.all_pixels(48, 40)[0]).all()
    n = len(windows.all_pixels(48, 40))
    restored = windows.put_back(torch.ones(1, 1, 48, 40), torch.zeros(1, n, 1, 8, 8))
    assert restored[..., 12:-12, 12:-12].max() == 0
    assert restored.sum() == 48 * 40 - 24 * 16


def test_holes_are_drawn_at_the_ends_as_often_as_they_lie_there():
    torch.manual_seed(0)
    windows = Windows(32, 8, 0.0, "anywhere")
    starts = windows.drawn(64, 4000)[:, 0]
    assert starts.min() == 0
    assert starts.max() == 56
    assert (starts == 0).float().mean() == pytest.approx(1 / 8, abs=0.02)


def test_hole_is_filled_in_its_own_window_only():
    windows, pixels = torch.zeros(2, 1, 32, 32), Windows(32, 4, 0.0, "anywhere").pixels(torch.tensor([[0, 0], [28, 5]]))
    found = filled(windows, torch.ones(2, 1, 4, 4), pixels)
    assert found[0, 0, :4, :4].sum() == found[0].sum() == 16
    assert found[1, 0, 28:, 5:9].sum() == found[1].sum() == 16


# The method


@pytest.mark.parametrize("options", [{}, {"convolution": "plain"}, {"decoder": "convolutional"}, {"normalised": False}])
def test_restoration_of_a_hole_looks_around_it_only(options):
    made = model(**options).eval()
    image = images(1)
    defective = image.clone()
    defective[..., 16:24, 16:24] = 1  # one hole of the grid
    with torch.no_grad():
        before, after = (made.reconstruct(x).reconstruction for x in (image, defective))
    assert torch.allclose(before[..., 16:24, 16:24], after[..., 16:24, 16:24], atol=1e-6)
    assert not torch.allclose(before[..., 16:24, 24:32], after[..., 16:24, 24:32], atol=1e-4)


@pytest.mark.parametrize("discriminator", [None, "triplet"])
def test_number_of_windows_at_once_changes_nothing(discriminator):
    made = model(discriminator=discriminator).eval()
    with torch.no_grad():
        whole = made.reconstruct(images())
        made.windows_at_once = 3
        parts = made.reconstruct(images())
    assert torch.allclose(whole.reconstruction, parts.reconstruction, atol=1e-6)
    if discriminator == "triplet":
        assert torch.allclose(whole.critique, parts.critique, atol=1e-5)


def test_brighter_image_is_restored_brighter_when_normalised():
    made = model().eval()
    dark = 0.2 + 0.2 * images(1)
    with torch.no_grad():
        one, other = (made.restore(*_first_windows(made, x)) for x in (dark, dark + 0.3))
    assert torch.allclose(one + 0.3, other, atol=1e-4)


def _first_windows(made, image):
    return made.windows.cut_all(image)[0], made.windows.all_pixels(*SHAPE[1:])


def test_hole_can_be_painted_at_any_resolution():
    made = model().eval()
    _windows, pixels = _first_windows(made, images(1))
    codes = torch.randn(1, SMALL["latent_dimension"])
    coarse = made.decoder(codes, pixels[:1])
    fine = made.decoder.paint(grid(96, 96)[None], codes).view(96, 96)  # the middles of 32 px lie at 1, 4, 7, …
    assert torch.allclose(fine[1::3, 1::3].flatten()[pixels[0]], coarse.flatten(), atol=1e-5)


DISCRIMINATORS = [{"name": "contest", "loss": loss} for loss in get_args(Contest)]
DISCRIMINATORS += [{"name": "triplet", "variant": variant} for variant in get_args(Variant)]


@pytest.mark.parametrize("discriminator", DISCRIMINATORS, ids=lambda table: list(table.values())[1])
def test_discriminator_is_trained_before_the_generator_and_scores_each_hole(discriminator):
    made = model(discriminator=discriminator)
    assert [name for name, _ in made.losses(images())] == ["discriminator", "generator"]
    with torch.no_grad():
        assert made.eval().reconstruct(images()).critique.shape == (2, 1, 6, 5)


def test_joint_objective_steps_both_at_once_with_two_rates():
    table = {"name": "triplet", "learning_rate": 1e-4}
    made = model(discriminator=table, objective="joint", learning_rate=5e-6)
    assert [name for name, _ in made.losses(images())] == ["joint"]
    assert [group["lr"] for group in made.optimizers()["joint"].param_groups] == [5e-6, 1e-4]


@pytest.mark.parametrize("discriminator", DISCRIMINATORS, ids=lambda table: list(table.values())[1])
def test_joint_objective_has_an_adversary(discriminator):
    """The discriminator learns of restorations as they are, the generator to come nearer: each by its own loss."""
    made = model(discriminator=discriminator, objective="joint")
    seen = {}
    for name in ("loss", "fooling_loss"):
        original = getattr(made.discriminator, name)

        def remembered(real, restored, name=name, original=original):
            restored.retain_grad() if restored.requires_grad else None
            seen[name] = (restored.requires_grad, [p.requires_grad for p in made.discriminator.parameters()])
            return original(real, restored)

        setattr(made.discriminator, name, remembered)
    _, loss = next(made.losses(images()))
    assert seen["loss"][0] is False
    assert all(seen["loss"][1])
    assert seen["fooling_loss"][0] is True
    assert not any(seen["fooling_loss"][1])
    assert all(p.requires_grad for p in made.discriminator.parameters())
    loss.backward()
    assert all(p.grad is not None for p in made.discriminator.parameters())


def test_joint_objective_clips_the_critic_after_each_step():
    table = {"name": "contest", "loss": "wasserstein_clipping"}
    made = model(discriminator=table, objective="joint")
    list(made.losses(images()))
    assert max(p.abs().max().item() for p in made.discriminator.parameters()) <= 0.01 + 1e-6


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"objective": "joint"}, r"set model\.discriminator"),
        ({"window_px": 64}, r"40 × 48 px \(width × height\), smaller than a window of 64 px"),
        ({"hole_px": 9}, "it is even"),
        ({"hole_px": 26}, "three quarters of model.window_px = 32"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, expected):
    with pytest.raises(RecipeError, match=expected):
        model(**options)


def test_a_single_window_cannot_be_normalised():
    with pytest.raises(TrainingError, match=r"raise model\.windows_per_image"):
        list(model(windows_per_image=1).losses(images(1)))


# As a whole


@pytest.fixture(scope="module")
def stripes():
    """(H, W) in [0, 1]: stripes of 8 px of random phase, which the surroundings tell and their mean does not."""
    rng = np.random.default_rng(0)
    return [0.5 + 0.4 * np.sin(np.arange(48) / 8 * 2 * np.pi + p) * np.ones((48, 1)) for p in rng.uniform(0, 6.3, 24)]


@pytest.fixture(scope="module")
def detector(stripes, tmp_path_factory):
    table = {
        "preprocessing": [{"name": "grey"}, {"name": "scale"}],
        "model": {"name": "siren_inpainting", **SMALL, "decoder_width": 32, "width": 8, "learning_rate": 2e-3},
        "score": {"name": "squared_error", "pooling": "max"},
        "training": {"max_epochs": 32, "batch_size": 4, "accelerator": "cpu"},
    }
    recipe = Recipe.from_table(table, "test")
    folder = tmp_path_factory.mktemp("siren") / "training"
    return Detector.fit([(255 * one).astype(np.uint8) for one in stripes], recipe, folder=folder)


@pytest.mark.thorough
def test_learns_to_go_on_with_a_pattern(detector, stripes):
    wanted = stripes[0].astype(np.float32)[None, None]
    with torch.no_grad():
        error = detector.backend.graph.model.validation_loss(torch.tensor(wanted)).item()
    assert error < 0.25 * wanted.var()  # the mean of the surroundings has about the variance


@pytest.mark.thorough
def test_shows_what_does_not_belong(detector, stripes):
    image = (255 * stripes[0]).astype(np.uint8)
    image[20:28, 21:27] = 0
    found = detector.inspect(image)
    assert found.score > max(detector.inspect((255 * one).astype(np.uint8)).score for one in stripes[:4])
    y, x = np.unravel_index(found.anomaly_map.argmax(), found.anomaly_map.shape)
    assert 20 <= y < 28
    assert 21 <= x < 27


@pytest.mark.thorough
def test_card_says_which_network_saw_the_perceptual_loss(detector, stripes, tmp_path):
    assert "loss_network" not in detector.card["fit"]
    recipe = detector.recipe.with_settings({"model.loss_network": "efficientnet_lite0", "training.max_epochs": 1})
    seen = Detector.fit([(255 * one).astype(np.uint8) for one in stripes], recipe, folder=tmp_path / "training")
    assert seen.card["fit"]["loss_network"] == "efficientnet_lite0"


def test_is_wrapped_by_orientation_normalisation():
    table = {"name": "orientation_normalisation", "strategy": "none", "inner": {"name": "siren_inpainting", **SMALL}}
    from urushi.models import build_model
    from urushi.recipe import Part

    wrapped = build_model(Part.model_validate(table), (1, 48, 48))
    wrapped.train()
    assert [name for name, _ in wrapped.losses(torch.rand(2, 1, 48, 48))] == ["generator"]
