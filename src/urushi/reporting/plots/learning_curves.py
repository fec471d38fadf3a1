"""Training and validation losses over the epochs, read from the logs of a run's folder (S2 figs. 6.1, 6.24)."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from urushi.errors import InputError
from urushi.reporting.plots.style import drawing, few_enough, legend_beside, line_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALIDATION = "validation"
_TRAINING = "train/"  # before the name of the optimiser whose loss it is


@dataclass(frozen=True)
class LearningCurves:
    """Losses of a run by name, each by epoch, and the epochs after which its weights were kept."""

    losses: dict[str, dict[int, float]] = field(default_factory=dict)  # 'training' or 'training, NAME'; 'validation'
    checkpoint_epochs: tuple[int, ...] = ()

    @property
    def best_epoch(self) -> int | None:
        """The first epoch of the lowest validation loss, whose weights the detector has; None without validation."""
        losses = self.losses.get(VALIDATION, {})
        return min(losses, key=lambda epoch: (losses[epoch], epoch)) if losses else None


def read_learning_curves(folder: Path) -> LearningCurves:
    """The losses in a run's folder, `logs/version_N/metrics.csv` by Lightning's CSVLogger; raises InputError.

    A run that was resumed has several files; each takes the place of what earlier ones say of its epochs and later
    ones, so that of several runs in one folder the last one is read.
    """
    files = sorted(folder.glob("logs/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
    rows: list[tuple[int, str, float]] = []
    for file in files:
        found = list(_rows(file))
        first = min((epoch for epoch, _, _ in found), default=None)
        rows = [row for row in rows if first is None or row[0] < first] + found
    if not rows:
        raise InputError(f"{folder} has no losses in logs/version_*/metrics.csv; give the folder of a training run")
    losses: dict[str, dict[int, float]] = {}
    for epoch, name, loss in rows:
        losses.setdefault(name, {})[epoch] = loss
    kept = sorted(int(path.stem.split("-")[1]) for path in folder.glob("epoch-*.ckpt"))
    return LearningCurves(_with_short_names(losses), tuple(kept))


def learning_curves_figure(curves: LearningCurves, *, title: str = "Learning curves") -> "Figure":
    """Loss over epoch with a point wherever a checkpoint was kept, and the best epoch marked.

    The axis of losses is logarithmic if they are positive and span more than a factor of ten. Raises InputError
    without losses.
    """
    figure, axes = drawing(title, "epoch", "loss")
    from matplotlib.ticker import MaxNLocator

    for number, (name, losses) in enumerate(few_enough(curves.losses).items()):
        style = line_style(number) | {"marker": "", "label": name}
        axes.plot(list(losses), list(losses.values()), **style)
        kept = [epoch for epoch in curves.checkpoint_epochs if epoch in losses]
        axes.plot(kept, [losses[epoch] for epoch in kept], **line_style(number) | {"linestyle": ""})
    values = [loss for losses in curves.losses.values() for loss in losses.values()]
    if min(values) > 0 and max(values) > 10 * min(values):
        axes.set_yscale("log")
    best = curves.best_epoch
    if best is not None:
        loss = curves.losses[VALIDATION][best]
        axes.plot(best, loss, "*", color="black", markersize=13, label=f"best epoch: {best}\n{loss:.4g}", zorder=3)
    if curves.checkpoint_epochs:
        axes.set_xlabel("epoch (points: a checkpoint was kept)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_beside(axes)
    return figure


def _rows(file: Path) -> Iterator[tuple[int, str, float]]:
    """(epoch, column, loss) of every cell that is filled."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                for name, text in row.items():
                    if text and (name == VALIDATION or name.startswith(_TRAINING)):
                        yield int(row["epoch"]), name, float(text)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(f"{file} cannot be read as a log of losses ({error}); give the folder of a run") from None


def _with_short_names(losses: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Training losses first; the optimiser's name is left away where there is one only."""
    trained = sorted(name for name in losses if name != VALIDATION)
    names = {name: "training" if len(trained) == 1 else f"training, {name.removeprefix(_TRAINING)}" for name in trained}
    ordered: Sequence[str] = [*trained, *([VALIDATION] if VALIDATION in losses else [])]
    return {names.get(name, name): dict(sorted(losses[name].items())) for name in ordered}
