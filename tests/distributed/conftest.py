import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Ray on this machine as the commands start it, where it is installed; its workers know the functions of tests."""
    ray = pytest.importorskip("ray")
    from urushi.distributed.cluster import connected

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        connected()
        yield ray
        ray.shutdown()
