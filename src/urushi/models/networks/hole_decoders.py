"""From the code of a hole's surroundings to what belongs in the hole."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from urushi.models.networks.siren import Omega, Siren, grid

Decoder = Annotated[
    Literal["siren", "convolutional"], Field(description="siren: sines of coordinates; convolutional: to compare with")
]


class SirenDecoder(nn.Module):
    """Paints each pixel of a hole from its coordinates in the window and the code; any resolution can be asked for."""

    def __init__(
        self, channels: int, window_px: int, hole_px: int, *, width: int, omega: Omega, n_latents: int
    ) -> None:
        super().__init__()
        self.network = Siren(channels, width=width, omega=omega, n_latents=n_latents)
        self.hole_px = hole_px
        self.register_buffer("coordinates", grid(window_px, window_px))

    coordinates: Tensor

    def forward(self, codes: Tensor, pixels: Tensor) -> Tensor:
        """Codes (n, J) and the holes' pixels in their windows (n, P) -> (n, C, h, h), around zero."""
        values = self.paint(self.coordinates[pixels], codes)
        return values.transpose(1, 2).reshape(codes.shape[0], -1, self.hole_px, self.hole_px)

    def paint(self, coordinates: Tensor, codes: Tensor) -> Tensor:
        """Values (n, P, C) at any coordinates (n, P, 2) of the window, in [−1, 1] as (y, x)."""
        values: Tensor = self.network(coordinates, codes)
        return values


class ConvolutionalDecoder(nn.Module):
    """Paints the whole hole by doublings and convolutions, wherever it lies."""

    def __init__(self, channels: int, hole_px: int, *, width: int, n_latents: int) -> None:
        super().__init__()
        self.hole_px, start = hole_px, -(-hole_px // 4)
        layers: list[nn.Module] = [
            nn.Linear(n_latents, width * start**2),
            nn.ReLU(),
            nn.Unflatten(1, (width, start, start)),
        ]
        for _ in range(2):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, codes: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002  the encoder knows where the hole is
        values: Tensor = self.network(codes)[..., : self.hole_px, : self.hole_px]
        return values


def build_decoder(
    kind: Decoder, channels: int, window_px: int, hole_px: int, *, width: int, omega: float, n_latents: int
) -> nn.Module:
    """The decoder of that name: codes (n, J) and pixels (n, P) -> (n, C, h, h)."""
    if kind == "siren":
        return SirenDecoder(channels, window_px, hole_px, width=width, omega=omega, n_latents=n_latents)
    return ConvolutionalDecoder(channels, hole_px, width=width, n_latents=n_latents)
