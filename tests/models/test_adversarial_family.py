"""Adversarial methods by their effect: cycles close, collapse is noticed, erased attributes come back."""

import pytest
import torch

from urushi.errors import RecipeError
from urushi.losses.adversarial import real_gradient_penalty
from urushi.models.attribute_restoration import AttributeRestoration
from urushi.models.base import Reconstructor
from urushi.models.bigan import Bigan
from urushi.models.convolutional_bigan import ConvolutionalBigan
from urushi.models.gan import Gan
from urushi.models.ganomaly import Ganomaly
from urushi.models.networks.collapse import concern_of, contest_measurements
from urushi.models.networks.unet import UNet


def learn(model: Reconstructor, images: torch.Tensor, n_steps: int) -> None:
    optimizers = model.optimizers()
    model.train()
    for _ in range(n_steps):
        for name, loss in model.losses(images[torch.randint(len(images), (16,))]):
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    model.eval()


def cycles(model: Bigan | ConvolutionalBigan, images: torch.Tensor, z: torch.Tensor) -> tuple[float, float]:
    """Mean squared errors of E(G(z)) and of G(E(x))."""
    with torch.no_grad():
        codes, rebuilt = model.latents(model.generate(z)), model.generate(model.latents(images))
    return (codes - z).square().mean().item(), (rebuilt - images).square().mean().item()


@pytest.mark.parametrize("method", [Gan, pytest.param(Bigan, marks=pytest.mark.thorough)])
def test_samples_in_evaluation_spread_as_samples_in_training(pictures, method):
    """Averaged weights with the batch statistics of the networks that they are averages of make others."""
    torch.manual_seed(0)
    model = method((1, 32, 32), width=8, averaging=0.9, latent_dimension=4, learning_rate=5e-3)
    learn(model, torch.from_numpy(pictures(64, 32, 1, 0)), 12)
    model.settle()
    z = torch.randn(256, 4)
    with torch.no_grad():
        used = model.generate(z)
        average = model.average if method is Gan else model.averages["generator"]
        in_training = average.train()(z)
    assert used.std(dim=0).mean().item() == pytest.approx(in_training.std(dim=0).mean().item(), rel=0.1)
    assert used.mean().item() == pytest.approx(in_training.mean().item(), rel=0.02)


@pytest.mark.slow
def test_encoder_and_generator_undo_each_other_better_after_training(pictures):
    """These images have two degrees of freedom; of a larger code, no encoder could find all."""
    torch.manual_seed(0)
    images, z = torch.from_numpy(pictures(64, 32, 1, 0)), torch.randn(16, 2)
    model = Bigan((1, 32, 32), width=8, averaging=0.9, latent_dimension=2).eval()
    before = cycles(model, images, z)
    learn(model, images[:32], 100)
    after = cycles(model, images, z)
    assert after[0] < 0.3 * before[0]  # E(G(z)) ≈ z
    assert after[1] < 0.7 * before[1]  # G(E(x)) ≈ x


@pytest.mark.slow
def test_the_convolutional_one_rebuilds_better_after_training(pictures):
    torch.manual_seed(0)
    images, z = torch.from_numpy(pictures(64, 32, 1, 0)), torch.randn(16, 32, 4, 4)
    model = ConvolutionalBigan((1, 32, 32), width=8, averaging=0.9).eval()
    before = cycles(model, images, z)
    learn(model, images, 160)
    assert cycles(model, images, z)[1] < 0.8 * before[1]


def test_the_monitor_puts_collapse_and_a_victorious_discriminator_into_words():
    images = torch.rand(16, 1, 32, 32)
    same = images[:1].expand_as(images) + 0.01 * torch.rand_like(images)
    assert "mode collapse" in (concern_of(measured(images, same, 0.7)) or "")
    assert "tells every sample" in (concern_of(measured(images, images.flip(0), 1.0)) or "")
    assert concern_of(measured(images, images.flip(0), 0.7)) is None


def measured(images: torch.Tensor, made: torch.Tensor, accuracy: float) -> dict[str, float]:
    return {name: value.item() for name, value in contest_measurements(images, made, torch.tensor(accuracy)).items()}


FAMILY = [Gan, Bigan, ConvolutionalBigan, Ganomaly]


