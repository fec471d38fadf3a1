"""The shell loads no torch, and rooms do not reach into each other's private modules (docs/architecture.md)."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import urushi
from urushi.catalogue.extras import is_installed

SOURCE = Path(urushi.__file__).parent
COMMAND = str(Path(sys.executable).with_name("urushi"))
HEAVY = ("torch", "lightning", "kornia", "torchmetrics")
CORE = (
    "urushi.models",
    "urushi.losses",
    "urushi.backbones",
    "urushi.scoring",
    "urushi.training",
    "urushi.fitting",
    "urushi.exporting",
    "urushi.applications.generation",
    "urushi.applications.implicit_representation",
    "urushi.data.loader",
    "urushi.runtime.torch_backend",
    "urushi.defect_types.tuning",
)

# Imports the modules one after the other, as one process would, and notes who asks for a heavy package. It is refused:
# a module that needs one is not loaded, so that each later one that needs it is told as well.
PROBE = """
import importlib, json, sys
modules, heavy = json.loads(sys.argv[1])
asked = []
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in heavy:
            asked.append(name)
            raise ModuleNotFoundError(f"{name} is refused here", name=name)
sys.meta_path.insert(0, Refuse())
found = {}
for module in modules:
    asked.clear()
    try:
        importlib.import_module(module)
    except Exception as error:
        asked.append(repr(error))
    if asked:
        found[module] = list(asked)
print(json.dumps(found))
"""


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_core(module: str) -> bool:
    return any(module == core or module.startswith(f"{core}.") for core in CORE)


# Modules that only an extra can import, which need not be there.
NEEDS = {"urushi.serving.line.mqtt": "paho", "urushi.serving.line.opcua": "asyncua"}
SHELL = sorted(
    name
    for name in map(module_name, SOURCE.rglob("*.py"))
    if not is_core(name) and (name not in NEEDS or is_installed(NEEDS[name]))
)


def probe(modules: list[str]) -> dict[str, list[str]]:
    command = [sys.executable, "-c", PROBE, json.dumps([modules, HEAVY])]
    found: dict[str, list[str]] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


@pytest.mark.thorough
def test_importing_the_shell_loads_no_torch() -> None:
    assert len(SHELL) > 200
    assert probe(SHELL) == {}


def test_the_probe_sees_torch_in_each_module_that_asks_for_it() -> None:
    found = probe(["urushi.data.loader", "urushi.recipe", "urushi.runtime.torch_backend", "urushi.scoring.ssim"])
    assert {module: "torch" in " ".join(asked) for module, asked in found.items()} == {
        "urushi.data.loader": True,
        "urushi.runtime.torch_backend": True,
        "urushi.scoring.ssim": True,
    }


@pytest.mark.parametrize("arguments", [["-c", "import urushi"], [COMMAND, "--help"], [COMMAND]])
def test_starting_urushi_loads_nothing_that_takes_long(arguments: list[str]) -> None:
    loaded = loaded_by(arguments)
    assert "urushi" in loaded
    assert not loaded & {*HEAVY, "numpy", "cv2", "pydantic", "rich", "markdown_it", "pygments"}


@pytest.mark.parametrize("name", ["inspect", *(pytest.param(n, marks=pytest.mark.thorough) for n in ("fit", "models"))])
def test_help_of_a_command_loads_what_it_is_drawn_with_and_no_more(name: str) -> None:
    assert not loaded_by([COMMAND, name, "--help"]) & {*HEAVY, "numpy", "cv2"}


def loaded_by(arguments: list[str]) -> set[str]:
    """The packages that a fresh process imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    return {line.rpartition("|")[2].strip().split(".")[0] for line in run.stderr.splitlines()}


# `from urushi.room._module import …`, `import urushi.room._module`, `from urushi.room import …, _module`
PRIVATE = re.compile(r"(?:from|import) urushi\.(\w+)(?:\._[a-z]| import (?:\([^)]*?|[^(\n]*?)\b_[a-z])")


def test_rooms_leave_private_modules_of_other_rooms_alone() -> None:
    foreign = [
        f"{path.relative_to(SOURCE)}: {found[0]}"
        for path in SOURCE.rglob("*.py")
        for found in PRIVATE.finditer(path.read_text("utf-8"))
        if found[1] != path.relative_to(SOURCE).parts[0]
    ]
    assert foreign == []


@pytest.mark.parametrize(
    "line",
    [
        "from urushi.data._limits import BOUND",
        "    import urushi.data._limits",
        "from urushi.data import images, _limits",
        "from urushi.data import (\n    images,\n    _limits,\n)",
    ],
)
def test_each_way_to_import_a_private_module_is_seen(line: str) -> None:
    assert [found[1] for found in PRIVATE.finditer(line)] == ["data"]


def test_reading_images_loads_nothing_that_speaks_to_servers() -> None:
    """It took a hundredth of a second before the first line of every command."""
    names = "('ssl', 'http.client', 'urllib.request')"
    code = f"import sys, urushi.data.images; print([name for name in {names} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
