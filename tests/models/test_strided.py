"""Layer by layer against S2 tables 6.1–6.4; our tensors are channels first, theirs channels last."""

from typing import Any

import pytest
import torch
from torch import nn

from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.autoencoder import Autoencoder
from urushi.models.networks.strided import SameTransposed
from urushi.models.variational_autoencoder import VariationalAutoencoder

J = 64
N, LEAK = nn.BatchNorm2d, nn.LeakyReLU
CONVOLUTION, TRANSPOSED = nn.Conv2d, nn.ConvTranspose2d

ENCODER = [(32, 64, 64), (32, 32, 32), (32, 16, 16), (32, 8, 8), (32, 4, 4)]
DECODER = [(32, 8, 8), (32, 16, 16), (32, 32, 32), (32, 64, 64), (32, 128, 128)]

TABLE_6_1 = [
    *[row for size in ENCODER for row in ((CONVOLUTION, size), (LEAK, size))],
    (nn.Flatten, (512,)),
    (nn.Linear, (200,)),
    (LEAK, (200,)),
    (nn.Linear, (J,)),  # the mean
    (nn.Linear, (J,)),  # the logarithm of the variance
]
TABLE_6_2 = [
    (nn.Linear, (512,)),
    (nn.Tanh, (512,)),
    (nn.Unflatten, (32, 4, 4)),
    *[row for size in DECODER for row in ((TRANSPOSED, size), (nn.ReLU, size))],
    (CONVOLUTION, (1, 128, 128)),
    (nn.Sigmoid, (1, 128, 128)),
]
TABLE_6_3 = [
    *[row for size in ENCODER for row in ((CONVOLUTION, size), (N, size), (LEAK, size))],
    (nn.Flatten, (512,)),
    (nn.Linear, (J,)),
    (LEAK, (J,)),
]
TABLE_6_4 = [
    (nn.Linear, (512,)),
    (nn.BatchNorm1d, (512,)),
    (nn.ReLU, (512,)),
    (nn.Unflatten, (32, 4, 4)),
    *[row for size in DECODER for row in ((TRANSPOSED, size), (N, size), (nn.ReLU, size))],
    (CONVOLUTION, (1, 128, 128)),
    (nn.Sigmoid, (1, 128, 128)),
]

# Parameters by hand: first layer 1·32·4 + 32, four of 32·32·4 + 32, as many back, and the last 3×3 of 32·9 + 1.
CONVOLUTIONS = 160 + 4 * 4128
TRANSPOSED_CONVOLUTIONS = 5 * 4128 + 289
NORMS = 2 * 32 * 10 + 2 * 512
AUTOENCODER = CONVOLUTIONS + (512 * J + J) + (J * 512 + 512) + TRANSPOSED_CONVOLUTIONS + NORMS
VARIATIONAL = (
    CONVOLUTIONS + (512 * 200 + 200) + 2 * (200 * J + J) + (J * 512 + 512) + TRANSPOSED_CONVOLUTIONS
)  # 213 241 with J = 64


def layers_run(model: nn.Module, images: torch.Tensor) -> list[tuple[type, tuple[int, ...]]]:
    """(type, output shape without the batch) of each layer in the order in which the loss runs them."""
    found: list[tuple[type, tuple[int, ...]]] = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, _, out: found.append((type(m), tuple(out.shape[1:]))))
    list(model.losses(images))  # type: ignore[operator]
    return found


@pytest.mark.parametrize(
    ("model", "tables", "n_parameters"),
    [
        (Autoencoder((1, 128, 128), latent_dimension=J), TABLE_6_3 + TABLE_6_4, AUTOENCODER),
        (VariationalAutoencoder((1, 128, 128), latent_dimension=J), TABLE_6_1 + TABLE_6_2, VARIATIONAL),
    ],
    ids=["autoencoder", "variational_autoencoder"],
)
def test_layers_sizes_and_number_of_parameters_are_those_of_the_tables(model, tables, n_parameters):
    assert layers_run(model, torch.rand(2, 1, 128, 128)) == tables
    assert sum(p.numel() for p in model.parameters()) == n_parameters
    for module in model.modules():
        if isinstance(module, CONVOLUTION | TRANSPOSED) and module.out_channels == 32:
            assert (module.kernel_size, module.stride) == ((2, 2), (2, 2))
        if isinstance(module, LEAK):
            assert module.negative_slope == 0.1


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
def test_the_last_layer_is_transposed_as_in_the_tables_where_that_is_asked_for(cls):
    model = cls((1, 32, 32), latent_dimension=2, output_layer="transposed")
    *_, last, sigmoid = layers_run(model, torch.rand(2, 1, 32, 32))
    assert (last, sigmoid) == ((SameTransposed, (1, 32, 32)), (nn.Sigmoid, (1, 32, 32)))


def test_the_transposed_layer_pads_as_keras_does():
    """Conv2DTranspose(1, 2, padding="same"): y[i] = Σ w[k]·x[i − k], as the gradient of a convolution padded behind."""
    layer = SameTransposed(1, 1)
    impulse = torch.zeros(1, 1, 4, 4)
    impulse[..., 1, 3] = 1
    found = (layer(impulse) - layer.bias)[0, 0]
    expected = torch.zeros(4, 4)
    expected[1:3, 3] = layer.weight[0, 0, :, 0]
    torch.testing.assert_close(found, expected)


def test_other_architectures_have_no_transposed_output():
    with pytest.raises(RecipeError, match="for the architecture strided, not mlp"):
        Autoencoder((1, 32, 32), architecture="mlp", output_layer="transposed")


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("size", [32, 64, 256, 512])
@pytest.mark.thorough
def test_other_powers_of_two_keep_the_bottleneck_of_512(cls, size):
    model = cls((3, size, size), latent_dimension=2)
    images = torch.rand(2, 3, size, size)
    assert (nn.Flatten, (512,)) in layers_run(model, images)
    assert model.latents(images).shape == (2, 2)
    assert model.reconstruct(images).reconstruction.shape == images.shape


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize(("height", "width"), [(32, 64), (48, 48), (16, 16), (1024, 1024), (127, 128), (1, 1)])
def test_other_sizes_are_refused_with_the_sizes_that_are_taken(cls, height, width):
    with pytest.raises(RecipeError, match=rf"{width} × {height} px.*, but this architecture takes 32, 64, 128, 256"):
        cls((1, height, width))


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
def test_restoration_lies_between_0_and_1_whatever_comes(cls):
    model = cls((1, 32, 32)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)
        restored = model.reconstruct(torch.rand(4, 1, 32, 32)).reconstruction
    assert restored.min() >= 0
    assert restored.max() <= 1
    assert restored.std() > 0.1  # it did swing


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("wrong", [{"latent_dimension": 0}, {"learning_rate": 0.0}, {"learning_rate": 1.0}])
def test_options_out_of_range_are_refused(cls: Any, wrong: dict[str, float]):
    with pytest.raises(RecipeError, match=f"model.{next(iter(wrong))}"):
        options.build(cls, wrong, "model", (1, 32, 32))
