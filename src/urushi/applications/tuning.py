"""The options of a recipe tuned on good images alone: held-out ones against the same with planted faint defects.

A trial is a recipe with other options. It is tried on several splits one after the other, and given up where it is
worse than most others so far. The best one is then tried beside the recipe as it was on splits that chose nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi import catalogue
from urushi.catalogue.extras import require
from urushi.catalogue.ranges import Range, Values, ranges
from urushi.data.groups import groups_of
from urushi.errors import InputError
from urushi.evaluation.significance import Difference, difference
from urushi.jobs import Engine, Job, Outcome
from urushi.printable import counted
from urushi.recipe import Part, Recipe

if TYPE_CHECKING:
    from optuna import Study, Trial

    from urushi.fitting.model_selection import Tried

PRELOAD = ("urushi.fitting.model_selection",)
_SPLITS = (0, 1, 2)  # seeds of those that choose
_FRESH = (100, 101, 102)  # and of those that tell how much better the chosen one is
_N_RESAMPLES = 4000
_ROOMS = {"model": "urushi.models", "score": "urushi.scoring"}
Say = Callable[[str], None]


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


def space(recipe: Recipe) -> dict[str, Values]:
    """What is tuned, by the names of its settings; raises InputError if the recipe has nothing of the kind."""
    from urushi.models.base import Reconstructor
    from urushi.scoring.base import Score

    found: dict[str, Values] = {}
    for section, base in (("model", Reconstructor), ("score", Score)):
        part: Part = getattr(recipe, section)
        cls: type = catalogue.load(_ROOMS[section], part.name, base)
        found |= {f"{section}.{name}": values for name, values in ranges(cls, part.options).items()}
    if not found:
        raise InputError(f"the method {recipe.model.name} has no options with values to choose from")
    return found


def tune(
    sources: Sequence[Path],
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

    `over` names settings if not all are tuned. Raises MissingPackageError, InputError, DatasetError if the recipe as
    it is cannot be tried.
    """
    require("optuna", "tune")
    wanted = _wanted(space(recipe), over)
    search = _Search(sources, recipe, wanted, engine, budget_seconds, say)
    study = search.study(storage)
    search.fill(study, n_trials)
    return search.confirmed(study)


def _wanted(found: dict[str, Values], over: Sequence[str]) -> dict[str, Values]:
    if unknown := [name for name in over if name not in found]:
        raise InputError(f"{unknown[0]} cannot be tuned; what can be: {', '.join(found)}")
    return {name: found[name] for name in over or found}


