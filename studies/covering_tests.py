"""Which tests of the default suite run a line, and what each costs: from one run of the suite under coverage."""

import ast
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLUGIN = Path(__file__).parent / "forked_tests.py"
LONGEST_SECONDS = 300


def measure(tree: Path, files: Iterable[str], tools: Path, scratch: Path) -> None:
    """Runs the default suite once, unless its notes are there; `tools` holds coverage and pytest-cov."""
    if (scratch / "tests.json").is_file():
        return
    (scratch / "plugin").mkdir(parents=True, exist_ok=True)
    shutil.copy(PLUGIN, scratch / "plugin")
    included = "".join(f"\n    {tree / name}" for name in files)
    (scratch / "settings").write_text(f"[run]\ndata_file = {scratch / 'data'}\ninclude ={included}\n")
    places = {"PYTHONPATH": f"{scratch / 'plugin'}:{tools}", "TESTS_NOTED_IN": str(scratch / "tests.json")}
    wanted = ["-m", "not slow", "-p", "no:cacheprovider", "-p", PLUGIN.stem, "--cov", "--cov-context=test"]
    command = [sys.executable, "-m", "pytest", *wanted, "--cov-report=", f"--cov-config={scratch / 'settings'}"]
    subprocess.run(command, cwd=tree, env=os.environ | {"OMP_NUM_THREADS": "1"} | places, check=False)


@dataclass
class Suite:
    """The tests that passed, as noted, and by file and line the tests and shared fixtures that ran it."""

    tree: Path
    notes: dict[str, dict[str, Any]]
    contexts: dict[str, dict[int, set[str]]]

    @classmethod
    def read(cls, tree: Path, scratch: Path) -> "Suite":
        notes = json.loads((scratch / "tests.json").read_text(encoding="utf-8"))
        return cls(tree, {test: note for test, note in notes.items() if note["passed"]}, lines_run(tree, scratch))

    def __post_init__(self) -> None:
        self.users: dict[str, set[str]] = defaultdict(set)  # of each shared fixture
        setup: dict[str, float] = defaultdict(float)
        for test, note in self.notes.items():
            for fixture in note["shared"]:
                self.users[fixture].add(test)
                setup[fixture] = max(setup[fixture], note["setup"])
        self.seconds: dict[str, float] = {test: note["setup"] + note["rest"] for test, note in self.notes.items()}
        self.alone = {  # when it has to set up what it shares
            test: seconds + max([0.0, *(setup[fixture] for fixture in self.notes[test]["shared"])])
            for test, seconds in self.seconds.items()
        }

    def covering(self, mutant: dict[str, Any]) -> set[str]:
        """The tests that run the statement; where that runs once, those of any function of the file and of the room."""
        by_line, (first, last) = self.contexts.get(mutant["file"], {}), mutant["lines"]
        if mutant["runs_once"]:
            lines = inside_functions(self.tree / mutant["file"])
            room = {test for test in self.notes if is_near(test, mutant["room"])}
        else:
            lines, room = set(range(first, last + 1)), set()
        found = {context for line in lines for context in by_line.get(line, ())}
        return room | {test for context in found for test in self.tests_of(context)}

    def tests_of(self, context: str) -> set[str]:
        if context.startswith("fixture "):
            return self.users[context]
        test = context.rpartition("|")[0]
        return {test} & self.notes.keys()

    def in_order(self, tests: Iterable[str], mutant: dict[str, Any], first: str | None) -> list[str]:
        """The earlier killer, tests of the mutant's file, its room, others: file by file, the fastest first."""
        groups: dict[str, list[str]] = defaultdict(list)
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            groups[file_of(test)].append(test)
        own = f"test_{Path(mutant['file']).stem.removeprefix('_')}.py"

        def place(file: str) -> tuple[bool, bool, float]:
            return not file.endswith(own), not is_near(file, mutant["room"]), self.mean_seconds(groups[file])

        found = [test for file in sorted(groups, key=place) for test in groups[file]]
        return sorted(found, key=lambda test: not is_same(test, first))

    def mean_seconds(self, tests: list[str]) -> float:
        return statistics.fmean(self.seconds[test] for test in tests)

    def limits(self, tests: Iterable[str]) -> dict[str, int]:
        """Seconds that each test may take, generous: other work may share the machine."""
        return {test: min(LONGEST_SECONDS, 60 + round(5 * self.alone[test])) for test in tests}


def lines_run(tree: Path, scratch: Path) -> dict[str, dict[int, set[str]]]:
    """By file and line the contexts, from coverage's database: a bit of `numbits` for each line."""
    query = (
        "select path, context, numbits from line_bits, file, context c where file.id = file_id and c.id = context_id"
    )
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    with sqlite3.connect(scratch / "data") as data:
        for path, context, numbits in data.execute(query):
            for place, byte in enumerate(numbits):
                for bit in range(8):
                    if byte >> bit & 1:
                        found[Path(path).relative_to(tree).as_posix()][8 * place + bit].add(context)
    return found


def inside_functions(path: Path) -> set[int]:
    functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
    return {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}


def file_of(test: str) -> str:
    return test.partition("::")[0]


def is_same(test: str, other: str | None) -> bool:
    """The same function with the same parameters, in whatever file."""
    return other is not None and test.partition("::")[2] == other.partition("::")[2]


def is_near(test: str, room: str) -> bool:
    """Is the test in the folder, or the file, that mirrors the room?"""
    return Path(file_of(test)).parts[1] in {room, f"test_{room}.py"}
