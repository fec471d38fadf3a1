"""A fully connected layer on latent codes, and how far a code lies from all that the layer has learnt from."""

from dataclasses import dataclass

import numpy as np

_REGULARISATION = 0.1  # C of scikit-learn: a few images per type would be learnt by heart


@dataclass(frozen=True)
class Head:
    """Softmax of a linear layer on standardised codes; distances are one minus the cosine to the nearest example."""

    mean: np.ndarray  # (J,)
    deviation: np.ndarray  # (J,)
    weight: np.ndarray  # (K, J)
    bias: np.ndarray  # (K,)
    examples: np.ndarray  # (n, J), of length one

    @classmethod
    def fit(cls, codes: np.ndarray, owners: np.ndarray) -> "Head":
        """From codes (n, J) of types 0 … K−1, each of which has one."""
        mean, deviation = codes.mean(axis=0), np.maximum(codes.std(axis=0), 1e-9)
        weight, bias = _layer((codes - mean) / deviation, owners)
        return cls(mean, deviation, weight, bias, directions_of(codes))

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """(n, J) -> (n, K), rows that add up to one."""
        logits = (codes - self.mean) / self.deviation @ self.weight.T + self.bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: np.ndarray = shares / shares.sum(axis=1, keepdims=True)
        return found

    def distances(self, codes: np.ndarray) -> np.ndarray:
        """(n, J) -> (n,), each in 0 … 2."""
        found: np.ndarray = 1 - (directions_of(codes) @ self.examples.T).max(axis=1)
        return found


def _layer(codes: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight (K, J) and bias (K,)."""
    n_types = int(owners.max()) + 1
    if n_types == 1:
        return np.zeros((1, codes.shape[1])), np.zeros(1)
    from sklearn.linear_model import LogisticRegression

    with np.errstate(invalid="ignore"):  # some BLAS kernels raise this flag on finite numbers
        found = LogisticRegression(C=_REGULARISATION, max_iter=1000).fit(codes, owners)
    if n_types > 2:
        return found.coef_, found.intercept_
    return np.vstack([-found.coef_ / 2, found.coef_ / 2]), np.concatenate([-found.intercept_, found.intercept_]) / 2


def directions_of(codes: np.ndarray) -> np.ndarray:
    found: np.ndarray = codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)
    return found
