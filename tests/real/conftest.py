import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("URUSHI_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; the test is skipped where there is none."""
    if not ROOT.is_dir():
        pytest.skip(f"no real images in {ROOT}; set URUSHI_DATA")
    return ROOT
