"""Ray as it is used here: a cluster by its address, or one on this machine that nobody outside it can reach."""

import os
from typing import Any

from urushi.catalogue.extras import require
from urushi.errors import InputError

N_RETRIES = 3  # of work whose process or machine was lost
# Nothing is sent anywhere, no web page is served, and a worker runs the environment that started this program.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_DEDUP_LOGS": "0"}


def connected(address: str | None = None) -> Any:
    """The module `ray`, connected; raises MissingPackageError without the extra, InputError where nothing answers."""
    require("ray", "ray")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        return ray
    local: dict[str, Any] = {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(**({"address": address} if address else local), log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        place = address or "this machine"
        raise InputError(f"Ray cannot be used at {place}: {str(error).splitlines()[0]}") from None
    return ray


def n_processors(ray: Any) -> int:
    """How many single-threaded jobs the cluster takes at once."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))
