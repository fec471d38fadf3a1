"""urushi calibrate: what every threshold rule would do, or a new threshold for a detector, without training."""

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.cli import _completion, _console
from urushi.cli._datasets import GoodFolderOption, images_in
from urushi.cli._places import require_detector_place
from urushi.cli._running import DeviceOption, PrecisionOption, RuntimeOption, ThreadsOption, load, note_loading

if TYPE_CHECKING:
    import numpy as np

    from urushi.calibration import RuleOutcome, Threshold
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
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Show what every threshold rule would do, or choose one. With --rule or a rate, the threshold is chosen anew.

    Both use the scores of held-out normals in the detector file. Without --rule, --warn-rate and --set change the rule
    that the detector has.
    """
    require_detector_place(output, "-o")
    note_loading(detector)
    old = load(detector, runtime=runtime, precision=precision, device=device, n_threads=n_threads)
    part = _chosen(old.recipe.threshold, rule, false_alarm_rate, warn_rate, settings)
    _refuse_what_does_not_go_together(is_choice=part is not None, as_json=as_json, output=output)
    if part is None:
        _show(old, images_in(defects, good_folder), as_json=as_json)
    else:
        _write(old, part, images_in(defects, good_folder), output or detector)


def _chosen(
    present: "Part", rule: str | None, false_alarm_rate: float | None, warn_rate: float | None, settings: list[str]
) -> "Part | None":
    """The rule that was asked for with its options, or None if nothing was."""
    from urushi.recipe import Part, parse_setting

    changes: dict[str, Any] = dict(parse_setting(text) for text in settings)
    changes |= {} if false_alarm_rate is None else {"false_alarm_rate": false_alarm_rate}
    changes |= {} if warn_rate is None else {"warn_rate": warn_rate}
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


def _show(detector: "Detector", defects: list[Path], *, as_json: bool) -> None:
    from urushi.calibration import compare_rules

    scores, unreadable = detector.scores_of_defects(defects, progress="bar")
    outcomes = compare_rules(detector.held_out, scores)
    _console.list_unreadable(unreadable)
    if as_json:
        print(json.dumps(_as_json(detector, scores, outcomes), indent=1, allow_nan=False))
    else:
        _table(detector, scores, outcomes)
    if unreadable:
        raise typer.Exit(1)


def _table(detector: "Detector", scores: "np.ndarray", outcomes: "list[RuleOutcome]") -> None:
    columns = ("rule", "threshold", "false-alarm rate", "normals above", "found")
    usable = [(outcome, outcome.threshold) for outcome in outcomes if outcome.threshold is not None]
    rows = [_row(outcome, threshold, len(detector.held_out.scores), scores.size) for outcome, threshold in usable]
    n = f"{len(detector.held_out.scores)} held-out normals, {scores.size} defects"
    _console.table(
        columns if scores.size else columns[:-1],
        rows,
        title=f"{n}; now {detector.threshold.rule}: {detector.threshold.value:.6g}",
    )
    for reason, rules in _unusable(outcomes).items():
        print(textwrap.fill(f"{', '.join(rules)} cannot be used: {reason}", 80, subsequent_indent="  "))
    if detector.held_out.advice:
        _console.note(f"note: {detector.held_out.advice}")
    _console.note("Nothing was changed. Choose with --rule RULE or --false-alarm-rate RATE; options: --set KEY=VALUE.")


def _row(outcome: "RuleOutcome", threshold: "Threshold", n_normals: int, n_defects: int) -> tuple[str, ...]:
    rate = "none" if threshold.false_alarm_rate is None else f"{threshold.false_alarm_rate:.2%} {threshold.rate_kind}"
    found = () if outcome.n_defects_found is None else (f"{outcome.n_defects_found} of {n_defects}",)
    return (outcome.rule, f"{threshold.value:.6g}", rate, f"{outcome.n_normals_above} of {n_normals}", *found)


def _unusable(outcomes: "list[RuleOutcome]") -> dict[str, list[str]]:
    """The rules that give no threshold, by the reason."""
    rules: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.reason:
            rules.setdefault(outcome.reason.removeprefix(f"The rule {outcome.rule!r} "), []).append(outcome.rule)
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
