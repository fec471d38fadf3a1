"""Presets with the names of methods beside anomalib's own: same images, same EfficientNet-Lite0 weights and blocks.

The categories were named before anything was measured, and no setting was chosen by it. Each of urushi's is fitted by
its recipe as it is. Each of anomalib's has its own defaults but for the backbone, layers at the strides of its paper's,
1 % of the cells for PatchCore and 20 epochs for STFPM; rows of `peers_accuracy` are taken over. What differs: urushi
reduces images by area, anomalib by an antialiased bilinear filter; padim has a grid of 1/8, not 1/4, and no blur, and
both draw other channels; patchcore standardises channels, chooses its memory from 40,000 cells evenly taken and scores
without re-weighting; student-teacher restores features from a narrower map of them and learns from 72 % of the images,
where STFPM's student is a second backbone on pixels and learns from all of them (`studies.student_teacher` tells these
apart): another method, since anomalib's reverse distillation takes no EfficientNet. A dash: not measured. Other work
ran on the machine: seconds are not to be compared.
"""

import tempfile
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from studies import DATA

from benchmarks import record
from benchmarks.peers import accuracy
from urushi.data.dataset import find_dataset

CATEGORIES = ("xray_fishbone", "screw", "solar_cell")
PEERS = {"padim": "padim", "patchcore": "patchcore", "dfm": "dfm", "student-teacher": "stfpm"}
ALLOWED = 0.02  # difference of image ROC-AUC


def earlier(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of another benchmark that are of the same models, weights and images."""
    wanted = {"urushi default", *(f"anomalib {peer}" for peer in PEERS.values())}
    return [row for row in rows if row["category"] in CATEGORIES and row["contestant"] in wanted]


def measure(python: Path, category: str, preset: str, known: Set[str]) -> list[dict[str, Any]]:
    """A row for the preset and one for its peer, as far as they are not known."""
    peer = f"anomalib {PEERS[preset]}"
    if {f"urushi {preset}", peer} <= known:
        return []
    dataset = find_dataset(DATA / category)
    row, found = accuracy.urushi(dataset, preset)
    rows = [] if row["contestant"] in known else [row]
    if peer not in known:
        with tempfile.TemporaryDirectory() as name:
            accuracy.link(dataset.normal_training(), Path(name) / "train")
            accuracy.link(dataset.test(), Path(name) / "test")
            rows.append(accuracy.anomalib(python, PEERS[preset], Path(name), found))
    return [{"category": category} | row | record.commit() for row in rows]


def markdown(study: dict[str, Any]) -> str:
    """A line for each preset, its peer and their difference, by category."""
    rows = {(row["contestant"], row["category"]): row for row in study["rows"]}
    lines = ["# Presets beside anomalib's own", "", study["about"], ""]
    heads = ["image ROC-AUC", *CATEGORIES, "AUPRO@0.3 on screw"]
    lines += [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for preset, peer in PEERS.items():
        names = f"urushi {preset}", f"anomalib {peer}"
        lines += [_line(rows, name) for name in names]
        cells = [_difference(*(_value(rows, (name, category), "roc_auc") for name in names)) for category in CATEGORIES]
        lines.append(f"| difference | {' | '.join(cells)} | |")
    return "\n".join([*lines, _line(rows, "urushi default")])


def _line(rows: dict[tuple[str, str], dict[str, Any]], name: str) -> str:
    aucs = [accuracy.mean([_value(rows, (name, category), "roc_auc")]) for category in CATEGORIES]
    aupro = accuracy.mean([_value(rows, (name, "screw"), "aupro_0.3")])
    return f"| {name} | {' | '.join([*aucs, aupro])} |"


def _value(rows: dict[tuple[str, str], dict[str, Any]], key: tuple[str, str], figure: str) -> float | None:
    return (rows.get(key, {}).get(figure) or {}).get("value")


def _difference(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "—"
    return f"{ours - theirs:+.3f}{'' if abs(ours - theirs) <= ALLOWED else ' (more than ' + str(ALLOWED) + ')'}"
