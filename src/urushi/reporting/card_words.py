"""The card of a detector in words, for people who do not know the names in its file."""

from collections.abc import Mapping
from typing import Any

from urushi.printable import counted

_NAMES = {
    "seed": "seed of the fit",
    "urushi": "made by Urushi",
    "format": "format of the file",
    "trial": "recipes tried",
}


def in_words(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says, by what it is called; what has no words here keeps its name and value."""
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
            case "fit", {"concerns": [_, *_] as concerns}:
                words["warnings of the fit"] = "; ".join(map(str, concerns))
                words[name] = value
            case _:
                words[_NAMES.get(name, name)] = value
    return words


def of_region(region: Mapping[str, Any]) -> str:
    """What part of each image counts for nothing, and who says so."""
    return f"{100 * region['ignored_share']:.3g} % of each image is ignored, by {region.get('by')}"


def of_groups(groups: Mapping[str, int], n_images: int) -> str:
    """How many products so many images show."""
    fewest, most = groups["smallest"], groups["largest"]
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"{n_images} images of {groups['n']} products, {each} of each: no product is divided"


def _of_data(key: str) -> str:
    return {"layout": "layout of their folder", "fingerprint": "fingerprint of these data"}.get(key, f"data: {key}")


def _round(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    return f"{str(entry.get('date'))[:10]}: {counted(entry.get('n_images', 0), 'image')} {entry.get('what')}"


def _export(entry: Any) -> str:
    return f"{entry.get('runtime')} ({entry.get('precision')})" if isinstance(entry, Mapping) else str(entry)
