"""How unusual a sparse code is among normal ones of its size: a Gaussian for each range of sizes (S3, last part)."""

import torch
from torch import Tensor, nn

_N_RANGES = 8
_SHRINKAGE = 1e-3  # of each feature's own variance, added to it
_LEAST_VARIANCE = 1e-4  # an atom that was never used may be, a little


class CodeDensity(nn.Module):
    """Large codes have large errors and many atoms, whatever they show; given its size, a code is unusual or not."""

    edges: Tensor
    means: Tensor
    precisions: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.zeros(_N_RANGES - 1))
        self.register_buffer("means", torch.zeros(_N_RANGES, n_features))
        self.register_buffer("precisions", torch.zeros(_N_RANGES, n_features, n_features))

    def fit(self, features: Tensor, sizes: Tensor) -> None:
        """From features (n, F) and sizes (n,) of normal codes; ranges hold equally many."""
        order = sizes.sort().values
        self.edges.copy_(order[[len(order) * number // _N_RANGES for number in range(1, _N_RANGES)]])
        ranges = self._ranges(sizes)
        for number in range(_N_RANGES):
            found = features[ranges == number].double()
            found = features.double() if len(found) <= 2 else found  # all sizes are alike
            covariance = torch.cov(found.T).reshape(found.shape[1], -1)
            ridge = _SHRINKAGE * covariance.diagonal() + _LEAST_VARIANCE
            self.means[number] = found.mean(dim=0)
            self.precisions[number] = torch.linalg.inv(covariance + torch.diag(ridge))

    def forward(self, features: Tensor, sizes: Tensor) -> Tensor:
        """Half the squared Mahalanobis distance from normal features of that size: (B, N, F), (B, N) -> (B, N)."""
        away = features[:, None] - self.means[:, None]  # from every range, (B, ranges, N, F)
        far = 0.5 * ((away @ self.precisions) * away).sum(dim=-1)
        return far.gather(1, self._ranges(sizes)[:, None])[:, 0]

    def _ranges(self, sizes: Tensor) -> Tensor:
        """The number of the range that each size lies in."""
        return (sizes[..., None] > self.edges).sum(dim=-1)
