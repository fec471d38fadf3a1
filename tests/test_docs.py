"""What the documents say is true: their code runs, their links lead somewhere. Commands: test_commands.py."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from benchmarks.record import remarked
from PIL import Image

from pages import ADDING, PAGES, README, ROOT, example_parts, fenced, prose, read
from urushi import Detector, Inspection, Recipe, catalogue
from urushi.augmentation import Augmentation
from urushi.evaluation.below_chance import NOTE
from urushi.models.base import Reconstructor
from urushi.recipe import Augmentation as Section
from urushi.recipe import recipe_names

DOCS = ROOT / "docs"


# --- what the pages point at ------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Its headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_within_the_project_lead_somewhere() -> None:
    dead = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", read(page)):
            to = page.parent / target if target else page
            if not to.exists() or (anchor and anchor not in anchors(to)):
                dead.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert dead == []


def test_settings_mentioned_on_a_page_exist() -> None:
    table = Recipe.find("default").model_dump()
    wrong = []
    for page in PAGES:
        mentioned = re.findall(r"(?:`|--set )(training|split)\.([a-z_]+)", read(page))
        wrong += [f"{page.name}: {section}.{key}" for section, key in mentioned if key not in table[section]]
    assert wrong == []


def test_headings_of_a_page_skip_no_level() -> None:
    for page in PAGES:
        levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), page.name


def test_every_page_of_docs_is_reached_from_its_index() -> None:
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#]+)", read(DOCS / "README.md"))}
    assert [page.name for page in DOCS.glob("*.md") if page not in linked and page.name != "README.md"] == []


def test_each_roc_auc_below_chance_in_a_table_is_marked_and_said_to_be_so() -> None:
    assert [str(page.relative_to(ROOT)) for page in PAGES if remarked(read(page)) != read(page)] == []


def test_only_figures_of_detectors_are_marked_as_below_chance() -> None:
    page = "| way | ROC-AUC | ROC-AUC of luminance | AUPRO |\n|---|---|---|---|\n| a | 0.49 [0.4, 0.6] | 0.2 | 0.1 |\n"
    marked = remarked(page)
    assert "| a | 0.49 [0.4, 0.6] ▼ | 0.2 | 0.1 |" in marked
    assert marked.endswith(f"\n\n{NOTE}\n")
    assert remarked(marked) == marked
    assert remarked(page.replace("0.49", "0.51")) == page.replace("0.49", "0.51")


def test_the_readme_is_short() -> None:
    assert len(read(README).splitlines()) < 250


def test_the_table_of_recipes_is_complete() -> None:
    table = re.findall(r"^\| `([\w-]+)` \| ", read(DOCS / "recipes.md"), re.MULTILINE)
    assert sorted(table) == sorted(recipe_names())


def test_steps_in_the_table_of_the_x_ray_page_exist() -> None:
    (table,) = re.findall(r"^\| you see \| step \|\n(.*?)\n\n", read(DOCS / "x-ray.md"), re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", table))
    assert len(named) > 10
    assert named <= set(catalogue.names("urushi.preprocessing"))


def test_the_picture_is_small() -> None:
    assert (DOCS / "picture.png").stat().st_size < 200_000


# --- code -------------------------------------------------------------------------------------------------------------


def images(folder: Path, n: int) -> list[Path]:
    """Smooth shades with a little noise; the last one has a bright square."""
    rng = np.random.default_rng(0)
    shade = np.linspace(60, 120, 40)[:, None] + np.zeros(40)
    folder.mkdir(parents=True)
    for number in range(n):
        pixels = shade + rng.normal(0, 4, shade.shape)
        if number == n - 1:
            pixels[12:24, 12:24] = 255
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03}.png")
    return sorted(folder.iterdir())


@pytest.fixture
def quick_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default recipe with fewer pixels and folds."""
    small = {"preprocessing.resize.height": 64, "preprocessing.resize.width": 64, "split.n_folds": 3}
    recipe = Recipe.find("default").with_settings(small)
    monkeypatch.setattr(Recipe, "find", lambda name: {"default": recipe}[name])


