"""urushi calibrate: what every threshold rule would do, or a new threshold for a detector, without training."""

import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import GoodFolderOption, images_in
from urushi.cli._places import require_detector_place
from urushi.cli._plant import (
    COLUMNS,
    EscapeCostOption,
    FalseAlarmCostOption,
    PrevalenceOption,
    heading,
    plant_of,
    tight,
)
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load, require_detector

if TYPE_CHECKING:
    import numpy as np

    from urushi.calibration import Plant, RuleOutcome, Threshold
    from urushi.detector import Detector
    from urushi.recipe import Part


_RULES = _completion.entry_of("urushi.calibration")


def calibrate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file; a choice changes it.")],
    false_alarm_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be called anomalous; implies --rule conformal.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="The rule to choose, by its name in the table.", autocompletion=_RULES)
    ] = None,
    warn_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be unsure or anomalous; with any rule.")
    ] = None,
    settings: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="An option of the rule.")] = [],  # noqa: B006
    defects: Annotated[
        Path | None, typer.Option(help="Images of defects, for rules that need them and for the table.")
    ] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
    n_threads: ThreadsOption = None,
    prevalence: PrevalenceOption = None,
    escape_cost: EscapeCostOption = None,
    false_alarm_cost: FalseAlarmCostOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Show what every threshold rule would do, or choose one. With --rule or a rate, the threshold is chosen anew.

    Both use the scores of held-out normals in the detector file. Without --rule, --warn-rate and --set change the rule
    that the detector has.
    """
    require_detector_place(output, "-o")
    require_detector(detector)
    old = load(detector, runtime=runtime, precision=precision, device=device, n_threads=n_threads)
    plant = plant_of(prevalence, escape_cost, false_alarm_cost)
    part = _chosen(old.recipe.threshold, rule, false_alarm_rate, warn_rate, settings, plant)
    _refuse_what_does_not_go_together(is_choice=part is not None, as_json=as_json, output=output)
    if part is None:
        _show(old, images_in(defects, good_folder), plant, as_json=as_json)
    else:
        _write(old, part, images_in(defects, good_folder), output or detector)


def _chosen(
    present: "Part",
    rule: str | None,
    false_alarm_rate: float | None,
    warn_rate: float | None,
    settings: list[str],
    plant: "Plant | None",
) -> "Part | None":
    """The rule that was asked for with its options, or None if nothing was."""
    from urushi.errors import InputError
    from urushi.recipe import Part, parse_setting

    changes: dict[str, Any] = dict(parse_setting(text) for text in settings)
    changes |= {} if false_alarm_rate is None else {"false_alarm_rate": false_alarm_rate}
    changes |= {} if warn_rate is None else {"warn_rate": warn_rate}
    if plant and (rule or "").replace("-", "_") == "least_cost":
        changes |= {name: value for name, value in asdict(plant).items() if value is not None}
    elif plant and (rule or changes):
        raise InputError("--prevalence and costs go with --rule least-cost, or with the table of all rules")
    if rule is not None or false_alarm_rate is not None:
        return Part.model_validate({"name": (rule or "conformal").replace("-", "_"), **changes})
    return Part.model_validate({"name": present.name, **present.options, **changes}) if changes else None


def _refuse_what_does_not_go_together(*, is_choice: bool, as_json: bool, output: Path | None) -> None:
    from urushi.errors import InputError

    if is_choice and as_json:
        raise InputError("--json prints the table of all rules; leave it out, or leave out the choice of a threshold")
    if output is not None and not is_choice:
        raise InputError("-o writes a detector with a new threshold; choose one with --rule or --false-alarm-rate")


def _write(old: "Detector", part: "Part", defects: list[Path], place: Path) -> None:
    new = old.calibrate(part, defects=defects, progress="bar")
    new.save(place)
    _console.list_unreadable(new.unreadable)
    if old.threshold.warn_value is not None and new.threshold.warn_value is None:
        _console.note("note: no image will be unsure any more; --warn-rate gives the new threshold a band as well")
    if old.ways.graphs.keys() - new.ways.graphs.keys():
        _console.note(
            "note: the int8 graph was proved for the old threshold and is left out; `urushi export --int8` again"
        )
    print(f"threshold {old.threshold.value:.6g} -> {new.threshold.value:.6g}: {new.threshold.explanation}")
    if new.unreadable:
        raise typer.Exit(1)


def _show(detector: "Detector", defects: list[Path], plant: "Plant | None", *, as_json: bool) -> None:
    from urushi.calibration import compare_rules

    scores, unreadable = detector.scores_of_defects(defects, progress="bar")
    outcomes = compare_rules(detector.held_out, scores, plant=plant)
    of_plant = None if plant is None else _of_plant(detector, scores, outcomes, plant)
    _console.list_unreadable(unreadable)
    if as_json:
        facts = _as_json(detector, scores, outcomes) | {"plant": of_plant}
        print(json.dumps(facts, indent=1, allow_nan=False))
    else:
        _table(detector, scores, outcomes)
        if of_plant:
            _show_plant(of_plant)
        _console.note(
            "Nothing was changed. Choose with --rule RULE or --false-alarm-rate RATE; options: --set KEY=VALUE."
        )
    if unreadable:
        raise typer.Exit(1)


def _table(detector: "Detector", scores: "np.ndarray", outcomes: "list[RuleOutcome]") -> None:
    columns = ("rule", "threshold", "false-alarm rate", "normals above", "found")
    usable = [(outcome, outcome.threshold) for outcome in outcomes if outcome.threshold is not None]
    rows = [_row(outcome, threshold, len(detector.held_out.scores), scores.size) for outcome, threshold in usable]
    products = f" of {detector.held_out.normals.n_groups} products" if detector.held_out.groups else ""
    n = f"{len(detector.held_out.scores)} held-out normals{products}, {scores.size} defects"
    _console.table(
        columns if scores.size else columns[:-1],
        rows,
        title=f"{n}; now {detector.threshold.rule}: {detector.threshold.value:.6g}",
    )
    for reason, rules in _unusable(outcomes).items():
        print(textwrap.fill(f"{', '.join(rules)} cannot be used: {reason}", 80, subsequent_indent="  "))
    if detector.held_out.advice:
        _console.note(f"note: {detector.held_out.advice}")


def _of_plant(
    detector: "Detector", scores: "np.ndarray", outcomes: "list[RuleOutcome]", plant: "Plant"
) -> dict[str, Any]:
    """What the present threshold and those of rules would do in a plant; false alarms are those of held-out normals."""
    import numpy as np

    from urushi.evaluation.confusion import Counts
    from urushi.evaluation.plant import plant_figures

    normals = detector.held_out.normals
    rows = {"now": detector.threshold} | {one.rule: one.threshold for one in outcomes if one.threshold is not None}

    def counts(value: float) -> Counts:
        n_above, n_found = normals.n_independent * normals.share_above(value), int((scores > value).sum())
        found = (n_found, n_above, normals.n_independent - n_above, scores.size - n_found)
        return Counts(*(np.array([float(n)]) for n in found))

    figures = {
        name: {key: one.to_json() for key, one in plant_figures(plant, counts(threshold.value)).items()}
        for name, threshold in rows.items()
    }
    return {**asdict(plant), "rules": figures}


def _show_plant(of_plant: dict[str, Any]) -> None:
    columns = {key: name for key, name in COLUMNS.items() if any(one.get(key) for one in of_plant["rules"].values())}
    has_defects = of_plant["rules"]["now"]["escapes_per_1000"]["value"] is not None
    if not has_defects:
        columns = {"false_alarms_per_1000": "false alarms"}
        columns |= {} if of_plant["escape_cost"] is None else {"false_alarm_cost_per_1000": "their cost"}
    rows = [(rule, *(tight(one[key]) for key in columns)) for rule, one in of_plant["rules"].items()]
    _console.table(("rule", *columns.values()), rows, title=heading(of_plant))
    if not has_defects:
        _console.note("note: escapes, precision and the whole cost need images of defects: --defects DIR")


def _row(outcome: "RuleOutcome", threshold: "Threshold", n_normals: int, n_defects: int) -> tuple[str, ...]:
    rate = "none" if threshold.false_alarm_rate is None else f"{threshold.false_alarm_rate:.2%} {threshold.rate_kind}"
    found = () if outcome.n_defects_found is None else (f"{outcome.n_defects_found} of {n_defects}",)
    return (outcome.rule, f"{threshold.value:.6g}", rate, f"{outcome.n_normals_above} of {n_normals}", *found)


def _unusable(outcomes: "list[RuleOutcome]") -> dict[str, list[str]]:
    """The rules that give no threshold, by the reason."""
    rules: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.reason:
            reason = outcome.reason.removeprefix(f"The rule {outcome.rule!r} ")
            rules.setdefault(reason[:1].lower() + reason[1:], []).append(outcome.rule)
    return rules


def _as_json(detector: "Detector", scores: "np.ndarray", outcomes: "list[RuleOutcome]") -> dict[str, Any]:
    """As in calibration.schema.json."""
    return {
        "format": 1,
        "threshold": detector.threshold.to_json(),
        "n_normals": len(detector.held_out.scores),
        "n_defects": int(scores.size),
        "method": detector.held_out.method,
        "advice": detector.held_out.advice,
        "rules": [outcome.to_json() for outcome in outcomes],
    }
