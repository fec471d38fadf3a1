"""The one loop for every method, on toys small enough to be followed by hand."""

import csv
import logging
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from urushi.data.loader import Rows
from urushi.errors import TrainingError
from urushi.models.autoencoder import Autoencoder
from urushi.models.base import Reconstruction, Reconstructor, seed_all
from urushi.recipe import Training
from urushi.training import Trained, train
from urushi.training.learning_rate import suggested_rate

SHAPE = (1, 32, 32)
IMAGES = np.random.default_rng(0).random((12, *SHAPE), dtype=np.float32)
TRAINING, VALIDATION = np.arange(8), np.arange(8, 12)


def run(
    model: Reconstructor,
    folder: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    checkpoint: str | None = None,
    **settings: Any,
) -> Trained:
    values = {"max_epochs": 4, "batch_size": 4, "accelerator": "cpu", **settings}
    rows = Rows(IMAGES, TRAINING), Rows(IMAGES, VALIDATION)
    return train(model, *rows, Training(**values), seed=seed, folder=folder, resume=resume, checkpoint=checkpoint)


class Still(Reconstructor):
    """Restores one learnt image, whatever comes."""

    def __init__(self, learning_rate: float = 1.0) -> None:
        super().__init__(SHAPE)
        self.learning_rate = learning_rate
        self.image = nn.Parameter(torch.zeros(SHAPE))

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        return Reconstruction(inputs, self.image.expand_as(inputs))

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield "still", (self.image - inputs).square().mean()

    def optimizers(self) -> dict[str, Optimizer]:
        return {"still": SGD(self.parameters(), lr=self.learning_rate)}


class Judged(Still):
    """Its validation loss follows a script, one value for each epoch."""

    def __init__(self, *script: float) -> None:
        super().__init__()
        self.script = script
        self.register_buffer("epoch", torch.tensor(0))

    epoch: Tensor

    def validation_loss(self, inputs: Tensor) -> Tensor:
        self.epoch += 1
        return inputs.new_tensor(self.script[int(self.epoch) - 1])


class Duel(Reconstructor):
    """Two players with an optimiser each, as in a GAN; both losses depend on both players."""

    RATES: ClassVar = {"critic": 0.1, "maker": 0.3}

    def __init__(self) -> None:
        super().__init__(SHAPE)
        self.critic, self.maker = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(3.0))
        self.seen: list[tuple[float, float]] = []

    def reconstruct(self, inputs: Tensor) -> Reconstruction:
        return Reconstruction(inputs, self.maker.expand_as(inputs))

    def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield "critic", (self.critic * self.maker - 1).square()
        self.see()
        yield "maker", (self.maker - self.critic).square()
        self.see()

    def see(self) -> None:
        if self.training:
            self.seen.append((self.critic.item(), self.maker.item()))

    def optimizers(self) -> dict[str, Optimizer]:
        return {name: SGD([getattr(self, name)], lr=rate) for name, rate in self.RATES.items()}


def test_each_phase_is_stepped_before_the_next_is_computed_and_steps_its_own_parameters_only(tmp_path):
    model = Duel()
    run(model, tmp_path, max_epochs=2)
    critic, maker, expected = 2.0, 3.0, []
    for _ in range(4):  # 2 epochs of 2 batches, by hand
        critic -= 0.1 * 2 * (critic * maker - 1) * maker
        expected.append((critic, maker))
        maker -= 0.3 * 2 * (maker - critic)
        expected.append((critic, maker))
    assert model.seen == [pytest.approx(pair, rel=1e-5) for pair in expected]


