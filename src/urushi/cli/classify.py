"""urushi classify: types of defects from a few labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from urushi.cli import _console
from urushi.cli._datasets import note_found, note_problems
from urushi.cli._places import require_file_place
from urushi.cli._running import DeviceOption, load, require_detector
from urushi.data.progress import tracked
from urushi.errors import InputError
from urushi.printable import counted

if TYPE_CHECKING:
    import numpy as np

    from urushi.defect_types import Encoder
    from urushi.detector import Detector

_N_ENOUGH = 19  # labelled images, from which on 5 % can be called unknown for lying far from all


def classify(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file, made by `urushi fit`.")],
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED_DIR", help="Images of defects, one folder per type; `good` is left out.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file of types.")] = Path("defects.types"),
    tune_epochs: Annotated[
        int, typer.Option(min=0, max=10000, help="Train the encoder on for so many epochs; worth it with many images.")
    ] = 0,
    joint: Annotated[
        bool,
        typer.Option("--joint", help="With --tune-epochs: go on rebuilding images meanwhile, to know unknown types."),
    ] = False,
    unknown_rate: Annotated[
        float, typer.Option(help="Share of known defects that may be called unknown for being unlike all others.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and training.")] = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Learn to name types of defects from labelled images. `urushi inspect --types FILE` then names them."""
    if joint and not tune_epochs:
        raise InputError("--joint trains the encoder on; say for how many epochs with --tune-epochs")
    require_file_place(output, "-o")
    require_detector(detector)
    from urushi.defect_types import DefectTypes, Encoder

    loaded = load(detector, runtime="torch", device=device)
    encoder = Encoder(loaded)
    images, labels = _labelled(loaded, encoder, labelled)
    how = {"unknown_rate": unknown_rate, "n_epochs": tune_epochs, "rebuilding": float(joint), "seed": seed}
    found = DefectTypes.learn(encoder, images, labels, **how)  # type: ignore[arg-type]
    found.save(output)
    n, wrong = len(labels), len(labels) - found.held_out_right - found.held_out_unknown
    print(f"{output}: {counted(len(found.names), 'type')} from {counted(n, 'image')}: {', '.join(found.names)}")
    print(
        f"of images left out of learning in turn, {found.held_out_right} of {n} were named rightly, {wrong} wrongly, "
        f"{found.held_out_unknown} were called unknown"
    )
    if n < _N_ENOUGH:
        _console.note(
            f"note: with {counted(n, 'image')}, fewer than {_N_ENOUGH}, nothing is called unknown for lying far "
            "from all"
        )


def _labelled(detector: "Detector", encoder: "Encoder", folder: Path) -> "tuple[list[np.ndarray], list[str]]":
    """Prepared images and their types."""
    from urushi.data.dataset import Problem
    from urushi.data.names import Names, meaning
    from urushi.data.pages import images_in_file
    from urushi.data.parts import find_parts
    from urushi.errors import DatasetError
    from urushi.inspection import Unreadable

    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; give one that holds a folder of images for each type of defect")
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    types = [path for path in folders if meaning(path.name).kind not in ("good", "mask")]
    found = [(kind.name, *find_parts([kind], Names())) for kind in types]
    problems = [notice for _, _, notices in found for notice in notices]
    files = [(path, name) for name, paths, _ in found for path in paths if not isinstance(path, Problem)]
    pairs = [(page, name) for path, name in files for page in images_in_file(path, problems.append)]
    note_problems(problems)
    if not pairs:
        raise DatasetError(f"{folder} has no folders with images in them; each type of defect is a folder of images")
    note_found(len(pairs), "image", [folder], of=" of defects")
    images, labels, unreadable, n_normal = [], [], [], 0
    results = zip(pairs, detector.inspect_many(path for path, _ in pairs), strict=True)
    for (_, label), result in tracked(results, "inspecting", len(pairs)):
        if isinstance(result, Unreadable):
            unreadable.append(result)
            continue
        n_normal += result.decision == "normal"
        images.append(encoder.image(result))
        labels.append(label)
    _console.list_unreadable(unreadable)
    if n_normal:
        _console.note(
            f"note: {n_normal} of {len(labels)} are normal to this detector; `inspect` names no type for such"
        )
    return images, labels
