"""Trials, chosen by what earlier ones gave (Optuna), kept in a file, as many at once as the engine runs jobs."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from urushi.applications.tuning._trial import job
from urushi.catalogue.ranges import Range, Values
from urushi.errors import InputError
from urushi.jobs import Engine, Outcome
from urushi.recipe import Recipe

if TYPE_CHECKING:
    from optuna import Study, Trial

SPLITS = (0, 1, 2)  # seeds
Say = Callable[[str], None]


@dataclass(frozen=True)
class Search:
    """What is tuned on which images; `study` opens its file, `fill` makes the trials that are wanting."""

    sources: Sequence[Path]
    fingerprint: str  # of the images
    recipe: Recipe
    space: Mapping[str, Values]
    engine: Engine
    budget_seconds: float | None
    say: Say

    def study(self, storage: Path) -> "Study":
        """The one of this recipe, these images and this space in the file; what was cut off there is given up."""
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        how: dict[str, Any] = {"direction": "maximize", "load_if_exists": True, "study_name": self._name}
        try:
            study = optuna.create_study(storage=f"sqlite:///{storage.resolve()}", **how)
        except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
            raise InputError(f"{storage} cannot be used for trials: {str(error).splitlines()[0]}") from None
        for one in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(one.number, state=optuna.trial.TrialState.FAIL)
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
        return study

    @property
    def _name(self) -> str:
        recipe = self.recipe.model_dump_json(exclude={"description", "threshold"})
        whole = "\n".join([recipe, repr(sorted(self.space.items())), self.fingerprint])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def fill(self, study: "Study", n_trials: int) -> None:
        """The first trial is the recipe as it is; raises InputError if that cannot be tried."""
        while (left := n_trials - n_ended(study)) > 0:
            asked = [study.ask() for _ in range(min(left, self.engine.n_parallel))]
            is_own = [n == 0 and not _has_own(study) for n in range(len(asked))]
            settings = [{} if own else self._drawn(one) for one, own in zip(asked, is_own, strict=True)]
            alive = {str(one.number): (one, changed) for one, changed in zip(asked, settings, strict=True)}
            for step, seed in enumerate(SPLITS):
                how = (seed, self.budget_seconds)
                jobs = [job(n, self.sources, self.recipe, changed, *how) for n, (_, changed) in alive.items()]
                for done, outcome in self.engine.run(jobs, lambda _: None):
                    if not self._goes_on(study, *alive[done.name], step, outcome):
                        del alive[done.name]

    def _drawn(self, trial: "Trial") -> dict[str, Any]:
        return {name: _suggested(trial, name, values) for name, values in self.space.items()}

    def _goes_on(
        self, study: "Study", trial: "Trial", settings: Mapping[str, Any], step: int, outcome: Outcome
    ) -> bool:
        """Whether the trial is worth the next split; else it has ended."""
        from optuna.trial import TrialState

        if outcome.state != "done":
            return self._failed(study, trial, settings, outcome.reason)
        values = [*trial.user_attrs.get("values", []), outcome.value.roc_auc]
        trial.set_user_attr("values", values)
        trial.set_user_attr("settings", dict(settings))
        trial.report(mean := float(np.mean(values)), step)
        is_last, is_pruned = step == len(SPLITS) - 1, bool(settings) and trial.should_prune()
        if is_last:
            study.tell(trial, mean)
        elif is_pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            return True
        self.say(f"trial {trial.number}: ROC-AUC {mean:.4f}{'' if is_last else ', given up'}")
        return False

    def _failed(self, study: "Study", trial: "Trial", settings: Mapping[str, Any], reason: str) -> bool:
        from optuna.trial import TrialState

        if not settings:
            raise InputError(f"the recipe as it is cannot be tried: {reason}")
        trial.set_user_attr("reason", reason)
        study.tell(trial, state=TrialState.FAIL)
        self.say(f"trial {trial.number}: {reason}")
        return False


def n_ended(study: "Study") -> int:
    """How many trials have come to an end of their own; one that was cut off with the program has not."""
    return sum(one.state.name in ("COMPLETE", "PRUNED") or "reason" in one.user_attrs for one in study.trials)


def _has_own(study: "Study") -> bool:
    return any(one.state.name == "COMPLETE" and not one.user_attrs["settings"] for one in study.trials)


def _suggested(trial: "Trial", name: str, values: Values) -> Any:
    if not isinstance(values, Range):
        return trial.suggest_categorical(name, values)
    if values.is_whole:
        return trial.suggest_int(name, int(values.low), int(values.high), log=values.is_by_ratio)
    return trial.suggest_float(name, values.low, values.high, log=values.is_by_ratio)
