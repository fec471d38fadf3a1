"""A whole image as one vector of statistics of its features, and how far it is from those of normal images."""

import torch
from torch import Tensor, nn

_LEAST_DEVIATION = 0.01  # of a statistic, in units of features: what normal images never show is no infinite surprise
_RIDGE = 0.03  # variance that every direction has beside what was learnt
_N_DIRECTIONS = 256
_MOST = 512  # descriptors that directions are learnt from; more cost time and teach hardly more


def described(maps: list[Tensor]) -> Tensor:
    """Mean, deviation and roughness of each channel of maps (B, C, h, w), joined: (B, J).

    Roughness is the root mean square of the difference between neighbouring cells.
    """
    return torch.cat([part for features in maps for part in _statistics(features)], dim=1)


def _statistics(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean = features.mean(dim=(2, 3))
    deviation = _mean_square(features - mean[:, :, None, None])
    steps = [step for step in (features.diff(dim=2), features.diff(dim=3)) if step.shape[2] and step.shape[3]]
    roughness = sum(map(_mean_square, steps), start=torch.zeros_like(mean))
    return mean, (deviation + 1e-8).sqrt(), (roughness + 1e-8).sqrt()


def _mean_square(features: Tensor) -> Tensor:
    """Of each channel, (B, C); a product, since `square` becomes a power, which is slow in an exported graph."""
    return (features * features).mean(dim=(2, 3))


class ImageDescriptor(nn.Module):
    """The Mahalanobis distance of a descriptor (J,) from those of normal images, by a ridge and a few directions.

    Each of its numbers is standardised and its size compressed by a logarithm, so that one that is far off does not
    decide alone. There are more of them than images: of the covariance the directions are kept that images span.
    """

    mean: Tensor
    deviation: Tensor
    offset: Tensor
    directions: Tensor

    def __init__(self, n_values: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_values))
        self.register_buffer("deviation", torch.ones(n_values))
        self.register_buffer("offset", torch.zeros(n_values))
        self.register_buffer("directions", torch.zeros(_N_DIRECTIONS, n_values))

    def forward(self, descriptors: Tensor) -> Tensor:
        """(B, J) -> the squared distance for each number of the descriptor, (B,) ≥ 0."""
        z = self._compressed(descriptors) - self.offset
        known = (z @ self.directions.T).square().sum(dim=1)
        return ((z.square().sum(dim=1) - known) / (_RIDGE * z.shape[1])).clamp_min(0)

    def learn(self, descriptors: Tensor) -> None:
        """From those of normal images, (n, J): (S + r·I)⁻¹ = (I − Σ vvᵀ·λ/(λ + r))/r by the eigenpairs of n × n.

        They are brought to an order of their own first, so that it does not matter in which they come.
        """
        descriptors = descriptors[descriptors.double().sum(dim=1).argsort()]
        variance = descriptors.var(dim=0, correction=0) + _LEAST_DEVIATION**2
        self.mean.copy_(descriptors.mean(dim=0))
        self.deviation.copy_(variance.sqrt())
        chosen = torch.linspace(0, len(descriptors) - 1, min(len(descriptors), _MOST)).round().long()
        z = self._compressed(descriptors[chosen.to(descriptors.device)])
        self.offset.copy_(z.mean(dim=0))
        z = z - self.offset
        directions = _directions((z @ z.T).double(), _RIDGE * len(z)).to(z.dtype) @ z
        self.directions.zero_()
        self.directions[: len(directions)] = directions

    def _compressed(self, descriptors: Tensor) -> Tensor:
        u = (descriptors - self.mean) / self.deviation
        return u.sign() * u.abs().log1p()


def _directions(products: Tensor, ridge: float) -> Tensor:
    """W (k, n) with WᵀW = (products + ridge·I)⁻¹, or what the largest eigenvalues hold of it where n is too many."""
    n = len(products)
    if n <= _N_DIRECTIONS:
        ridged = products + ridge * torch.eye(n, dtype=products.dtype, device=products.device)
        inverse: Tensor = torch.linalg.inv(torch.linalg.cholesky(ridged))
        return inverse
    values, vectors = torch.linalg.eigh(products)
    kept: Tensor = vectors[:, -_N_DIRECTIONS:] / (values[-_N_DIRECTIONS:].clamp_min(0) + ridge).sqrt()
    return kept.T
