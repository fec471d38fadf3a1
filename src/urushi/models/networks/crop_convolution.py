"""Convolutions that look around a hole and never into it (S1 §4.1.1), and the encoder made of them."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

Convolution = Annotated[
    Literal["crop", "plain"], Field(description="crop: looks around the hole; plain: sees it filled with zeros")
]
Tolerance = Annotated[
    int, Field(ge=0, le=8, description="k: a kernel position counts while at most k of its 9 pixels lie in the hole")
]
_LAST_PX = 4  # the side of the last map


class CropConvolution(nn.Module):
    """A 3×3 convolution with stride 2 and padding 1 whose responses depend on no pixel of the hole.

    A kernel position with at most `tolerance` pixels in the hole gives the response of the others, scaled up for those
    that are missing; all other positions give zero and are the hole of the next layer, so that it shrinks.
    """

    def __init__(self, n_inputs: int, n_outputs: int, tolerance: int) -> None:
        super().__init__()
        self.tolerance = tolerance
        self.convolution = nn.Conv2d(n_inputs, n_outputs, 3, stride=2, padding=1)
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) and where it is known, (B, 1, H, W) of ones and zeros -> the same at half the size."""
        kernel = x.new_ones(1, 1, 3, 3)
        n_all = F.conv2d(seen.new_ones(1, 1, *seen.shape[2:]), kernel, stride=2, padding=1)
        n_seen = F.conv2d(seen, kernel, stride=2, padding=1)
        counts = (n_all - n_seen <= self.tolerance + 0.5).to(x.dtype)
        weights, bias = self.convolution.weight, self.convolution.bias
        response = F.conv2d(x * seen, weights, stride=2, padding=1) * (n_all / n_seen.clamp(min=1))
        return (response + bias[:, None, None]) * counts, counts  # type: ignore[index]


class ContextEncoder(nn.Module):
    """The surroundings of a hole (B, C, W, W) -> a code (B, J): layers that halve the map down to 4 px.

    Batch normalisation and ReLU after each, and one linear layer, whose code is normalised, too.
    """

    def __init__(
        self, channels: int, window_px: int, *, width: int, n_latents: int, convolution: Convolution, tolerance: int
    ) -> None:
        super().__init__()
        n_layers = (window_px // _LAST_PX).bit_length() - 1
        filters = [channels, *(width * min(1 << layer, 8) for layer in range(n_layers))]
        self.looks_away = convolution == "crop"
        k = tolerance if self.looks_away else 8
        self.layers = nn.ModuleList(CropConvolution(*sizes, k) for sizes in pairwise(filters))
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in filters[1:])
        self.last = nn.Linear(filters[-1] * _LAST_PX**2, n_latents)
        self.norm = nn.BatchNorm1d(n_latents)

    def forward(self, windows: Tensor, seen: Tensor) -> Tensor:
        if not self.looks_away:
            seen = seen.new_ones(seen.shape)
        x = windows
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x, seen = layer(x, seen)
            x = F.relu(norm(x)) * seen
        code: Tensor = self.norm(self.last(x.flatten(1)))
        return code
