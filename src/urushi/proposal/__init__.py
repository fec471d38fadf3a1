"""Looks at the grey levels of some images, proposes how to spend the range on what matters, and says why."""

from urushi.proposal._background import Background
from urushi.proposal._proposal import MOST_IMAGES, Proposal, propose

__all__ = ["MOST_IMAGES", "Background", "Proposal", "propose"]
