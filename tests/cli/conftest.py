import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from urushi.cli import main
from urushi.data.dataset import find_dataset
from urushi.detector import Detector
from urushi.recipe import Recipe, parse_setting
from weave import scratched, texture, write

# Small enough to be fitted in a second: few channels, few pixels.
SETTINGS = (
    "preprocessing.resize.height=64",
    "preprocessing.resize.width=64",
    "model.name=feature_reconstruction",
    "model.blocks=[4]",
    "model.stride=8",
    "model.windows=[0]",
    "split.n_folds=3",
)
N_GOOD = 24


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def dataset(shared: Callable[..., Path]) -> Iterator[Path]:
    """MVTec layout: 24 good images to train, 6 good and 5 scratched ones to test; no test may change it."""
    root = shared("weave", _write_dataset)
    before = find_dataset(root).fingerprint()
    yield root
    assert find_dataset(root).fingerprint() == before, "a test has changed the images that all tests share"


def _write_dataset(root: Path) -> None:
    for seed in range(N_GOOD):
        write(root / "train" / "good" / f"{seed:02}.png", texture(seed))
    for seed in range(100, 106):
        write(root / "test" / "good" / f"{seed}.png", texture(seed))
    for seed in range(200, 205):
        image, mask = scratched(seed)
        write(root / "test" / "scratch" / f"{seed}.png", image)
        write(root / "ground_truth" / "scratch" / f"{seed}_mask.png", mask)


@pytest.fixture(scope="session")
def good(dataset: Path) -> Path:
    return dataset / "test" / "good"


@pytest.fixture(scope="session")
def defects(dataset: Path) -> Path:
    return dataset / "test" / "scratch"


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten holes, ten bright bars, and good images that do not count."""
    root = tmp_path_factory.mktemp("labelled")
    for seed in range(10):
        write(root / "hole" / f"{seed}.png", scratched(300 + seed)[0])
        bar = texture(400 + seed)
        bar[:, 20 + seed : 24 + seed] = 255
        write(root / "bar" / f"{seed}.png", bar)
        write(root / "good" / f"{seed}.png", texture(500 + seed))
    return root


@pytest.fixture(scope="session")
def quick_recipe() -> Recipe:
    """The default recipe, made small."""
    return Recipe.find("default").with_settings(dict(map(parse_setting, SETTINGS)))


@pytest.fixture(scope="session")
def fitted(dataset: Path, quick_recipe: Recipe, shared: Callable[..., Path]) -> Path:
    """A detector file that no test may change."""
    images = sorted((dataset / "train" / "good").iterdir())
    card = {"recipe": "default"}
    return shared("weave.urushi", lambda place: Detector.fit(images, quick_recipe, card=card).save(place))


@pytest.fixture
def quick() -> list[str]:
    """Options of `urushi fit` that make the default recipe small."""
    return [argument for setting in SETTINGS for argument in ("--set", setting)]


@pytest.fixture
def detector(fitted: Path, tmp_path: Path) -> Path:
    """A detector file of the test's own."""
    return Path(shutil.copy(fitted, tmp_path / "part.urushi"))


@pytest.fixture
def urushi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Runs a command as the program would, in this process: the entry point with its status and both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def urushi(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["urushi", *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        return Result(status, *capsys.readouterr())

    return urushi


@pytest.fixture(scope="session")
def exported(fitted: Path, dataset: Path, shared: Callable[..., Path]) -> Path:
    """The same detector with a graph that needs no PyTorch; no test may change it."""
    images = sorted((dataset / "train" / "good").iterdir())
    return shared("weave-exported.urushi", lambda place: Detector.load(fitted).export(images).save(place))


@pytest.fixture(scope="session")
def started() -> Callable[..., subprocess.Popen[str]]:
    """Starts a command in a process of its own that hears SIGINT, which background jobs are started deaf to."""

    def started(*command: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    return started
