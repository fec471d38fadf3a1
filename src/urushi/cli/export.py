"""urushi export: a graph that needs no PyTorch, into the detector file, once it has passed the parity gate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from urushi.cli import _console
from urushi.cli._datasets import note_found
from urushi.cli._places import require_detector_place
from urushi.cli._running import require_detector
from urushi.runtime.names import Engine, Precision

if TYPE_CHECKING:
    from urushi.detector import Detector


def export(
    detector: Annotated[Path, typer.Argument(metavar="DETECTOR", help="A detector file; it gets the graph.")],
    to: Annotated[Engine, typer.Option(help="The runtime that is to run it; both read the same graph.")],
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Add a graph in 8-bit integers, with a threshold of its own, if it decides alike."),
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Good images for the parity gate; without it, those that the fit held out, if still there."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the synthetic defects of the gate.")] = 0,
) -> None:
    """Export network and score for a PC without PyTorch. That they decide as before is proved.

    The exported graph is compared with PyTorch on good images and on synthetic defects; if they differ, nothing is
    written. With --int8, the file gets both graphs, and where int8 is not good enough, the fp32 one alone. The int8
    graph runs only where it is asked for, with --precision int8.
    """
    require_detector_place(output, "-o")
    require_detector(detector)
    from urushi.detector import Detector
    from urushi.errors import ExportError
    from urushi.runtime.choice import DISTRUSTED, exports

    loaded = Detector.load(detector, runtime="torch")
    if any(entry.is_distrusted for entry in exports(loaded.card)):
        _console.note(f"note: {DISTRUSTED}; it is taken out of the file")
    good = _good_images(loaded, images)
    made = _exported(loaded, good, to, "fp32", seed)
    if int8:
        try:
            made = _exported(made, good, to, "int8", seed)
        except ExportError as error:
            _console.note(f"fp32 only: {error}")
    made.save(output or detector)
    print(f"{output or detector}: runs in {' and '.join(_names(made))}")


class _Good(NamedTuple):
    """Good images: those that the fit held out, or all where folds did so in turn, and those that it learnt from."""

    normal: list[Path]
    learnt: list[Path]


def _exported(detector: "Detector", good: _Good, to: Engine, precision: Precision, seed: int) -> "Detector":
    from urushi.exporting import Parity

    made = detector.export(good.normal, learnt=good.learnt, to=to, precision=precision, seed=seed, progress="bar")
    facts = made.card["exports"][-1]
    print(f"{to} {precision}: {Parity(**facts['parity']).describe()}")
    times = facts["milliseconds"], facts["milliseconds_in_torch"]
    print(f"{to} {precision}: {times[0]:.1f} ms per image, PyTorch {times[1]:.1f} ms, here and now")
    if precision == "int8":
        own = made.ways.calibrations[to]
        print(f"{to} {precision}: threshold {own.threshold.value:.6g}: {own.threshold.explanation}")
    return made


def _names(detector: "Detector") -> list[str]:
    return [f"{entry['runtime']} {entry['precision']}" for entry in detector.card["exports"]]


def _good_images(detector: "Detector", folder: Path | None) -> _Good:
    """Those that were given, or held-out ones of the folder that it was fitted on."""
    from urushi.data.dataset import find_dataset
    from urushi.errors import DatasetError

    data = detector.card.get("data", {})
    known = Path(str(data.get("folder", "")))
    if folder is None and not (data and known.is_dir()):
        raise DatasetError("the images that it was fitted on are not here any more; give good ones with --images DIR")
    options = {} if folder else {"layout": data.get("layout"), "good_folders": data.get("good_folders", ())}
    dataset = find_dataset(folder or known, **options)
    samples = [sample.path for sample in dataset.normal_training()]
    if not samples:
        raise DatasetError(f"{folder or known} has no good images; give some with --images DIR")
    note_found(len(samples), "good image", [folder or known])
    held_out = None if folder else detector.card["fit"].get("held_out")
    if held_out is None:
        return _Good(samples, [])
    learnt = [sample for position, sample in enumerate(samples) if position not in set(held_out)]
    return _Good([samples[position] for position in held_out if position < len(samples)], learnt)
