"""The process in which both versions inspect the same images: `PLAN OUT`, files of JSON."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from urushi.data.progress import tracked
from urushi.detector import Detector
from urushi.errors import UnreadableImageError, UrushiError
from urushi.printable import counted


def main() -> None:
    """Says why not in one line, and ends with 2."""
    plan, out = (Path(one) for one in sys.argv[1:])
    try:
        found = compared(json.loads(plan.read_text("utf-8")))
        out.write_text(json.dumps(found), "utf-8")
        print(f"{counted(len(found['images']), 'image')} compared", flush=True)
    except (UrushiError, OSError) as error:
        print(error, flush=True)
        raise SystemExit(2) from None


def compared(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What two `detectors` make of each of the `images`, by their ids; raises MissingPackageError."""
    detectors = [Detector.load(Path(one)) for one in plan["detectors"]]
    images = tracked(plan["images"].items(), "comparing", len(plan["images"]))
    found = {number: _both(detectors, Path(path), at % 2) for at, (number, path) in enumerate(images)}
    return {"thresholds": [one.threshold.value for one in detectors], "images": found}


def _both(detectors: Sequence[Detector], path: Path, begins: int) -> list[dict[str, Any]] | None:
    """In turn one of them begins, which warms the file for the other; None where one cannot read it."""
    try:
        found = {at: _result(detectors[at], path) for at in (begins, 1 - begins)}
    except UnreadableImageError:
        return None
    return [found[0], found[1]]


def _result(detector: Detector, path: Path) -> dict[str, Any]:
    start = time.perf_counter()
    found = detector.inspect(path)
    seconds = time.perf_counter() - start
    is_learnt = any(caution.kind == "learnt" for caution in found.cautions)
    return {"score": found.score, "decision": found.decision, "seconds": seconds, "is_learnt": is_learnt}
