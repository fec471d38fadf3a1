from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.errors import UrushiError
from urushi.jobs import Begun, Job, Outcome
from urushi.study import Record, Study

RECIPE = """
[[preprocessing]]
name = "grey"
[[preprocessing]]
name = "scale"
[model]
name = "autoencoder"
latent_dimension = 4
[score]
name = "squared_error"
[training]
max_epochs = 1
batch_size = 8
accelerator = "cpu"
"""
STUDY = """
title = "Waves"
repeats = 2
draws = 3
anomaly_ratios = [0.3, 0.6]
scores = [{name = "squared_error"}, {name = "absolute_error", pooling = "max"}]
thresholds = [{name = "g_mean"}, {name = "conformal"}]
source = "nobody"
data = [{name = "waves", folder = "waves", recipe = "RECIPE"}]
methods = [
    {name = "plain", value = 2},
    {name = "variational", settings = {"model.name" = "variational_autoencoder"}},
]
published = [{data = "waves", method = "plain", value = 4, figures = { roc_auc = [0.5, 0.01] }}]
[vary]
setting = "model.latent_dimension"
values = [2, 4]
label = "J"
"""


class Here:
    """An engine without processes: what jobs do, and no time to start them."""

    n_parallel = 1

    def run(self, jobs: Iterable[Job], begun: Begun) -> Iterator[tuple[Job, Outcome]]:
        for job in jobs:
            begun(job)
            try:
                yield job, Outcome("done", 1.0, job.work(), peak_memory=2**20)
            except UrushiError as error:
                yield job, Outcome("failed", 1.0, reason=str(error))


@pytest.fixture(scope="session")
def here() -> Here:
    return Here()


def wave(seed: int, *, has_hole: bool = False) -> np.ndarray:
    """(32, 32) uint8."""
    rng = np.random.default_rng(seed)
    image = 128 + 60 * np.sin(np.arange(32) / 3 + rng.normal()) + rng.normal(0, 4, (32, 32))
    image[8:20, 8:20] = 0 if has_hole else image[8:20, 8:20]
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file and, beside it, its recipe and its data set: 20 good to train, 10 good, 10 holes and 4 others."""
    root = tmp_path_factory.mktemp("study")
    counts = {"train/good": 20, "test/good": 10, "test/hole": 10, "test/deep_hole": 4}
    for number, (place, n) in enumerate(counts.items()):
        (root / "waves" / place).mkdir(parents=True)
        for i in range(n):
            picture = Image.fromarray(wave(100 * number + i, has_hole="hole" in place))
            picture.save(root / "waves" / place / f"{i}.png")
    (root / "recipe.toml").write_text(RECIPE)
    (root / "study.toml").write_text(STUDY.replace("RECIPE", str(root / "recipe.toml")))
    return root


@pytest.fixture
def study(folder: Path) -> Study:
    return Study.of(folder / "study.toml")


@pytest.fixture
def record() -> Record:
    """40 images of two kinds whose scores overlap, and 30 held-out normals."""
    rng = np.random.default_rng(0)
    kinds = ["good"] * 20 + ["hole"] * 12 + ["deep_hole"] * 8
    scores = np.where(np.array(kinds) == "good", 0.0, 1.2) + rng.normal(size=40)
    return Record(
        format=1,
        key="k",
        data="waves",
        method="plain",
        value=2,
        seed=0,
        sources=[f"{i}.png" for i in range(40)],
        kinds=kinds,
        luminances=rng.random(40).tolist(),
        errors=None,
        scores={"squared_error": scores.tolist()},
        held_out={"squared_error": rng.normal(size=30).tolist()},
        method_of_holding_out="split",
        unreadable=[],
        losses={},
        facts={"n_training": 14, "seconds": 1.0},
        environment={},
    )
