"""What a detector's card says of its learning on: one round after another, and those of detectors merged with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from urushi.fitting.incremental.present import Present

_ROUNDS = "rounds"  # key of the card: when and how learning went on


def with_round(
    origin: Mapping[str, Any], now: Present, facts: Mapping[str, Any], threshold: float, when: datetime | None
) -> dict[str, Any]:
    """The card with one more round, begun at a threshold, which has led to what is learnt now."""
    date = (when or datetime.now(UTC)).isoformat(timespec="seconds")
    n = {"n_training": len(now.images.contents), "n_images": len(now.images.appearances)}
    rounds = [*origin.get(_ROUNDS, ()), {"date": date, **facts, "threshold_before": threshold}]
    return {**origin, "fit": {**origin["fit"], **n}, _ROUNDS: rounds}


def history(origin: Mapping[str, Any]) -> dict[str, Any]:
    """What another's card says of a detector once they are merged."""
    kept = {key: origin[key] for key in ("data", _ROUNDS) if key in origin}
    return {"n_images": origin["fit"].get("n_images"), **kept}
