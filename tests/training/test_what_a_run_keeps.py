"""Besides checkpoints and logs: pictures from epoch to epoch, what the rate finder saw; and how long a run may be."""

import csv
from dataclasses import asdict

import numpy as np
import pytest
import torch
from tests.training.test_resume import PICTURES, recipe
from tests.training.test_train import IMAGES, VALIDATION, Duel, Judged, Still, run

from urushi import Detector, Recipe
from urushi.errors import InputError, TrainingError
from urushi.models.autoencoder import Autoencoder
from urushi.reporting.training_page import read_reconstructions, write_training_page


@pytest.mark.parametrize(("max_steps", "epochs"), [(0, 4), (5, 2), (4, 2), (1, 1), (1000, 4)])
def test_a_budget_of_steps_is_kept_in_whole_epochs(tmp_path, max_steps, epochs):
    assert run(Still(), tmp_path, max_steps=max_steps).epochs == epochs  # of two batches each


def test_a_step_of_a_budget_is_a_batch_however_many_optimisers_a_method_has(tmp_path):
    assert run(Duel(), tmp_path, max_steps=4).epochs == 2


class Measured(Judged):
    """Measures the number of the epoch."""

    def measurements(self, inputs):
        return {"epoch": self.epoch.float()}


@pytest.mark.thorough
def test_what_was_measured_of_the_weights_that_are_kept_is_known_and_shown(tmp_path):
    trained = run(Measured(3.0, 1.0, 2.0, 4.0), tmp_path)
    assert trained.measurements == {"epoch": 2.0}
    opened = run(Measured(3.0, 1.0, 2.0, 4.0), tmp_path, checkpoint="last")
    assert opened.measurements == {"epoch": 4.0}
    assert run(Still(), tmp_path / "still").measurements == {}
    write_training_page(tmp_path, "measured", asdict(trained) | {"measurements": {"loss_at_t_10": 0.5}})
    assert "loss at t 10" in (tmp_path / "training.html").read_text()


def test_reconstructions_are_kept_after_the_first_epoch_and_every_so_many(tmp_path):
    run(Still(), tmp_path, max_epochs=5, picture_epochs=2, patience_epochs=9)
    kept = {path.stem: np.load(path) for path in (tmp_path / "reconstructions").iterdir()}
    assert sorted(kept) == ["epoch-0", "epoch-1", "epoch-3"]
    came, rebuilt = kept["epoch-3"]
    assert np.array_equal(came, np.rint(IMAGES[VALIDATION] * 255).astype(np.uint8))
    assert len(np.unique(rebuilt, axis=0)) == 1  # it rebuilds the same of all


def test_no_reconstructions_are_kept_where_none_are_wanted(tmp_path):
    run(Still(), tmp_path, picture_epochs=0)
    assert not (tmp_path / "reconstructions").exists()


@pytest.mark.thorough
def test_reconstructions_change_nothing_of_a_run(tmp_path):
    states = []
    for picture_epochs in (1, 0):
        torch.manual_seed(0)
        run(model := Autoencoder(IMAGES.shape[1:]), tmp_path / str(picture_epochs), picture_epochs=picture_epochs)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])


