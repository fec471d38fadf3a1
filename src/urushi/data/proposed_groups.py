"""How the names of images may tell which show one product: seen from pairs that surely do, or from the names alone."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from urushi.data.groups import groups_of, section_of
from urushi.errors import DatasetError
from urushi.printable import counted

_LEAST_AGREED = 0.95  # of the pairs: now and then two products look the same
_FEWEST_PAIRS = 3
_FEWEST_PRODUCTS = 5
_LEAST_REGULAR = 0.8  # of the products: a scan may be missing here and there


def proposed(paths: Sequence[str], pairs: Sequence[tuple[int, int]]) -> str | None:
    """What to say with `--group-by`, such that images of a pair are of one product; of several ways the finest.

    None where no pattern of all names does, or nothing would be told apart.
    """
    if len(pairs) < _FEWEST_PAIRS:
        return None
    ways = {way: len(set(groups)) for way, groups in _ways(paths) if _agrees(groups, pairs)}
    ways = {way: n for way, n in ways.items() if 1 < n < len(paths)}
    return max(ways, key=lambda way: ways[way]) if ways else None


def numbered(paths: Sequence[str]) -> tuple[str, int, int] | None:
    """What to say with `--group-by` where names are a product and its scan; how many products, and scans of most.

    So they are where the same few names recur for each value of one number, as scan-0, scan-1 and scan-2 of each item;
    numbers that count on, or times, do not recur. Files of one folder, such that the folder is not what recurs.
    """
    names = [PurePosixPath(path).name for path in paths]
    ways = dict.fromkeys(_numbers(PurePosixPath(paths[0]).stem)) if paths else ()
    found = [(way, *n) for way in ways if (n := _recurring(names, re.compile(way)))]
    return max(found, key=lambda one: one[1], default=None)


def scans_by_name(paths: Sequence[str]) -> str | None:
    """What to say of images whose names alone tell that they are scans of products."""
    folder = PurePosixPath(paths[0]).parent if paths else None
    if (named := numbered([path for path in paths if PurePosixPath(path).parent == folder])) is None:
        return None
    way, n_products, n_scans = named
    return (
        f"names are those of {n_products} products with {counted(n_scans, 'image')} each; if they are, a fit must not "
        f"take these for independent: --group-by '{way}'"
    )


def _recurring(names: Sequence[str], way: re.Pattern[str]) -> tuple[int, int] | None:
    rests: dict[str, list[str]] = {}
    for name in names:
        if (number := way.search(name)) is None:
            return None
        rests.setdefault(number[1], []).append(name[: number.start(1)] + "#" + name[number.end(1) :])
    usual, n = Counter(tuple(sorted(of_one)) for of_one in rests.values()).most_common(1)[0]
    is_regular = len(rests) >= _FEWEST_PRODUCTS and n >= _LEAST_REGULAR * len(rests)
    return (len(rests), len(usual)) if is_regular and 1 < len(usual) < len(rests) else None


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
