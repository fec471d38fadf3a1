"""What all tests share."""

import os

from hypothesis import HealthCheck, settings

# Workers that run side by side share the cores; more threads in each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("urushi", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("urushi")
