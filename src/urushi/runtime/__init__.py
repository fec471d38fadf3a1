"""Running a fitted graph on prepared images, behind one seam. Only `torch_backend` knows torch."""

from urushi.runtime.backend import Backend, Output

__all__ = ["Backend", "Output"]
