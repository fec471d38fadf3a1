"""Every `urushi …` command of the pages runs as it stands there, in a folder that has what the pages name.

Only the images and the recipes are smaller. What is run is the entry point, in this process.
"""

import io
import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, nullcontext, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import cv2
import numpy as np
import pytest
import tomli_w
from PIL import Image

import urushi.runtime  # noqa: F401  what it sets in the environment would end with the first command that imports it
from pages import ADDING, PAGES, README, ROOT, example_parts, fenced, prose, read
from urushi import Recipe, cli
from urushi.cli import _console
from urushi.cli._help import EXAMPLES
from urushi.data import limits

# --- the commands of the pages ----------------------------------------------------------------------------------------


class Command(NamedTuple):
    """As a page has it, and whether it stands in a block; between backticks a command may be just a part of one."""

    text: str
    is_whole: bool
    adds_parts: bool  # of a page that adds a method or a part, which is there then


def in_blocks(page: Path) -> list[str]:
    """Commands that stand in blocks, in their order."""
    text = read(page).replace("\\\n", " ")
    found = re.findall(r"^(?:\$ | {4})((?:\S*/)?urushi [^\n#]*)", text, re.MULTILINE)
    return [" ".join(one.split()).removeprefix("urushi/bin/") for one in found]


def commands() -> list[Command]:
    found: dict[str, Command] = {}
    for page in PAGES:
        blocks = in_blocks(page)
        spans = re.findall(r"`(urushi\s[^`]*)`", prose(page))
        for one, is_whole in [*((block, True) for block in blocks), *((span, False) for span in spans)]:
            words = " ".join(one.split())
            before = found.get(words, Command(words, False, False))
            found[words] = Command(words, before.is_whole or is_whole, before.adds_parts or page in ADDING)
    for text in chain(*EXAMPLES.values()):
        found.setdefault(text, Command(text, True, False))
    return sorted(found.values())