@pytest.mark.parametrize("method", FAMILY)
def test_a_gradient_penalty_takes_the_place_of_spectral_norm(pictures, method):
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    bounded, free = method((1, 32, 32), width=4), method((1, 32, 32), width=4, gradient_penalty=1.0)
    assert any("parametrizations" in name for name, _ in bounded.named_parameters())
    assert not any("parametrizations" in name for name, _ in free.named_parameters())
    losses = {}
    for weight in (0.001, 100.0):
        torch.manual_seed(0)
        model = method((1, 32, 32), width=4, gradient_penalty=weight)
        losses[weight] = {name: loss.item() for name, loss in model.losses(images)}
    (critic, one), (made, other) = losses[0.001].items()
    assert losses[100.0][critic] > one
    assert losses[100.0][made] == pytest.approx(other)


def test_the_penalty_is_the_squared_gradient_at_real_pairs():
    image, z = torch.rand(4, 1, 8, 8), torch.rand(4, 3)
    found = real_gradient_penalty(lambda x, code: 2 * x.sum(dim=(1, 2, 3)) + 3 * code.sum(dim=1), image, z)
    assert found.item() == pytest.approx(64 * 4 + 3 * 9)


@pytest.mark.parametrize("method", [Bigan, ConvolutionalBigan])
def test_a_deeper_judge_gives_the_code_as_many_features_as_the_image(method):
    model = method((1, 32, 32), width=4, joint_layers=3)
    shape = (2, 32) if method is Bigan else (2, 32, 4, 4)
    image, z = torch.rand(2, 1, 32, 32), torch.randn(shape)
    assert model.of_code(z).shape == model.features(image).shape
    assert model.discriminate(image, z).shape[:2] == (2, 1)
    learnt = {id(weight) for weight in model.optimizers()["discriminator"].param_groups[0]["params"]}
    assert {id(weight) for weight in model.of_code.parameters()} <= learnt


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (Ganomaly, {"adversarial_share", "discriminator_accuracy"}),
        (Bigan, {"code_length", "code_error", "diversity"}),
        (ConvolutionalBigan, {"code_length", "diversity"}),
    ],
)
def test_the_log_says_how_the_contest_goes(pictures, method, names):
    model = method((1, 32, 32), width=4).eval()
    found = model.measurements(torch.from_numpy(pictures(8, 32, 1, 0)))
    assert names <= found.keys()
    assert all(0 <= value.item() < 10 for value in found.values())


@pytest.mark.thorough
def test_inversion_from_several_codes_ends_no_worse_and_looks_at_features_too(pictures):
    torch.manual_seed(0)
    images = torch.from_numpy(pictures(3, 32, 1, 0))
    model = Gan((1, 32, 32), width=4, inversion_steps=5, inversion_features=0.5).eval()
    once = model._distance(images, model.latents(images))
    model.inversion_restarts = 4
    codes = model.latents(images)
    assert (model._distance(images, codes) <= once + 1e-6).all()
    assert torch.allclose(model.latents(images[1:2]), codes[1:2], atol=1e-4)
    made = model.generate(codes)
    wanted = 0.5 * (made - images).square().mean(dim=(1, 2, 3))
    wanted += 0.5 * (model.features(made) - model.features(images)).square().mean(dim=1)
    assert torch.allclose(model._distance(images, codes), wanted)


def test_feature_matching_weighs_on_the_generator_alone(pictures):
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    found = {}
    for weight in (0.0, 100.0):
        torch.manual_seed(0)
        model = Gan((1, 32, 32), width=4, feature_matching=weight)
        found[weight] = {name: loss.item() for name, loss in model.losses(images)}
    assert found[0.0]["discriminator"] == found[100.0]["discriminator"]
    assert found[0.0]["generator"] < found[100.0]["generator"]


def test_the_discriminator_steps_as_often_as_told(pictures):
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    names = [name for name, _ in Gan((1, 32, 32), width=4, critic_steps=3).losses(images)]
    assert names == ["discriminator"] * 3 + ["generator"]


def test_minibatch_discrimination_sees_that_images_of_a_batch_are_alike(pictures):
    torch.manual_seed(0)
    model = Gan((1, 32, 32), width=4, minibatch_discrimination=True)
    images = torch.from_numpy(pictures(8, 32, 1, 0))
    alone, among = model.discriminate(images)[0], model.discriminate(images[:1].expand(8, -1, -1, -1))[0]
    assert not torch.allclose(alone, among, atol=1e-4)


