"""SIREN: a picture as a smooth function of its coordinates (S1 §2.1 and §4.1.2; Sitzmann et al. 2020)."""

from math import pi, sqrt
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

Omega = Annotated[float, Field(gt=0, le=1000, description="ω₀, how often the first sines turn over the picture")]
_HIDDEN_OMEGA = 30.0  # it cancels in what a layer gives, and makes Adam's steps larger


class SineLayer(nn.Module):
    """x -> sin(ω(Wx + b)), (..., n) -> (..., m), with a term that shifts the phases before the sine.

    What goes into the sine has a standard deviation of 0.9 to 1 if x is the output of such a layer: b = 0 and
    W ~ U(−√(6/n), √(6/n)) / ω. The first layer has W ~ U(−1/n, 1/n) and phases ωb over a whole turn.
    """

    def __init__(self, n_inputs: int, n_outputs: int, omega: float, *, is_first: bool = False) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(n_inputs, n_outputs)
        limit = 1 / n_inputs if is_first else sqrt(6 / n_inputs) / omega
        nn.init.uniform_(self.linear.weight, -limit, limit)
        turn = pi / omega if is_first else 0.0
        nn.init.uniform_(self.linear.bias, -turn, turn)

    def forward(self, x: Tensor, shift: Tensor | None = None) -> Tensor:
        phase = self.omega * self.linear(x)
        return torch.sin(phase if shift is None else phase + shift)


class Siren(nn.Module):
    """Coordinates (B, P, 2) in [−1, 1] and, where it has latents, codes (B, J) -> values (B, P, C) around zero.

    A code beside each pair of coordinates (S1 §4.1.2) is the same as a shift of the first layer's phases, which is
    computed once per image and not once per pixel. Codes of unit variance shift them by about one.
    """

    def __init__(self, n_outputs: int, *, width: int, depth: int = 5, omega: float = 30.0, n_latents: int = 0) -> None:
        super().__init__()
        self.shift = nn.Linear(n_latents, width, bias=False) if n_latents else None
        if self.shift is not None:
            nn.init.uniform_(self.shift.weight, -sqrt(3 / n_latents), sqrt(3 / n_latents))
        self.first = SineLayer(2, width, omega, is_first=True)
        self.hidden = nn.Sequential(*(SineLayer(width, width, _HIDDEN_OMEGA) for _ in range(depth - 1)))
        self.last = nn.Linear(width, n_outputs)
        limit = sqrt(6 / width) / _HIDDEN_OMEGA
        nn.init.uniform_(self.last.weight, -limit, limit)

    def forward(self, coordinates: Tensor, codes: Tensor | None = None) -> Tensor:
        shift = self.shift(codes)[:, None] if self.shift is not None else None
        values: Tensor = self.last(self.hidden(self.first(coordinates, shift)))
        return values


def grid(height: int, width: int) -> Tensor:
    """The coordinates of the middles of all pixels, (height · width, 2) as (y, x) in [−1, 1], row by row."""
    rows, columns = ((torch.arange(n) + 0.5) * 2 / n - 1 for n in (height, width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
