"""The studies whose records the pages in docs/published are made of: what they fit, on what, and how they go on."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import record
from studies import CATEGORIES, RESULTS, jobs, orientation, partial_diffusion, recipe_scores
from studies.learning_curves import passed, ratios
from studies.partial_diffusion_page import markdown

from urushi import Detector, Recipe
from urushi.data.dataset import find_dataset
from urushi.data.images import read_image
from urushi.data.masks import read_mask
from urushi.data.writing import write_image
from urushi.errors import DatasetError
from urushi.models import build_model
from urushi.training.run_folder import open_folder


def test_other_settings_have_files_of_their_own():
    """Rows of other settings in the same file would be replaced, and hours with them."""
    defaults = {"steps": 10, "side": 64}
    assert jobs.named("study", defaults, defaults) == "study"
    assert jobs.named("study", {"steps": 10, "side": 32}, defaults) == "study-side-32"


def interrupted(checkpoints) -> None:
    """A fit that was ended after its first checkpoint."""
    with jobs.kept(checkpoints, "t ≤ 50-weld") as how:
        assert not how["resume"]
        open_folder(how["folder"], {"seed": 0}, resume=False)
        (how["folder"] / "last.ckpt").touch()
        raise KeyboardInterrupt


def test_a_fit_goes_on_from_what_an_interrupted_one_left_and_then_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    with jobs.kept(tmp_path, "t ≤ 50-weld") as how:
        assert how["resume"]
    assert list(tmp_path.iterdir()) == []
    with jobs.kept(None, "any") as how:
        assert how == {}


@pytest.fixture
def striped(tmp_path):
    """Vertical stripes; of two anomalous images one has its defect in a corner, which no turned square can hold."""
    image = np.repeat(np.arange(80, dtype=np.uint8)[None] % 8 * 10, 80, axis=0)
    for part in ("train", "test"):
        write_image(tmp_path / "weld" / part / "good" / "0.png", image)
    for name, place in (("middle", slice(30, 50)), ("corner", slice(0, 5))):
        mask = np.zeros((80, 80), bool)
        mask[place, place] = True
        write_image(tmp_path / "weld/test/flaw" / f"{name}.png", np.where(mask, 255, image).astype(np.uint8))
        write_image(tmp_path / "weld/ground_truth/flaw" / f"{name}_mask.png", mask)
    return find_dataset(tmp_path / "weld")


def test_a_category_with_a_defect_of_unknown_place_is_not_turned(striped, tmp_path):
    """What is left of such a defect in the turned square could not be told."""
    (striped.root / "ground_truth/flaw/middle_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"middle\.png: it has no mask"):
        orientation.all_turned(find_dataset(striped.root), tmp_path / "turned")


def test_a_category_is_turned_with_its_masks(striped, tmp_path):
    orientation.all_turned(striped, tmp_path / "turned")
    found = find_dataset(tmp_path / "turned")
    assert [(sample.defect, sample.path.stem) for sample in found.test()] == [("flaw", "middle"), ("good", "0")]
    images = {sample.defect: read_image(sample.path) for sample in found.test()}
    mask = read_mask(found.test()[0].mask)
    assert {image.shape for image in (*images.values(), mask)} == {(56, 56)}
    assert images["flaw"][mask].mean() > 230 > 100 > images["flaw"][~mask].mean()
    assert images["good"].std(axis=0).min() > 5  # upright, each of its columns would be of one level


def test_all_strategies_have_the_source_s_network_and_the_same_training():
    options = Namespace(**orientation.DEFAULTS)
    recipes = [orientation.recipe(strategy, options) for strategy in orientation.STRATEGIES]
    assert len({recipe.training.model_dump_json() for recipe in recipes}) == 1
    (inner,) = {str(recipe.model.model_dump()["inner"]) for recipe in recipes}
    assert "'inspection'" in inner
    assert "100" in inner
    assert {read.model.model_dump()["strategy"] for read in recipes} == set(orientation.STRATEGIES)


@pytest.mark.parametrize("name", ["arnet", "sparse_codes"])
def test_what_stands_for_a_source_s_score_adds_nothing_to_it(name):
    score = Recipe.find(str(Path(orientation.__file__).parent / f"{name}_as_published.toml")).score
    assert (score.name, score.options["opinion"], score.options["alpha"]) == ("adversarial", "posterior", 1.0)


@pytest.mark.parametrize(
    ("recipe", "side"),
    [
        (orientation.recipe("none", Namespace(**orientation.DEFAULTS)), 128),
        (Recipe.find(str(Path(orientation.__file__).parent / "ganomaly_as_published.toml")), 64),
    ],
)
def test_what_stands_for_a_source_s_network_has_no_principal_components_beside_it(recipe, side):
    modules = [type(module).__name__ for module in build_model(recipe.model, (1, side, side), 0).modules()]
    assert len(modules) > 10
    assert "LinearPath" not in modules


def test_one_category_is_learnt_in_colour_and_all_that_is_compared_can_be_built():
    options = Namespace(**partial_diffusion.DEFAULTS)
    steps = {
        name: [s.name for s in partial_diffusion.recipe_of(name, "all t", options).preprocessing] for name in CATEGORIES
    }
    assert [name for name, found in steps.items() if "rgb" in found and "grey" not in found] == ["screw_head"]
    for learnt in partial_diffusion.LEARNT:
        build_model(partial_diffusion.recipe_of("screw", learnt, options).model, (1, 32, 32), 0)


def test_what_is_planted_is_told_from_images_that_were_held_out(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{number:02}.png" for number in range(24)]
    for path in paths:
        write_image(path, rng.integers(90, 100, (64, 64)).astype(np.uint8))
    recipe = Recipe.find("pixel-pca").with_settings({"model.n_components": 4})
    detector = Detector.fit(paths[:20], recipe, seed=0)
    assert partial_diffusion.told_from_planted(detector, paths[20:], 0) > 0.8


def test_the_page_of_partial_diffusion_shows_what_there_is():
    row = {
        "category": "screw",
        "learnt": "detail",
        "seed": 0,
        "t": 10,
        "fit_seconds": 60,
        "planted": 0.75,
        "chosen": None,
    }
    row["modes"] = [{"mode": "no_diffusion", "auc": 0.625}, {"mode": "diffusion", "auc": 0.5}]
    page = markdown({"about": "", "rows": [row]})
    assert "| screw | detail | 0 | 10 | 0.62 | 0.50 | — | 60 |" in page
    assert "| screw | 0 | 0.750 |" in page
    assert "by t" not in page
    assert "Change" not in page


def test_the_share_of_a_defect_that_is_rebuilt_leaves_out_other_changes_and_defects_that_do_not_show():
    defects = torch.zeros(4, 1, 2, 2)
    defects[:3, 0, 0, 0] = torch.tensor([0.2, -0.4, 0.1])  # the last of four is none
    elsewhere = torch.zeros(4, 1, 2, 2)
    elsewhere[:, 0, 1, 1] = 0.3
    assert passed(defects, defects) == pytest.approx(1)
    assert passed(defects, elsewhere) == pytest.approx(0)
    assert passed(defects, defects * torch.tensor([0.0, 0.5, 1.0, 9.0]).reshape(4, 1, 1, 1)) == pytest.approx(0.5)


def test_errors_of_a_curve_are_shares_of_those_of_components():
    row = {"components": {"auc": 0.9, "error": 0.02, "passed": 0.1}}
    row["by_epoch"] = {"4": {"auc": 0.5, "error": 0.08, "passed": 0.2}, "9": {"auc": 0.6, "error": 0.04, "passed": 0.3}}
    assert ratios(row, "error") == pytest.approx([4, 2])
    assert ratios(row, "passed") == [0.2, 0.3]


@pytest.mark.parametrize("name", ["recipe_scores-64px", "recipe_scores-64px-networks_alone"])
def test_the_page_of_scores_is_that_of_its_record_with_older_rows_too(name):
    kept = json.loads((RESULTS / f"{name}.json").read_text())
    assert (RESULTS / f"{name}.md").read_text() == record.page_of(kept, recipe_scores.markdown)
