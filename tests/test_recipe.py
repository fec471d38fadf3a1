import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from urushi import catalogue
from urushi.calibration import ThresholdRule
from urushi.catalogue import options
from urushi.errors import RecipeError
from urushi.models.base import Reconstructor
from urushi.preprocessing import Pipeline
from urushi.preprocessing.base import Step
from urushi.recipe import Part, Recipe, parse_setting, recipe_names
from urushi.scoring import build_graph
from urushi.scoring.base import Score

MINIMAL = """
[[preprocessing]]
name = "scale"

[model]
name = "autoencoder"

[score]
name = "squared_error"
"""


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.find("autoencoder")


def test_there_are_shipped_recipes():
    assert {"default", "autoencoder", "variational-autoencoder", "autoencoder-paper"} <= set(recipe_names())


def test_a_shipped_recipe_is_the_same_after_writing_and_reading_it():
    for name in recipe_names():
        shipped = Recipe.find(name)
        assert Recipe.from_toml(shipped.to_toml()) == shipped, name
        assert shipped.description, name


def test_every_option_of_a_shipped_recipe_is_one_that_its_part_takes():
    for name in recipe_names():
        shipped = Recipe.find(name)
        for room, base, part in [
            ("models", Reconstructor, shipped.model),
            ("scoring", Score, shipped.score),
            ("calibration", ThresholdRule, shipped.threshold),
            *(("preprocessing", Step, step) for step in shipped.preprocessing),
        ]:
            checked = options.check(catalogue.load(f"urushi.{room}", part.name, base), part.options, part.name)
            assert set(part.options) <= set(checked), name


def marked(name):
    """The networks of these are large."""
    return pytest.param(name, marks=[pytest.mark.thorough] if name.startswith("partial-diffusion") else [])


@pytest.mark.parametrize("name", [marked(name) for name in recipe_names()])
def test_a_shipped_recipe_builds_a_graph(name):
    shipped = Recipe.find(name)  # its size is that of the images it is given
    n_channels = 1 if any(isinstance(step, _grey()) for step in Pipeline.of(shipped).steps) else 3
    graph = build_graph(shipped, (n_channels, 64, 64))
    assert type(graph.model) is catalogue.load("urushi.models", shipped.model.name, Reconstructor)
    assert type(graph.score) is catalogue.load("urushi.scoring", shipped.score.name, Score)


def _grey() -> type[Step]:
    return catalogue.load("urushi.preprocessing", "grey", Step)