COMMANDS = commands()
_LONG = "takes most of a minute; tests/cli/test_what_there_is.py runs it with a small recipe"
NOT_RUN = {"urushi demo": _LONG, "urushi demo --out demo": _LONG}
NOT_RUN["urushi --install-completion"] = "changes the files of a shell"
SLOW = (  # each takes a second of processor time or more, and what is like it is run anyway
    r"benchmark part",
    r"study my_study",
    r"compare DATASET",
    r"tune default",
    r"--engine ray",
    r"--mlflow",
    r"fit .* --recipe auto\b",
    r"evaluate .* --plots \w",
    r"export part",
    r"xray simulate \w",
    r"xray contrast .* --out",
    r"sample .* --height",
    r"represent camera",
)
# Packages of extras that need not be there.
NEEDS = {r"urushi tune": "optuna", r"--engine ray": "ray", r"--mlflow": "mlflow", r"--line line.toml": "paho"}
# What only lists and looks is quick; what fits, inspects and evaluates has its own tests beside these, and CI runs all.
QUICK = r"^urushi(?: -\S+)? (?:--(?!decode)|models|scores|recipes|steps|transforms|doctor|fit good -o part.urushi$)"
# What stands for something else, and what only takes longer. Options at the end win.
MEANT = {
    r"^(urushi serve (?!token).*)": r"\1 --check",
    r"^urushi serve$": "urushi serve --help",
    r"^(urushi serve token) anna --revoke": r"\1 line-1 --data station --revoke",
    r"^(urushi history (evidence|verify)) .*": r"\1 --help",  # tests/serving/test_evidence_page.py runs them
    r"^urushi --debug COMMAND": "urushi --debug doctor",
    r"(models|scores|steps|recipes) NAME": {
        "models": "models autoencoder",
        "scores": "scores fusion",
        "steps": "steps crop",
        "recipes": "recipes potato",
    },
    r"--set …": "--set architecture=inspection",
    r"/mnt/camera": "FOLDER",
    r"fit good (.* --recipe auto)": r"fit many \1",
    r"(--watch \S+)(?= |$)(?! --idle-seconds)": r"\1 --idle-seconds 0",
    r"--idle-seconds \d+": "--idle-seconds 0",
    r"(prepare \S+ \S+ .*)": r"\1 --n-shown 2",
    r"(--patches \d+.*)": r"\1 --patches 20",
    r"(represent \S+ -o .*)": r"\1 --size 16 --steps 2",
    r"(simulate .*) -n \d+": r"\1 -n 1",
    r"(benchmark part.*)": r"\1 --seconds 0.1",
    r"(compare .*) --recipes \S+": r"\1 --recipes pixel-pca,autoencoder",
    r"(compare .*) --repeats \d+": r"\1 --repeats 1",
    r"tune default good (.*?)(?: --trials \d+)?$": r"tune pixel-pca many \1 --trials 2",
    r"(--engine ray.*)": r"\1 --workers 1",
    r"--set training.devices=2 --set training.strategy=ddp": "--set training.devices=1",  # tests/training has two
    r"-alarm-rate 0.0(\d)": r"-alarm-rate 0.\1",  # twenty good images allow no lower one
    r"warn-rate 0.0(\d)": r"warn-rate 0.\1",
    r"(interpolate part.*)": r"\1 --frames 3",
    r"(sample part.*) -n 36": r"\1 -n 4",
    r"preprocessing.inpainting.exposure_off=(\S+)": r"\g<0> --set preprocessing.inpainting.radius_px=3",
    r"(--recipe denoising.toml.*)": r"\1 --set training.max_epochs=1",
    r"(fit .* --recipe potato.*)": r"\1 --set training.max_epochs=2 --set training.find_learning_rate=false",
}
# What the pages take as made before: the file, and the commands that make it.
MADE_BY = {
    "part.urushi": ["urushi fit demo/images -o part.urushi"],
    "potato.urushi": ["urushi fit phantoms -o potato.urushi --recipe potato"],
    "gan.urushi": ["urushi fit good -o gan.urushi --recipe gan"],
    "bigan.urushi": ["urushi fit good -o bigan.urushi --recipe convolutional-bigan"],
    "line_1.urushi": ["urushi fit --add part.urushi line_1 -o line_1.urushi"],
    "line_2.urushi": ["urushi fit --add part.urushi line_2 -o line_2.urushi"],
    "defects.types": ["urushi classify part.urushi LABELLED_DIR -o defects.types"],
    "station": [
        "urushi serve part.urushi --data station --check",
        "urushi serve token line-1 --data station",
    ],
    "FILE": ["urushi inspect part.urushi LABELLED_DIR --novelty-buffer FILE", "urushi novelties FILE"],
}
# The detector that these mean by part.urushi; other commands mean the default's.
DETECTORS = {r"sample .* --height": "bigan.urushi", r"(sample|interpolate) ": "gan.urushi"}
WRITTEN = (
    r"(?:-o|--output|--out|--page|--plots|--json|>>?) (\w[\w./-]*)",
    r"evaluate .* --report ([\w./]+)",
    r"(?:prepare|augment|texture) \S+ ([\w./-]+)",
    r"simulate \S+ ([\w./]+)",
)


def meant(text: str) -> str:
    for pattern, replacement in MEANT.items():
        if isinstance(replacement, dict):
            text = re.sub(pattern, lambda match, names=replacement: names[match[1]], text)
        else:
            text = re.sub(pattern, replacement, text, count=1)
    return text


# --- the folder -------------------------------------------------------------------------------------------------------


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def weave(rng: np.random.Generator, defect: str = "") -> np.ndarray:
    """A cloth of 64 × 64 px."""
    y, x = np.mgrid[:64, :64]
    image = 120 + 30 * np.sin(x / 3 + 0.1 * rng.normal()) + 20 * np.sin(y / 4) + rng.normal(0, 5, (64, 64))
    if defect in ("crack", "half"):
        at = int(rng.integers(28, 34))
        image[:, at : at + 4] = 255
    elif defect:
        image[20:34, 24:40] = 255 - image[20:34, 24:40]
    return image.clip(0, 255)


def radiograph(rng: np.random.Generator, defect: str = "") -> np.ndarray:
    """A dark disc on a bright ground."""
    y, x = np.mgrid[:64, :64]
    image = np.where((y - 32) ** 2 + (x - 32) ** 2 < 18**2, 90, 180) + rng.normal(0, 3, (64, 64))
    if defect:
        image[28:34, 28:34] = 20
    return image.clip(0, 255)


