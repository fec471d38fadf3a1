"""Ray as it is used here: a cluster by its address, or one on this machine that nobody outside it can reach."""

import os
import secrets
from typing import Any

from urushi.catalogue.extras import require
from urushi.errors import InputError

N_RETRIES = 3  # of work whose process or machine was lost
# Nothing is sent anywhere, and a worker runs the environment that started this program.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # the one setting with which Ray listens to no other machine


def connected(address: str | None = None) -> Any:
    """The module `ray`, connected; raises MissingPackageError without the extra, InputError where nothing answers."""
    require("ray", "ray")
    for name, value in (_QUIET if address else _QUIET | _LOOPBACK | _token()).items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        return ray
    how = {"address": address} if address else {"address": "local", "include_dashboard": False}
    try:
        ray.init(**how, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        place = address or "this machine"
        raise InputError(f"Ray cannot be used at {place}: {str(error).splitlines()[0]}") from None
    return ray


def _token() -> dict[str, str]:
    """What the cluster's own processes know each other by; Ray would keep one in the home folder."""
    return {} if "RAY_AUTH_TOKEN_PATH" in os.environ else {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


def n_processors(ray: Any) -> int:
    """How many single-threaded jobs the cluster takes at once."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def last_line(error: Exception) -> str:
    """What an error of Ray says; lines before it are of Ray's own code."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