@pytest.mark.thorough
def test_inversion_comes_nearer_with_more_steps(pictures):
    torch.manual_seed(0)
    images, errors = torch.from_numpy(pictures(8, 32, 1, 0)), []
    model = Gan((1, 32, 32), width=8, averaging=0.9)
    learn(model, images, 40)
    for steps in (1, 100):
        model.inversion_steps = steps
        errors.append((model.reconstruct(images).reconstruction - images).square().mean().item())
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.thorough
def test_ganomaly_finds_codes_of_what_it_never_saw_far_apart(pictures):
    torch.manual_seed(0)
    images, model = torch.from_numpy(pictures(64, 32, 1, 0)), Ganomaly((1, 32, 32), width=8)
    learn(model, images, 30)
    strange = images[:16].flip(2).transpose(2, 3)
    with torch.no_grad():
        known, other = (model.reconstruct(x).perceived for x in (images[:16], strange))
    assert known is not None
    assert other is not None
    assert other.median() > known.median()


@pytest.mark.thorough
def test_colour_comes_back_from_grey(pictures):
    torch.manual_seed(0)
    grey = torch.from_numpy(pictures(48, 32, 1, 0))
    images = torch.cat([grey, 0.5 * grey, 0.2 * grey], dim=1)
    model = AttributeRestoration((3, 32, 32), erased="colour", architecture="mlp", learning_rate=3e-3)
    learn(model, images, 60)
    with torch.no_grad():
        red, green, blue = model.reconstruct(images).reconstruction.mean(dim=(0, 2, 3))
    assert red > 1.5 * green > 2 * blue
    assert model.turns == (0,)


def test_errors_of_each_turn_count_by_what_they_are_on_good_images(pictures):
    """A turn that is four times as hard to undo on good images weighs no more than the others."""
    torch.manual_seed(0)
    images = torch.from_numpy(pictures(6, 32, 1, 0))
    model = AttributeRestoration((1, 32, 32), architecture="unet").eval()
    with torch.no_grad():
        before = model.reconstruct(images).critique
        model.settle()
        model.validation_loss(images[:4])
        model.validation_loss(images[4:])
        pair = model.reconstruct(images)
        errors = torch.stack([(model._network(images.rot90(k, (2, 3))) - images).abs() for k in range(4)])
    usual = errors.mean(dim=(1, 2, 3, 4))
    assert torch.allclose(before, errors.mean(dim=0), atol=1e-6)
    assert torch.allclose(pair.critique, (errors / usual.view(4, 1, 1, 1, 1)).mean(dim=0), atol=1e-4)
    assert pair.critique.mean().item() == pytest.approx(1.0, rel=1e-4)
    assert pair.reconstruction.shape == images.shape
    plain = AttributeRestoration((1, 32, 32), architecture="mlp")
    assert not {"summed_errors", "n_seen"} & plain.state_dict().keys()  # detectors of before have none


def test_a_unet_sees_what_is_fine_and_takes_multiples_of_eight():
    torch.manual_seed(0)
    net = UNet((1, 32, 40))
    image = torch.rand(2, 1, 32, 40)
    assert net(image).shape == image.shape
    assert net.code(image).shape == (2, 128, 4, 5)
    moved = image.clone()
    moved[:, :, 10, 10] += 1
    apart = (net(moved) - net(image)).abs().amax(dim=(0, 1))
    assert 6 <= apart.argmax().item() // 40 <= 14  # near the pixel, which the bottleneck alone cannot place
    with pytest.raises(RecipeError, match="multiples of 8"):
        UNet((1, 36, 36))


def test_grey_images_have_no_colour_to_erase():
    with pytest.raises(RecipeError, match="no colour to erase"):
        AttributeRestoration((1, 32, 32), erased="both")


def test_both_attributes_are_erased_at_once():
    images = torch.rand(2, 3, 32, 32)
    turned = AttributeRestoration((3, 32, 32), erased="orientation", architecture="mlp")._erased(images, 1)
    both = AttributeRestoration((3, 32, 32), erased="both", architecture="mlp")._erased(images, 1)
    assert torch.equal(turned, images.rot90(1, (2, 3)))
    assert torch.allclose(both, turned.mean(dim=1, keepdim=True).expand_as(turned))
