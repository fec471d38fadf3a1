"""SIREN at initialisation, and fitted to one image."""

from math import exp, pi, sqrt

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from urushi.applications.implicit_representation import ImplicitRepresentation, PositionalEncoding
from urushi.errors import InputError
from urushi.models.networks.siren import SineLayer, Siren, grid

OMEGA = 30.0
# First layer: ω₀(w₁x + w₂y) + phase, of w ~ U(−1/2, 1/2), x, y ~ U(−1, 1), and a phase U(−π, π). The sine of N(0, σ²)
# has a variance of (1 − e^−2σ²)/2, which the weights double: the spread starts at 1 and falls to 0.893, not further.
FIRST = sqrt(OMEGA**2 * 2 / 12 / 3 + pi**2 / 3)
THEORY = [FIRST]
for _ in range(4):
    THEORY.append(sqrt(1 - exp(-2 * THEORY[-1] ** 2)))


def before_the_sines(network, *inputs):
    """Standard deviation of what goes into the sines of each layer."""
    found = []

    def note(layer, arguments, _output):
        shift = arguments[1] if len(arguments) > 1 and arguments[1] is not None else 0.0
        found.append((layer.omega * layer.linear(arguments[0]) + shift).std().item())

    layers = [module for module in network.modules() if isinstance(module, SineLayer)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        network(*inputs)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2))])
def test_what_goes_into_the_sines_keeps_its_spread_through_five_layers(seed):
    torch.manual_seed(seed)
    found = before_the_sines(Siren(1, width=512, depth=5), torch.rand(1, 4000, 2) * 2 - 1)
    assert found == pytest.approx(THEORY, rel=0.1)
    assert found[1:] == pytest.approx([1] * 4, rel=0.15)


@pytest.mark.thorough
def test_codes_of_unit_variance_shift_phases_by_about_one():
    torch.manual_seed(0)
    network = Siren(1, width=512, depth=5, n_latents=64)
    found = before_the_sines(network, torch.rand(50, 200, 2) * 2 - 1, torch.randn(50, 64))
    assert found == pytest.approx([sqrt(FIRST**2 + 1), *THEORY[1:]], rel=0.1)
    assert network.shift(torch.randn(2000, 64)).std().item() == pytest.approx(1, rel=0.1)


def test_grid_has_the_middles_of_pixels_row_by_row():
    assert torch.allclose(grid(2, 2), torch.tensor([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]))


# One image as a function of its coordinates


def camera(side_px):
    return cv2.resize(data.camera(), (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


@pytest.fixture(scope="module")
def waves():
    y, x = np.mgrid[:24, :32]
    return (0.5 + 0.4 * np.sin(x / 3) * np.cos(y / 4)).astype(np.float32)


@pytest.fixture(scope="module")
def represented(waves):
    return ImplicitRepresentation.fit(waves, width=32, depth=2, steps=100, learning_rate=1e-3)


@pytest.mark.thorough
def test_derivatives_are_those_of_the_function_in_pixels(represented, waves):
    """Differences on a grid eight times as fine, whose step is an eighth of a pixel."""
    height, width = (8 * side for side in waves.shape)
    fine = represented.image(height, width).astype(float)
    gradient, laplacian = represented.gradient(height, width), represented.laplacian(height, width)
    inner = np.s_[2:-2, 2:-2]
    for axis in (0, 1):
        assert np.gradient(fine, 1 / 8, axis=axis)[inner] == pytest.approx(gradient[axis][inner], abs=0.02)
    second = sum(np.gradient(gradient[axis], 1 / 8, axis=axis) for axis in (0, 1))
    assert np.abs(second - laplacian)[inner].mean() < 0.05 * np.abs(laplacian).mean()


def test_a_relu_network_has_no_second_derivative(waves):
    found = ImplicitRepresentation.fit(waves, "relu", width=16, depth=2, steps=5)
    assert np.abs(found.laplacian(*waves.shape)).max() == 0


def test_positional_encoding_has_ten_octaves_of_each_coordinate():
    y, x = 0.25, -0.1
    octaves = pi * 2 ** np.arange(10)
    expected = np.concatenate([[y, x], *(wave(octaves * side) for wave in (np.sin, np.cos) for side in (y, x))])
    assert PositionalEncoding()(torch.tensor([[y, x]]))[0].numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.thorough
def test_sines_come_nearer_than_relu_and_a_seed_names_the_network():
    small = camera(48)
    how = {"width": 48, "depth": 3, "steps": 100, "learning_rate": 1e-3}
    sine, again, relu = (ImplicitRepresentation.fit(small, name, **how) for name in ("sine", "sine", "relu"))
    assert sine.psnr(small) > relu.psnr(small) + 5
    assert np.array_equal(sine.image(48, 48), again.image(48, 48))


@pytest.mark.slow
def test_camera_is_fitted_by_sines_and_not_by_relu():
    image = camera(256)
    sine, relu = (ImplicitRepresentation.fit(image, name, steps=250) for name in ("sine", "relu"))
    assert sine.psnr(image) >= 30
    assert relu.psnr(image) <= sine.psnr(image) - 5


@pytest.mark.parametrize("image", [np.full((4, 4), 255, np.uint8), np.full((4, 4), -0.1), np.full((4, 4), np.nan)])
def test_other_values_are_refused(image):
    with pytest.raises(InputError, match=r"they must be in \[0, 1\]"):
        ImplicitRepresentation.fit(image)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.float32), np.zeros((0, 4), np.float32)])
def test_other_shapes_are_refused(image):
    with pytest.raises(InputError, match=r"a grey image \(H, W\)"):
        ImplicitRepresentation.fit(image)
