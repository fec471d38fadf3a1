"""From a recipe and good images to options that are better, if any are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urushi.applications.tuning._gain import gain
from urushi.applications.tuning._search import Say, Search, n_ended
from urushi.applications.tuning._trial import space
from urushi.catalogue.extras import require
from urushi.errors import InputError
from urushi.evaluation.significance import Difference
from urushi.jobs import Engine
from urushi.printable import counted
from urushi.recipe import Recipe


@dataclass(frozen=True)
class Tuned:
    """The options that were found, how far they are better, and the recipe that this leads to."""

    recipe: Recipe  # with them where they are surely better, else as it was
    settings: Mapping[str, Any]  # of the best trial
    gain: Difference | None  # of ROC-AUC, on splits that chose nothing; None: no trial is better than the recipe
    n_trials: int
    n_pruned: int
    n_failed: int

    @property
    def is_better(self) -> bool:
        """Whether the whole interval of the gain lies above nothing."""
        return self.gain is not None and self.gain.low > 0


def tune(
    sources: Sequence[Path],
    fingerprint: str,
    recipe: Recipe,
    *,
    storage: Path,
    n_trials: int,
    engine: Engine,
    budget_seconds: float | None = None,
    over: Sequence[str] = (),
    say: Say = lambda _: None,
) -> Tuned:
    """Tries options until there are `n_trials`, with those that `storage` (SQLite) has of an earlier time.

    `fingerprint` stands for what the images hold; `over` names settings if not all are tuned. Raises
    MissingPackageError, InputError if nothing can be tuned, or the recipe as it is cannot be tried.
    """
    require("optuna", "tune")
    how = (engine, budget_seconds)
    search = Search(sources, fingerprint, recipe, space(recipe, over), *how, say)
    search.fill(study := search.study(storage), n_trials)
    states = [one.state.name for one in study.trials]
    if "COMPLETE" not in states:
        raise InputError("no trial came to its end; give more trials, or a larger budget")
    counts = (
        n_ended(study),
        states.count("PRUNED"),
        n_ended(study) - states.count("PRUNED") - states.count("COMPLETE"),
    )
    if not (settings := study.best_trial.user_attrs["settings"]):
        return Tuned(recipe, {}, None, *counts)
    found = gain(sources, recipe, settings, *how)
    return Tuned(recipe.with_settings(settings) if found.low > 0 else recipe, settings, found, *counts)


def words(found: Tuned) -> str:
    """What came of it, in whole sentences."""
    trials = (
        f"{counted(found.n_trials, 'trial')}, of which {found.n_pruned} were given up early and {found.n_failed} failed"
    )
    if found.gain is None:
        return f"No other options were better than the recipe's own ({trials})."
    ends = f"[{found.gain.low:+.4f}, {found.gain.high:+.4f}]"
    gain = f"{found.gain.value:+.4f} {ends} in ROC-AUC of planted defects, on splits that chose nothing ({trials})"
    changed = ", ".join(f"{name} = {value!r}" for name, value in found.settings.items())
    if found.is_better:
        return f"Better by {gain}: {changed}."
    return f"Not surely better: {gain}. The recipe's own options stay. The best trial: {changed}."
