"""urushi fit --mlflow: what MLflow is given of a fit; what needs it is run where the extra is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from urushi.applications.mlflow_model import Inspecting
from urushi.applications.mlflow_run import settings_of
from urushi.catalogue.extras import is_installed
from urushi.detector import Detector
from urushi.recipe import Recipe

needs_mlflow = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of MLflow, as the tests use it
    pytest.mark.skipif(not is_installed("mlflow"), reason="needs the extra mlflow"),
]
SMALL = ("preprocessing.resize.height=32", "preprocessing.resize.width=32", "training.max_epochs=2", "split.n_folds=2")


def test_without_mlflow_the_extra_is_named_and_nothing_is_fitted(urushi, good, tmp_path, monkeypatch):
    monkeypatch.setattr("urushi.catalogue.extras.is_installed", lambda name: name != "mlflow")
    found = urushi("fit", good, "-o", tmp_path / "part.urushi", "--mlflow", "sqlite:///x.db")
    assert found.status == 2
    assert "this needs mlflow, which is not installed" in found.err
    assert "[mlflow]" in found.err
    assert not (tmp_path / "part.urushi").exists()


def test_a_detector_that_learns_on_is_no_new_run(urushi, fitted, good):
    found = urushi("fit", "--add", fitted, good, "--mlflow", "sqlite:///x.db")
    assert (found.status, "--mlflow" in found.err) == (2, True)


def test_settings_have_the_names_that_set_knows():
    recipe = Recipe.find("default")
    found = settings_of(recipe)
    assert (found["preprocessing.resize.height"], found["model.name"]) == ("256", recipe.model.name)
    assert found["split.n_folds"] == str(recipe.split.n_folds)
    twice = recipe.model_copy(update={"preprocessing": (*recipe.preprocessing, recipe.preprocessing[0])})
    name = recipe.preprocessing[0].name
    assert settings_of(twice)[f"preprocessing.{name}-2.name"] == name


class Column:
    """The first of a table, as pandas gives it."""

    def __init__(self, values):
        self.values = values

    def __getitem__(self, place):
        assert place == (slice(None), 0)
        return self.values


def test_predictions_are_rows_of_inspections_whatever_holds_the_images(fitted, defects, tmp_path):
    detector, paths = Detector.load(fitted), [str(path) for path in sorted(defects.iterdir())[:2]]
    (broken := tmp_path / "broken.png").write_bytes(b"")
    expected = [detector.inspect(path).to_json() for path in paths]
    model = Inspecting(detector)
    *found, unread = model.predict([*paths, str(broken)])
    assert [(one["source"], one["decision"]) for one in found] == [(o["source"], o["decision"]) for o in expected]
    assert unread == {"source": str(broken), "reason": "the file is empty (zero bytes)"}
    table = SimpleNamespace(iloc=Column([*paths, broken]))
    assert model.predict(table) == [*found, unread]
    assert model.predict(paths[0]) == model.predict(paths[:1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, dataset):
    """A trained fit, recorded in a database of its own."""
    place = tmp_path_factory.mktemp("mlflow")
    settings = [argument for setting in SMALL for argument in ("--set", setting)]
    command = [sys.executable, "-c", "from urushi.cli import main; main()", "fit", str(dataset / "train" / "good")]
    command += ["-o", "part.urushi", "--recipe", "autoencoder", *settings, "--mlflow", "sqlite:///tracking.db"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "MLflow: part, version 1" in done.stdout
    return place


class TestRecorded:
    pytestmark = needs_mlflow

    @pytest.fixture
    def client(self, recorded):
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{recorded}/tracking.db")

    @pytest.fixture
    def run(self, client):
        (found,) = client.search_runs([client.get_experiment_by_name("urushi").experiment_id])
        return found

    def test_settings_losses_by_epoch_and_figures_are_there(self, client, run, recorded):
        assert (run.info.status, run.info.run_name) == ("FINISHED", "part")
        assert run.data.params["model.name"] == "autoencoder"
        assert (run.data.params["training.max_epochs"], run.data.params["seed"]) == ("2", "0")
        detector = Detector.load(recorded / "part.urushi")
        assert run.data.metrics["threshold"] == pytest.approx(detector.threshold.value)
        assert run.data.metrics["training.best_validation_loss"] == pytest.approx(
            detector.card["fit"]["training"]["best_validation_loss"]
        )
        for name in ("validation", "training", "fold-0/validation", "fold-1/training"):
            assert [one.step for one in client.get_metric_history(run.info.run_id, name)] == [0, 1]

    def test_the_registered_model_is_the_file_and_inspects(self, client, run, recorded, defects):
        import mlflow

        (version,) = client.search_model_versions("name='part'")
        assert version.run_id == run.info.run_id
        assert sorted(one.path for one in client.list_artifacts(run.info.run_id, "model")) == [
            "model/MLmodel",
            "model/card.json",
            "model/detector.urushi",
            "model/requirements.txt",
        ]
        mlflow.set_tracking_uri(f"sqlite:///{recorded}/tracking.db")
        place = client.download_artifacts(run.info.run_id, "model")
        assert json.loads(Path(place, "card.json").read_text("utf-8")) == Detector.load(recorded / "part.urushi").card
        picture = str(defects / "200.png")
        (row,) = mlflow.pyfunc.load_model("models:/part/1").predict([picture])
        assert row == Detector.load(recorded / "part.urushi").inspect(picture).to_json()

    def test_a_fit_that_fails_is_a_run_that_failed(self, client, recorded, urushi, good, tmp_path):
        address = f"sqlite:///{recorded}/tracking.db"
        found = urushi("fit", good, "-o", tmp_path / "bad.urushi", "--false-alarm-rate", 0.001, "--mlflow", address)
        assert found.status == 2
        runs = client.search_runs([client.get_experiment_by_name("urushi").experiment_id])
        assert [one.info.status for one in runs if one.info.run_name == "bad"] == ["FAILED"]

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("runs", "it keeps runs in no folder any more; give a database, as sqlite:///tracking.db"),
            ("http://anna:secret@127.0.0.1:9", "MLflow at http://127.0.0.1:9 says: "),
            ("nonsense://x", "MLflow at nonsense://x says: "),
        ],
    )
    def test_what_does_not_answer_is_an_error_before_the_fit(self, address, said, urushi, good, tmp_path, monkeypatch):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.chdir(tmp_path)
        found = urushi("fit", good, "-o", tmp_path / "part.urushi", "--mlflow", address)
        assert found.status == 2
        assert said in found.err
        assert "secret" not in found.err
        assert list(tmp_path.iterdir()) == []
