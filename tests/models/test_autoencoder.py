import pytest
import torch
from torch.nn import functional as F

from urushi.errors import TrainingError
from urushi.models.autoencoder import Autoencoder


def test_loss_is_the_mean_squared_error_of_s2_equation_6_1():
    model = Autoencoder((1, 32, 32)).eval()
    images = torch.rand(3, 1, 32, 32)
    ((name, loss),) = model.losses(images)
    assert name == "autoencoder"
    torch.testing.assert_close(loss, F.mse_loss(model.reconstruct(images).reconstruction, images))


def test_everything_passes_through_the_bottleneck():
    model = Autoencoder((1, 32, 32), latent_dimension=3).eval()
    images = torch.rand(2, 1, 32, 32)
    assert model.latents(images).shape == (2, 3)
    torch.testing.assert_close(model.decoder(model.latents(images)), model.reconstruct(images).reconstruction)


def test_single_image_cannot_be_a_training_step_but_can_be_validated_and_restored():
    model = Autoencoder((1, 32, 32))
    image = torch.rand(1, 1, 32, 32)
    with pytest.raises(TrainingError, match="at least 2 images per step"):
        next(model.losses(image))
    assert torch.isfinite(model.eval().validation_loss(image))
