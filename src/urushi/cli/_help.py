"""What each command shows of itself: in `--help` options in groups, and examples; its first line once it runs."""

import re
from typing import Any

from typer.core import TyperCommand, TyperOption

from urushi.cli import _first_line

_GROUPS = {  # by the parameter, in this order; what is in none comes before them, under "Options"
    "Which images": ("layout", "good_folder", "bits", "group_by", "ignore", "inspect_only", "saturation", "fit_on"),
    "Learning on": ("add", "remove", "selected", "final", "base"),
    "Recipe": ("recipe", "settings", "transforms"),
    "Watching a folder": ("watch", "only_new", "idle_seconds"),
    "A camera": ("camera", "every_frames", "every_seconds"),
    "Threshold": ("false_alarm_rate", "warn_rate", "rule", "false_discovery_rate"),
    "In the plant": ("prevalence", "escape_cost", "false_alarm_cost"),
    "What is written": (
        *("out", "output_format", "maps", "maps_as", "masks", "report", "plots", "page", "as_json"),
        "json_file",
        "mlflow",
    ),
    "Tube and exposure": (
        *("voltages", "voltage_kv", "target", "anode_angle", "filters", "exposure_ms", "distance_mm", "current_ma"),
        *("max_power_w", "photons", "fixed"),
    ),
    "Types of defects": ("types", "novelty_buffer", "gather_unsure"),
    "Images to test with": ("test_fraction", "synthetic_defects", "anomaly_ratio", "test_total"),
    "Who may connect": ("host", "port", "certificate", "key"),
    "Limits of requests": ("queue_images", "max_body_megabytes", "images_per_request", "seconds_per_image"),
    "What is kept": ("keep_days", "keep_inspections", "keep_gigabytes"),
    "Which inspections": ("of_detector", "decision", "tag", "since", "until"),
    "Computing": ("runtime", "precision", "device", "n_threads", "budget_seconds"),
    "On many machines": ("engine", "ray_address", "workers", "parts_as", "part_size"),
}
_GROUP_OF = {name: group for group, names in _GROUPS.items() for name in names}
_ORDER = [None, *_GROUPS]

EXAMPLES = {
    "demo": ["urushi demo --out demo"],
    "fit": [
        "urushi fit good -o part.urushi",
        "urushi fit good -o part.urushi --recipe tiled --false-alarm-rate 0.01",
        "urushi fit DATASET -o part.urushi --set split.leave_out_suspicious=true",
        "urushi fit --add part.urushi new",
        "urushi fit good -o part.urushi --mlflow sqlite:///tracking.db",
    ],
    "merge": ["urushi merge line_1.urushi line_2.urushi --base part.urushi -o lines.urushi"],
    "inspect": [
        "urushi inspect part.urushi new --report",
        "urushi inspect part.urushi new --format csv > results.csv",
        "urushi inspect part.urushi --watch incoming",
        "urushi inspect part.urushi --camera line.avi --every-frames 10",
        "urushi inspect part.urushi images --engine ray --out inspected",
    ],
    "evaluate": [
        "urushi evaluate part.urushi DATASET",
        "urushi evaluate part.urushi DATASET --json figures.json --report report.html",
    ],
    "calibrate": [
        "urushi calibrate part.urushi",
        "urushi calibrate part.urushi --false-alarm-rate 0.01 --warn-rate 0.05",
    ],
    "classify": [
        "urushi classify part.urushi LABELLED_DIR -o defects.types",
        "urushi inspect part.urushi --types defects.types PATH",
    ],
    "novelties": [
        "urushi inspect part.urushi --novelty-buffer FILE PATH",
        "urushi novelties FILE --page groups.png",
        "urushi novelties FILE --name 1=crack",
    ],
    "sample": ["urushi sample part.urushi -o samples.png -n 36"],
    "interpolate": ["urushi interpolate part.urushi -o way.gif --from 3 --to 8"],
    "represent": ["urushi represent picture.png -o fitted.png --activations sine,relu"],
    "export": ["urushi export part.urushi --to onnx", "urushi export part.urushi --to onnx --int8 --images good"],
    "benchmark": ["urushi benchmark part.urushi images"],
    "compare": [
        "urushi compare DATASET --recipes default,pixel-pca --out comparison",
        "urushi compare DATASET --recipes default,padim --budget-seconds 600",
    ],
    "tune": ["urushi tune default good -o tuned.toml --trials 30"],
    "serve": [
        "urushi serve part.urushi",
        "urushi serve part.urushi --data station --keep-days 90",
        "urushi serve part.urushi --line line.toml",
        "urushi serve token anna --role review",
    ],
    "serve token": ["urushi serve token anna --role review", "urushi serve token anna --revoke"],
    "history export": ["urushi history export --data station -o results.csv --decision anomalous"],
    "history evidence": ["urushi history evidence 17 -o part.html"],
    "history verify": ["urushi history verify part.html", "urushi history verify part.html --key signing.pub"],
    "study": ["urushi study my_study.toml --data DATA --out results"],
    "prepare": [
        "urushi prepare radiographs prepared --propose",
        "urushi prepare radiographs prepared --recipe potato",
    ],
    "augment": [
        "urushi augment radiographs larger --transforms rotation,translation --copies 4",
        "urushi augment IN OUT --synthetic-defects 10 --test-fraction 0.2",
    ],
    "texture": ["urushi texture leather.png leather --patches 500 --defects crack,hole"],
    "models": ["urushi models", "urushi models autoencoder", "urushi models autoencoder --set architecture=inspection"],
    "scores": ["urushi scores", "urushi scores ssim"],
    "steps": ["urushi steps", "urushi steps crop"],
    "transforms": ["urushi transforms", "urushi transforms elastic"],
    "recipes": ["urushi recipes", "urushi recipes default > mine.toml"],
    "doctor": ["urushi doctor", "urushi doctor DATASET"],
    "xray contrast": [
        "urushi xray contrast --product Al --thickness-mm 9 --object Cu --size-mm 1",
        "urushi xray contrast --materials",
    ],
    "xray simulate": ["urushi xray simulate potato phantoms -n 200 --seed 0"],
}


class Command(TyperCommand):
    """A command whose options are shown in groups, with its examples below them; it says first what it reads."""

    def __init__(self, name: str | None, **options: Any) -> None:
        super().__init__(name, **options)
        self.help = re.sub(r"(?<!\n)\n(?!\n)", " ", self.help or "")  # rich would break the lines of a text as they are
        for parameter in self.params:
            if isinstance(parameter, TyperOption):
                parameter.rich_help_panel = _GROUP_OF.get(parameter.name or "")
        self.params.sort(key=lambda parameter: _ORDER.index(getattr(parameter, "rich_help_panel", None)))

    def invoke(self, ctx: Any) -> Any:
        """Runs it."""
        _first_line.tell({name: ctx.params[name] for one in self.params if (name := one.name) in ctx.params})
        return super().invoke(ctx)


def epilog(command: str) -> str:
    """The examples of a command, each on a line of its own."""
    return "\n".join(["\b", "[bold]Examples[/bold]", *EXAMPLES.get(command, [])])
