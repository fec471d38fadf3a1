"""The figures of source S2, chapter 6, drawn from the committed records of the studies that mirror it.

    python -m studies.s2_figures        # docs/s2/*.svg

Nothing is fitted and no image is read: `results/s2_*/records` hold a score of every test image. Figures whose records
are not there yet are left out.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from urushi import atomic_file
from urushi.reporting.plots import style
from urushi.reporting.plots.learning_curves import LearningCurves, learning_curves_figure
from urushi.reporting.plots.luminance import luminance_figure
from urushi.reporting.plots.parameter import parameter_figure
from urushi.study import Record, Study, curves
from urushi.study.drawing import measured
from urushi.study.measuring import RECORDS
from urushi.study.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).parent
PLACE = HERE.parent / "docs" / "s2"
Drawn = tuple[str, "Figure"]  # the name of the file, and what is in it


def records_of(study: Study, folder: Path) -> list[Record]:
    """What has been measured of the runs of a study so far, whatever the images; in the order of the study."""
    return [one for run in study.runs() if (one := Record.read(folder / RECORDS / f"{run.name}.json"))]


def figures(name: str, study: Study, records: Sequence[Record]) -> Iterator[Drawn]:
    """Those of S2 that one study has the records for, by the numbers that they have there."""
    summary = Summary.of(measured(study, records))
    for data in study.data:
        own = [record for record in records if record.data == data.name]
        if not own:
            continue
        place = f"{name}-{data.name}"
        yield from ((f"luminance-{place}", figure) for figure in _luminances(own))
        yield from ((f"published-{place}", figure) for figure in _beside_published(study, summary, own))
        wanted = {"over": curves.over_values, "ratio": curves.over_ratios}
        for stem, draw in wanted.items():
            for number, (_, figure) in enumerate(draw(study, summary, own, data.name)):
                yield f"{stem}{number or ''}-{place}", figure
        for method in study.methods:
            yield from _of_method(study, summary, own, method.name, place)


def _luminances(records: Sequence[Record]) -> Iterator["Figure"]:
    """S2 figs 6.16 and 6.20: of the first method, whose preprocessing is that of all."""
    first, kinds = records[0], np.array(records[0].kinds)
    ordered = sorted(set(first.kinds), key=lambda kind: (kind != "good", kind))
    found = {kind: np.array(first.luminances)[kinds == kind] for kind in ordered}
    yield luminance_figure(found, title=f"{first.data.capitalize()}: brightness after preprocessing")


def _beside_published(study: Study, summary: Summary, records: Sequence[Record]) -> Iterator["Figure"]:
    """ROC-AUC over J, ours and S2's (table 6.5)."""
    if study.vary is None:
        return
    data = records[0].data
    found = curves.roc_aucs(study, summary, [one for one in records if one.value is not None], data)
    for one in study.published:
        if (one.data, one.score, one.ratio) == (data, None, None) and "roc_auc" in one.figures:
            found.setdefault(f"{one.method}, Sode", {})[float(one.value or 0)] = np.array([one.figures["roc_auc"][0]])
    title = f"{data}: ROC-AUC over J, and Sode's on other images"
    yield parameter_figure(found, x_label="J", y_label="ROC-AUC", x_scale="log2", title=title)


def _of_method(study: Study, summary: Summary, records: Sequence[Record], method: str, place: str) -> Iterator[Drawn]:
    """S2 figs 6.1 and 6.21, 6.26, 6.27, at the chosen value."""
    chosen = [one for one in records if (one.method, one.value) == (method, study.chosen(method))]
    if not chosen:
        return
    stem = f"{place}-{method.replace(' ', '-')}"
    if chosen[0].losses:
        title = f"{chosen[0].data}, {method}: losses"
        yield f"losses-{stem}", learning_curves_figure(LearningCurves(chosen[0].losses), title=title)
    for kind, (_, figure) in zip(("roc", "errors"), curves.of_scores(study, summary, chosen), strict=False):
        yield f"{kind}-{stem}", figure


def main() -> None:
    """Draws all of them."""
    PLACE.mkdir(exist_ok=True)
    for path in sorted(HERE.glob("s2_*.toml")):
        study = Study.of(path)
        records = records_of(study, HERE / "results" / path.stem)
        n = len(list(study.runs()))
        print(f"{path.stem}: records of {len(records)} of {n} fits")
        for name, figure in figures(path.stem.removeprefix("s2_"), study, records):
            atomic_file.replace(PLACE / f"{name}.svg", style.svg(figure).encode())


if __name__ == "__main__":
    main()
