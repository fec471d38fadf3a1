"""How the scores of normal images are distributed, and how far from them another score lies."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from urushi.errors import CalibrationError

N_STEPS = 90  # of a hundredth each: quantiles 0 … 0.9, above them the tail
LEAST_TAIL = 0.1  # in standard deviations; a normal distribution's is 0.47, a uniform one's 0.17


class NormalReference(nn.Module):
    """Of K scores: mean, standard deviation, 91 quantiles and the scale of the tail; NaN until they are fitted.

    The shapes depend on K alone, never on the number of images, so that a saved detector can be rebuilt.
    """

    mean: Tensor
    deviation: Tensor
    quantiles: Tensor
    tail: Tensor

    def __init__(self, n_scores: int, *, owner: str, remedy: str) -> None:
        """`owner` and `remedy` are words for errors: whose it is, and what to do with a score that has no scale."""
        super().__init__()
        self.owner, self.remedy = owner, remedy
        for name in ("mean", "deviation", "tail"):
            self.register_buffer(name, torch.full((n_scores,), torch.nan))
        self.register_buffer("quantiles", torch.full((n_scores, N_STEPS + 1), torch.nan))

    def fit(self, scores: Tensor, names: Sequence[str]) -> None:
        """Takes over the scores (n, K) of normal images; raises CalibrationError where they give no scale."""
        self.require_images(len(scores))
        self._require_spread(scores, names)
        wide = scores.cpu().double()
        deviation = wide.std(dim=0)
        shares = torch.arange(N_STEPS + 1, dtype=wide.dtype) / 100
        quantiles = wide.quantile(shares, dim=0).T  # (K, 91)
        highest = quantiles[:, -1]
        excess = (wide - highest).clamp(min=0).sum(dim=0) / (wide > highest).sum(dim=0).clamp(min=1)
        self.mean.copy_(wide.mean(dim=0))
        self.deviation.copy_(deviation)
        self.quantiles.copy_(quantiles)
        self.tail.copy_(excess.maximum(LEAST_TAIL * deviation))

    @property
    def is_fitted(self) -> bool:
        return not bool(self.mean.isnan().any())

    def require_fitted(self) -> None:
        """Raises CalibrationError before `fit`; an exported graph holds what was fitted, and has no place to ask."""
        is_traced = torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()
        if not (is_traced or self.is_fitted):
            raise CalibrationError(f"{self.owner} measures against normal images and has seen none: fit it before use")

    def require_images(self, n: int) -> None:
        """Raises CalibrationError where so many images give no scale."""
        if n < 2:
            raise CalibrationError(f"{self.owner} learns from at least 2 normal images, it was given {n}")

    def z_scores(self, scores: Tensor) -> Tensor:
        """(B, K) -> (B, K): standard deviations above the mean of normal images."""
        return (scores - self.mean) / self.deviation

    def surprises(self, scores: Tensor) -> Tensor:
        """(B, K) -> (B, K): −ln p ≥ 0, where p is the share of normal images whose score is higher.

        Up to the 90 % quantile, p is linear between quantiles; above it, it falls exponentially with the mean excess of
        the normal scores there, so that two anomalies never tie, however far out they are. Sums of ramps instead of a
        search, because that has a slope and an ONNX form.
        """
        low, step = self.quantiles[:, :-1], self.quantiles.diff(dim=1).clamp(min=1e-30)
        share_below = ((scores[..., None] - low) / step).clamp(0, 1).sum(dim=2) / 100
        return -torch.log1p(-share_below) + (scores - self.quantiles[:, -1]).clamp(min=0) / self.tail

    def _require_spread(self, scores: Tensor, names: Sequence[str]) -> None:
        for name, column in zip(names, scores.T, strict=True):
            if not bool(column.isfinite().all()):
                raise CalibrationError(f"the score {name} is not finite on some normal image; {self.remedy}")
            if bool((column == column[0]).all()):
                raise CalibrationError(
                    f"the score {name} is {float(column[0]):.6g} on all {len(column)} normal images: without a spread, "
                    f"nothing can be measured against it; {self.remedy}"
                )
