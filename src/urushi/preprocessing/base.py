"""What a preprocessing step is: one small pixel operation with typed options, and a state if it is fitted."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

Image = np.ndarray  # (H, W) grey or (H, W, 3) RGB; uint8, uint16 or float32


class Step(ABC):
    """A pixel operation; a subclass is a frozen, keyword-only dataclass whose fields are its options."""

    follows_content: ClassVar[bool] = False  # True: where a pixel comes to lie depends on what the image shows

    @abstractmethod
    def apply(self, image: Image) -> Image:
        """The image after this step; raises UnreadableImageError if the step can't be done on it."""

    def fit(self, images: Iterable[Image]) -> "Step":  # noqa: ARG002  most steps learn nothing
        """This step fitted to training images; steps that learn something override it, with `state`."""
        return self

    def state(self) -> Mapping[str, np.ndarray]:
        """What `fit` has learnt, to be saved with the detector."""
        return {}

    def with_state(self, state: Mapping[str, np.ndarray]) -> "Step":
        """This step with a saved state; the inverse of `state`."""
        if state:
            raise ValueError(f"{type(self).__name__} learns nothing, yet a state was given: {sorted(state)}")
        return self

    def place(self, image: Image) -> tuple[Image, np.ndarray]:
        """The image after this step, and the 3×3 matrix from its pixel corners (x, y, 1) to those before the step.

        Steps that move pixels override it and let `apply` return its first part.
        """
        return self.apply(image), np.eye(3)

    def light_factor(self, image: Image) -> float:  # noqa: ARG002  most steps change no light
        """By what this step multiplies the levels of an image as it comes to it."""
        return 1.0

    def doubt(self, image: Image) -> str | None:  # noqa: ARG002  most steps always do what they should
        """Why the decision on an image may not hold, from what this step has made of it, in whole sentences."""
        return None

    def facts(self, images: Iterable[Image]) -> Mapping[str, Any]:  # noqa: ARG002
        """What the card says of this fitted step on the good images as they come to it, by the step's name.

        `summary` is what `urushi fit` and `urushi prepare` print of it.
        """
        return {}
