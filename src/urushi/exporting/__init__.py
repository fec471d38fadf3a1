"""From a fitted graph to one that needs no PyTorch, checked before it is used. Part of the torch core."""

from urushi.exporting._export import Good, export
from urushi.exporting._parity import Judge, Parity
from urushi.exporting._recalibration import Recalibration

__all__ = ["Good", "Judge", "Parity", "Recalibration", "export"]
