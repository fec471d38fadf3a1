"""Many images and many jobs on many machines, by Ray: the only room that knows it."""

from urushi.distributed.cluster import N_RETRIES
from urushi.distributed.engine import RayEngine

__all__ = ["N_RETRIES", "RayEngine"]
