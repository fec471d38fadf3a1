"""`urushi fit --mlflow`: the fit as a run of MLflow, in the process that writes the detector."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli._interrupts import leaving
from urushi.first_process import is_first_process
from urushi.printable import printable

if TYPE_CHECKING:
    from urushi.applications.mlflow_run import MlflowRun
    from urushi.detector import Detector
    from urushi.recipe import Recipe

MlflowOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Record the fit as a run of MLflow: at a server, or in a file as sqlite:///tracking.db."
    ),
]


class Tracking:
    """What is told of the fit: to MLflow, or nobody."""

    def __init__(self, run: "MlflowRun | None" = None) -> None:
        self.run = run

    def record(self, detector: "Detector", output: Path, folder: Path) -> None:
        """Says as which version of which model."""
        if self.run is None:
            return
        with leaving(lambda: f"{printable(str(output))} is written, but MLflow does not have all of it"):
            print(printable(f"MLflow: {self.run.record(detector, output, folder)}"))


@contextmanager
def tracking(address: str | None, output: Path, recipe: "Recipe", facts: dict[str, str]) -> Iterator[Tracking]:
    """A run while it lasts; of several processes the first one's. Raises InputError where nothing answers."""
    if address is None or not is_first_process():
        yield Tracking()
        return
    from urushi.applications.mlflow_run import mlflow_run

    with mlflow_run(address, output.stem, recipe, facts) as run:
        yield Tracking(run)
