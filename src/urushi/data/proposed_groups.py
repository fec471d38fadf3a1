"""How the names of images may tell which show one product, seen from pairs that surely do."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from urushi.data.groups import groups_of, section_of
from urushi.errors import DatasetError

_LEAST_AGREED = 0.95  # of the pairs: now and then two products look the same
_FEWEST_PAIRS = 3


def proposed(paths: Sequence[str], pairs: Sequence[tuple[int, int]]) -> str | None:
    """What to say with `--group-by`, such that images of a pair are of one product; of several ways the finest.

    None where no pattern of all names does, or nothing would be told apart.
    """
    if len(pairs) < _FEWEST_PAIRS:
        return None
    ways = {way: len(set(groups)) for way, groups in _ways(paths) if _agrees(groups, pairs)}
    ways = {way: n for way, n in ways.items() if 1 < n < len(paths)}
    return max(ways, key=lambda way: ways[way]) if ways else None


def _agrees(groups: Sequence[str], pairs: Sequence[tuple[int, int]]) -> bool:
    return sum(groups[i] == groups[j] for i, j in pairs) >= _LEAST_AGREED * len(pairs)


def _ways(paths: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for way in dict.fromkeys((*_numbers(PurePosixPath(paths[0]).stem), r"^(.+)[^0-9]+\d+\.\w+$", "folder")):
        try:
            yield way, groups_of(list(paths), section_of(way))
        except DatasetError:  # it is no pattern of all names
            continue


def _numbers(stem: str) -> Iterator[str]:
    r"""Of each number in a name, the words before it and the number: item-(\d+) and scan-(\d+) of item-07_scan-2."""
    for n_before, found in enumerate(re.finditer(r"([^\d_\s]*)(\d+)", stem)):
        words = re.escape(found[1]).replace(r"\-", "-")
        by_place = rf"^(?:\D*\d+\D+){{{n_before}}}(\d+)" if n_before else r"^\D*(\d+)"
        yield f"{words}(\\d+)" if words.strip("-.\\") else by_place
