"""Running a fitted graph on prepared images, behind one seam. Only `torch_backend` knows torch."""

from urushi.runtime.backend import Backend, Output, Row
from urushi.runtime.choice import GRAPHS, Wish

__all__ = ["GRAPHS", "Backend", "Output", "Row", "Wish"]