def test_learning_rate_finder_refuses_several_optimizers(tmp_path):
    with pytest.raises(TrainingError, match="one optimiser"):
        run(Duel(), tmp_path, find_learning_rate=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_ends_the_run_and_says_when_and_what_to_do(value, tmp_path):
    class Failing(Still):
        def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
            ((name, loss),) = super().losses(inputs)
            self.n_steps = getattr(self, "n_steps", 0) + self.training
            yield name, loss * value if self.n_steps == 3 else loss  # epochs have two steps

    with pytest.raises(TrainingError, match=rf"the loss became {value} in epoch 1; lower the learning rate"):
        run(Failing(), tmp_path)


def test_validation_loss_that_is_not_finite_ends_the_run(tmp_path):
    with pytest.raises(TrainingError, match="the validation loss became nan in epoch 1"):
        run(Judged(1.0, float("nan"), 1.0, 1.0), tmp_path)


@pytest.mark.parametrize("finds_rate", [False, True])
def test_an_interrupt_stays_one_and_the_next_is_heard_too(finds_rate, tmp_path):
    class Interrupted(Still):
        def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
            signal.raise_signal(signal.SIGINT)
            yield from super().losses(inputs)

    hears = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(), tmp_path, find_learning_rate=finds_rate)
    assert signal.getsignal(signal.SIGINT) is hears


# The learning-rate finder


@pytest.mark.thorough
def test_learning_rate_finder_gives_a_rate_in_its_range_and_leaves_weights_and_seeds_as_they_were(tmp_path):
    found, given = (made(Autoencoder, seed=0) for _ in range(2))
    rate = run(found, tmp_path / "a", find_learning_rate=True, max_epochs=1).learning_rate
    assert 1e-6 < rate < 0.1
    assert rate != given.learning_rate
    given.learning_rate = rate
    run(given, tmp_path / "b", max_epochs=1)
    assert_equal_weights(found, given)


@pytest.mark.thorough
def test_learning_rate_finder_takes_an_explosion_as_the_end_of_its_range(tmp_path):
    class Cliff(Still):
        def losses(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
            ((name, loss),) = super().losses(inputs)
            yield name, loss if self.optimizer.param_groups[0]["lr"] < 0.01 else loss * float("inf")

        def optimizers(self) -> dict[str, Optimizer]:
            self.optimizer = SGD(self.parameters(), lr=self.learning_rate)
            return {"still": self.optimizer}

    assert 1e-6 < run(Cliff(), tmp_path, find_learning_rate=True).learning_rate < 0.01


# Early stopping, checkpoints, logs


def test_early_stopping_stops_after_so_many_epochs_without_improvement(tmp_path):
    trained = run(Judged(3.0, 2.0, 4.0, 4.0, 1.0), tmp_path, max_epochs=5, patience_epochs=2)
    assert (trained.epochs, trained.best_epoch, trained.best_validation_loss) == (4, 1, 2.0)


def test_weights_of_the_best_epoch_are_those_returned(tmp_path):
    model, two_epochs, five_epochs = Judged(3.0, 2.0, 4.0, 4.0, 4.0), Still(), Still()
    run(model, tmp_path / "a", max_epochs=5)
    run(two_epochs, tmp_path / "b", max_epochs=2)
    run(five_epochs, tmp_path / "c", max_epochs=5)
    assert torch.equal(model.image, two_epochs.image)
    assert not torch.equal(model.image, five_epochs.image)


def test_checkpoint_can_be_kept_of_every_epoch(tmp_path):
    run(Judged(2.0, 1.0), tmp_path, max_epochs=2, checkpoint_epochs=1)
    assert {path.name for path in tmp_path.glob("epoch-*.ckpt")} == {"epoch-0.ckpt", "epoch-1.ckpt"}


def test_checkpoints_are_kept_every_so_many_epochs_beside_the_best_and_the_last(tmp_path):
    run(Judged(4.0, 3.0, 2.0, 1.0, 5.0), tmp_path, max_epochs=5, checkpoint_epochs=2)
    epochs = {path.name: torch.load(path, weights_only=True)["epoch"] for path in tmp_path.glob("*.ckpt")}
    assert epochs == {"best.ckpt": 3, "last.ckpt": 4, "epoch-1.ckpt": 1, "epoch-3.ckpt": 3}


def test_losses_of_every_epoch_are_logged_as_csv(tmp_path):
    run(Judged(3.0, 2.0, 1.0, 4.0), tmp_path)
    (log,) = tmp_path.rglob("metrics.csv")
    with log.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation"]) for row in rows if row["validation"]] == [3.0, 2.0, 1.0, 4.0]
    losses = [float(row["train/still"]) for row in rows if row["train/still"]]
    assert len(losses) == 4
    assert losses == sorted(losses, reverse=True)


def test_losses_of_every_epoch_are_logged_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(Judged(3.0, 2.0, 1.0, 4.0), tmp_path)
    (log,) = tmp_path.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(log.parent)).Reload()
    assert [event.value for event in events.Scalars("validation")] == [3.0, 2.0, 1.0, 4.0]
    assert len(events.Scalars("train/still")) == 4