def test_the_same_seed_builds_the_same_weights_and_leaves_the_random_numbers_of_others_alone(recipe):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (build_graph(recipe, (1, 32, 32), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_what_a_recipe_leaves_out_gets_defaults_and_is_written_out():
    recipe = Recipe.from_toml(MINIMAL)
    assert recipe.threshold.name == "conformal"
    written = tomllib.loads(recipe.to_toml())
    assert written["training"]["batch_size"] == recipe.training.batch_size
    assert written["split"]["calibration_fraction"] == recipe.split.calibration_fraction


def test_a_recipe_is_found_by_the_path_of_a_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    assert Recipe.find(str(path)) == Recipe.from_toml(MINIMAL)


# --- a recipe that begins with another -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "base", "changes"),
    [
        ("variational-autoencoder", "autoencoder", {"model.name": "variational_autoencoder"}),
        ("variational-autoencoder-paper", "autoencoder-paper", {"model.name": "variational_autoencoder"}),
        (
            "feature-autoencoder",
            "default",
            {"model.name": "feature_autoencoder", "score.top_fraction": 0.03, "split.n_folds": 0},
        ),
        ("ganomaly", "gan", {"model.name": "ganomaly"}),
        ("auto", "default", {"trial.candidates": [{"name": "default"}, {"name": "nearest"}]}),
    ],
)
def test_a_shipped_recipe_with_a_base_is_the_base_but_for_what_it_changes(name, base, changes):
    shipped, expected = Recipe.find(name), Recipe.find(base).with_settings(changes)
    changed = {key.partition(".")[0] for key in changes}
    for section in {"preprocessing", "model", "score", "threshold", "split", "trial"} - changed:
        assert getattr(shipped, section) == getattr(expected, section)
    assert (shipped.model.name, shipped.score.name) == (expected.model.name, expected.score.name)
    assert shipped.split.n_folds == expected.split.n_folds
    assert [one.name for one in shipped.trial.candidates] == [one.name for one in expected.trial.candidates]


@pytest.mark.parametrize(("name", "n_latents"), [("potato", 32), ("potato-line-scanner", 32), ("chocolate", 8)])
def test_x_ray_recipes_have_the_method_of_s2_and_paper_ones_its_training(name, n_latents):
    small, paper = Recipe.find(name), Recipe.find(f"{name}-paper")
    assert small.model.name == "variational_autoencoder"
    assert small.model.options == {"latent_dimension": n_latents, "linear_path": False, "output_layer": "transposed"}
    for section in ("preprocessing", "augmentation", "model", "score"):
        assert getattr(paper, section) == getattr(small, section)
    assert (paper.training.batch_size, paper.training.max_epochs, paper.training.checkpoint_epochs) == (256, 2000, 200)
    for one in (small, paper):
        assert (one.training.patience_epochs, one.training.find_learning_rate) == (50, True)


def test_line_scans_are_not_turned_at_any_angle():
    transforms = [part.name for part in Recipe.find("potato-line-scanner").augmentation.transforms]
    assert transforms == ["shear", "elastic", "perspective", "half_turn"]


def written(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_recipe_with_a_base_says_only_what_differs_and_is_printed_whole(tmp_path):
    mine = Recipe.find(written(tmp_path, 'base = "autoencoder"\n[training]\nmax_epochs = 7\n'))
    assert mine == Recipe.find("autoencoder").with_settings({"training.max_epochs": 7})
    assert "base" not in tomllib.loads(mine.to_toml())


def test_options_of_the_same_part_are_kept_and_those_of_another_part_are_not(tmp_path):
    same = Recipe.find(written(tmp_path, 'base = "autoencoder"\n[model]\nname = "autoencoder"\nloss = "l1"\n'))
    assert same.model.options == {"latent_dimension": 64, "linear_path": True, "loss": "l1"}
    other = Recipe.find(written(tmp_path, 'base = "autoencoder"\n[model]\nname = "denoising_autoencoder"\n'))
    assert other.model.options == {}


def test_a_list_takes_the_place_of_the_list_of_the_base_and_leaves_the_rest_of_its_section(tmp_path):
    steps = '[[preprocessing]]\nname = "scale"\n'
    transforms = '[[augmentation.transforms]]\nname = "flip"\n'
    mine = Recipe.find(written(tmp_path, f'base = "potato"\n{steps}{transforms}'))
    assert mine.preprocessing == (Part(name="scale"),)
    assert mine.augmentation.transforms == (Part(name="flip"),)
    assert mine.augmentation.border == Recipe.find("potato").augmentation.border == "constant"


def test_a_base_is_a_path_from_the_folder_of_the_recipe_or_goes_on_to_the_next_base(tmp_path):
    written(tmp_path, 'base = "autoencoder"\n[training]\nmax_epochs = 7\nbatch_size = 5\n', "part.toml")
    mine = Recipe.find(written(tmp_path, 'base = "../part.toml"\n[training]\nmax_epochs = 9\n', "shift/mine.toml"))
    assert (mine.training.max_epochs, mine.training.batch_size) == (9, 5)
    assert mine.model == Recipe.find("autoencoder").model


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "defaut"', r"mine\.toml: base: no recipe is called 'defaut'; did you mean 'default'\?"),
        ("base = 3", r'mine\.toml: base = 3: give the name or the path of a recipe, such as base = "default"'),
        ('base = ["default"]', r"mine\.toml: base = \['default'\]: give the name"),
        ('base = "lost.toml"', r"mine\.toml: base: .*lost\.toml: cannot be read as a recipe"),
        ('base = "mine.toml"', r"mine\.toml: base: [^→]*mine\.toml → [^→]*mine\.toml goes round in a circle"),
        ('base = "../x/other.toml"', r"mine\.toml: base: [^→]*mine\.toml → [^→]*other.toml → [^→]*mine\.toml goes"),
        ('base = "default"\n[modell]', r"mine\.toml: modell is unknown; did you mean 'model'"),
    ],
)
def test_a_base_that_is_wrong_is_named_with_what_to_do(tmp_path, text, message):
    written(tmp_path, 'base = "mine.toml"\n', "x/other.toml")
    with pytest.raises(RecipeError, match=message):
        Recipe.find(written(tmp_path, text, "x/mine.toml"))


