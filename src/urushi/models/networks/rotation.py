"""Rotating images by angles that a network may have found: accurate, differentiable, and with an ONNX form."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Sampling = Literal["bilinear", "bicubic"]


def rotate(images: Tensor, angles: Tensor, sampling: Sampling = "bicubic") -> Tensor:
    """Square images (B, C, H, H), each turned by its angle (B,) in radians about its middle; zero beyond the edge.

    The sampling grid is θ = [[cos α, −sin α, 0], [sin α, cos α, 0]] of S4 eq. 8; −α undoes α.
    """
    cos, sin, none = angles.cos(), angles.sin(), torch.zeros_like(angles)
    theta = torch.stack([torch.stack([cos, -sin, none], dim=1), torch.stack([sin, cos, none], dim=1)], dim=1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=sampling, padding_mode="zeros", align_corners=False)


def central_square(side_px: int) -> Tensor:
    """(1, 1, H, H) float, one where a pixel stays inside the image however it is turned: side H/√2 in the middle."""
    half = side_px / 2**1.5
    place = torch.arange(side_px) + 0.5 - side_px / 2
    inside = (place.abs() + 0.5 <= half).float()
    return (inside[:, None] * inside)[None, None]
