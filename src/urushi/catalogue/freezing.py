"""What a program that is frozen into one folder has to take along: entries are found by name, so no import shows them.

PyInstaller asks by the entry point `pyinstaller40` for folders with hooks, and finds `hook-urushi.py` beside this file.
"""

from pathlib import Path

_ROOT = Path(__file__).parents[1]


def hook_dirs() -> list[str]:
    """The folders that hold hooks."""
    return [str(Path(__file__).parent)]


def modules() -> list[str]:
    """Every module of Urushi by its dotted name, sorted; imports none of them."""
    parts = (path.relative_to(_ROOT.parent).with_suffix("").parts for path in _ROOT.rglob("*.py"))
    return sorted(".".join(part).removesuffix(".__init__") for part in parts if part[-1].isidentifier())


def data_files() -> list[tuple[str, str]]:
    """Every file that is no code: recipes, templates, schemas; each with the folder where it has to lie."""
    files = (path for path in _ROOT.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted((str(path), str(path.parent.relative_to(_ROOT.parent))) for path in files)