def dataset(folder: Path, draw: Callable[..., np.ndarray], seed: int, n_test: int = 3) -> None:
    """MVTec layout: 20 good images to learn from, and to test good ones and three kinds of defects."""
    rng = np.random.default_rng(seed)
    for number in range(20):
        write(folder / "train/good" / f"{number:03}.png", draw(rng))
    for number in range(n_test):
        write(folder / "test/good" / f"{number:03}.png", draw(rng))
    mask = np.zeros((64, 64))
    mask[10:50, 10:50] = 255
    for kind in ("full", "half", "quarter"):
        for number in range(n_test):
            write(folder / "test" / kind / f"{number:03}.png", draw(rng, kind))
            write(folder / "ground_truth" / kind / f"{number:03}_mask.png", mask)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the pages name by a name of its own; what is made by commands comes when one needs it."""
    root, rng = tmp_path_factory.mktemp("pages"), np.random.default_rng(0)
    dataset(root / "demo/images", weave, 0)
    shutil.copytree(root / "demo/images", root / "DATASET")
    for line in (1, 2):
        write(root / f"line_{line}/000.png", weave(np.random.default_rng([line, line])))
    dataset(root / "DATA/xray_weld", weave, 2, n_test=20)
    for good in ("good", "IN"):
        shutil.copytree(root / "demo/images/train/good", root / good)
    for place, file in enumerate(sorted((root / "good").iterdir())):
        write(root / "scans" / f"item-{place // 4}_scan-{place % 4}.png", np.asarray(Image.open(file)))
    for few in ("images", "new", "incoming", "PATH", "FOLDER"):
        shutil.copytree(root / "demo/images/test/full", root / few)
    dataset(root / "phantoms", radiograph, 1)
    shutil.copytree(root / "phantoms/train/good", root / "radiographs")
    shutil.copytree(root / "phantoms", root / "bars")
    dead = np.ones((64, 64))
    dead[:, 5] = 0
    write(root / "bars/calibration/exposure_on.png", 200 * dead)
    write(root / "bars/calibration/exposure_off.png", 0 * dead)
    for kind in ("hole", "crack"):
        for number in range(10):
            write(root / "LABELLED_DIR" / kind / f"{number}.png", weave(rng, kind))
    for number in range(40):  # so many that a trial of candidates may hold some out
        write(root / "many" / f"{number:03}.png", weave(rng))
    clamp = np.zeros((64, 64))
    clamp[:20, :30] = 255
    write(root / "clamp.png", clamp)
    write(root / "leather.png", rng.integers(0, 255, (320, 320)))
    film = cv2.VideoWriter(str(root / "line.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for _ in range(3):
        film.write(np.repeat(weave(rng).astype(np.uint8)[..., None], 3, 2))
    film.release()
    for name in ("picture.png", "camera.png", "a.png", "b.png"):
        write(root / name, weave(rng))
    denoising = tomllib.loads(Recipe.find("autoencoder").to_toml()) | {"model": {"name": "denoising_autoencoder"}}
    (root / "denoising.toml").write_text(tomli_w.dumps(denoising), "utf-8")
    (root / "FILE.toml").write_text(Recipe.find("default").to_toml(), "utf-8")
    line, *_ = fenced(ROOT / "docs/line.md", "toml")
    (root / "line.toml").write_text(line, "utf-8")
    for secret in ("webhook.key", "mqtt.key"):
        (root / secret).write_text("of no use elsewhere", "utf-8")
    study, *_ = fenced(ROOT / "docs/studies.md", "toml")
    for long, short in [("repeats = 3", "repeats = 1"), ("draws = 10", "draws = 2"), ("[2, 8, 32]", "[2, 8]")]:
        assert long in study
        study = study.replace(long, short)
    (root / "my_study.toml").write_text(re.sub(r"max_epochs\" = \d+", 'max_epochs" = 1', study), "utf-8")
    return root


@pytest.fixture
def workspace(shelf: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A folder of the test's own with everything on the shelf, and with what this command takes for granted."""

    def workspace(command: str) -> Path:
        detector = next((name for pattern, name in DETECTORS.items() if re.search(pattern, command)), "part.urushi")
        for name in MADE_BY:
            if re.search(rf" {name}\b", command) and not re.search(rf"(-o|--output) {name}", command):
                make(shelf, detector if name == "part.urushi" else name)
        place = tmp_path / "place"
        place.mkdir()
        written = {name for pattern in WRITTEN for name in re.findall(pattern, command)}
        for path in shelf.iterdir():  # folders of images are only read; what a command writes must not be there yet
            if path.is_dir() and path.name not in written and path.suffix != ".training":
                (place / path.name).symlink_to(path)
            elif path.is_file():
                shutil.copy(path, place)
        if detector != "part.urushi" and (shelf / detector).exists():
            shutil.copy(shelf / detector, place / "part.urushi")
        return place

    return workspace


