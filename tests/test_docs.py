"""What the documents say works: their code runs, their commands, options and links exist."""

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi import Detector, Inspection, Recipe, catalogue, cli
from urushi.augmentation import Augmentation
from urushi.models.base import Reconstructor
from urushi.recipe import Augmentation as Section
from urushi.recipe import recipe_names

ROOT = Path(__file__).parent.parent
README, ADDING = ROOT / "README.md", ROOT / "docs" / "adding-a-method.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *(path for room in ("benchmarks", "docs", "studies") for path in sorted((ROOT / room).rglob("*.md"))),
]


def read(page: Path) -> str:
    return page.read_text("utf-8")


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)


# --- commands ---------------------------------------------------------------------------------------------------------


def mentioned_commands() -> Iterator[str]:
    """Each `urushi …` of the pages: in console and indented blocks, and between backticks in the text."""
    for page in PAGES:
        text = read(page).replace("\\\n", " ")
        yield from re.findall(r"^(?:\$ | {4})(urushi [^\n#]*)", text, re.MULTILINE)
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        yield from (" ".join(span.split()) for span in re.findall(r"`(urushi\s[^`]*)`", prose))


def parts(command: str) -> tuple[str, list[str]]:
    """The command's name, empty for `urushi` itself, and its options without their values."""
    words = shlex.split(command)[1:]
    names = [word for word in words if not word.startswith("-")]
    name = " ".join(names[: 2 if names[:1] == ["xray"] else 1])
    return name, [word.partition("=")[0] for word in words if word.startswith("-")]


def help_of(name: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", "from urushi.cli import main; main()", *name.split(), "--help"],
        capture_output=True,
        text=True,
        env={"COLUMNS": "200", "TERM": "dumb", "PATH": "", "PYTHONIOENCODING": "utf-8"},
    )
    assert run.returncode == 0, f"`urushi {name} --help` fails: {run.stderr}"
    return run.stdout


@cache
def options_of(name: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", help_of(name)))


COMMANDS = sorted(set(mentioned_commands()))


def test_commands_are_found_in_the_pages() -> None:
    assert {"fit", "inspect", "evaluate", "calibrate", "doctor"} <= {parts(command)[0] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_mentioned_command_and_its_options_exist(command: str) -> None:
    name, options = parts(command)
    if name != "COMMAND":  # stands for any of them
        assert set(options) - options_of(name) - options_of("") == set()


def test_every_command_is_mentioned_in_the_readme() -> None:
    there = set(cli.COMMANDS)
    assert there - set(re.findall(r"(?:urushi|make) (\w+)", read(README))) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_mentioned_on_a_page_exist(page: Path) -> None:
    table = Recipe.find("default").model_dump()
    mentioned = re.findall(r"(?:`|--set )(training|split)\.([a-z_]+)", read(page))
    assert [f"{section}.{key}" for section, key in mentioned if key not in table[section]] == []


# --- what the pages point at ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(page))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_table_of_recipes_is_complete() -> None:
    table = re.findall(
        r"^\| `([\w-]+)` \| ", read(README).partition("## Recipes")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert sorted(table) == sorted(recipe_names())


def test_the_picture_is_small() -> None:
    assert (ROOT / "docs" / "picture.png").stat().st_size < 200_000


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


def test_the_readme_s_lines_of_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = fenced(README, "python")
    assert len([line for line in code.splitlines() if line]) == 6
    *good, defective = images(tmp_path / "demo/images/train/good", 11)
    (tmp_path / "demo/images/test/crack").mkdir(parents=True)
    defective.rename(tmp_path / "demo/images/test/crack/000.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("anomalous ")
    assert (tmp_path / "part.urushi").exists()
    assert len(good) == 10


def test_the_python_of_the_x_ray_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = fenced(ROOT / "docs" / "x-ray.md", "python")
    exec(compile(code, "x-ray.md", "exec"), {})
    assert capsys.readouterr().out == "uint8 (1, 128, 128) [147.  97.   1.]\n"


def test_every_step_is_named_on_the_x_ray_page_or_the_readme() -> None:
    text = read(ROOT / "docs" / "x-ray.md") + read(README)
    assert [name for name in catalogue.names("urushi.preprocessing") if not re.search(rf"\b{name}\b", text)] == []


@pytest.fixture
def example(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """The page's files where their first lines say, in folders that are rooms of the package as long as the test."""
    files = {}
    for code in fenced(ADDING, "python"):
        first, _, rest = code.partition("\n")
        path = tmp_path / first.removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest, "utf-8")
        files[first.removeprefix("# ")] = path
    rooms = [importlib.import_module(f"urushi.{path.parent.name}") for name, path in files.items() if "src" in name]
    for room in rooms:
        room.__path__.append(str(tmp_path / "src" / "urushi" / room.__name__.rpartition(".")[2]))
    catalogue.names.cache_clear()
    yield files
    catalogue.names.cache_clear()
    for room in rooms:
        room.__path__.pop()
    for name, path in files.items():
        sys.modules.pop(f"urushi.{path.parent.name}.{path.stem}" if "src" in name else path.stem, None)


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


def test_the_example_step_leads_back_to_the_original(example: dict[str, Path]) -> None:
    step = importlib.import_module("urushi.preprocessing.crop_border").CropBorder(margin_px=4)
    image = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40)
    cropped, back = step.place(image)
    x, y, _ = back @ np.array([3, 5, 1])
    assert cropped[5, 3] == image[int(y), int(x)]
    assert example["src/urushi/preprocessing/crop_border.py"].exists()


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


def test_the_example_s_own_tests_pass(example: dict[str, Path]) -> None:
    code = example["tests/models/test_denoising_autoencoder.py"].read_text("utf-8")
    namespace: dict[str, object] = {}
    exec(compile(code, "adding-a-method.md", "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()  # type: ignore[operator]


def test_the_example_is_found_through_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table,) = fenced(ADDING, "toml")
    points = tomllib.loads(table)["project"]["entry-points"]["urushi.models"]
    info = tmp_path / "my_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("[urushi.models]\n" + "\n".join(lines) + "\n")
    (tmp_path / "my_package.py").write_text(fenced(ADDING, "python")[0], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    catalogue.names.cache_clear()
    try:
        found = catalogue.load("urushi.models", "denoising_autoencoder", Reconstructor)
    finally:
        catalogue.names.cache_clear()
        sys.modules.pop("my_package", None)
    assert found.__name__ == "DenoisingAutoencoder"


def test_headings_of_a_page_skip_no_level() -> None:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
        levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
        assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), page.name
