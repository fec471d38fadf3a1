"""Each command says something before it loads what takes long to load."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from urushi.cli import program
from urushi.cli._first_line import tell
from urushi.cli._help import EXAMPLES

# Its forks begin with all commands, and what each of them is read and drawn with; their first words end them.
EACH = """
import json, os, sys
import pydantic, rich.console, rich.table, rich.text
from urushi.cli import main, program
program([])


class Ended:
    encoding, errors = "utf-8", "strict"

    def write(self, text):
        if text.strip():
            os.write(pipe, json.dumps([text.splitlines()[0], sorted(sys.modules)]).encode())
            os._exit(0)

    def flush(self):
        pass

    def isatty(self):
        return False


def first_words(words):
    global pipe
    reader, pipe = os.pipe()
    if os.fork() == 0:
        sys.stdout = sys.stderr = Ended()
        sys.argv = words
        try:
            main()
        finally:
            os._exit(1)
    os.close(pipe)
    with open(reader) as found:
        return json.loads(found.read() or "[null, []]")


print(json.dumps({words: first_words(words.split()) for words in sys.argv[1:]}))
"""
HEAVY = {"torch", "lightning", "kornia", "torchmetrics", "scipy", "sklearn", "skimage", "matplotlib", "onnxruntime"}
HEAVY |= {"numpy", "cv2", "PIL", "safetensors", "jinja2", "xraylib", "spekpy", "onnx", "openvino"}
FOLDERS = ("good", "new", "DATASET", "PATH", "images", "incoming", "LABELLED_DIR", "IN", "radiographs")
FILES = ("part.urushi", "FILE", "picture.png", "leather.png", "my_study.toml", "defects.types")
EXAMPLE_OF = {name: next(one for one in all_ if one.startswith(f"urushi {name}")) for name, all_ in EXAMPLES.items()}
MORE = (
    "urushi models autoencoder",
    "urushi models autoencoder --set architecture=inspection",
    "urushi scores ssim",
    "urushi doctor DATASET",
    "urushi fit --add part.urushi new",
    "urushi inspect part.urushi --watch incoming",
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str | None, set[str]]]:
    """What each command writes first, as in the first example of `--help`, and the packages loaded by then."""
    folder = tmp_path_factory.mktemp("first")
    for name in FOLDERS:
        (folder / name).mkdir()
    for name in FILES:
        (folder / name).touch()
    run = subprocess.run(
        [sys.executable, "-c", EACH, *MORE, *EXAMPLE_OF.values()],
        cwd=folder,
        env={**os.environ, "MPLCONFIGDIR": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        words: (line, {module.partition(".")[0] for module in modules})
        for words, (line, modules) in json.loads(run.stdout).items()
    }


@pytest.mark.thorough
def test_every_command_writes_a_line_before_it_loads_what_takes_long(first):
    assert {words: loaded & HEAVY for words, (line, loaded) in first.items() if loaded & HEAVY or not line} == {}


@pytest.mark.thorough
def test_no_command_is_left_out(first):
    assert set(names_in(typer.main.get_command(program([])))) == set(EXAMPLE_OF), "give it an example in cli/_help.py"
    assert set(EXAMPLE_OF.values()) < set(first)


def names_in(command: Any, before: str = "") -> Iterator[str]:
    for name, one in command.commands.items():
        own = "" if name == getattr(command, "default", None) else name  # what a group does without a further word
        yield from names_in(one, f"{before}{name} ") if hasattr(one, "commands") else [f"{before}{own}".strip()]


@pytest.mark.thorough
def test_the_first_line_says_what_is_read_or_else_where_is_written(first):
    lines = {words: line for words, (line, _) in first.items()}
    assert lines["urushi fit good -o part.urushi"] == "reading good/"
    assert lines["urushi evaluate part.urushi DATASET"] == "reading part.urushi, DATASET/"
    assert lines["urushi inspect part.urushi --watch incoming"] == "reading part.urushi, incoming/"
    assert lines["urushi xray simulate potato phantoms -n 200 --seed 0"] == "writing to phantoms"
    assert lines["urushi scores ssim"] == "Structural similarity: compares brightness, contrast and structure."


def test_large_files_are_named_with_their_size_and_many_are_counted(tmp_path, capsys):
    large = tmp_path / "large.urushi"
    with large.open("wb") as file:
        file.truncate(34_500_000)
    tell({"detector": large, "paths": [tmp_path] * 1500, "out": tmp_path, "seed": 3, "watch": tmp_path / "gone"})
    folder = f"{tmp_path}/"
    assert capsys.readouterr().err == f"reading {large} (34.5 MB), {folder}, {folder} and 1,498 more\n"
    tell({"seed": 3, "paths": [tmp_path / "gone"]})
    assert capsys.readouterr().err == ""
