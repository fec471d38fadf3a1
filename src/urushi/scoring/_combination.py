"""Several scores that were brought to one scale become one: (B, K) -> (B,)."""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Combination = Literal["mean", "max", "fisher", "learned"]


def fisher(surprises: Tensor) -> Tensor:
    """−ln of Fisher's combined p-value, from K values of −ln p.

    −2 Σ ln p has a χ² distribution of 2K degrees of freedom if the scores are independent on normal images, which
    scores of one reconstruction are not: it ranks images, and its own p-value is too small. For an even number of
    degrees, the survival function is exp(−t) Σ_{i<K} tⁱ/i! with t = −Σ ln p.
    """
    total = surprises.sum(dim=1, keepdim=True)
    powers = torch.arange(surprises.shape[1], dtype=total.dtype, device=total.device)
    log_factorials = [math.lgamma(i + 1) for i in range(surprises.shape[1])]  # torch's has no ONNX form
    terms = powers * total.clamp(min=1e-30).log() - total.new_tensor(log_factorials)
    return (total - terms.logsumexp(dim=1, keepdim=True))[:, 0]


def learn(normal: np.ndarray, defects: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (K,) and offset of a logistic regression on scores (n, K), both classes counting alike.

    What lies beyond ±10⁶ counts as 10⁶: further out, the solver's matrix has no inverse in double precision.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.repeat([0, 1], [len(normal), len(defects)])
    # Newton's method: gradient descent crawls where an anomaly lies thousands of deviations out.
    found = LogisticRegression(class_weight="balanced", solver="newton-cholesky", max_iter=1000)
    found.fit(np.concatenate([normal, defects]).clip(-1e6, 1e6), labels)
    return found.coef_[0], float(found.intercept_[0])
