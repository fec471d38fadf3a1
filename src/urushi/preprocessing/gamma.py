"""Grey levels through a power law (S2 §5.1.1)."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from urushi.preprocessing._levels import apply_curve
from urushi.preprocessing.base import Image, Step


def gamma(image: Image, exponent: float, gain: float = 1.0) -> Image:
    """gain · I^exponent on levels I in [0, 1], clipped at full scale, dtype kept (S2 eq. 5.2).

    Raises UnreadableImageError if a float image leaves [0, 1].
    """
    return apply_curve(image, lambda levels: gain * levels**exponent)


@dataclass(frozen=True, kw_only=True)
class Gamma(Step):
    """Brightens the dark levels (exponent below 1) or darkens them (above 1)."""

    exponent: Annotated[float, Field(gt=0, le=100, description="γ; below 1 brightens, above 1 darkens")]
    gain: Annotated[float, Field(gt=0, le=255, description="factor c; what exceeds full scale is clipped")] = 1.0

    def apply(self, image: Image) -> Image:
        return gamma(image, self.exponent, self.gain)