def make(shelf: Path, name: str) -> None:
    if not (shelf / name).exists():
        for before in MADE_BY:
            if before != name and f" {before} " in MADE_BY[name][0]:
                make(shelf, before)
        for command in MADE_BY[name]:
            DONE[command] = run(command, shelf)
            assert DONE[command].status == 0, DONE[command].err


# --- running ----------------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    status: int
    out: str
    err: str


FIND = Recipe.find
DONE: dict[str, Result] = {}  # what was run on the shelf


def smaller(name_or_path: str) -> Recipe:
    """The recipe of this name with fewer pixels, folds and epochs."""
    recipe = FIND(name_or_path)
    settings: dict[str, object] = {"training.max_epochs": 1, "split.n_folds": min(recipe.split.n_folds, 2)}
    is_of_features = recipe.model.name.startswith("feature_")
    if recipe.model.name == "feature_reconstruction":
        settings |= {"model.blocks": [4], "model.stride": 8, "model.variance": 0.97}
    if any(step.name == "resize" for step in recipe.preprocessing):
        side = 64 if is_of_features else 32
        settings |= {"preprocessing.resize.height": side, "preprocessing.resize.width": side}
    if recipe.tiling.tile_px:
        settings["tiling.tile_px"] = 48 if is_of_features else 32
    return recipe.with_settings(settings)


def run(command: str, folder: Path) -> Result:
    """A line as a shell would run it there; what goes to a file goes to that file."""
    line, _, target = re.sub(">>", ">", command).partition(" > ")
    out, err, status = io.StringIO(), io.StringIO(), 0
    with ExitStack() as stack:
        stack.enter_context(chdir(folder))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(mock.patch.object(sys, "argv", shlex.split(line)))
        stack.enter_context(mock.patch.object(_console, "is_debugging", _console.is_debugging))
        stack.enter_context(mock.patch.object(limits, "_limits", limits._Limits()))
        stack.enter_context(mock.patch.object(Recipe, "find", smaller))
        stack.enter_context(mock.patch.dict(os.environ, {"COLUMNS": "200", "TERM": "dumb"}))
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
    if target:
        (folder / target).write_text(out.getvalue(), "utf-8")
    return Result(status, out.getvalue(), err.getvalue())


def cases() -> Iterator[object]:
    for command in COMMANDS:
        if command.text not in NOT_RUN:
            is_slow = any(re.search(one, command.text) for one in SLOW)
            is_quick = re.search(QUICK, command.text) and not is_slow
            mark = pytest.mark.slow if is_slow else pytest.mark.thorough
            yield pytest.param(command, id=command.text, marks=[*_lacking(command.text), *([] if is_quick else [mark])])


def _lacking(text: str) -> list[pytest.MarkDecorator]:
    missing = [name for pattern, name in NEEDS.items() if re.search(pattern, text) and find_spec(name) is None]
    return [pytest.mark.skip(reason=f"needs {', '.join(missing)}")] if missing else []


