"""One fit by two processes on one CPU: the file of one process, with figures near those."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pages import ROOT, fenced
from urushi.detector import Detector
from urushi.errors import TrainingError
from urushi.first_process import is_first_process
from urushi.models import build_model
from urushi.recipe import Recipe, Training
from urushi.training.several_processes import strategy

SMALL = {"preprocessing.resize.height": 32, "preprocessing.resize.width": 32, "training.max_epochs": 20}
SMALL |= {"training.accelerator": "cpu", "training.patience_epochs": 20, "training.batch_size": 16}
METHODS: dict[str, dict[str, object]] = {
    "autoencoder": {"model.latent_dimension": 8, "training.find_learning_rate": True},
    "gan": {"model.inversion_steps": 10},
    "oriented": {"model.pretraining_epochs": 2},
}
SHORT: dict[str, object] = {"training.max_epochs": 1, "training.find_learning_rate": False}
TWO = {"training.devices": 2, "training.strategy": "ddp", "training.batch_size": 8}

# As in docs/scale.md: the whole script runs in each process, and the first one writes.
SCRIPT = f"""
import sys
from pathlib import Path
from urushi import Detector, Recipe
from urushi.first_process import is_first_process
good = sorted(Path(sys.argv[1]).glob("*.png"))
for name, settings in {METHODS!r}.items():
    recipe = Recipe.find(name).with_settings({SMALL | TWO!r} | settings)
    detector = Detector.fit(good, recipe, folder=Path(name))
    if is_first_process():
        detector.save(f"{{name}}.urushi")
        print("saved", name)
"""
PROGRAM = "from urushi.cli import main\nmain()\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 good images, of which 36 are learnt from, and 12 of each kind to inspect."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] / 5
    for kind, n in (("train", 50), ("good", 12), ("holed", 12)):
        (folder / kind).mkdir()
        for number in range(n):
            image = 120 + 60 * np.sin(3 * x + rng.uniform(-1, 1)) * np.cos(2 * y) + rng.normal(0, 5, (32, 32))
            image[10:18, 12:20] = 255 if kind == "holed" else image[10:18, 12:20]
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / kind / f"{number:02}.png")
    return folder


def started(text: str, place: Path, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
    (program := place / "program.py").write_text(text)
    command, said = [sys.executable, str(program), *map(str, arguments)], subprocess.PIPE
    known = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(command, cwd=place, env=known, stdout=said, stderr=said, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    return out, err


@pytest.fixture(scope="module")
def by_two(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a script that fits one after the other leaves."""
    place = tmp_path_factory.mktemp("two")
    out, _ = ended(started(SCRIPT, place, images / "train"))
    assert out.split() == [word for name in METHODS for word in ("saved", name)]
    return place


def fitted(images: Path, recipe: str, **settings: object) -> Detector:
    chosen = Recipe.find(recipe).with_settings(SMALL | METHODS[recipe] | settings)
    return Detector.fit(sorted((images / "train").iterdir()), chosen)


