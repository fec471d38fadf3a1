"""Independent pieces of work, each in a process of its own that can be ended: here, or on the machines of an engine."""

from urushi.jobs.base import Begun, Engine, Job, Outcome, State
from urushi.jobs.local import LocalEngine, run_job

__all__ = ["Begun", "Engine", "Job", "LocalEngine", "Outcome", "State", "run_job"]