def test_a_text_such_as_that_in_a_detector_file_has_no_base():
    with pytest.raises(
        RecipeError, match=r"recipe\.toml: base: only a recipe that is read by its name or from its file"
    ):
        Recipe.from_toml('base = "default"\n' + MINIMAL, "recipe.toml")


# --- settings ---------------------------------------------------------------------------------------------------------

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
keys = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(lambda key: key != "name")


@given(st.dictionaries(keys, st.one_of(scalars, st.lists(st.integers(0, 99), max_size=4)), max_size=5))
def test_options_of_any_kind_survive_writing_and_reading(chosen):
    changed = Recipe.from_toml(MINIMAL).with_settings({f"model.{key}": value for key, value in chosen.items()})
    assert Recipe.from_toml(changed.to_toml()) == changed
    assert changed.model.options == chosen


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "training.max_epochs": st.integers(1, 10_000),
            "training.find_learning_rate": st.booleans(),
            "training.precision": st.sampled_from(["32-true", "bf16-mixed"]),
            "split.calibration_fraction": st.floats(0.01, 0.99),
            "preprocessing.resize.height": st.integers(1, 500),
            "threshold.false_alarm_rate": st.floats(0.001, 0.5),
        },
    )
)
def test_settings_change_what_they_name_and_nothing_else(settings):
    recipe = Recipe.find("autoencoder")
    changed = recipe.with_settings(settings).model_dump()
    for key, value in settings.items():
        section, _, name = key.partition(".")
        if section == "preprocessing":
            assert changed["preprocessing"][1].pop("height") == value
        else:
            assert changed[section].pop(name) == value
    untouched = recipe.model_dump()
    assert changed["score"] == untouched["score"]
    assert changed["training"].items() <= untouched["training"].items()


@given(st.dictionaries(keys, st.one_of(scalars, st.lists(st.integers(0, 99), max_size=4)), max_size=5))
def test_options_over_a_base_are_what_settings_of_the_base_are(tmp_path_factory, chosen):
    path = tmp_path_factory.mktemp("recipes") / "mine.toml"
    path.write_text(tomli_w.dumps({"base": "autoencoder", "model": chosen}), encoding="utf-8")
    settings = {f"model.{key}": value for key, value in chosen.items()}
    assert Recipe.find(str(path)) == Recipe.find("autoencoder").with_settings(settings)


