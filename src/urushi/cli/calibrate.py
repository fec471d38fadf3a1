"""urushi calibrate: a new threshold for a detector, without training."""

from pathlib import Path
from typing import Annotated, Any

import typer

from urushi.cli import _console
from urushi.cli.fit import images_in


def calibrate(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file; it is changed in place.")],
    false_alarm_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be called anomalous.")
    ] = None,
    rule: Annotated[str, typer.Option(help="conformal, quantile; with --defects also g-mean, f1.")] = "conformal",
    settings: Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="An option of the rule.")] = [],  # noqa: B006
    defects: Annotated[Path | None, typer.Option(help="Images of defects, for rules that need them.")] = None,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, mps.")] = "cpu",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead.")] = None,
) -> None:
    """Choose the threshold anew from the held-out normals in the detector file."""
    from urushi.detector import Detector
    from urushi.recipe import Part, parse_setting

    options: dict[str, Any] = dict(parse_setting(text) for text in settings)
    if false_alarm_rate is not None:
        options["false_alarm_rate"] = false_alarm_rate
    old = Detector.load(detector, device=device)
    part = Part.model_validate({"name": rule.replace("-", "_"), **options})
    new = old.calibrate(part, defects=images_in(defects))
    new.save(output or detector)
    _console.list_unreadable(new.unreadable)
    print(f"threshold {old.threshold.value:.6g} -> {new.threshold.value:.6g}: {new.threshold.explanation}")
    if new.unreadable:
        raise typer.Exit(1)
