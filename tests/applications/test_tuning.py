"""Options tuned on good images alone, with trials that take no time but where a real one is asked for."""

from functools import partial

import numpy as np
import pytest

from urushi.applications import tuning
from urushi.applications.tuning._gain import gain_of
from urushi.applications.tuning._trial import space
from urushi.catalogue.ranges import Range
from urushi.errors import InputError, MissingPackageError
from urushi.jobs import Outcome
from urushi.recipe import Recipe

N = 40


def tried(bonus, seed):
    """12 of 40 images, of which planted defects are told with a chance that options raise."""
    from urushi.fitting.model_selection import Tried

    rng = np.random.default_rng(seed)
    places = rng.choice(N, 12, replace=False)
    above = (rng.random((12, 12)) < 0.5 + bonus).astype(float)
    return Tried("", above, 0.0, np.arange(12), places)


class Quick:
    """An engine that knows what trials would give: the more `model.n_components`, the better, up to `best`."""

    n_parallel = 2

    def __init__(self, best: float) -> None:
        self.best, self.n = best, 0

    def run(self, jobs, begun):
        for job in jobs:
            self.n += 1
            assert isinstance(job.work, partial)
            _, _, settings, seed = job.work.args
            if settings.get("model.latent_dimension") == 3:
                yield job, Outcome("failed", 0.0, reason="three is refused")
            else:
                share = settings.get("model.latent_dimension", 2) / 32
                yield job, Outcome("done", 0.0, tried(self.best * share, seed))


@pytest.fixture
def recipe():
    table = {"model": {"name": "autoencoder", "latent_dimension": 8}, "score": {"name": "squared_error"}}
    table["preprocessing"] = [{"name": "grey"}, {"name": "scale"}]
    return Recipe.from_table(table, "test")


def run(recipe, tmp_path, engine, n_trials=12):
    how = {"storage": tmp_path / "trials.sqlite", "n_trials": n_trials, "engine": engine}
    return tuning.tune([tmp_path / f"{n}.png" for n in range(N)], "f", recipe, over=["model.latent_dimension"], **how)


def test_the_space_is_made_of_the_options_of_model_and_score(recipe):
    found = space(recipe)["model.latent_dimension"]
    assert isinstance(found, Range)
    assert found.low < 8 < found.high
    assert any(name.startswith("score.") for name in space(recipe))
    with pytest.raises(InputError, match=r"model\.depth cannot be tuned"):
        space(recipe, ["model.depth"])


def test_options_that_are_better_are_found_and_confirmed(recipe, tmp_path):
    pytest.importorskip("optuna")
    found = run(recipe, tmp_path, Quick(0.45))
    assert found.is_better
    assert found.n_trials == 12
    assert found.recipe.model.options["latent_dimension"] == found.settings["model.latent_dimension"] > 16
    assert "Better by +" in tuning.words(found)


def test_what_is_better_by_luck_only_is_not_taken(recipe, tmp_path):
    pytest.importorskip("optuna")
    found = run(recipe, tmp_path, Quick(0.0))
    assert not found.is_better
    assert found.recipe == recipe


def test_trials_that_were_made_are_kept(recipe, tmp_path):
    pytest.importorskip("optuna")
    run(recipe, tmp_path, Quick(0.45), n_trials=6)
    engine = Quick(0.45)
    found = run(recipe, tmp_path, engine, n_trials=6)
    assert found.n_trials == 6
    assert engine.n == 6  # only to confirm: three splits, both recipes


def test_a_recipe_that_cannot_be_tried_is_an_error(recipe, tmp_path):
    pytest.importorskip("optuna")

    class Failing(Quick):
        def run(self, jobs, begun):
            for job in jobs:
                yield job, Outcome("failed", 0.0, reason="too few images")

    with pytest.raises(InputError, match="the recipe as it is cannot be tried: too few images"):
        run(recipe, tmp_path, Failing(0.0))


def test_without_optuna_the_extra_is_named(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("urushi.catalogue.extras.is_installed", lambda _: False)
    with pytest.raises(MissingPackageError, match=r"this needs optuna.*\[tune\]"):
        run(recipe, tmp_path, Quick(0.0))


def test_the_gain_is_paired_over_images():
    """Half of the images gain, whatever the split: the interval is that of a share of 40, not of 144 pairs."""
    base = [tried(0.0, seed) for seed in range(3)]
    better = [
        type(one)("", np.minimum(one.above + 0.2 * (one.places % 2), 1), 0.0, one.groups, one.places) for one in base
    ]
    found = gain_of(list(zip(better, base, strict=True)), range(N))
    assert found.low > 0
    same = gain_of(list(zip(base, base, strict=True)), range(N))
    assert (same.value, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_trial_that_was_cut_off_with_the_program_is_made_again(recipe, tmp_path):
    pytest.importorskip("optuna")

    class Killed(BaseException):
        """What stands for a power cut."""

    class Cut(Quick):
        def run(self, jobs, begun):
            for found in super().run(jobs, begun):
                if self.n == 9:
                    raise Killed
                yield found

    with pytest.raises(Killed):
        run(recipe, tmp_path, Cut(0.45))
    found = run(recipe, tmp_path, Quick(0.45))
    assert found.n_trials == 12
    assert found.is_better


def test_a_file_that_holds_something_else_is_an_error(recipe, tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / "trials.sqlite").write_text("a letter to my aunt, and no data base" * 100)
    with pytest.raises(InputError, match="cannot be used for trials"):
        run(recipe, tmp_path, Quick(0.0))