def figures(detector: Detector, images: Path) -> dict[str, float]:
    good, holed = (detector.scores_of(sorted((images / kind).iterdir()))[0] for kind in ("good", "holed"))
    roc_auc = float((holed[:, None] > good).mean())
    trained: Mapping[str, Any] = detector.card["fit"]["training"]
    return {"loss": trained["best_validation_loss"], "good": float(np.median(good)), "roc_auc": roc_auc} | {
        "epochs": trained["epochs"], "threshold": detector.threshold.value, "holed": float(np.median(holed))
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_two_processes_fit_what_one_fits(name: str, by_two: Path, images: Path) -> None:
    one = figures(fitted(images, name), images)
    two = figures(Detector.load(by_two / f"{name}.urushi", n_threads=1), images)
    assert two["epochs"] == one["epochs"]
    assert two["roc_auc"] == pytest.approx(one["roc_auc"], abs=0.02)
    for figure in ("loss", "good", "holed", "threshold"):
        assert two[figure] == pytest.approx(one[figure], rel=0.15), figure


@pytest.mark.slow
def test_the_first_steps_of_the_script_of_the_page_are_those_of_one_process(images: Path, tmp_path: Path) -> None:
    """Later ones drift apart: where a gradient is 0 but for rounding, Adam steps by the sign of the rounding."""
    one = figures(fitted(images, "autoencoder", **SHORT), images)
    settings = SMALL | METHODS["autoencoder"] | TWO | SHORT
    (script,) = fenced(ROOT / "docs/scale.md", "python")
    (tmp_path / "good").symlink_to(images / "train")
    ended(started(script.replace('"training.batch_size": 8', f"**{settings!r}"), tmp_path))
    two = figures(Detector.load(tmp_path / "part.urushi", n_threads=1), images)
    assert two == pytest.approx(one, rel=2e-3)


@pytest.mark.slow
def test_the_command_and_slurm_fit_what_a_script_fits(by_two: Path, images: Path, tmp_path: Path) -> None:
    settings = SMALL | METHODS["autoencoder"] | TWO
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={str(value).lower()}")]
    command = ("fit", images / "train", "--recipe", "autoencoder", *options, "-o", "part.urushi")
    (tmp_path / "command").mkdir()
    out, err = ended(started(PROGRAM, tmp_path / "command", *command))
    assert out.count("fitted on 36 of 50") == 1
    assert err.count("reading") == 1
    (tmp_path / "slurm").mkdir()
    cluster = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1"}
    cluster |= {"SLURM_JOB_NAME": "fit", "SLURM_JOB_ID": str(os.getpid())}
    ranks = [{"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in ("0", "1")]
    processes = [started(PROGRAM, tmp_path / "slurm", *command, **cluster, **rank) for rank in ranks]
    (first, _), (second, silent) = map(ended, processes)
    assert first.count("fitted on 36 of 50") == 1
    assert (second, silent) == ("", "")
    expected = figures(Detector.load(by_two / "autoencoder.urushi"), images)
    for place in ("command", "slurm"):
        assert figures(Detector.load(tmp_path / place / "part.urushi"), images) == pytest.approx(expected, rel=1e-4)


NORMS = """
import sys
import torch
from torch import distributed, nn
from urushi.training.several_processes import SharedStatistics
rank, place = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group("gloo", init_method=f"file://{place}/meeting", rank=rank, world_size=2)
images = torch.randn(12, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 3 + 7
def result(norm, inputs):
    inputs = inputs.clone().requires_grad_(True)
    norm.weight.data.copy_(torch.tensor([1.0, 2.0, 3.0]))
    (slope,) = torch.autograd.grad(norm(inputs).pow(3).sum(), inputs, create_graph=True)
    slope.square().sum().backward()
    return [inputs.grad, norm.running_mean, norm.running_var, norm.eval()(inputs)]
whole, parts = result(nn.BatchNorm2d(3), images), SharedStatistics()
shared = parts.apply(nn.BatchNorm2d(3))
own = result(shared, images[6 * rank:6 * rank + 6])
for expected, found in zip(whole, own, strict=True):
    expected = expected[6 * rank:6 * rank + 6] if expected.dim() > 1 else expected
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
assert "forward" in vars(shared) and "forward" not in vars(parts.revert(shared))
"""


@pytest.mark.slow
def test_batch_statistics_of_two_processes_are_those_of_all_images_and_so_are_their_gradients(tmp_path: Path) -> None:
    for process in [started(NORMS, tmp_path, rank, tmp_path) for rank in (0, 1)]:
        ended(process)


@pytest.mark.parametrize(
    ("known", "is_first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),  # Lightning's own
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),  # torchrun's
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, True),
        ({"SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, False),
    ],
)
def test_one_of_all_processes_is_the_first(known: dict[str, str], is_first: bool, monkeypatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is is_first


def test_where_the_program_cannot_be_run_again_several_processes_are_refused(monkeypatch) -> None:
    model = build_model(Recipe.find("autoencoder").model, (1, 32, 32), 0)
    monkeypatch.setattr(sys, "argv", ["-c"])
    with pytest.raises(TrainingError, match=r"training.devices = 2.*from a script in a file"):
        strategy(Training(devices=2), model)
    assert strategy(Training(), model) == "auto"


@pytest.mark.thorough
def test_players_that_take_turns_do_not_wait_for_each_others_gradients(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["urushi"])
    names = {}
    for name in METHODS:
        model = build_model(Recipe.find(name).model, (1, 64, 64), 0)
        names[name] = strategy(Training(devices=2, strategy="ddp"), model)
    assert names == {"autoencoder": "ddp", "gan": "ddp_find_unused_parameters_true", "oriented": "ddp"}
    assert strategy(Training(devices=2, strategy="fsdp"), model) == "fsdp"
