"""A fit as a run of MLflow: settings, losses by epoch, figures, the detector file and its card, a version of a model.

Nothing is sent but to the address that is given: MLflow's own reports of use are switched off.
"""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from urushi.catalogue.extras import require
from urushi.data.stream import batches
from urushi.detector_file import archive
from urushi.errors import InputError
from urushi.recipe import Recipe

if TYPE_CHECKING:
    from urushi.detector import Detector

_EXPERIMENT = "urushi"  # where MLFLOW_EXPERIMENT_NAME says no other
_MODEL, _DATA = "model", "detector.urushi"  # in the run's artifacts: the folder of the model, and what it opens
_AT_ONCE = 100  # parameters, and metrics, that a server takes in one request
_FEW_RETRIES = "2"  # MLflow's own seven take four minutes where nobody answers


@dataclass(frozen=True)
class MlflowRun:
    """One that has begun: `record` gives it what came of the fit."""

    client: Any
    run: Any
    address: str
    model_name: str
    begun_with: Mapping[str, str]

    def record(self, detector: "Detector", file: Path, folder: Path) -> str:
        """Losses of the run in `folder`, figures, and the file as a new version of the model; its name and number.

        Raises InputError where MLflow does not take them.
        """
        with _refused(self.address, f"{file} is written, but not recorded: "):
            found = settings_of(detector.recipe)  # a trial, and what a recipe leaves open, may have changed some
            self._log_params({f"fitted.{k}": v for k, v in found.items() if self.begun_with.get(k) != v})
            self._log_metrics(figures_of(detector))
            for name, by_epoch in losses_of(detector, folder).items():
                self._log_metrics({name: by_epoch})
            with tempfile.TemporaryDirectory(prefix="urushi-") as scratch:
                model = _model_folder(Path(scratch), file, self.run.info.run_id)
                self.client.log_artifacts(self.run.info.run_id, str(model), _MODEL)
            return self._registered()

    def _registered(self) -> str:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        place = f"{self.run.info.artifact_uri}/{_MODEL}"
        version = self.client.create_model_version(self.model_name, place, self.run.info.run_id)
        return f"{self.model_name}, version {version.version}"

    def _log_params(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        for some in batches(values.items(), _AT_ONCE):
            self.client.log_batch(self.run.info.run_id, params=[Param(_allowed(k), v) for k, v in some])

    def _log_metrics(self, values: Mapping[str, float | Mapping[int, float]]) -> None:
        from mlflow.entities import Metric

        now = self.run.info.start_time
        points = [
            Metric(_allowed(name), value, now, step)
            for name, found in values.items()
            for step, value in (found.items() if isinstance(found, Mapping) else [(0, found)])
        ]
        for some in batches(points, _AT_ONCE):
            self.client.log_batch(self.run.info.run_id, metrics=some)


@contextmanager
def mlflow_run(address: str, name: str, recipe: Recipe, facts: Mapping[str, str]) -> Iterator[MlflowRun]:
    """A run of the experiment `urushi`, begun with the settings of a recipe; it ends as what happens in here ends.

    `name` is that of the run and of the model. Raises MissingPackageError, InputError where nothing answers.
    """
    require("mlflow", "mlflow")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _FEW_RETRIES)
    with _refused(address):
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        client = MlflowClient(address, registry_uri=address)
        values = {**facts, **settings_of(recipe)}
        run = MlflowRun(client, _begun(client, name), address, name, values)
        run._log_params(values)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with _refused(address):
            client.set_terminated(run.run.info.run_id, status)


def _begun(client: Any, name: str) -> Any:
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    return client.create_run(number, run_name=name, tags={"mlflow.source.name": "urushi fit"})


def settings_of(recipe: Recipe) -> dict[str, str]:
    """The values of a recipe by dotted name, as `--set` has them; a part of a list by its own name."""
    return {name: _text(value) for name, value in _flat(recipe.model_dump(mode="json", exclude_none=True))}


def figures_of(detector: "Detector") -> dict[str, float]:
    """The threshold, the rate that it states, and every number that the card has of the fit."""
    threshold = {"threshold": detector.threshold.value, "stated_false_alarm_rate": detector.threshold.false_alarm_rate}
    found = {**threshold, **dict(_flat(detector.card["fit"]))}
    return {name: float(one) for name, one in found.items() if isinstance(one, int | float)}


def losses_of(detector: "Detector", folder: Path) -> dict[str, dict[int, float]]:
    """Of a method that was trained, each loss by epoch, of the folds, too; none of one in closed form."""
    if "training" not in detector.card["fit"]:
        return {}
    from urushi.reporting.plots.learning_curves import read_learning_curves

    folds = [f"fold-{n}" for n in range(detector.recipe.split.n_folds)]
    found = {}
    for part in ("", *(fold for fold in folds if (folder / fold / "logs").is_dir())):
        for name, by_epoch in read_learning_curves(folder / part).losses.items():
            found["/".join(filter(None, (part, *name.split(", "))))] = by_epoch
    return found


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Its leaves by dotted name; a list is a leaf unless all in it have names."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        value = _by_name(value)
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _flat(item, f"{name}.{key}" if name else str(key))


def _by_name(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of several with one name, the second is called `name-2`."""
    found: dict[str, Any] = {}
    for place, part in enumerate(parts):
        n = sum(other["name"] == part["name"] for other in parts[: place + 1])
        found[part["name"] if n == 1 else f"{part['name']}-{n}"] = part
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _allowed(name: str) -> str:
    """With characters that MLflow takes in a name."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. :/") else "_" for c in name)


def _model_folder(scratch: Path, file: Path, run_id: str) -> Path:
    """What MLflow calls a model: the file, its card, and which module opens it. Nothing in it is pickled."""
    from mlflow.models import Model

    from urushi import __version__

    folder = scratch / _MODEL
    folder.mkdir()
    (folder / _DATA).write_bytes(file.read_bytes())
    _, card = archive.read(file)
    (folder / "card.json").write_text(json.dumps(card, indent=1), "utf-8")
    (folder / "requirements.txt").write_text(f"urushi[train]=={__version__}\n", "utf-8")
    model = Model(artifact_path=_MODEL, run_id=run_id)
    opened_by = {"loader_module": "urushi.applications.mlflow_model", "data": _DATA}
    model.add_flavor("python_function", **opened_by, env={"virtualenv": "requirements.txt"})
    model.save(str(folder / "MLmodel"))
    return folder


@contextmanager
def _refused(address: str, before: str = "") -> Iterator[None]:
    """What MLflow, its database or its files say is an InputError that names the address, without a password in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow, about the packages that it uses
            yield
    except InputError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow", "sqlalchemy", "alembic", "requests")) and not isinstance(
            error, OSError | ModuleNotFoundError
        ):
            raise
        raise InputError(f"{before}MLflow at {_shown(address)} says: {_said(error, address)}") from None


def _shown(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else address


def _said(error: Exception, address: str) -> str:
    if "filesystem tracking backend" in str(error):
        return "it keeps runs in no folder any more; give a database, as sqlite:///tracking.db, or a server's address"
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].replace(address, _shown(address))