@dataclass(frozen=True)
class _Search:
    sources: Sequence[Path]
    recipe: Recipe
    space: Mapping[str, Values]
    engine: Engine
    budget_seconds: float | None
    say: Say

    def study(self, storage: Path) -> "Study":
        """The one of this recipe, these images and this space in the file; what was cut off there is given up."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=0, multivariate=True, warn_independent_sampling=False)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
        how: dict[str, Any] = {"sampler": sampler, "pruner": pruner, "direction": "maximize", "load_if_exists": True}
        study = optuna.create_study(study_name=self._name(), storage=f"sqlite:///{storage.resolve()}", **how)
        for one in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(one.number, state=optuna.trial.TrialState.FAIL)
        if not study.trials:
            study.enqueue_trial({})  # the recipe as it is
        return study

    def _name(self) -> str:
        import hashlib

        recipe = self.recipe.model_dump_json(exclude={"description", "threshold"})
        whole = "\n".join([recipe, repr(sorted(self.space.items())), *map(str, self.sources)])
        return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def fill(self, study: "Study", n_trials: int) -> None:
        """As many trials at once as the engine runs jobs, split by split."""
        while (left := n_trials - len(study.trials) + _n_waiting(study)) > 0:
            asked = [study.ask() for _ in range(min(left, self.engine.n_parallel))]
            alive = {one.number: (one, self._settings(one, is_first=one.number == 0)) for one in asked}
            for step, seed in enumerate(_SPLITS):
                jobs = [self._job(number, settings, seed) for number, (_, settings) in alive.items()]
                for job, outcome in self.engine.run(jobs, lambda _: None):
                    trial, settings = alive[int(job.name)]
                    if not self._goes_on(study, trial, settings, step, outcome):
                        del alive[int(job.name)]

    def _settings(self, trial: "Trial", *, is_first: bool) -> dict[str, Any]:
        """What the trial changes; the first one changes nothing."""
        if is_first:
            return {}
        return {name: _suggested(trial, name, values) for name, values in self.space.items()}

    def _job(self, number: int, settings: Mapping[str, Any], seed: int) -> Job:
        return Job(
            str(number), partial(_try, list(self.sources), self.recipe, dict(settings), seed), self.budget_seconds
        )

    def _goes_on(
        self, study: "Study", trial: "Trial", settings: Mapping[str, Any], step: int, outcome: Outcome
    ) -> bool:
        """Whether the trial is worth the next split."""
        from optuna.trial import TrialState

        if outcome.state != "done":
            if not settings:
                raise InputError(f"the recipe as it is cannot be tried: {outcome.reason}")
            study.tell(trial, state=TrialState.FAIL)
            self.say(f"trial {trial.number}: {outcome.reason}")
            return False
        values = [*trial.user_attrs.get("values", []), outcome.value.roc_auc]
        trial.set_user_attr("values", values)
        trial.set_user_attr("settings", dict(settings))
        trial.report(mean := float(np.mean(values)), step)
        if len(values) == len(_SPLITS):
            study.tell(trial, mean)
        elif settings and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
        else:
            return True
        self.say(f"trial {trial.number}: ROC-AUC {mean:.4f}{'' if len(values) == len(_SPLITS) else ', given up'}")
        return False

    def confirmed(self, study: "Study") -> Tuned:
        """The best trial beside the recipe as it is, on fresh splits."""
        from optuna.trial import TrialState

        states = [one.state for one in study.trials]
        counts = (len(states), states.count(TrialState.PRUNED), states.count(TrialState.FAIL))
        settings = study.best_trial.user_attrs["settings"]
        if not settings:
            return Tuned(self.recipe, {}, None, *counts)
        gain = self._gain(settings)
        recipe = self.recipe.with_settings(settings) if gain.low > 0 else self.recipe
        return Tuned(recipe, settings, gain, *counts)

    def _gain(self, settings: Mapping[str, Any]) -> Difference:
        both = {
            f"{seed} {name}": (changed, seed) for seed in _FRESH for name, changed in (("as", {}), ("tuned", settings))
        }
        jobs = [Job(name, self._job(0, *how).work, self.budget_seconds) for name, how in both.items()]
        found = {job.name: outcome for job, outcome in self.engine.run(jobs, lambda _: None)}
        if bad := [one.reason for one in found.values() if one.state != "done"]:
            raise InputError(f"what was found cannot be confirmed: {bad[0]}")
        pairs = [(found[f"{seed} tuned"].value, found[f"{seed} as"].value) for seed in _FRESH]
        return gain_of(pairs, groups_of(list(self.sources), self.recipe.groups) or range(len(self.sources)))


def _n_waiting(study: "Study") -> int:
    from optuna.trial import TrialState

    return sum(one.state == TrialState.WAITING for one in study.trials)


def gain_of(pairs: "Sequence[tuple[Tried, Tried]]", products: Sequence[Any]) -> Difference:
    """How far the first of each pair lies above the second in ROC-AUC, when products are resampled, in all alike."""
    member = np.unique(np.array(products), return_inverse=True)[1]
    n = int(member.max()) + 1
    rng, draws = np.random.default_rng(0), []
    apart = [(member[one.places], one.above - other.above) for one, other in pairs]
    for _ in range(_N_RESAMPLES):
        weights = np.bincount(rng.integers(n, size=n), minlength=n).astype(float)
        draws.append(np.mean([_weighted(weights[own], found) for own, found in apart]))
    return difference(float(np.mean([found.mean() for _, found in apart])), np.array(draws))


def _weighted(weights: np.ndarray, found: np.ndarray) -> float:
    """The mean of (n, n) with images as often as they were drawn; 0 where none was."""
    total = weights.sum()
    return float(weights @ found @ weights / total**2) if total else 0.0


def _try(sources: list[Path], recipe: Recipe, settings: Mapping[str, Any], seed: int) -> "Tried":
    """What a job does."""
    from urushi.fitting.model_selection import tried

    return tried("", sources, recipe.with_settings(settings), seed)


def _suggested(trial: "Trial", name: str, values: Values) -> Any:
    if not isinstance(values, Range):
        return trial.suggest_categorical(name, values)
    if values.is_whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.is_by_ratio)
    return trial.suggest_float(name, values.low, values.high, log=values.is_by_ratio)


def words(found: Tuned) -> str:
    """What came of it, in whole sentences."""
    tried = (
        f"{counted(found.n_trials, 'trial')}, of which {found.n_pruned} were given up early and {found.n_failed} failed"
    )
    if found.gain is None:
        return f"No other options were better than the recipe's own ({tried})."
    gain = f"{found.gain.value:+.4f} [{found.gain.low:+.4f}, {found.gain.high:+.4f}] in ROC-AUC of planted defects"
    changed = ", ".join(f"{name} = {value!r}" for name, value in found.settings.items())
    if found.is_better:
        return f"Better by {gain}, on splits that chose nothing ({tried}): {changed}."
    stays = "The recipe's own options stay"
    return f"Not surely better: {gain}, on splits that chose nothing ({tried}). {stays}. The best trial: {changed}."
