"""Frozen or zipped, without a folder to list: every entry, recipe and template is there all the same."""

import json
import runpy
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import urushi
from pages import ROOT, read
from urushi import catalogue
from urushi.recipes.files import recipe_names

SOURCE = Path(urushi.__file__).parent
ROOMS = ("models", "scoring", "calibration", "preprocessing", "backbones", "augmentation", "data.layouts")
FROM_A_ZIP = """
import json, sys
from urushi import Recipe, catalogue
from urushi.recipes.files import recipe_names
from urushi.reporting import page
sources = page._sources("report.css", "page.js", "no.css")
page._environment().get_template("report.html.j2")
assert Recipe.find("default").model.name == "feature_pyramid"
names = {room: catalogue.names(f"urushi.{room}") for room in sys.argv[1:]}
print(json.dumps([page.__file__, names, recipe_names(), sources]))
"""


@pytest.fixture(scope="module")
def hook() -> dict:
    group = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["entry-points"]["pyinstaller40"]
    (folder,) = EntryPoint("hook-dirs", group["hook-dirs"], "pyinstaller40").load()()
    return runpy.run_path(str(Path(folder) / "hook-urushi.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_the_hook_names_every_entry(room, hook):
    names = catalogue.names(f"urushi.{room}")
    assert names
    assert {f"urushi.{room}.{name}" for name in names} <= set(hook["hiddenimports"])


def test_the_hook_names_modules_that_only_functions_import_and_nothing_that_is_none(hook):
    names = set(hook["hiddenimports"])
    assert {"urushi", "urushi.detector", "urushi.cli.inspect", "urushi.runtime.onnx_backend"} <= names
    assert all(part.isidentifier() for name in names for part in name.split("."))


def test_the_hook_takes_recipes_templates_and_schemas_along(hook):
    places = {f"{folder}/{Path(source).name}" for source, folder in hook["datas"]}
    assert {f"urushi/recipes/{name}.toml" for name in recipe_names()} <= places
    assert {f"urushi/reporting/templates/{path.name}" for path in (SOURCE / "reporting/templates").iterdir()} <= places
    assert "urushi/cli/inspection.schema.json" in places
    assert not any(place.endswith((".py", ".pyc")) for place in places)


@pytest.mark.thorough
def test_from_a_zip_entries_recipes_and_templates_are_those_of_the_folder(tmp_path):
    archive = tmp_path / "urushi.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in SOURCE.rglob("*"):
            if "__pycache__" not in path.parts:
                packed.write(path, Path("urushi") / path.relative_to(SOURCE))
    code = f"import sys; sys.path.insert(0, {str(archive)!r})\n{FROM_A_ZIP}"
    done = subprocess.run([sys.executable, "-c", code, *ROOMS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    place, names, recipes, sources = json.loads(done.stdout)
    assert place.startswith(str(archive))
    assert names == {room: list(catalogue.names(f"urushi.{room}")) for room in ROOMS}
    assert recipes == list(recipe_names())
    templates = SOURCE / "reporting" / "templates"
    assert sources == (templates / "report.css").read_text("utf-8") + (templates / "page.js").read_text("utf-8")
