"""One image as a function of its coordinates, with its derivatives (S1 §2.1 and fig. 2.1; Sitzmann et al. 2020)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from urushi.errors import InputError
from urushi.models.networks.siren import Siren, grid

Activation = Literal["sine", "relu", "positional_encoding"]
_POINTS = 1 << 12  # in a training step, and at once afterwards
_FREQUENCIES = 10  # of the positional encoding, as in NeRF: the highest turns 512 times from edge to edge
_MOST_PX = 1 << 22


@dataclass(frozen=True)
class ImplicitRepresentation:
    """A network from coordinates to grey value, fitted on one image of (height_px, width_px)."""

    network: nn.Module
    height_px: int
    width_px: int

    @classmethod
    def fit(
        cls,
        image: np.ndarray,
        activation: Activation = "sine",
        *,
        width: int = 256,
        depth: int = 5,
        steps: int = 1000,
        learning_rate: float = 5e-4,
        seed: int = 0,
        device: str = "cpu",
    ) -> "ImplicitRepresentation":
        """Fits (H, W) in [0, 1] by Adam on the squared error at 4096 pixels drawn anew in each step.

        The learning rate falls to 0 along a cosine. The other two activations have as many layers of as many neurons.
        Raises InputError for another shape, or other values.
        """
        if image.ndim != 2 or not 0 < image.size <= _MOST_PX:
            raise InputError(
                f"an array of shape {image.shape} came; a grey image (H, W) of 1 to {_MOST_PX} pixels is needed"
            )
        if not (image.min() >= 0 and image.max() <= 1):  # NaN is neither
            raise InputError(f"values from {image.min()} to {image.max()} came; they must be in [0, 1]")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = _network(activation, width, depth).to(device)
            points, values = grid(*image.shape).to(device), torch.tensor(image, dtype=torch.float32, device=device)
            _train(network, points, 2 * values.reshape(-1, 1) - 1, steps, learning_rate)
        return cls(network.eval(), *image.shape)

    def image(self, height_px: int, width_px: int) -> np.ndarray:
        """(H, W) float32 around [0, 1], at any size."""
        with torch.no_grad():
            parts = [self._values(points) for points in self._points(height_px, width_px)]
        return torch.cat(parts).reshape(height_px, width_px).cpu().numpy()

    def gradient(self, height_px: int, width_px: int) -> np.ndarray:
        """Along rows and columns, (2, H, W): change of grey value per pixel of the image it was fitted on."""
        parts = [_derivatives(self._values, points).detach() for points in self._points(height_px, width_px)]
        scale = torch.tensor(self._per_px)
        return (torch.cat(parts).cpu() * scale).T.reshape(2, height_px, width_px).numpy()

    def laplacian(self, height_px: int, width_px: int) -> np.ndarray:
        """(H, W): sum of the second derivatives, per squared pixel of the image it was fitted on."""
        parts = [self._second(points) for points in self._points(height_px, width_px)]
        return torch.cat(parts).reshape(height_px, width_px).cpu().numpy()

    def psnr(self, image: np.ndarray) -> float:
        """In dB, against the image (H, W) in [0, 1]."""
        error = np.square(self.image(*image.shape) - image).mean()
        return float(-10 * np.log10(error))

    @property
    def _per_px(self) -> tuple[float, float]:
        """Coordinates go from −1 to 1: so much of them is one pixel."""
        return 2 / self.height_px, 2 / self.width_px

    def _values(self, points: Tensor) -> Tensor:
        values: Tensor = (self.network(points[None])[0, :, 0] + 1) / 2
        return values

    def _second(self, points: Tensor) -> Tensor:
        first = _derivatives(self._values, points, keeps_graph=True)
        found = points.new_zeros(len(points))
        for axis, scale in enumerate(self._per_px):
            if first.requires_grad:
                (second,) = torch.autograd.grad(first[:, axis].sum(), points, retain_graph=True)
                found += second[:, axis] * scale**2
        return found

    def _points(self, height_px: int, width_px: int) -> Iterator[Tensor]:
        device = next(self.network.parameters()).device
        yield from torch.split(grid(height_px, width_px).to(device), _POINTS)


def _network(activation: Activation, width: int, depth: int) -> nn.Module:
    if activation == "sine":
        return Siren(1, width=width, depth=depth)
    front: list[nn.Module] = [PositionalEncoding()] if activation == "positional_encoding" else []
    n_inputs = 2 + 4 * _FREQUENCIES if front else 2
    hidden = [part for sizes in pairwise([n_inputs, *[width] * depth]) for part in (nn.Linear(*sizes), nn.ReLU())]
    return nn.Sequential(*front, *hidden, nn.Linear(width, 1))


class PositionalEncoding(nn.Module):
    """x -> (x, sin 2ᵏπx, cos 2ᵏπx) for k = 0 … 9, (…, 2) -> (…, 42) (Mildenhall et al. 2020)."""

    def forward(self, x: Tensor) -> Tensor:
        angles = (x[..., None] * (torch.pi * 2.0 ** torch.arange(_FREQUENCIES, device=x.device))).flatten(-2)
        return torch.cat([x, angles.sin(), angles.cos()], dim=-1)


def _train(network: nn.Module, points: Tensor, values: Tensor, steps: int, learning_rate: float) -> None:
    optimizer = Adam(network.parameters(), lr=learning_rate)
    schedule = CosineAnnealingLR(optimizer, steps)  # what is drawn makes noise, which small last steps average out
    for _ in range(steps):
        drawn = torch.randint(len(points), (min(_POINTS, len(points)),), device=points.device)
        loss = (network(points[drawn][None])[0] - values[drawn]).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()


def _derivatives(values: Callable[[Tensor], Tensor], points: Tensor, *, keeps_graph: bool = False) -> Tensor:
    """Of the values by the coordinates, (P, 2)."""
    points = points.requires_grad_(True)
    (found,) = torch.autograd.grad(values(points).sum(), points, create_graph=keeps_graph)
    return found
