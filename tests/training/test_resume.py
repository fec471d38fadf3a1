"""Killed by SIGKILL in the middle of training, a run goes on to the very weights it would have reached."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from urushi import Detector, Recipe
from urushi.errors import TrainingError
from urushi.models.autoencoder import Autoencoder

PICTURES = np.random.default_rng(0).integers(0, 255, (16, 32, 32), dtype=np.uint8)
N_EPOCHS = 12

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from urushi import Detector, Recipe
folder = Path(sys.argv[1])
pictures = np.load(folder / "pictures.npy")
Detector.fit(list(pictures), Recipe.find(str(folder / "recipe.toml")), seed=3, folder=folder / "run")
"""


def recipe(model: str, n_folds: int = 0, **settings: Any) -> Recipe:
    return Recipe.from_table(
        {
            "preprocessing": [{"name": "grey"}, {"name": "resize", "height": 32, "width": 32}, {"name": "scale"}],
            "model": {"name": model, "latent_dimension": 8},
            "score": {"name": "squared_error"},
            "training": {"max_epochs": N_EPOCHS, "batch_size": 4, "checkpoint_epochs": 3, "accelerator": "cpu"},
            "split": {"n_folds": n_folds},
        },
        "test",
    ).with_settings(settings)


def kill_in_training(recipe: Recipe, folder: Path, reached: str) -> Path:
    """Starts a fit in a process of its own and kills it when a file shows how far it is; the folder of the run."""
    np.save(folder / "pictures.npy", PICTURES)
    (folder / "recipe.toml").write_text(recipe.to_toml())
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=output, stderr=output)
    deadline = time.monotonic() + 120
    while not (folder / "run" / reached).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, log.read_text()
    return folder / "run"


def fit(recipe: Recipe, folder: Path | None = None, *, pictures: np.ndarray = PICTURES, **how: Any) -> Detector:
    return Detector.fit(list(pictures), recipe, folder=folder, **{"seed": 3, **how})


class PowerCut(BaseException):
    """Nothing catches it, so nothing tidies up."""


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory) -> Path:
    """The folder of a run that ended in its fifth epoch, as if the power had been cut."""
    folder, losses, n_steps = tmp_path_factory.mktemp("cut") / "run", Autoencoder.losses, count()

    def until_the_cut(self: Autoencoder, inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        if (folder / "epoch-2.ckpt").exists() and next(n_steps) > 6:
            raise PowerCut
        yield from losses(self, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Autoencoder, "losses", until_the_cut)
        with pytest.raises(PowerCut):
            fit(recipe("autoencoder"), folder)
    return folder


@pytest.fixture
def copied(cut_short, tmp_path) -> Path:
    return Path(shutil.copytree(cut_short, tmp_path / "run"))


def assert_same(one: Detector, other: Detector) -> None:
    for key, tensor in one.backend.graph.state_dict().items():
        assert torch.equal(tensor, other.backend.graph.state_dict()[key]), key
    assert one.held_out == other.held_out
    assert one.threshold == other.threshold
    assert one.card["fit"]["training"] == other.card["fit"]["training"]


@pytest.mark.thorough
def test_autoencoder_resumed_after_a_cut_has_the_weights_of_an_uninterrupted_run(copied):
    resumed = fit(recipe("autoencoder"), copied, resume=True)
    assert resumed.card["fit"]["training"]["epochs"] == N_EPOCHS
    assert_same(resumed, fit(recipe("autoencoder")))


@pytest.mark.slow
def test_autoencoder_resumed_after_kill_9_has_the_weights_of_an_uninterrupted_run(tmp_path):
    folder = kill_in_training(recipe("autoencoder"), tmp_path, "epoch-2.ckpt")
    assert_same(fit(recipe("autoencoder"), folder, resume=True), fit(recipe("autoencoder")))


@pytest.mark.slow
def test_variational_autoencoder_resumed_in_its_second_fold_draws_the_noise_it_would_have_drawn(tmp_path):
    chosen = recipe("variational_autoencoder", n_folds=2, **{"training.max_epochs": 6})
    folder = kill_in_training(chosen, tmp_path, "fold-1/epoch-2.ckpt")
    assert_same(fit(chosen, folder, resume=True), fit(chosen))


@pytest.mark.slow
def test_resumed_run_sees_the_variants_that_it_would_have_seen(tmp_path):
    turned = {"augmentation.transforms": [{"name": "rotation"}], "training.max_epochs": 6}
    chosen = recipe("autoencoder", **turned)
    folder = kill_in_training(chosen, tmp_path, "epoch-2.ckpt")
    resumed = fit(chosen, folder, resume=True)
    assert_same(resumed, fit(chosen))
    with pytest.raises(AssertionError):
        assert_same(resumed, fit(recipe("autoencoder", **{"training.max_epochs": 6})))  # nothing was varied here


def test_killed_run_is_not_lost_to_a_new_one(copied):
    with pytest.raises(TrainingError, match="unfinished run; go on with --resume"):
        fit(recipe("autoencoder"), copied)


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ("seed", {"seed": 4}),
        ("recipe", {"recipe": recipe("autoencoder", **{"model.learning_rate": 0.01})}),
        ("recipe", {"recipe": recipe("autoencoder", **{"training.max_epochs": 50})}),
        ("images", {"pictures": PICTURES[1:]}),
        ("images", {"pictures": PICTURES[::-1]}),
    ],
    ids=["seed", "model", "epochs", "fewer images", "order of images"],
)
def test_killed_run_is_not_resumed_as_another_one(other, how, copied):
    with pytest.raises(TrainingError, match=f"had another {other}"):
        fit(**{"recipe": recipe("autoencoder"), **how}, folder=copied, resume=True)


def test_threshold_may_be_changed_when_resuming(copied):
    chosen = recipe("autoencoder", **{"threshold.false_alarm_rate": 0.4})
    assert fit(chosen, copied, resume=True).threshold.n_normals == 3


@pytest.mark.thorough
def test_resumed_run_makes_way_for_a_new_one_when_it_is_done(copied):
    fit(recipe("autoencoder"), copied, resume=True)
    again = recipe("autoencoder", **{"training.max_epochs": 1})
    assert fit(again, copied).card["fit"]["training"]["epochs"] == 1
