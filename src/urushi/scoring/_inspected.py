"""Which places of an image count in a score, where part of it is ignored."""

import cv2
import numpy as np
import torch
from torch import Tensor


class Inspected:
    """The places outside an ignored area, at any resolution; constants of the graph, so that it can be exported."""

    def __init__(self, ignored: np.ndarray) -> None:
        """`ignored` is (H, W) bool, of prepared images, and not all of it."""
        self.share = 1 - ignored.astype(np.float32)  # of each pixel

    def at(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool: the places of which at least half is inspected, or else the most."""
        is_same = self.share.shape == (height, width)
        share = self.share if is_same else cv2.resize(self.share, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(share >= min(0.5, share.max()))

    def of(self, values: Tensor) -> Tensor:
        """(B, C, h, w) -> the n inspected places of it, (B, C, n)."""
        places = np.flatnonzero(self.at(values.shape[-2], values.shape[-1]))
        return values.flatten(2)[..., torch.from_numpy(places).to(values.device)]

    def only(self, values: Tensor, other: Tensor | None = None) -> Tensor:
        """(B, C, h, w) with those of another tensor, or zeros, wherever it is ignored."""
        places = torch.from_numpy(self.at(values.shape[-2], values.shape[-1])).to(values.device)
        return torch.where(places, values, torch.zeros_like(values) if other is None else other)
