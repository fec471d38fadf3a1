"""What all tests share."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

# A shell lets what it starts in the background ignore interrupts; what the tests start shall hear them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers that run side by side share the cores; more threads in each only wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Compiling the seam carver takes longer than all its tests; one that is slow compiles it.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# A home of this session's own, before any library looks for one: what it leaves there, or sends, is found by tests.
HOME = Path(tempfile.mkdtemp(prefix="urushi-home-"))
os.environ["HOME"] = os.environ["USERPROFILE"] = str(HOME)
for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
    os.environ.pop(name, None)
os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(dir=HOME.parent, prefix="urushi-matplotlib-")  # as the program does
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}
_SENT: list[str] = []


def _stay_here(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses what would leave this machine, and remembers it, since who asked may swallow the refusal."""
    if event[:7] != "socket.":  # at once: this is asked of everything that Python does
        return
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in _HERE:
        _SENT.append(f"{event} {host}")
        raise PermissionError(f"a test may not reach {host}")


sys.addaudithook(_stay_here)

settings.register_profile("urushi", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("urushi")


gc.disable()  # while all is imported and collected, which leaves nothing to be thrown away


def pytest_collection_finish() -> None:
    """What imports and collection brought stays: the garbage collector need not go through it again and again."""
    gc.freeze()
    gc.set_threshold(50_000)  # the usual 700 look at the few objects of a test again and again
    gc.enable()


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)
    shutil.rmtree(os.environ["MPLCONFIGDIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def home() -> Path:
    """The home folder of this worker and of what it starts; nothing is to be in it."""
    return HOME


@pytest.fixture(scope="session")
def sent() -> list[str]:
    """What has tried to leave this machine so far; nothing is to."""
    return _SENT


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaves(home: Path, sent: list[str]) -> Iterator[None]:
    """Whatever the tests of this worker ran: each command, each engine, each library that trains or draws."""
    yield
    assert sent == []
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []


@pytest.fixture(scope="session")
def pictures() -> Callable[..., np.ndarray]:
    """Normal parts: (n, C, size, size) float32 in [0, 1], a checked pattern of varied phase and brightness."""

    def pictures(n: int, size: int = 32, channels: int = 1, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:size, :size] * (2 * np.pi / size)
        phase, light = rng.uniform(-0.5, 0.5, (n, 1, 1, 1)), rng.uniform(0.4, 0.6, (n, 1, 1, 1))
        pattern = light + 0.3 * np.sin(3 * x + phase) * np.cos(2 * y)
        noisy = pattern + rng.normal(0, 0.02, (n, channels, size, size))
        return noisy.clip(0, 1).astype(np.float32)

    return pictures


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a file or folder once for all workers of a session: by whichever asks first, while the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def shared(name: str, make: Callable[[Path], None]) -> Path:
        place, unfinished = root / name, root / f"unfinished-{name}"
        with FileLock(root / f"{name}.lock"):
            if not place.exists():
                make(unfinished)
                unfinished.rename(place)
        return place

    return shared


@pytest.fixture(scope="session")
def textures() -> list[np.ndarray]:
    """What `autoencoder` was fitted on: 12 of (32, 32) uint8, a pattern of varied phase and brightness."""
    y, x = np.mgrid[:32, :32] / 5

    def texture(rng: np.random.Generator) -> np.ndarray:
        waves = 60 * np.sin(3 * x + rng.uniform(-1, 1)) * np.cos(2 * y)
        return (rng.uniform(90, 150) + waves + rng.normal(0, 5, (32, 32))).clip(0, 255).astype(np.uint8)

    return [texture(np.random.default_rng(seed)) for seed in range(12)]


@pytest.fixture(scope="session")
def autoencoder(shared: Callable[..., Path], textures: list[np.ndarray]) -> Path:
    """The file of a trained detector for 32 × 32 px, for tests of what is done with any; none may change it."""
    from urushi import Detector, Recipe

    table = {
        "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
        "model": {"name": "autoencoder", "latent_dimension": 4},
        "score": {"name": "squared_error"},
        "training": {"max_epochs": 1, "batch_size": 4, "accelerator": "cpu"},
    }
    recipe = Recipe.from_table(table, "test")
    return shared("autoencoder.urushi", lambda place: Detector.fit(textures, recipe).save(place))


@pytest.fixture(scope="session")
def exported_autoencoder(shared: Callable[..., Path], autoencoder: Path, textures: list[np.ndarray]) -> Path:
    """The same detector with a graph that has passed its gate."""
    from urushi import Detector

    return shared("exported.urushi", lambda place: Detector.load(autoencoder).export(textures).save(place))
