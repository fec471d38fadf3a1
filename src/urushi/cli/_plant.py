"""The options that say where a detector is to work, and the figures that follow, in the terminal."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from urushi.calibration import Plant

PrevalenceOption = Annotated[
    float | None, typer.Option(help="Share of defective parts in the plant: expected precision and counts per 1,000.")
]
EscapeCostOption = Annotated[
    float | None, typer.Option(help="What a defective part that passes costs, in any unit; with --prevalence.")
]
FalseAlarmCostOption = Annotated[
    float | None, typer.Option(help="What a good part that is called anomalous costs, in the same unit.")
]

COLUMNS = {
    "false_alarms_per_1000": "false alarms",
    "escapes_per_1000": "escapes",
    "expected_precision": "precision",
    "cost_per_1000": "cost",
}
_NAMES = {
    "false_alarms_per_1000": "false alarms",
    "escapes_per_1000": "escapes",
    "expected_precision": "expected precision of alarms",
    "false_alarm_cost_per_1000": "cost of false alarms",
    "cost_per_1000": "cost of both",
    "least_cost_threshold": "threshold of least cost",
    "least_cost_per_1000": "cost there, on these images",
}


def plant_of(prevalence: float | None, escape_cost: float | None, false_alarm_cost: float | None) -> "Plant | None":
    """What was said, or None if nothing was; raises InputError for costs without a prevalence."""
    from urushi.calibration import Plant
    from urushi.errors import InputError

    if prevalence is not None:
        return Plant(prevalence, escape_cost, false_alarm_cost)
    if escape_cost is not None or false_alarm_cost is not None:
        raise InputError("what 1,000 parts cost depends on how many are defective: give --prevalence, too")
    return None


def heading(plant: Mapping[str, Any]) -> str:
    """For what plant figures are."""
    text = f"per 1,000 parts, {100 * plant['prevalence']:.3g} % of them defective"
    if plant["escape_cost"] is None:
        return text
    return f"{text}; an escape costs {plant['escape_cost']:g}, a false alarm {plant['false_alarm_cost']:g}"


def lines(plant: Mapping[str, Any] | None) -> Iterator[str]:
    """The figures as `--json` has them, a line each."""
    if plant is None:
        return
    yield from textwrap.wrap(heading(plant), 80, subsequent_indent="  ")
    width = max(map(len, _NAMES.values()))
    for name, figure in plant["figures"].items():
        yield f"  {_NAMES[name]:{width}}  {short(figure)}".rstrip()
        if reason := figure.get("reason"):
            yield from textwrap.wrap(reason, 80, initial_indent="    ", subsequent_indent="    ")


def short(figure: Mapping[str, Any]) -> str:
    """A figure and its interval."""
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    if value is None:
        return "–"
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} ({low:.3g} … {high:.3g})"


def tight(figure: Mapping[str, Any]) -> str:
    """The same for a table of 80 columns, with two digits."""
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    if value is None:
        return "–"
    return _two(value) if low is None or high is None else f"{_two(value)} ({_two(low)}…{_two(high)})"


def _two(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}" if abs(value) >= 0.1 else f"{value:.2f}"
