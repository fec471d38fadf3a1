"""The results of a study as a Markdown page, from its JSON alone."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from studies import CATEGORIES
from urushi.evaluation import mean_and_standard_error

Row = dict[str, Any]
Figure = dict[str, Any]  # value, low, high, reason

NONE = "—"


def markdown(study: dict[str, Any]) -> str:
    """Tables with a line per category and one of means, what they say, and with what they were made."""
    groups = [list(rows) for _, rows in groupby(study["rows"], key=lambda row: row["category"])]
    parts = [f"# {_title(groups)}: {study['settings']['title']}", _figures(groups)]
    if any(row["rebuilding"] for rows in groups for row in rows):
        parts.append(_rebuilding(groups))
    return "\n\n".join([*parts, _notes(groups), _circumstances(study)]) + "\n"


def _title(groups: Sequence[list[Row]]) -> str:
    """A page of a study that is not done says so, and its means are no means over seven."""
    measured = {rows[0]["category"] for rows in groups} & set(CATEGORIES)
    missing = [name for name in CATEGORIES if name not in measured]
    left = f" (missing: {', '.join(missing)})" if missing else ""
    return f"{len(measured)} of seven categories{left}" if missing else "Seven categories"


def _figures(groups: Sequence[list[Row]]) -> str:
    columns: dict[str, Callable[[Row], Figure]] = {
        "image ROC-AUC": lambda row: row["evaluation"]["image"]["roc_auc"],
        "average precision": lambda row: row["evaluation"]["image"]["average_precision"],
        "recall": lambda row: _share(row["evaluation"]["counts"], "tp", "fn"),
        "false alarms": lambda row: _share(row["evaluation"]["counts"], "fp", "tn"),
        "pixel ROC-AUC": lambda row: _pixel(row, "roc_auc"),
        "AUPRO@0.3": lambda row: _pixel(row, "aupro_0.3"),
        "fit s": lambda row: {"value": row["fit_seconds"], "digits": 1},
        "inspect ms/image": lambda row: {"value": 1000 * row["inspect_seconds_per_image"], "digits": 1},
    }
    if any(row.get("pixel_pca") for rows in groups for row in rows):
        first, *others = columns.items()
        columns = dict([first, ("pixel PCA's", _of_pixel_pca), *others])
    lines = [[_name(rows), _n(rows), _stated(rows), *_cells(rows, columns.values())] for rows in groups]
    lines.append(["**mean**", "", "", *(_mean(groups, figure) for figure in columns.values())])
    return _table(["category", "train / good / anomalous", "stated rate", *columns], lines)


def _of_pixel_pca(row: Row) -> Figure:
    """Its image ROC-AUC on the same images, where it was measured beside."""
    found = row.get("pixel_pca")
    return {"value": found["roc_auc"]["value"] if found else None}


def _rebuilding(groups: Sequence[list[Row]]) -> str:
    columns: dict[str, Callable[[Row], Figure]] = {
        "trained / validation images": lambda row: {
            "text": f"{row['fit']['n_training']} / {row['fit'].get('n_validation', 0)}"
        },
        "epochs (best)": lambda row: {"text": _epochs(row["fit"])},
        "MSE of good images": lambda row: {"value": row["rebuilding"]["mse"]["value"], "digits": 6},
        "MSE of the mean image": lambda row: {"value": row["rebuilding"]["mse_of_mean_image"], "digits": 6},
        "ratio": lambda row: {"value": row["rebuilding"]["ratio"], "digits": 3},
        "KL nats per image (least)": lambda row: {"text": _nats(row["rebuilding"]["divergence_nats"])},
    }
    there = [rows for rows in groups if rows[0]["rebuilding"] is not None]
    if any(row["fit"].get("pixel_pca") for rows in there for row in rows):
        columns["held-out images: MSE / pixel PCA's"] = lambda row: {"text": _held_out_errors(row["fit"])}
    return _table(["category", *columns], [[_name(rows), *_cells(rows, columns.values())] for rows in there])


def _cells(rows: list[Row], figures: Iterable[Callable[[Row], Figure]]) -> list[str]:
    return [_cell([figure(row) for row in rows]) for figure in figures]


def _cell(found: list[Figure]) -> str:
    """One seed: the value and its interval. Several: mean ± standard error over seeds."""
    if "text" in found[0]:
        return "; ".join(figure["text"] for figure in found)
    values, digits = _values(found), found[0].get("digits", 3)
    if not values:
        return NONE
    if len(found) > 1:
        mean = mean_and_standard_error(values)
        error = "" if mean.standard_error is None else f" ± {mean.standard_error:.{digits}f}"
        return f"{mean.mean:.{digits}f}{error}"
    return f"{values[0]:.{digits}f}{_beside(found[0], digits)}"


def interval(figure: Figure) -> str:
    """'0.913 [0.870, 0.950]'."""
    return f"{figure['value']:.3f}{_beside(figure, 3)}"


def _beside(figure: Figure, digits: int) -> str:
    """The interval of a figure, or the counts of a share."""
    if "counts" in figure:
        return f" ({figure['counts']})"
    low, high = figure.get("low"), figure.get("high")
    return "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"


def _mean(groups: Sequence[list[Row]], figure: Callable[[Row], Figure]) -> str:
    """Over the categories that have the figure, each counted once."""
    per_category = [statistics.fmean(values) for rows in groups if (values := _values(map(figure, rows)))]
    if not per_category:
        return NONE
    digits = figure(groups[0][0]).get("digits", 3)
    share = "" if len(per_category) == len(groups) else f" (of {len(per_category)})"
    return f"**{statistics.fmean(per_category):.{digits}f}**{share}"


def _values(found: Iterable[Figure]) -> list[float]:
    return [figure["value"] for figure in found if figure["value"] is not None]


def _pixel(row: Row, metric: str) -> Figure:
    pixel = row["evaluation"]["pixel"]
    return {"value": None} if pixel is None else pixel["metrics"][metric]


def _share(counts: dict[str, int], called: str, others: str) -> Figure:
    """Counts say how sure a share is."""
    n = counts[called] + counts[others]
    return {"value": counts[called] / n, "counts": f"{counts[called]}/{n}"} if n else {"value": None}


def _name(rows: list[Row]) -> str:
    return rows[0]["category"] if len(rows) == 1 else f"{rows[0]['category']} ({len(rows)} seeds)"


def _n(rows: list[Row]) -> str:
    return " / ".join(str(rows[0]["n"][part]) for part in ("train", "good", "anomalous"))


def _stated(rows: list[Row]) -> str:
    rates = {row["threshold"]["false_alarm_rate"] for row in rows} - {None}
    return ", ".join(f"{rate:.4f}" for rate in sorted(rates)) or NONE


def _epochs(fit: dict[str, Any]) -> str:
    trained = fit.get("training")
    return f"{trained['epochs']} ({trained['best_epoch'] + 1})" if trained else NONE


def _held_out_errors(fit: dict[str, Any]) -> str:
    found = fit.get("pixel_pca")
    return f"{found['mse']:.6f} / {found['mse_of_pixel_pca']:.6f}" if found else NONE


def _nats(found: dict[str, float] | None) -> str:
    return NONE if found is None else f"{found['mean']:.1f} ({found['minimum']:.1f})"


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(columns)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [columns, rule, *lines])


def _notes(groups: Sequence[list[Row]]) -> str:
    rows = [row for group in groups for row in group]
    notes = [
        "In brackets: 95 % interval over test images, or counts of images. ±: standard error over seeds.",
        "The threshold comes from held-out training images, never from the test set; *stated rate* is the share of "
        "good parts that it allows, *false alarms* the share of good test images that were called anomalous.",
        *_left_out(rows),
    ]
    if any(row["rebuilding"] for row in rows):
        notes.append(
            "MSE over test/good as the model sees it; the mean image is that of train/good, which is all that a "
            "collapsed model could give (a ratio of 1). KL: divergence of the posterior from N(0, I)."
        )
    if any(row.get("pixel_pca") for row in rows):
        notes.append(
            "*pixel PCA's*: image ROC-AUC of the recipe `pixel-pca`, fitted in seconds on the same images; its MSE is "
            "that of 32 components on what the network was trained on, for the same held-out good images."
        )
    return "\n".join(f"- {note}" for note in notes)


def _left_out(rows: list[Row]) -> list[str]:
    """Why a category has no pixel figures, or which images had no part in them, or could not be read; once each."""
    notes = []
    for row in rows:
        found = row["evaluation"]
        if found["pixel"] is None:
            notes.append(f"{row['category']}: no pixel figures ({NONE}): {found['pixel_reason']}.")
        elif found["pixel_left_out"]["n"]:
            left = found["pixel_left_out"]
            notes.append(f"{row['category']}: {left['n']} images without pixel figures; first: {left['first_reason']}.")
        if found["n_unreadable"]:
            notes.append(f"{row['category']}: {found['n_unreadable']} test images could not be read.")
    return list(dict.fromkeys(notes))


def _circumstances(study: dict[str, Any]) -> str:
    found = [row["environment"] for row in study["rows"]]
    facts = {
        "command": {f"`{one['command']}`" for one in found},
        "seeds": {str(row["seed"]) for row in study["rows"]},
        "commit": {f"{one['commit']}{' with uncommitted changes' if one['is_dirty'] else ''}" for one in found},
        "versions": {", ".join(f"{k} {v}" for k, v in one["versions"].items()) for one in found},
        "machine": {f"{one['cpu']}, {one['n_cores']} cores, {one['n_threads']} threads" for one in found},
        "load average at the start": {f"{one['load_average_1_min_before']}" for one in found},
        "date": {one["date"][:10] for one in found},
    }
    return "\n".join(f"- {name}: {'; '.join(sorted(values))}" for name, values in facts.items())
