from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file and gives its path."""

    def write(data: bytes, name: str = "x.tif") -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write
