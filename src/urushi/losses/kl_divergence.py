"""Kullback–Leibler divergence of a diagonal Gaussian from N(0, I)."""

from torch import Tensor


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """−½ Σ_j (1 + log σ² − μ² − σ²), in nats per image: (B, J), (B, J) -> (B,) (S2 eq. 6.2, second term)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
