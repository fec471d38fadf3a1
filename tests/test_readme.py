"""The file tree in README.md agrees with the disk.

It is the fenced block whose first line is `urushi/`: one path per line, two spaces of indentation per level, then at
least two spaces and a description. It lists every top-level file and folder that git knows, and every folder under
src/urushi; it may list more.
"""

import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
ENTRY = re.compile(r"(?P<indent>(?:  )*)(?P<name>\S+?)(?P<slash>/?)(?:\s{2,}(?P<description>\S.*))?")


def listed() -> dict[PurePosixPath, re.Match[str]]:
    block = re.search(
        r"^```\w*\nurushi/[^\n]*\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert block, "README.md has no fenced block that starts with the line `urushi/`"
    entries: dict[PurePosixPath, re.Match[str]] = {}
    parents = [PurePosixPath()]
    for line in block[1].splitlines():
        entry = ENTRY.fullmatch(line.rstrip())
        assert entry, f"not a line of the file tree: {line!r}"
        level = len(entry["indent"]) // 2
        assert 1 <= level <= len(parents), f"wrong indentation: {line!r}"
        parents[level:] = [parents[level - 1] / entry["name"]]
        entries[parents[level]] = entry
    return entries


def tracked() -> list[PurePosixPath]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what belongs to the project is unknown")
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [PurePosixPath(name) for name in run.stdout.split("\0") if name and (ROOT / name).exists()]


def test_every_listed_path_exists_as_described() -> None:
    for path, entry in listed().items():
        on_disk = ROOT / path
        assert on_disk.exists(), f"README.md lists {path}, which does not exist"
        assert on_disk.is_dir() == bool(entry["slash"]), f"folders, and only folders, end with a slash: {path}"
        assert entry["description"], f"README.md does not say what {path} is"


def test_every_top_level_path_is_listed() -> None:
    assert {path.parts[0] for path in tracked()} - {path.parts[0] for path in listed()} == set()


def test_every_folder_of_the_package_is_listed() -> None:
    package = PurePosixPath("src/urushi")
    folders = {folder for path in tracked() for folder in path.parents if package in folder.parents}
    assert folders - set(listed()) == set()
