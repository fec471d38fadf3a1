"""The pages that users read, and the parts that the pages on adding parts write down."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urushi import catalogue

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ADDING = [ROOT / "docs" / name for name in ("adding-a-method.md", "adding-a-part.md")]
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *(path for room in ("benchmarks", "docs", "studies") for path in sorted((ROOT / room).rglob("*.md"))),
]


def read(page: Path) -> str:
    return page.read_text("utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)


@contextmanager
def example_parts(folder: Path) -> Iterator[dict[str, Path]]:
    """The pages' files below `folder`, where their first lines say; its rooms are rooms of the package meanwhile."""
    files = {}
    for code in (code for page in ADDING for code in fenced(page, "python")):
        first, _, rest = code.partition("\n")
        path = folder / first.removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest, "utf-8")
        files[first.removeprefix("# ")] = path
    parts = [path for name, path in files.items() if name.startswith("src/")]
    rooms = [importlib.import_module(f"urushi.{path.parent.name}") for path in parts]
    for room, path in zip(rooms, parts, strict=True):
        room.__path__.append(str(path.parent))
    catalogue.names.cache_clear()
    try:
        yield files
    finally:
        catalogue.names.cache_clear()
        for room, path in zip(rooms, parts, strict=True):
            room.__path__.pop()
            sys.modules.pop(f"{room.__name__}.{path.stem}", None)
