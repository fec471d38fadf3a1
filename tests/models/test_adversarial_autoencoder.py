import pytest
import torch
from torch.nn import functional as F

from urushi.models.adversarial_autoencoder import AdversarialAutoencoder


def model(**options: object) -> AdversarialAutoencoder:
    torch.manual_seed(0)
    return AdversarialAutoencoder((1, 32, 32), architecture="mlp", latent_dimension=2, **options)


def test_the_first_phase_rebuilds_and_fools_by_weight_and_the_second_tells_codes_from_draws():
    made, images = model(adversarial_weight=0.5), torch.rand(4, 1, 32, 32)
    (first, loss), (second, telling) = made.losses(images)
    assert (first, second) == ("autoencoder", "discriminator")
    z = made.latents(images)
    logits = made.discriminator(z)
    fooling = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    torch.testing.assert_close(loss, F.mse_loss(made.decoder(z), images) + 0.5 * fooling)
    telling.backward()
    assert all(p.grad is None for p in made.encoder.parameters())


@pytest.mark.slow
def test_codes_come_closer_to_the_prior_than_without_the_contest():
    """The images differ in brightness alone; without a contest, nothing keeps their codes near N(0, 1)."""
    images = torch.linspace(0.2, 0.8, 32)[:, None, None, None].expand(32, 1, 32, 32).contiguous()
    spreads = []
    for weight in (0.0, 1.0):
        made = model(adversarial_weight=weight)
        optimizers = made.optimizers()
        torch.manual_seed(0)
        with torch.no_grad():
            made.encoder[-1].weight.mul_(20)  # codes that start far out
        for _ in range(100):
            for name, loss in made.losses(images):
                optimizers[name].zero_grad()
                loss.backward()
                optimizers[name].step()
        with torch.no_grad():
            spreads.append(made.latents(images).square().mean().sqrt().item())
    without, with_contest = spreads
    assert abs(with_contest - 1) < 0.7 * abs(without - 1)


def test_samples_are_decoded_draws_of_the_prior():
    torch.manual_seed(0)
    samples = model().sample(5, 32, 32)
    assert samples.shape == (5, 1, 32, 32)
    assert samples.std(dim=0).max() > 0