# What it leaves alone


@pytest.mark.thorough
def test_random_numbers_of_the_caller_go_on_as_if_nothing_had_been_trained(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    run(Still(), tmp_path, find_learning_rate=True, max_epochs=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_lightnings_logger_speaks_as_before_even_after_a_failure(tmp_path):
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with pytest.raises(TrainingError):
        run(Judged(float("nan")), tmp_path)
    assert logger.level == before


def test_model_in_evaluation_mode_is_trained_with_batch_statistics_and_comes_back_in_evaluation_mode(tmp_path):
    model = made(Autoencoder, seed=0).eval()
    before = model.encoder[0][1].running_mean.clone()
    run(model, tmp_path, max_epochs=1)
    assert not torch.equal(model.encoder[0][1].running_mean, before)
    assert not any(module.training for module in model.modules())


# Seeds and resuming in one process; for kill -9 see test_resume.py


def test_same_seed_gives_the_same_weights_whatever_was_drawn_before(tmp_path):
    one, other, third = (made(Autoencoder, seed=0) for _ in range(3))
    run(one, tmp_path / "a", seed=7, max_epochs=2)
    torch.rand(100)
    run(other, tmp_path / "b", seed=7, max_epochs=2)
    run(third, tmp_path / "c", seed=8, max_epochs=2)
    assert_equal_weights(one, other)
    assert not torch.equal(one.encoder[0][0].weight, third.encoder[0][0].weight)


@pytest.mark.parametrize("seed", [0, 10**12, 2**64 - 1])
def test_seeded_it_draws_what_pytorch_draws(seed):
    with torch.random.fork_rng():
        seed_all(seed)
        drawn = torch.rand(5)
        torch.manual_seed(seed)
        assert torch.equal(drawn, torch.rand(5))


@pytest.mark.parametrize("seed", [0, 10**12, 2**62])
def test_any_seed_will_do(seed, tmp_path):
    assert run(Still(), tmp_path, seed=seed, max_epochs=2).epochs == 2


def test_resumed_run_that_had_stopped_early_stays_stopped(tmp_path):
    script = (2.0, 3.0, 3.0, 1.0)  # a fourth epoch would be the best
    first, again = Judged(*script), Judged(*script)
    before = run(first, tmp_path, patience_epochs=2)
    assert before.epochs == 3
    assert run(again, tmp_path, patience_epochs=2, resume=True) == before
    assert torch.equal(first.image, again.image)


def test_resumed_run_that_was_complete_gives_its_best_weights(tmp_path):
    first, again = Judged(3.0, 1.0, 2.0, 2.0), Judged(3.0, 1.0, 2.0, 2.0)
    before = run(first, tmp_path)
    assert before.best_epoch == 1
    assert run(again, tmp_path, resume=True) == before
    assert torch.equal(first.image, again.image)


def test_damaged_checkpoint_is_named(tmp_path):
    run(Still(), tmp_path)
    checkpoint = tmp_path / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.ckpt is damaged; remove"):
        run(Still(), tmp_path, resume=True)


def made(cls: type[Reconstructor], seed: int) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return cls(SHAPE)


def assert_equal_weights(one: nn.Module, other: nn.Module) -> None:
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key


def test_the_suggested_rate_is_a_tenth_of_that_of_the_lowest_loss():
    rates = np.geomspace(1e-6, 1e-1, 60).tolist()
    valley = [(np.log10(rate) + 2) ** 2 for rate in rates]  # lowest at 0.01
    assert suggested_rate(rates, valley) == pytest.approx(1e-3, rel=0.2)


def test_a_range_test_of_few_steps_suggests_nothing():
    with pytest.raises(TrainingError, match="too few steps"):
        suggested_rate(np.geomspace(1e-6, 1e-1, 10).tolist(), [1.0] * 10)
