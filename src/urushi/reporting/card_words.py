"""The card of a detector in words, for people who do not know the names in its file."""

from collections.abc import Iterator, Mapping
from typing import Any

from urushi.printable import counted

_NAMES = {
    "seed": "seed of the fit",
    "urushi": "made by Urushi",
    "format": "format of the file",
    "trial": "recipes tried",
    "digests": "digest of",
    "n_training": "images learnt from",
    "n_images": "images given",
    "n_pictures": "pictures kept to be shown",
    "image_shape": "channels, height and width of what the model sees",
    "seconds": "seconds of the fit",
    "versions": "version of",
    "copies": "copies left out",
    "suspicious": "images that look anomalous among the good ones",
    "beside_map": "what counts beside the map",
}
_PREFIXES = ("digest of", "version of")
_MOST_VALUES = 12  # of a list that are shown


def in_words(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says, one plain value to a row, by what it is called; what has no words here keeps its name."""
    words: dict[str, Any] = {}
    for name, value in card.items():
        match name, value:
            case "levels", {"bits": bits}:
                words["bits a channel"] = "as the images say" if bits is None else bits
            case "data", {"folder": folder, **more}:
                words["good images from"] = folder
                words |= {_of_data(str(key)): item for key, item in more.items()}
            case "exports", [*exports]:
                words["exported to"] = ", ".join(map(_export, exports))
            case "region", {"ignored_share": float()}:
                words["region"] = of_region(value)
            case "rounds", [*rounds]:
                words["learning went on"] = "; ".join(map(_round, rounds))
            case "fit", {**facts}:
                words |= _of_fit(facts)
            case _:
                words |= dict(_rows(_named(name), value))
    return words


def of_region(region: Mapping[str, Any]) -> str:
    """What part of each image counts for nothing, and who says so."""
    return f"{100 * region['ignored_share']:.3g} % of each image is ignored, by {region.get('by')}"


def of_groups(groups: Mapping[str, int], n_images: int) -> str:
    """How many products so many images show."""
    fewest, most = groups["smallest"], groups["largest"]
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"{n_images} images of {groups['n']} products, {each} of each: no product is divided"


def _of_fit(facts: Mapping[Any, Any]) -> dict[str, Any]:
    concerns = facts.get("concerns")
    words: dict[str, Any] = {"warnings of the fit": "; ".join(map(str, concerns))} if concerns else {}
    for name, value in facts.items():
        if name != "concerns":
            words |= dict(_rows(_NAMES.get(name, f"fit: {_named(name)}"), value))
    return words


def _rows(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A row for each value, however deep it lies."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _rows(f"{name} {_named(key)}" if name in _PREFIXES else f"{name}: {_named(key)}", inner)
    elif isinstance(value, (list, tuple)):
        yield name, _listed(value)
    else:
        yield name, "none" if isinstance(value, Mapping) else value


def _listed(values: list[Any] | tuple[Any, ...]) -> str:
    shown = [_spoken(value) for value in values[:_MOST_VALUES]]
    more = len(values) - len(shown)
    return ", ".join([*shown, *([f"and {more} more"] if more else [])]) or "none"


def _spoken(value: Any) -> str:
    rows = dict(_rows("", value))
    return ", ".join(f"{key.removeprefix(': ')} {_short(one)}".strip() for key, one in rows.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _named(key: Any) -> str:
    return _NAMES.get(str(key), str(key).replace("_", " ") if str(key).isidentifier() else str(key))


def _of_data(key: str) -> str:
    return {"layout": "layout of their folder", "fingerprint": "fingerprint of these data"}.get(key, f"data: {key}")


def _round(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    return f"{str(entry.get('date'))[:10]}: {counted(entry.get('n_images', 0), 'image')} {entry.get('what')}"


def _export(entry: Any) -> str:
    return f"{entry.get('runtime')} ({entry.get('precision')})" if isinstance(entry, Mapping) else str(entry)
