"""What tests say of mutants: of each alone the tests of its room, then of groups all others that run their lines."""

import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from studies.covering_tests import PLUGIN, Suite, file_of, is_near, is_same

Mutant = dict[str, Any]

OTHERS_SECONDS = 60  # of tests outside the room, as measured under coverage, that a mutant meets on its own


class Worker:
    """A process that runs tests on its own copy of the package."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree, self.copy = tree, folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tree / "src", folder / "src")
        settings = {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        settings |= {"OPENBLAS_NUM_THREADS": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
        command = [sys.executable, "-P", str(PLUGIN), str(folder / "src"), str(folder / "temporary")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=tree, env=os.environ | settings, **pipes)

    def judge(self, mutants: list[Mutant], limits: dict[str, int]) -> dict[str, Any]:
        """The verdict of these tests on the package with these mutants, one a file."""
        with self.mutated(mutants):
            print(json.dumps(limits), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline() if self.process.stdout else ""
        verdict: dict[str, Any] = json.loads(line)
        return verdict

    @contextmanager
    def mutated(self, mutants: list[Mutant]) -> Iterator[None]:
        for mutant in mutants:
            (self.copy / mutant["file"]).write_text(mutant["source"], encoding="utf-8")
        yield
        for mutant in mutants:
            shutil.copy2(self.tree / mutant["file"], self.copy / mutant["file"])


@dataclass
class Trial:
    """The workers, and what is known of tests that failed."""

    suite: Suite
    workers: queue.Queue[Worker]
    passes: dict[str, bool] = field(default_factory=dict)  # alone, without a mutant

    def judge(self, mutants: list[Mutant], tests: list[str]) -> dict[str, Any]:
        """The verdict; a failure counts where the test passes alone without a mutant, and fails alone with them."""
        worker = self.workers.get()
        try:
            while tests := [test for test in tests if self.passes.get(test, True)]:
                verdict = worker.judge(mutants, self.suite.limits(tests))
                witness = accused(verdict["test"], tests)[0]
                if verdict["outcome"] == "survived" or (
                    self.is_sound(worker, witness)
                    and (verdict["test"] in ("", file_of(witness), tests[0]) or self.fails(worker, mutants, witness))
                ):
                    return verdict
                tests = tests[tests.index(witness) + 1 :]
            return {"outcome": "survived", "test": "", "seconds": 0.0}
        finally:
            self.workers.put(worker)

    def is_sound(self, worker: Worker, test: str) -> bool:
        if test not in self.passes:
            self.passes[test] = not self.fails(worker, [], test)
        return self.passes[test]

    def fails(self, worker: Worker, mutants: list[Mutant], test: str) -> bool:
        return bool(worker.judge(mutants, self.suite.limits([test]))["outcome"] != "survived")


def accused(failed: str, tests: list[str]) -> list[str]:
    """The test that failed, or the tests of the file that could not be collected, or all."""
    return [test for test in tests if failed in (test, file_of(test))] or tests


def alone(trial: Trial, mutant: Mutant) -> Mutant:
    """The row of a mutant after its first tests: killed, survived, not covered, or still open."""
    if mutant.get("outcome") == "not found":
        return mutant
    first, rest = split(trial.suite, mutant)
    if not first and not rest:
        return mutant | {"n_tests": 0, "outcome": "not covered"}
    verdict = trial.judge([mutant], first)
    outcome = "open" if rest and verdict["outcome"] == "survived" else verdict["outcome"]
    found = {"outcome": outcome, "killer": verdict["test"], "seconds": verdict["seconds"]}
    return mutant | {"n_tests": len(first) + len(rest)} | found


def split(suite: Suite, mutant: Mutant) -> tuple[list[str], list[str]]:
    """The tests that a mutant meets alone, in order, and those that it meets in a group."""
    tests, hint = suite.covering(mutant), mutant.get("hint")
    near = {test for test in tests if is_near(test, mutant["room"]) or is_same(test, hint)}
    others = sorted(tests - near, key=lambda test: suite.seconds[test])
    spent = accumulate(suite.seconds[test] for test in others)
    quick = {test for test, seconds in zip(others, spent, strict=True) if seconds <= OTHERS_SECONDS}
    return suite.in_order(near | quick, mutant, hint), sorted(tests - near - quick)


def together(trial: Trial, group: list[Mutant], files: set[str]) -> dict[int, dict[str, Any]]:
    """By id the verdicts on those mutants of a group that these test files kill."""
    found: dict[int, dict[str, Any]] = {}
    own = {mutant["id"]: {t for t in split(trial.suite, mutant)[1] if file_of(t) in files} for mutant in group}
    tests = sorted(set().union(*own.values()))
    while group and tests:
        verdict = trial.judge(group, tests)
        if verdict["outcome"] == "survived":
            break
        suspects = accused(verdict["test"], tests)
        for mutant in group:
            single = trial.judge([mutant], [test for test in suspects if test in own[mutant["id"]]])
            if single["outcome"] != "survived":
                found[mutant["id"]] = single
        group = [mutant for mutant in group if mutant["id"] not in found]
        left = set().union(*(own[mutant["id"]] for mutant in group))
        tests = [test for test in tests[tests.index(suspects[-1]) + 1 :] if test in left]
    return found


def groups(mutants: list[Mutant]) -> Iterator[list[Mutant]]:
    """One mutant of each file, then a second one, …"""
    by_file = {name: [one for one in mutants if one["file"] == name] for name in {one["file"] for one in mutants}}
    for place in range(max(map(len, by_file.values()), default=0)):
        yield [found[place] for found in by_file.values() if place < len(found)]


def tried(trial: Trial, mutants: list[Mutant], rows: dict[int, Mutant], n_workers: int) -> Iterator[None]:
    """Fills `rows` by id, first each mutant alone, then in groups those that are open; yields after each step."""
    with ThreadPoolExecutor(n_workers) as pool:
        for row in pool.map(lambda one: alone(trial, one), [one for one in mutants if one["id"] not in rows]):
            rows[row["id"]] = row
            yield
        left = [one for one in mutants if rows[one["id"]]["outcome"] == "open"]
        files = sorted({file_of(test) for test in trial.suite.notes})
        jobs = [(group, set(files[k::n_workers])) for group in groups(left) for k in range(n_workers)]
        for found in pool.map(lambda job: together(trial, *job), jobs):
            for number, verdict in found.items():
                rows[number] |= {"outcome": verdict["outcome"], "killer": verdict["test"]}
            yield
    for one in left:
        rows[one["id"]]["outcome"] = rows[one["id"]]["outcome"].replace("open", "survived")
    yield
