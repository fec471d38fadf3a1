"""One inspection as a page that stands for itself: pictures, decision, version, verdicts, and digests of the files."""

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from urushi.data.images import read_image
from urushi.data.writing import png
from urushi.detector_file import archive
from urushi.errors import NotFoundError
from urushi.reporting.page import render, text
from urushi.reporting.pictures import data_uri
from urushi.serving import evidence
from urushi.serving.history import History, said
from urushi.serving.messages.inspections import InspectionFound
from urushi.serving.objects import Objects
from urushi.serving.tables import Inspected, Version

_LONG_SIDE_PX, _MOST_BYTES = 1024, 500_000  # of the image as it came
_ABOUT = {"part_id": "part", "serial": "serial number", "station": "station", "shift": "shift", "author": "sent by"}


def page(row: Inspected, history: History, objects: Objects, fingerprint: str, made: datetime) -> str:
    """HTML without a signature; raises NotFoundError where image or map are not kept."""
    found, card = InspectionFound.of(row).model_dump(), _card(row, objects)
    context: dict[str, Any] = {
        "title": f"Inspection {row.id}",
        "found": found,
        "time": _shown(row.time),
        "made": _shown(made),
        "about": _about(found),
        "pictures": [] if row.decision == "unreadable" else list(_pictures(row, history, card)),
        "verdicts": [{**said(one), "time": _shown(one.time)} for one in row.verdicts],
        "version": row.version.number,
        "detector": _detector(row.version, card),
        "digests": {"Image as it came": row.original, "Map": row.evidence, "Detector file": row.version.digest},
        "fingerprint": fingerprint,
    }
    return render(context, "evidence")


def _about(found: Mapping[str, Any]) -> dict[str, str]:
    tags = {"tags": ", ".join(found["tags"])} if found["tags"] else {}
    return {words: found[name] for name, words in _ABOUT.items() if found[name]} | tags


def _pictures(row: Inspected, history: History, card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Caption and data URI of each."""
    shown = history.evidence(row)
    yield "Image as it came", _original(history, row)
    yield "The image under its anomaly map", _uri(evidence.overlay_png(shown, row.details))
    yield "Anomaly map alone, as the model saw it", _uri(evidence.map_png(shown, row.details))
    if shown.reconstruction is not None:
        is_similar = "n_pictures" in card.get("fit", {})
        yield "Most similar good image" if is_similar else "Reconstruction", _uri(png(shown.reconstruction))


def _original(history: History, row: Inspected) -> str:
    return data_uri(evidence.scaled(read_image(history.original(row)), _LONG_SIDE_PX), _MOST_BYTES)


def _uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")


def _card(row: Inspected, objects: Objects) -> Mapping[str, Any]:
    """What the detector file says of itself; nothing where it is not kept any more."""
    try:
        return archive.read(objects.path(row.version.digest))[1]
    except NotFoundError:
        return {}


def _detector(version: Version, card: Mapping[str, Any]) -> dict[str, str]:
    fit = card.get("fit", {})
    packages = ", ".join(f"{name} {number}" for name, number in fit.get("versions", {}).items())
    facts: dict[str, Any] = {"since": _shown(version.time), "made by": version.author, "reason": version.reason}
    facts |= {"recipe": card.get("recipe"), "good images": fit.get("n_images"), "data": card.get("data")}
    facts |= {"seed": card.get("seed"), "packages": packages or None}
    return {name: text(value) for name, value in facts.items() if value is not None}


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
