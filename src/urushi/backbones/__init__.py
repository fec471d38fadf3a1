"""Frozen networks with pretrained weights, one family per file."""

from urushi.backbones._finding import find, restoring

__all__ = ["find", "restoring"]
