"""python -m studies.mutants --name before --cosmic-ray PYTHON --coverage FOLDER [--tree FOLDER] [--hints JSON]

How many mutants of five rooms, or of `--rooms`, the default test suite kills. A mutant is the code with one operator,
number or keyword changed; it is killed when a test fails. They are drawn at random from all that cosmic-ray gives.
Each meets the tests that run its statement, those of its room and the quick ones first, up to the first failure.
Those that live meet their other tests in groups, one mutant a file, and where a group fails each of it meets that
test alone. A failure counts if the test passes alone without a mutant and fails alone with it. Results:
studies/results/mutants-NAME.json and .md.

`--hints` takes the mutants of an earlier result, found again by operator, function and text, and their killers first.
An interrupted run goes on. The tools stay outside the environment with the packages, whose Python runs this:

    python3 -m venv /tmp/mutenv && /tmp/mutenv/bin/pip install cosmic-ray==8.7.0
    .venv/bin/pip install --target /tmp/covlib --no-deps coverage==7.17.5 pytest-cov==7.1.0
    .venv/bin/python -m studies.mutants --name before --cosmic-ray /tmp/mutenv/bin/python --coverage /tmp/covlib

Both must fit the version of that Python. Tests of real images need URUSHI_DATA.
"""

import argparse
import json
import queue
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import command_line, record

from studies.covering_tests import PLUGIN, Suite, measure
from studies.mutant_trials import Mutant, Trial, Worker, tried

ROOMS = {room: [room] for room in ("scoring", "calibration", "evaluation", "data")}
ROOMS["detector_file"] = ["detector_file", "detector_file.py", "saving.py"]
LEFT_OUT = ("building.py",)  # from recipes to graphs: not of these rooms, whatever folder it is in
RESULTS = Path(__file__).parent / "results"
ABOUT = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
IDENTITY = ("id", "room", "file", "line", "operator", "scope", "name", "text", "k", "mutated")
KEPT = (*IDENTITY, "n_tests", "outcome", "killer", "seconds")


def proposed(options: argparse.Namespace, tree: Path, files: dict[str, list[str]]) -> dict[str, Any]:
    """The mutants drawn, or those of an earlier result with its killers as hints."""
    earlier = json.loads(options.hints.read_text(encoding="utf-8"))["rows"] if options.hints else None
    order = {"tree": str(tree), "files": files, "seed": options.seed, "n": options.n, "earlier": earlier}
    command = [str(options.cosmic_ray), "-P", str(PLUGIN.with_name("mutations.py"))]
    done = subprocess.run(command, input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    hints = {row["id"]: row.get("killer") for row in earlier or ()}
    found["mutants"] = [mutant | {"hint": hints.get(mutant["id"])} for mutant in found["mutants"]]
    return found


def files_of(tree: Path, rooms: Sequence[str]) -> dict[str, list[str]]:
    found = {}
    for room, names in ((room, ROOMS[room]) for room in rooms):
        places = [tree / "src" / "urushi" / name for name in names]
        paths = [path for place in places for path in (sorted(place.rglob("*.py")) or [place]) if path.is_file()]
        found[room] = [path.relative_to(tree).as_posix() for path in paths if path.name not in LEFT_OUT]
    return found


def state(tree: Path) -> dict[str, Any]:
    """The commit of the tree, and whether its code or tests differ from it."""

    def git(*arguments: str) -> str:
        run = subprocess.run(["git", "-C", str(tree), *arguments], capture_output=True, text=True, check=True)
        return run.stdout.strip()

    return {"commit": git("rev-parse", "HEAD"), "is_dirty": bool(git("status", "--porcelain", "--", "src", "tests"))}


def summary(rows: list[Mutant]) -> dict[str, dict[str, Any]]:
    """By room, and in all: how many of each outcome, and the share killed of those found."""
    found = {}
    for room in [*sorted({row["room"] for row in rows}), "all"]:
        outcomes = Counter(row["outcome"] for row in rows if room in (row["room"], "all"))
        n = outcomes.total() - outcomes["not found"]
        found[room] = dict(outcomes) | {"killed_share": (outcomes["killed"] + outcomes["timeout"]) / n if n else None}
    return found


OUTCOMES = ("killed", "timeout", "survived", "not covered", "open", "not found")


def markdown(study: dict[str, Any]) -> str:
    candidates = study["candidates"] | {"all": sum(study["candidates"].values())}
    about = f"Commit {study['commit'][:7]}, seed {study['seed']}, cosmic-ray {study['cosmic_ray']}."
    lines = [f"# Mutants: {study['name']}", "", study["about"], "", about, ""]
    lines += [f"| room | candidates | {' | '.join(OUTCOMES)} | killed |", "|---" * (len(OUTCOMES) + 3) + "|"]
    for room, found in study["summary"].items():
        share = "–" if found["killed_share"] is None else f"{found['killed_share']:.1%}"
        cells = [str(found.get(outcome, 0)) for outcome in OUTCOMES]
        lines.append(f"| {room} | {candidates[room]} | {' | '.join(cells)} | {share} |")
    for outcome in ("survived", "not covered", "not found"):
        lines += ["", f"## {outcome.capitalize()}", ""]
        lines += [described(row) for row in study["rows"] if row["outcome"] == outcome] or ["None."]
    return "\n".join(lines)


def described(row: Mutant) -> str:
    return f"- {row['id']}: {row['file']}:{row['line']}, {row['operator']}: `{row['text']}` → `{row['mutated']}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--tree", type=Path, default=record.ROOT)
    parser.add_argument("--cosmic-ray", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--coverage", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--hints", type=Path, metavar="JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--rooms", type=command_line.names, default=list(ROOMS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/mutants"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    run(parser.parse_args())


def run(options: argparse.Namespace) -> None:
    tree, name, files = (
        options.tree.resolve(),
        f"mutants-{options.name}",
        files_of(options.tree.resolve(), options.rooms),
    )
    made, same = proposed(options, tree, files), state(tree) | {"seed": options.seed, "n": options.n}
    scratch = options.scratch / f"{options.name}-{same['commit'][:7]}"
    measure(tree, [path for paths in files.values() for path in paths], options.coverage, scratch)
    header = record.environment() | same | {"about": ABOUT, "name": options.name}
    header |= {"candidates": made["candidates"], "cosmic_ray": made["cosmic_ray"]}
    rows = {row["id"]: row for row in record.earlier_rows(options.out, name, **same)}
    workers: queue.Queue[Worker] = queue.Queue()
    for k in range(options.workers):
        workers.put(Worker(tree, scratch / str(k)))
    trial = Trial(Suite.read(tree, scratch), workers)
    for _ in tried(trial, made["mutants"], rows, options.workers):
        kept = [{key: row[key] for key in KEPT if key in row} for _, row in sorted(rows.items())]
        study = header | {"summary": summary(kept), "rows": kept}
        record.write(options.out, name, study)
    record.publish(options.out, name, study, markdown)


if __name__ == "__main__":
    main()
