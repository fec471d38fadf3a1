"""What becomes of named types while images gather: they drift, vanish, or turn out to be one (S2 §3.1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from scipy.special import betaln

from urushi.defect_types._head import directions_of
from urushi.defect_types.novelties import NoveltyBuffer

_LEVEL = 0.05  # chance that anything is said of types that do not change, all together
_LEAST = 5  # images of each of two groups that are compared
_N_SHUFFLES = 999


@dataclass(frozen=True)
class Change:
    """Something that has happened to a type; `p_value` of its happening by chance, None of a likeness."""

    name: str
    kind: Literal["drifted", "vanished", "alike"]
    text: str
    p_value: float | None = None


def changes(buffer: NoveltyBuffer, *, seed: int = 0) -> list[Change]:
    """The changes of the buffer's named types, in the order in which its images came.

    Images that nobody has named count for the type that they are told by. Of types that do not change, anything is
    said in 5 % of all listings at most (Bonferroni over types and kinds of change); likenesses are beside this.
    """
    told = [name or buffer.type_of(code) for name, code in zip(buffer.names, buffer.codes, strict=True)]
    rows = {name: np.flatnonzero([one == name for one in told]) for name in sorted(set(filter(None, told)))}
    directions, rng = directions_of(buffer.codes), np.random.default_rng(seed)
    found = [*_vanished(rows, len(told)), *_drifted(rows, directions, rng)]
    level = _LEVEL / max(2 * len(rows), 1)
    return [one for one in found if one.p_value is not None and one.p_value <= level] + list(
        _alike(rows, directions, rng)
    )


def _vanished(rows: dict[str, np.ndarray], n: int) -> Iterator[Change]:
    """Chance that none of the last images is of a type, by the share that it had until its last one came.

    That share is uncertain: its Beta posterior of the uniform prior is integrated over.
    """
    for name, own in rows.items():
        n_until, n_since = int(own[-1]) + 1, n - int(own[-1]) - 1
        a, b = len(own) + 1, n_until - len(own) + 1
        p_value = float(np.exp(betaln(a, b + n_since) - betaln(a, b)))
        expected = n_since * len(own) / n_until
        text = f"{name} has vanished: none of the last {n_since} images is one, where {expected:.1f} would be expected"
        yield Change(name, "vanished", text, p_value)


def _drifted(rows: dict[str, np.ndarray], directions: np.ndarray, rng: np.random.Generator) -> Iterator[Change]:
    """Whether the earlier and the later half of a type's images lie in different directions."""
    for name, own in rows.items():
        if len(own) >= 2 * _LEAST:
            p_value = _p_of_difference(directions[own], len(own) // 2, rng)
            text = f"{name} has drifted: its last {len(own) - len(own) // 2} images look unlike those before"
            yield Change(name, "drifted", text, p_value)


def _alike(rows: dict[str, np.ndarray], directions: np.ndarray, rng: np.random.Generator) -> Iterator[Change]:
    """Pairs of types that nothing tells apart, which may be one under two names."""
    for (one, of_one), (other, of_other) in combinations(rows.items(), 2):
        if min(len(of_one), len(of_other)) < _LEAST:
            continue
        both = directions[np.concatenate([of_one, of_other])]
        if _p_of_difference(both, len(of_one), rng) > _LEVEL:
            yield Change(one, "alike", f"{one} and {other} cannot be told apart: --rename {one}={other} makes them one")


def _p_of_difference(directions: np.ndarray, n_first: int, rng: np.random.Generator) -> float:
    """That the first and the others differ as much by chance: a permutation test on the cosine of their means."""
    is_first = np.arange(len(directions)) < n_first
    shuffled = rng.permuted(np.tile(is_first, (_N_SHUFFLES, 1)), axis=1)
    observed, *others = _differences(directions, np.vstack([is_first, shuffled]))
    return (1 + int(np.sum(np.array(others) >= observed - 1e-12))) / (1 + _N_SHUFFLES)


def _differences(directions: np.ndarray, are_first: np.ndarray) -> np.ndarray:
    """One minus the cosine of the means of both groups, for each row (n,) of a matrix that says who is first."""
    first, others = (directions_of(which @ directions) for which in (are_first.astype(float), 1.0 - are_first))
    found: np.ndarray = 1 - (first * others).sum(axis=1)
    return found
