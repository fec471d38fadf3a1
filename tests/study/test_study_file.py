"""What a study file may say, and which runs it makes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from urushi import Recipe
from urushi.errors import InputError
from urushi.study import Study


def changed(folder: Path, old: str, new: str) -> Path:
    text = (folder / "study.toml").read_text()
    assert old in text
    path = folder / "changed.toml"
    path.write_text(text.replace(old, new))
    return path


def test_runs_are_every_method_at_every_value_repeat_by_repeat(study):
    names = [run.name for run in study.runs()]
    first = ["waves-plain-2-0", "waves-plain-4-0", "waves-variational-2-0", "waves-variational-4-0"]
    assert names == first + [name[:-1] + "1" for name in first]
    last = list(study.runs())[-1]
    assert last.recipe.model.name == "variational_autoencoder"
    assert last.recipe.model.options["latent_dimension"] == 4


def test_a_method_enters_other_tables_with_its_own_value_or_the_last(study):
    assert (study.chosen("plain"), study.chosen("variational")) == (2, 4)


def test_a_recipe_beside_the_study_is_found_from_anywhere(folder, monkeypatch, tmp_path):
    path = changed(folder, str(folder / "recipe.toml"), "recipe.toml")
    monkeypatch.chdir(tmp_path)
    assert next(Study.of(path).runs()).recipe.model.name == "autoencoder"


def test_a_method_may_bring_another_model_and_another_setting_that_is_varied(folder):
    other = '{name = "pca", model = {name = "pixel_pca"}, varies = "model.n_components"},\n    {name = "plain"'
    runs = list(Study.of(changed(folder, '{name = "plain"', other)).runs())
    assert [one.recipe.model.model_dump() for one in runs[:2]] == [
        {"name": "pixel_pca", "n_components": n} for n in (2, 4)
    ]
    assert runs[0].recipe.preprocessing == runs[2].recipe.preprocessing


def test_a_baseline_is_its_recipe_as_it_is_once_in_each_repeat(folder):
    study = Study.of(changed(folder, 'source = "nobody"', 'baselines = [{name = "shipped", recipe = "default"}]'))
    found = [run for run in study.runs() if run.method.name == "shipped"]
    assert [(run.value, run.scores, run.name) for run in found] == [
        (None, (), "waves-shipped-0"),
        (None, (), "waves-shipped-1"),
    ]
    assert found[0].recipe == Recipe.find("default")
    assert study.chosen("shipped") is None


def test_an_option_that_recipes_get_later_with_a_default_changes_no_key(study):
    run = next(study.runs())
    said = run.recipe.model_copy(update={"training": run.recipe.training.model_copy(update={"devices": 1})})
    assert replace(run, recipe=said).key("images") == run.key("images")
    other = run.recipe.with_settings({"training.devices": 2})
    assert replace(run, recipe=other).key("images") != run.key("images")
    dumped = run.recipe.model_dump(mode="json", exclude={"threshold", "description"}, exclude_defaults=True)
    assert "devices" not in dumped["training"]


def test_the_key_of_a_run_changes_with_all_that_its_scores_depend_on_and_nothing_else(folder, study):
    (run, *_), (other, *_) = study.runs(), Study.of(changed(folder, "draws = 3", "draws = 9")).runs()
    assert run.key("images") == other.key("images")
    for old, new in (('"max"', '"mean"'), ("values = [2", "values = [8"), ("squared_error", "ssim")):
        text = changed(folder, old, new).read_text().replace("value = 2}", "value = 4}")
        (folder / "changed.toml").write_text(text)
        assert next(Study.of(folder / "changed.toml").runs()).key("images") != run.key("images")
    assert run.key("images") != run.key("other images")
    assert run.key("images") != list(study.runs())[4].key("images")  # the same with another seed


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source = "nobody"', 'baselines = [{name = "plain", recipe = "default"}]', "two have the same name"),
        ("repeats = 2", "repeat = 2", "repeat is unknown; did you mean 'repeats'"),
        ("repeats = 2", "repeats = 0", "greater than or equal to 1"),
        ('name = "plain"', 'name = "variational"', "two have the same name"),
        ('name = "plain"', 'name = "../plain"', "methods.0.name"),
        ('name = "plain",', 'name = "plain", recipe = "default",', "must name a recipe"),
        ("value = 2}", "value = 3}", "none of vary.values"),
        ("title =", "title ==", "not valid TOML"),
        ("title =", f"description = {'[' * 3000}{']' * 3000}\ntitle =", "stand in one another"),
        ("[0.3, 0.6]", "[0.3, 1.6]", "anomaly_ratios.1"),
        ('data = [{name = "waves", folder', 'data = [{name = "waves", file', "data.0.file is unknown"),
    ],
)
def test_a_wrong_study_is_one_error_that_says_where(folder, old, new, said):
    with pytest.raises(InputError) as error:
        Study.of(changed(folder, old, new))
    assert said in str(error.value)


def test_a_missing_study_is_an_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Study.of(tmp_path / "no.toml")


def test_the_study_of_the_docs_can_be_read_with_all_the_tables_that_they_name(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
    (tmp_path / "docs.toml").write_text("\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)), encoding="utf-8")
    study = Study.of(tmp_path / "docs.toml")
    assert [one.name for one in study.compared] == ["AE", "VAE", "pixel PCA", "default"]
    assert len(list(study.claims[0].pairs())) == 2