@pytest.mark.thorough
def test_what_the_rate_finder_saw_is_kept(tmp_path, capfd):
    trained = run(Autoencoder(IMAGES.shape[1:]), tmp_path, find_learning_rate=True, max_epochs=1)
    with (tmp_path / "learning_rate.csv").open(newline="") as lines:
        rows = [(float(row["rate"]), float(row["loss"])) for row in csv.DictReader(lines)]
    assert "Finding" not in capfd.readouterr().err  # a bar of Lightning's
    rates = [rate for rate, _ in rows]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(1e-6)
    assert trained.learning_rate * 10 == pytest.approx(
        min(rates, key=lambda rate: abs(rate - trained.learning_rate * 10))
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of twelve epochs that kept every third, and its detector."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    chosen = recipe("autoencoder", **{"training.picture_epochs": 1})
    return folder, chosen, Detector.fit(list(PICTURES), chosen, folder=folder, seed=3)


def test_the_best_checkpoint_is_the_detector(finished):
    folder, chosen, fitted = finished
    opened = Detector.fit(list(PICTURES), chosen, folder=folder, seed=3, checkpoint="best")
    assert [one.score for one in opened.inspect_many(list(PICTURES))] == [
        one.score for one in fitted.inspect_many(list(PICTURES))
    ]
    assert opened.threshold == fitted.threshold
    kept, made = (one.card["fit"]["training"] for one in (opened, fitted))
    assert kept["best_validation_loss"] == pytest.approx(made["best_validation_loss"])
    assert (kept["best_epoch"], kept["learning_rate"]) == (made["best_epoch"], made["learning_rate"])


@pytest.mark.thorough
def test_an_earlier_checkpoint_has_the_weights_of_a_shorter_run(finished):
    folder, chosen, _ = finished
    opened = Detector.fit(list(PICTURES), chosen, folder=folder, seed=3, checkpoint="epoch-2")
    short = Detector.fit(list(PICTURES), chosen.with_settings({"training.max_epochs": 3}), seed=3)
    assert short.card["fit"]["training"]["best_epoch"] == 2  # else it would have other weights
    assert opened.threshold == short.threshold
    assert opened.card["fit"]["training"] == short.card["fit"]["training"]


@pytest.mark.parametrize(
    ("changes", "how", "message"),
    [
        ({}, {"checkpoint": "epoch-7"}, "no checkpoint 'epoch-7'; there are best, last, epoch-2, epoch-5"),
        ({}, {"checkpoint": "../best"}, "no checkpoint '../best'"),
        ({}, {"checkpoint": "best", "seed": 4}, "had another seed"),
        ({"model.latent_dimension": 4}, {"checkpoint": "best"}, "had another recipe"),
    ],
)
def test_what_cannot_be_opened_is_an_error(finished, changes, how, message):
    folder, chosen, _ = finished
    with pytest.raises(TrainingError, match=message):
        Detector.fit(list(PICTURES), chosen.with_settings(changes), folder=folder, **{"seed": 3, **how})


def test_a_method_in_closed_form_has_no_checkpoints(tmp_path):
    chosen = Recipe.find("sparse-dictionary").with_settings({"preprocessing.resize.height": 32})
    with pytest.raises(TrainingError, match="keeps no checkpoints"):
        Detector.fit(list(PICTURES), chosen, folder=tmp_path, checkpoint="best")


def test_the_page_of_a_run_shows_what_was_rebuilt_and_how_it_learnt(finished):
    folder, _, fitted = finished
    training = fitted.card["fit"]["training"]
    page = write_training_page(folder, "autoencoder", training).read_text("utf-8")
    assert '<th scope="row">what came</th>' in page
    assert f"epoch {training['best_epoch']}</th>" in page
    shown = [one.name for one in read_reconstructions(folder, training["best_epoch"])]
    assert page.count('<th scope="row">epoch ') == len(shown) - 1
    assert "as the recipe says" in page  # no range test


@pytest.mark.parametrize(("best", "shown"), [(5, [0, 1, 2, 4, 5, 7, 11]), (7, [0, 1, 2, 4, 7, 11])])
def test_of_many_epochs_some_are_shown_evenly_on_a_logarithmic_scale_and_the_best(finished, best, shown):
    _, *epochs = [one.name for one in read_reconstructions(finished[0], best)]
    assert epochs == [f"epoch {number}" for number in shown]


def test_a_damaged_picture_is_an_error_of_its_own(tmp_path):
    (tmp_path / "reconstructions").mkdir()
    (tmp_path / "reconstructions" / "epoch-0.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="cannot be read as pictures"):
        list(read_reconstructions(tmp_path, 0))