@pytest.mark.parametrize("command", list(cases()))
def test_a_command_of_the_pages_runs(
    command: Command, shelf: Path, workspace: Callable[[str], Path], tmp_path: Path
) -> None:
    line = meant(command.text)
    makes = next((name for name, made_by in MADE_BY.items() if line in made_by), None)
    if makes:  # others need what it makes: it is run once, on the shelf
        make(shelf, makes)
        place, result = shelf, DONE[line]
    else:
        place = workspace(line)
        with example_parts(tmp_path / "parts") if command.adds_parts else nullcontext():
            result = run(line, place)
    if result.status == 2 and not command.is_whole:  # an option's name in a sentence, say: the names are right
        assert re.search(r"Missing (argument|option)|requires an argument|COMMAND \[ARGS\]", result.out + result.err), (
            result.err
        )
        return
    assert result.status == 0, result.err
    missing = [name for pattern in WRITTEN for name in re.findall(pattern, line) if not (place / name).exists()]
    assert missing == []


# What a reader has before the first command of a page; all else is made by the commands themselves.
FOLLOWED = {
    "README.md": ["demo", "images", "FOLDER"],
    "docs/first-detector.md": ["good", "new", "incoming", "demo"],
    "docs/x-ray.md": [],
    "docs/studies.md": ["my_study.toml", "DATA"],
    "docs/deploy.md": ["part.urushi", "images", "FOLDER"],
    "docs/adding-a-method.md": ["demo"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_can_be_followed_from_top_to_bottom_in_one_folder(name: str, shelf: Path, tmp_path: Path) -> None:
    (place := tmp_path / "place").mkdir()
    for given in FOLLOWED[name]:
        if given in MADE_BY:
            make(shelf, given)
            shutil.copy(shelf / given, place)
        else:
            (place / given).symlink_to(shelf / given)
    with example_parts(tmp_path / "parts") if ROOT / name in ADDING else nullcontext():
        for command in in_blocks(ROOT / name):
            pages = {path: path.stat().st_mtime_ns for path in place.rglob("*.html")}
            result = run(re.sub(r"(simulate .*) -n 1\b", r"\1 -n 12", meant(command)), place)
            assert result.status == 0, f"{command}\n{result.err}"
            assert [path for path, time in pages.items() if path.stat().st_mtime_ns != time] == [], f"lost by {command}"
            change_as_told(ROOT / name, place / "denoising.toml")


def change_as_told(page: Path, recipe: Path) -> None:
    """The section of the model, as the page on adding a method has it."""
    sections = [tomllib.loads(block) for block in fenced(page, "toml")]
    for model in (section for section in sections if section.keys() == {"model"} and recipe.exists()):
        recipe.write_text(tomli_w.dumps(tomllib.loads(recipe.read_text("utf-8")) | model), "utf-8")


def test_none_of_them_sends_anything_or_leaves_anything_in_the_home_folder(home: Path, sent: list[str]) -> None:
    """Every command has run in this process by now."""
    assert sent == []
    assert [str(path.relative_to(home)) for path in home.rglob("*")] == []


def test_commands_are_found_in_the_pages() -> None:
    names = {command.text.split()[1] for command in COMMANDS}
    assert names >= set(cli.COMMANDS)
    assert len([command for command in COMMANDS if command.is_whole]) > 35
    assert set(NOT_RUN) <= {command.text for command in COMMANDS}


def test_every_command_is_mentioned_in_the_readme() -> None:
    assert set(cli.COMMANDS) - set(re.findall(r"(?:urushi|make) (\w+)", read(README))) == set()


# --- commands of other programs ---------------------------------------------------------------------------------------


def mentioned(pattern: str) -> set[str]:
    return {found for page in PAGES for found in re.findall(pattern, read(page), re.MULTILINE)}


def test_targets_of_make_are_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    found = mentioned(r"(?:`| {4}|^)(?:\w+=\S+ )?make ([\w-]+)")
    assert {"demo", "test", "check"} <= found <= targets


def test_scripts_are_there() -> None:
    found = mentioned(r"python -m ((?:studies|benchmarks)\.\w+)")
    assert len(found) > 20
    assert [name for name in found if not list(ROOT.glob(name.replace(".", "/") + "*"))] == []


def test_extras_are_there() -> None:
    table = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    found = {name for names in mentioned(r"(?:urushi|\.)\[([a-z,-]+)\]") for name in names.split(",")}
    assert {"train", "openvino", "xray", "dev"} & found <= set(table)
    assert found - set(table) == set()
