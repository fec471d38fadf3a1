"""Property tests on shared machines: time is no property."""

from hypothesis import HealthCheck, settings

settings.register_profile("urushi", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("urushi")
