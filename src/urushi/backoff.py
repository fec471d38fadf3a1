"""How long to wait before what failed is tried again."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Twice as long after each failure, up to a limit; less by chance, so that not all try again at once."""

    first_seconds: float = 1.0
    most_seconds: float = 600.0
    chance: Callable[[], float] = random.random  # in [0, 1)

    def seconds(self, n_failures: int) -> float:
        """After so many failures, at least one: between half of the time and all of it."""
        whole = min(self.most_seconds, self.first_seconds * 2.0 ** min(n_failures - 1, 60))
        return whole * (0.5 + 0.5 * self.chance())
