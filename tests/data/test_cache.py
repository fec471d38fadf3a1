import tempfile
from pathlib import Path

import numpy as np
import pytest

from urushi.data.cache import cache

ROWS = np.random.default_rng(0).random((12, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_file_gives_what_memory_gives(temporary):
    small = cache(iter(ROWS), len(ROWS))
    large = cache(iter(ROWS), len(ROWS), in_memory_bytes=100)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    assert np.array_equal(small, ROWS)
    assert np.array_equal(large, ROWS)
    assert small.dtype == large.dtype == np.float32
    large[3] = 0  # it can be written, as memory can
    assert not large[3].any()


@pytest.mark.parametrize(("limit", "is_file"), [(ROWS.nbytes, False), (ROWS.nbytes - 1, True)])
def test_the_limit_is_in_bytes(limit, is_file, temporary):
    assert isinstance(cache(iter(ROWS), len(ROWS), in_memory_bytes=limit), np.memmap) == is_file


def test_no_file_is_left_behind(temporary):
    rows = cache(iter(ROWS), len(ROWS), in_memory_bytes=0)
    assert list(temporary.iterdir()) == []
    assert np.array_equal(rows, ROWS)  # and yet it is there


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_fewer_rows_than_expected_give_a_shorter_array(limit, temporary):
    found = cache(iter(ROWS[:5]), len(ROWS), in_memory_bytes=limit)
    assert np.array_equal(found, ROWS[:5])


def test_no_rows_give_an_empty_array():
    assert len(cache(iter([]), 4)) == 0


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="broadcast"):
        cache(iter([np.zeros((3, 4)), np.zeros((3, 5))]), 2)


def test_rows_become_single_precision():
    assert cache(iter(ROWS.astype(np.float64)), len(ROWS)).dtype == np.float32
