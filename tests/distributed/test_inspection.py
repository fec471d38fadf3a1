"""Inspection by a pool of workers: the rows of the local one, whatever happens to a worker or to the command."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi import load
from urushi.distributed.inspection import Pool, row_of
from urushi.distributed.parts import PartFolder, parts

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(0)
    for n in range(60):
        Image.fromarray(rng.integers(0, 255, (32, 32), np.uint8)).save(folder / f"{n:03}.png")
    (folder / "007.png").write_bytes(b"no image")
    return [str(path) for path in sorted(folder.iterdir())]


def pool(autoencoder, out, n_workers=2):
    out.mkdir(exist_ok=True)
    return Pool(load(autoencoder, n_threads=1), PartFolder(out, "jsonl"), n_workers)


def rows_in(out):
    return [json.loads(line) for path in sorted(out.iterdir()) for line in path.read_text().splitlines()]


def inspectors():
    """Processes of workers, by what Ray calls them."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "cmdline").read_bytes().startswith(b"ray::Inspector"):
                    yield int(entry.name)
            except OSError:
                continue


@pytest.fixture(scope="module")
def local(autoencoder, images):
    return [row_of(found) for found in load(autoencoder, n_threads=1).inspect_many(images)]


def same(found, expected):
    """The same but for what another order of arithmetic in a batch changes."""
    assert [row["source"] for row in found] == [row["source"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.get("decision") == other.get("decision")
        assert one.get("reason") == other.get("reason")
        assert one.get("score", 0) == pytest.approx(other.get("score", 0), rel=1e-5)
    return True


def test_the_rows_are_those_of_an_inspection_here(cluster, autoencoder, images, local, tmp_path):
    found = pool(autoencoder, tmp_path / "out")
    n = sum(map(len, found.inspect(parts(images, 8, "d"))))
    assert n == len(images)
    assert found.lost == []
    assert same(rows_in(tmp_path / "out"), local)


def test_a_worker_that_is_killed_loses_nothing_and_repeats_nothing_that_was_written(
    cluster, autoencoder, images, local, tmp_path
):
    out, found, times = tmp_path / "out", pool(autoencoder, tmp_path / "out"), {}
    for n, _ in enumerate(found.inspect(parts(images, 4, "d"))):
        if n == 2:
            times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
            killed = next(iter(inspectors()))
            os.kill(killed, signal.SIGKILL)
    assert len(times) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert found.lost == []
    assert same(rows_in(out), local)


def test_what_was_cut_off_goes_on(cluster, autoencoder, images, local, tmp_path):
    out = tmp_path / "out"
    begun = pool(autoencoder, out).inspect(parts(images, 4, "d"))
    next(begun)
    next(begun)
    del begun
    kept = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    n = sum(map(len, pool(autoencoder, out).inspect(parts(images, 4, "d"))))
    assert n == len(images) - 4 * len(kept)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert same(rows_in(out), local)
