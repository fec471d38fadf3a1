"""How much of an image is left after t steps of diffusion, and the steps back (S5 eqs 1–6 and 8)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

_OFFSET = 0.008
_MOST_BETA = 0.999


@dataclass(frozen=True)
class CosineSchedule:
    """ᾱ_t = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s) · π/2), and β_t at most 0.999 (Nichol, Dhariwal 2021).

    S5 eq. 8 has no square, which its own reference does. Arrays are indexed by t = 0 … T, with ᾱ_0 = 1 and β_0 = 0.
    """

    n_steps: int

    @cached_property
    def beta(self) -> np.ndarray:
        """β_t, the variance that step t adds, (T + 1,)."""
        f = np.cos((np.arange(self.n_steps + 1) / self.n_steps + _OFFSET) / (1 + _OFFSET) * np.pi / 2) ** 2
        return np.concatenate([[0.0], np.minimum(1 - f[1:] / f[:-1], _MOST_BETA)])

    @cached_property
    def alpha_bar(self) -> np.ndarray:
        """ᾱ_t, the share of the image's variance that is left, (T + 1,)."""
        return np.asarray(np.cumprod(1 - self.beta))

    def time_weights(self, last: int) -> np.ndarray:
        """Chances of t = 1 … last, (last,): half the draws over t evenly, half over the logarithm of the noise's share.

        Of evenly drawn t one in a hundred is at most 10 of 1000, and there the network learns nothing.
        """
        logarithm = np.log(1 - self.alpha_bar[1 : last + 1])
        steps = np.diff(logarithm, prepend=2 * logarithm[0] - logarithm[min(1, last - 1)])
        by_noise = steps / steps.sum() if steps.sum() > 0 else np.ones(last) / last
        return np.asarray(0.5 / last + 0.5 * by_noise)

    def posterior(self, t: int) -> tuple[float, float, float]:
        """Of x_{t−1} given x_0 and x_t: the weights of both in its mean, and its variance (Ho et al. 2020, eq. 7)."""
        before, now, beta = self.alpha_bar[t - 1], self.alpha_bar[t], self.beta[t]
        of_first = np.sqrt(before) * beta / (1 - now)
        of_now = np.sqrt(1 - beta) * (1 - before) / (1 - now)
        return float(of_first), float(of_now), float((1 - before) / (1 - now) * beta)

    def diffused(self, x: Tensor, t: int, noise: Tensor) -> Tensor:
        """x_t of x_0, eq. 3."""
        return float(np.sqrt(self.alpha_bar[t])) * x + float(np.sqrt(1 - self.alpha_bar[t])) * noise

    def original(self, x: Tensor, t: int, noise: Tensor) -> Tensor:
        """x̂_0 of x_t and its noise: eq. 3 the other way round; eq. 6 for t = 1."""
        return (x - float(np.sqrt(1 - self.alpha_bar[t])) * noise) / float(np.sqrt(self.alpha_bar[t]))

    def mean_before(self, x: Tensor, t: int, noise: Tensor) -> Tensor:
        """The mean of x_{t−1} given x_t and its noise, eq. 5."""
        beta = self.beta[t]
        shrunk = float(beta / np.sqrt(1 - self.alpha_bar[t])) * noise
        return (x - shrunk) / float(np.sqrt(1 - beta))

    def times(self, t: int, n: int) -> list[int]:
        """t = t_0 > … > 0 in n steps or as many as there are, evenly."""
        return sorted({round(t * step / n) for step in range(n + 1)}, reverse=True)
