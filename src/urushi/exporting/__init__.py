"""From a fitted graph to one that needs no PyTorch, checked before it is used. Part of the torch core."""

from urushi.exporting._export import Made, export
from urushi.exporting._parity import Judge, Parity

__all__ = ["Judge", "Made", "Parity", "export"]
