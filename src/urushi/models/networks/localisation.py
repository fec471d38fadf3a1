"""The localisation network of S4 table 2, and the loss that teaches it to bring images to one orientation (eq. 7)."""

import math

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor, nn
from torch.nn import functional as F

from urushi.models.networks.rotation import central_square, rotate

SIDE_PX = 64  # of what it looks at, and of what its loss is computed on
_FILTERS = (16, 32, 32, 32)
_HIDDEN = (64, 32)
_LEAST_DEVIATION = 1e-3  # of pixel values, for blank images
_BLUR_PX = 2.0  # σ; the source blurs, and does not say how much


class Localisation(nn.Module):
    """Four times convolution, ReLU and max-pooling, then three fully connected layers: an angle α per image.

    It sees images reduced to 64 px, in grey, each with mean 0 and deviation 1; the source gives no sizes and shows it
    128 px. The source ends in α itself, which stays near its start on textures: eq. 7 is the same after half a turn,
    so the network has to jump somewhere, and where is a matter of luck. Here it ends in (cos 2α, sin 2α), which don't.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((1, *_FILTERS), _FILTERS, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        flat = _FILTERS[-1] * (SIDE_PX // 2 ** len(_FILTERS)) ** 2
        layers += [nn.Flatten(), nn.Linear(flat, _HIDDEN[0]), nn.ReLU(), nn.Linear(_HIDDEN[0], _HIDDEN[1]), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(_HIDDEN[1], 2, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, H) -> angles (B,) in radians, in (−π/2, π/2]."""
        small = reduced(images)
        deviation, mean = torch.std_mean(small, dim=(2, 3), keepdim=True)
        double = self.layers((small - mean) / (deviation + _LEAST_DEVIATION))
        return torch.atan2(double[:, 1], double[:, 0]) / 2


def reduced(images: Tensor) -> Tensor:
    """(B, C, H, H) -> (B, 1, 64, 64), averaged over channels."""
    return F.interpolate(images.mean(dim=1, keepdim=True), (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True)


def gradient_loss(turned: Tensor, angles: Tensor) -> Tensor:
    """Mean |M ∘ x̂ ⊗ G_x| of images that were turned by these angles (S4 eq. 7), a scalar.

    G_x is the vertical Sobel filter on the blurred image of 64 px, M the central square turned along, a little narrower
    so that its own border is no gradient.
    """
    small = gaussian_blur2d(reduced(turned), (9, 9), (_BLUR_PX, _BLUR_PX))
    sobel = small.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])[None, None]
    gradient = F.conv2d(small, sobel, padding=1)
    square = 1 - F.max_pool2d(1 - central_square(SIDE_PX).to(small), 9, stride=1, padding=4)
    mask = rotate(square.expand(len(small), -1, -1, -1), angles, "bilinear")
    return (mask * gradient).abs().mean()


def random_angles(n: int, device: torch.device) -> Tensor:
    """n angles (n,) from all round, in radians."""
    return (2 * torch.rand(n, device=device) - 1) * torch.pi


def spread_degrees(angles: Tensor) -> float:
    """Circular standard deviation in degrees of orientations (n,) in radians, the same after half a turn."""
    resultant = torch.polar(torch.ones(len(angles), dtype=torch.float64), 2 * angles.double()).mean().abs()
    return math.degrees(math.sqrt(-2 * math.log(resultant)) / 2)