def test_the_recipe_that_settings_start_from_is_not_changed(recipe):
    before = recipe.to_toml()
    recipe.with_settings({"training.max_epochs": 7, "preprocessing.resize.height": 9, "model.loss": "x"})
    assert recipe.to_toml() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.max_epochs=5", ("training.max_epochs", 5)),
        ("split.calibration_fraction=0.5", ("split.calibration_fraction", 0.5)),
        ("training.find_learning_rate=true", ("training.find_learning_rate", True)),
        ("model.blocks=[2, 4]", ("model.blocks", [2, 4])),
        ("preprocessing.resize.interpolation=lanczos", ("preprocessing.resize.interpolation", "lanczos")),
        ('model.loss="mse"', ("model.loss", "mse")),
        ("model.note=a=b", ("model.note", "a=b")),
        ("training.precision=32-true", ("training.precision", "32-true")),
    ],
)
def test_a_setting_is_read_as_toml_or_else_as_a_word(text, expected):
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text", ["nonsense", "=5", "training.max_epochs=", ""])
def test_a_setting_without_key_or_value_is_refused(text):
    with pytest.raises(RecipeError, match=r"written section\.key=value"):
        parse_setting(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.max_epoch", 3, r"training\.max_epoch is unknown; did you mean 'max_epochs'"),
        ("training.max_epochs", 0, r"training\.max_epochs = 0: .*greater than or equal to 1"),
        ("training.max_epochs", "many", r"training\.max_epochs = 'many': .*valid integer"),
        ("training.precision", "64", r"training\.precision = '64': .*'bf16-mixed'"),
        ("trainin.max_epochs", 3, r"trainin\.max_epochs: .*did you mean 'training'"),
        ("training", 3, r"written section\.key"),
        ("split.n_fold", 3, r"split\.n_fold is unknown; did you mean 'n_folds'"),
        ("split.calibration_fraction", 1, r"calibration_fraction = 1: .*less than 1"),
        ("preprocessing.resise.height", 3, r"has 0 preprocessing steps called 'resise'"),
        ("model.name", 3, r"model\.name = 3: .*valid string"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(recipe, key, value, message):
    with pytest.raises(RecipeError, match=message):
        recipe.with_settings({key: value})


def test_a_step_that_occurs_twice_cannot_be_set_by_its_name():
    step = '[[preprocessing]]\nname = "scale"\n'
    with pytest.raises(RecipeError, match="2 preprocessing steps called 'scale'"):
        Recipe.from_toml(step + MINIMAL).with_settings({"preprocessing.scale.x": 1})


def test_all_that_is_wrong_is_named_at_once():
    wrong = MINIMAL.replace('name = "squared_error"', "") + "[training]\nmax_epochs = 0\nbatchsize = 3\n[modell]\n"
    with pytest.raises(RecipeError) as caught:
        Recipe.from_toml(wrong, "mine.toml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith("mine.toml: ") for line in lines)
    for part in ("score.name is missing", "max_epochs = 0", "did you mean 'batch_size'", "did you mean 'model'"):
        assert sum(part in line for line in lines) == 1


def test_broken_toml_names_the_line():
    with pytest.raises(RecipeError, match=r"mine\.toml: not valid TOML: .*line 2"):
        Recipe.from_toml("[model]\nname = \n", "mine.toml")


DEEP = {
    "lists": "a = " + "[" * 3000 + "]" * 3000,
    "tables": ".".join("a" * 3000) + " = 1",
    "few": "a = " + "[" * 25 + "]" * 25,
}


@pytest.mark.parametrize("text", [*DEEP.values(), "a = " + "9" * 4400], ids=[*DEEP, "digits"])
def test_toml_that_no_recipe_needs_is_refused_in_words(text):
    with pytest.raises(RecipeError, match=r"^mine\.toml: (not valid TOML: |tables and lists stand in one another)"):
        Recipe.from_toml(text, "mine.toml")


@pytest.mark.parametrize("value", ["[" * 3000 + "]" * 3000, "9" * 4400], ids=["deep", "digits"])
def test_a_setting_that_none_has_is_refused_in_words(value):
    with pytest.raises(RecipeError, match=r"^score\.p: no setting has a value"):
        parse_setting(f"score.p={value}")


def test_an_unknown_recipe_names_the_nearest_one():
    with pytest.raises(RecipeError, match=r"'defaut'; did you mean 'default'\?.*path to a \.toml"):
        Recipe.find("defaut")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "no text"])
def test_a_file_that_cannot_be_read_as_a_recipe_is_named(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError, match=r"mine\.toml: cannot be read as a recipe"):
        Recipe.find(str(path))


def test_a_part_keeps_all_its_options_apart_from_its_name():
    assert Part(name="resize", height=3, options=4).options == {"height": 3, "options": 4}