def run_the_readme_s_lines(folder: Path, n_good: int, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = fenced(README, "python")
    assert len([line for line in code.splitlines() if line]) == 6
    *good, defective = images(folder / "demo/images/train/good", n_good + 1)
    (folder / "demo/images/test/full").mkdir(parents=True)
    defective.rename(folder / "demo/images/test/full/crack_000.png")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("anomalous ")
    assert len(Detector.load(folder / "part.urushi").held_out.scores) == len(good) == n_good


@pytest.mark.usefixtures("quick_default")
def test_the_readme_s_lines_of_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_the_readme_s_lines(tmp_path, 10, capsys)


@pytest.mark.slow
def test_the_readme_s_lines_of_python_run_with_the_default_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_the_readme_s_lines(tmp_path, 10, capsys)


@pytest.mark.thorough
@pytest.mark.usefixtures("quick_default")
def test_the_python_of_the_page_on_learning_on_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    *good, odd = images(tmp_path / "new", 5)
    Detector.fit(good[1:]).save(tmp_path / "part.urushi")
    odd.rename(tmp_path / "new/crack_000.png")
    (code,) = fenced(DOCS / "learning-on.md", "python")
    exec(compile(code, "learning-on.md", "exec"), {})
    assert "'image': 4" in capsys.readouterr().out
    assert len(Detector.load(tmp_path / "part-2.urushi").held_out.scores) == len(good)


@pytest.mark.thorough
@pytest.mark.usefixtures("quick_default")
def test_the_python_of_the_page_on_deployment_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good = images(tmp_path / "good", 10)
    Detector.fit(good).save(tmp_path / "part.urushi")
    for name, source in (("a.png", good[0]), ("b.png", good[-1])):
        source.rename(tmp_path / name)
    (code,) = fenced(DOCS / "deploy.md", "python")
    exec(compile(code, "deploy.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.startswith("PyTorch ")
    assert out.count("Inspection(") == 2


def test_the_python_of_the_x_ray_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = fenced(DOCS / "x-ray.md", "python")
    exec(compile(code, "x-ray.md", "exec"), {})
    assert capsys.readouterr().out == "uint8 (1, 128, 128) [147.  97.   1.]\n"


@pytest.mark.thorough
@pytest.mark.usefixtures("quick_default")
def test_the_python_of_the_page_on_studies_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "images/train/good", 10)
    images(tmp_path / "images/test/scratch", 3)
    (code,) = fenced(DOCS / "studies.md", "python")
    exec(compile(code, "studies.md", "exec"), {})
    assert re.match(r"10 \[(\('\d+\.png', -?1\)(, )?){3}\]\n", capsys.readouterr().out)


def test_no_page_has_python_that_is_not_run() -> None:
    names = ("deploy", "drift", "learning-on", "line", "scale", "station", "studies", "x-ray")
    run = {README, *(DOCS / f"{name}.md" for name in names), *ADDING}
    assert {page for page in PAGES if fenced(page, "python")} == run


@pytest.fixture
def example(tmp_path: Path) -> Iterator[dict[str, Path]]:
    with example_parts(tmp_path) as files:
        yield files


def recipe(**training: int) -> Recipe:
    table = {
        "preprocessing": [
            {"name": "grey"},
            {"name": "crop_border", "margin_px": 4},
            {"name": "resize", "height": 32, "width": 32},
            {"name": "scale"},
        ],
        "model": {"name": "denoising_autoencoder", "noise": 0.05, "learning_rate": 0.01},
        "score": {"name": "huber", "delta": 0.2},
        "threshold": {"name": "sigma", "k": 4},
        "training": {"accelerator": "cpu", "batch_size": 4, **training},
    }
    return Recipe.from_table(table, "test")


@pytest.mark.usefixtures("example")
def test_the_example_method_score_rule_and_step_make_a_detector(tmp_path: Path) -> None:
    *good, defective = images(tmp_path / "good", 13)
    detector = Detector.fit(good, recipe(max_epochs=2))
    normal, anomalous = detector.inspect(good[0]), detector.inspect(defective)
    assert anomalous.score > normal.score > 0
    assert anomalous.decision == "anomalous"
    assert detector.threshold.rule == "sigma"
    assert anomalous.original_size == (40, 40)
    detector.save(tmp_path / "part.urushi")
    loaded = Detector.load(tmp_path / "part.urushi").inspect(defective)
    assert isinstance(loaded, Inspection)
    assert loaded.score == anomalous.score


@pytest.mark.usefixtures("example")
def test_the_example_transform_squeezes_about_the_middle() -> None:
    section = {"transforms": [{"name": "squeeze", "largest_factor": 2.0}], "border": "constant"}
    augmentation = Augmentation.of(
        recipe().model_copy(update={"augmentation": Section.model_validate(section)}).augmentation
    )
    drawn = augmentation.draw(np.random.default_rng(0), (40, 40))
    image = np.zeros((40, 40), np.uint8)
    image[10:30, 10:30] = 255
    ((_, parameters),) = drawn.steps
    assert augmentation.apply(image, drawn).mean() == pytest.approx(255 / 4 / parameters["factor"], rel=0.05)


PARTS = {
    "models/denoising_autoencoder": 2,
    "scoring/huber": 1,
    "calibration/sigma": 2,
    "preprocessing/crop_border": 2,
    "augmentation/squeeze": 1,
}


def test_an_example_is_two_files(example: dict[str, Path]) -> None:
    expected = [
        (f"src/urushi/{room}/{name}.py", f"tests/{room}/test_{name}.py")
        for room, name in (part.split("/") for part in PARTS)
    ]
    assert set(example) == {name for pair in expected for name in pair}


def test_the_examples_pass_the_linter(example: dict[str, Path]) -> None:
    sources = [str(path) for name, path in example.items() if name.startswith("src/")]
    for words in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml"), *sources]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("part", "n_tests"), PARTS.items())
def test_an_example_s_own_tests_pass(part: str, n_tests: int, example: dict[str, Path]) -> None:
    room, name = part.split("/")
    namespace: dict[str, object] = {}
    exec(compile(example[f"tests/{room}/test_{name}.py"].read_text("utf-8"), f"test_{name}.py", "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == n_tests
    for test in tests:
        test()  # type: ignore[operator]


def test_the_example_is_found_through_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_, table) = fenced(ADDING[0], "toml")
    points = tomllib.loads(table)["project"]["entry-points"]["urushi.models"]
    info = tmp_path / "my_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("[urushi.models]\n" + "\n".join(lines) + "\n")
    (tmp_path / "my_package.py").write_text(fenced(ADDING[0], "python")[0], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    catalogue.names.cache_clear()
    try:
        found = catalogue.load("urushi.models", "denoising_autoencoder", Reconstructor)
    finally:
        catalogue.names.cache_clear()
        sys.modules.pop("my_package", None)
    assert found.__name__ == "DenoisingAutoencoder"
