"""Which mutants the rooms' files have, by the operators of cosmic-ray, and a draw of them.

Started by `studies.mutants` with the Python of an environment that has cosmic-ray; it imports nothing of the project.
Left out is what cannot be seen by construction: type annotations, imports, `if TYPE_CHECKING`, `__all__`, and mutants
that do not compile or compile to the same. (No operator changes docstrings.) Arguments have none of these operators.
"""

import ast
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from parso.tree import NodeOrLeaf

Mutant = dict[str, Any]

OPERATORS = {
    name.partition("/")[2]: get_operator(name)() for name in operator_names() if not get_operator(name).arguments()
}
COMPOUND = {"if_stmt", "while_stmt", "for_stmt", "try_stmt", "with_stmt", "funcdef", "classdef", "suite", "file_input"}
KEPT = ("room", "file", "line", "operator", "scope", "name", "text", "k", "mutated")  # of one that is not found again
# The same place, file by file, or in a file, a class or a room that was renamed: the first that fits.
ALIKE = (("file", "scope"), ("room", "scope"), ("scope",), ("room", "name"), ("name",))


def mutants(tree: Path, room: str, path: Path) -> Iterator[Mutant]:
    """All of one file, in the order of operators, then of places."""
    source = path.read_text(encoding="utf-8")
    module, counts = parso.parse(source), Counter[tuple[str, ...]]()
    nodes = list(ast_nodes(module))
    for name, operator in OPERATORS.items():
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            parents = list(ancestors(module.get_leaf_for_position(start)))
            if not is_invisible(parents):
                last = end[0] - (end[1] == 0)  # a decorator ends where the next line begins
                text = " ".join(" ".join(source.splitlines()[start[0] - 1 : last]).split())
                scope = scope_of(parents)
                counts[name, scope, text] += 1
                yield {
                    "room": room,
                    "file": path.relative_to(tree).as_posix(),
                    "line": start[0],
                    "operator": name,
                    "scope": scope,
                    "name": scope.rpartition(".")[2],
                    "text": text,
                    "k": counts[name, scope, text],
                    "occurrence": occurrence,
                    "lines": statement(parents),
                    "runs_once": runs_once(parents),
                }


def ancestors(node: NodeOrLeaf | None) -> Iterator[NodeOrLeaf]:
    """The node, its parent, …, the module."""
    while node is not None:
        yield node
        node = node.parent


def pairs(parents: list[NodeOrLeaf]) -> Iterable[tuple[NodeOrLeaf, NodeOrLeaf]]:
    return pairwise(parents)


def is_invisible(parents: list[NodeOrLeaf]) -> bool:
    kinds = {parent.type for parent in parents}
    named = {parent.children[0].get_code().strip() for parent in parents if parent.type == "expr_stmt"}
    conditions = {parent.children[1].get_code().strip() for parent in parents if parent.type == "if_stmt"}
    return bool(
        kinds & {"import_name", "import_from"}
        or "__all__" in named
        or conditions & {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        or any(is_annotation(child, parent) for child, parent in pairs(parents))
    )


def is_annotation(child: NodeOrLeaf, parent: NodeOrLeaf) -> bool:
    if parent.type == "funcdef":
        return child is parent.annotation
    return (parent.type == "tfpdef" and child is parent.children[-1]) or (
        parent.type == "annassign" and child is parent.children[1]
    )


def scope_of(parents: list[NodeOrLeaf]) -> str:
    """The qualified name of the function or class; a decorator belongs to what it decorates."""
    owners = [parent.children[-1] if parent.type == "decorated" else parent for parent in parents]
    found = [owner for owner in owners if owner.type in {"funcdef", "classdef"}]
    return ".".join(owner.name.value for owner in reversed(list(dict.fromkeys(found))))


def runs_once(parents: list[NodeOrLeaf]) -> bool:
    """Does it run at import, outside the body of a function, or is its function's result cached?"""
    is_cached = any("cache" in parent.children[0].get_code() for parent in parents if parent.type == "decorated")
    return is_cached or not any(p.type == "funcdef" and child is p.children[-1] for child, p in pairs(parents))


def statement(parents: list[NodeOrLeaf]) -> tuple[int, int]:
    """First and last line of the statement, of a compound one only its head."""
    inner = next(child for child, parent in pairs(parents) if parent.type in COMPOUND)
    return inner.start_pos[0], max(inner.start_pos[0], inner.end_pos[0] - (inner.end_pos[1] == 0))


def with_text(tree: Path, mutant: Mutant) -> Mutant | None:
    """The mutant with its file's whole text, None if Python sees no difference or refuses it."""
    source = (tree / mutant["file"]).read_text(encoding="utf-8")
    text = mutate_code(source, OPERATORS[mutant["operator"]], mutant["occurrence"])
    try:
        if ast.dump(ast.parse(text)) == ast.dump(ast.parse(source)):
            return None
        compile(text, mutant["file"], "exec")
    except SyntaxError:
        return None
    changed = (new for old, new in zip(source.splitlines(), text.splitlines(), strict=False) if old != new)
    return mutant | {"mutated": " ".join(next(changed).split()), "source": text}


def drawn(tree: Path, candidates: list[Mutant], n: int, seed: int) -> Iterator[Mutant]:
    random.Random(seed).shuffle(candidates)
    for mutant in candidates:
        if n and (made := with_text(tree, mutant)):
            n -= 1
            yield made


def found_again(tree: Path, candidates: list[Mutant], earlier: list[Mutant]) -> Iterator[Mutant]:
    for wanted in earlier:
        same = [one for one in candidates if all(one[key] == wanted[key] for key in ("operator", "text", "k"))]
        fitting = ([one for one in same if all(one[key] == wanted[key] for key in keys)] for keys in ALIKE)
        match = next(filter(None, fitting), None)
        made = match and with_text(tree, match[0])
        yield (made or {key: wanted[key] for key in KEPT} | {"outcome": "not found"}) | {"id": wanted["id"]}


def main(order: dict[str, Any]) -> dict[str, Any]:
    """From {tree, files by room, seed, n, earlier} to the number of candidates and the mutants drawn or found again."""
    tree = Path(order["tree"])
    files = [(room, tree / name) for room, names in order["files"].items() for name in names]
    candidates = [mutant for room, path in files for mutant in mutants(tree, room, path)]
    n_by_room = dict(Counter(mutant["room"] for mutant in candidates))
    if order["earlier"]:
        chosen = list(found_again(tree, candidates, order["earlier"]))
    else:
        chosen = [one | {"id": k} for k, one in enumerate(drawn(tree, candidates, order["n"], order["seed"]))]
    return {"candidates": n_by_room, "cosmic_ray": metadata.version("cosmic-ray"), "mutants": chosen}


if __name__ == "__main__":
    json.dump(main(json.load(sys.stdin)), sys.stdout)
