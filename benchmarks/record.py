"""What every benchmark shares: where and with what it ran, interleaved measuring, and the record it leaves."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from urushi.evaluation.below_chance import MARK, NOTE

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
_PACKAGES: tuple[str, ...] = ("urushi", "torch", "lightning", "numpy", "opencv-python-headless", "pillow", "pydantic")
_PACKAGES += ("typer", "onnxruntime", "openvino")
_RESULT_FOLDERS = (":!benchmarks/results", ":!studies/results")  # writing a result must not make the next one dirty


def environment() -> dict[str, Any]:
    """Commit, versions and machine; the load average shows whether somebody else was using it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", "-m", _module(), *sys.argv[1:]]),
        **commit(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "cpu": cpu_model(),
        "n_cores": os.cpu_count(),
        "n_usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "thread_variables": {name: value for name, value in os.environ.items() if name.startswith(("OMP_", "MKL_"))},
        "load_average_1_min_before": load_average(),
    }


def commit() -> dict[str, Any]:
    """The git commit, and whether the working tree had changes outside the folders of results; None without git."""
    found, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", ".", *_RESULT_FOLDERS)
    return {"commit": found, "is_dirty": None if status is None else bool(status)}


def cpu_model() -> str:
    """The processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def load_average() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def interleave(measures: Mapping[str, Callable[[], T]], n: int, *, n_warm_up: int = 0) -> dict[str, list[T]]:
    """Each measure n times in turn, A B A B …, so that a drift of the machine meets all of them alike."""
    for _ in range(n_warm_up):
        for measure in measures.values():
            measure()
    rounds = [{name: measure() for name, measure in measures.items()} for _ in range(n)]
    return {name: [found[name] for found in rounds] for name in measures}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """All single values, their median, quartiles and range."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    ends = {"quartiles": [low, high], "minimum": min(values), "maximum": max(values)}
    return {"median": statistics.median(values), **ends, "all": list(values)}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; of a single value the latter is not known, NaN."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return statistics.fmean(values), error


def ratio(values: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Round by round value / reference; the median is the figure."""
    return spread([value / other for value, other in zip(values, reference, strict=True)])


def judged(found: dict[str, Any], *, at_most: float | None = None, at_least: float | None = None) -> dict[str, Any]:
    """A spread with its target, and whether the median meets it."""
    is_met = (at_most is None or found["median"] <= at_most) and (at_least is None or found["median"] >= at_least)
    target = {"at_most": at_most} if at_least is None else {"at_least": at_least}
    return found | {"target": target, "is_met": is_met}


def write(folder: Path, name: str, record: Mapping[str, Any]) -> Path:
    """The record as JSON, written whole or not at all."""
    path, temporary = folder / f"{name}.json", folder / f".{name}.json"
    folder.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(tidy(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(f"written: {path}", file=sys.stderr)
    return path


def earlier_rows(folder: Path, name: str, **same: Any) -> list[dict[str, Any]]:
    """The rows of an interrupted run, if there was one of the same settings."""
    path = folder / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": []}
    return list(found["rows"]) if all(found.get(key) == value for key, value in same.items()) else []


def publish(folder: Path, name: str, study: Mapping[str, Any], markdown: Callable[[dict[str, Any]], str]) -> None:
    """The study as JSON and, beside it and on stdout, as Markdown."""
    path = write(folder, name, study).with_suffix(".md")
    path.write_text(page_of(study, markdown), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page_of(study: Mapping[str, Any], markdown: Callable[[dict[str, Any]], str]) -> str:
    """The page of a study, which says under its title if its rows are of several commits; with remarks."""
    title, _, rest = markdown(tidy(study)).partition("\n")
    mixed = of_commits(study.get("rows", ()))
    return remarked("\n".join([title, *(("", mixed) if mixed else ()), rest]))


def of_commits(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on rows that were measured with different states of the code; None if all are of one."""
    found = Counter(state for row in rows if (state := _state(row)))
    if len(found) < 2:
        return None
    parts = ", ".join(f"{n} at {state}" for state, n in found.most_common())
    return f"**Rows of several commits stand side by side here**, between which the code changed: {parts}."


def _state(row: Mapping[str, Any]) -> str | None:
    """The commit that a row was measured with, if it says so."""
    made: Mapping[str, Any] = row.get("environment") or row
    commit = made.get("commit")
    return f"`{commit[:9]}`{' with uncommitted changes' if made.get('is_dirty') else ''}" if commit else None


def remarked(page: str) -> str:
    """A Markdown page with a mark at each ROC-AUC below 0.5 of its tables, and at its end what that says."""
    lines, head = [], None
    for line in page.rstrip("\n").split("\n"):
        cells = line.split("|") if line.startswith("|") else None
        head = cells and (head or cells)
        lines.append("|".join(map(_remarked, head, cells)) if head and cells and len(head) == len(cells) else line)
    is_said = f"{MARK}:" in page or not any(MARK in line for line in lines if line.startswith("|"))
    return "\n".join([*lines, *(() if is_said else ("", NOTE))]) + "\n"


def _remarked(column: str, cell: str) -> str:
    value = re.match(r" \**(-?[0-9.]+)", cell)
    is_figure = "ROC-AUC" in column and not re.search("luminance|brightness|partial|published", column, re.IGNORECASE)
    is_below = is_figure and value is not None and float(value[1]) < 0.5 and MARK not in cell
    return f"{cell.rstrip()} {MARK} " if is_below else cell


def tidy(value: Any) -> Any:
    """The same with floats at six significant digits: what was measured has no more."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: tidy(inner) for key, inner in value.items()}
    return [tidy(inner) for inner in value] if isinstance(value, list | tuple) else value


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table on stdout."""
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def ratio_cell(found: Mapping[str, Any]) -> str:
    """'1.08 (1.06 … 1.11), target at most 1.15: met'."""
    text = f"{found['median']:.3f} ({found['minimum']:.3f} … {found['maximum']:.3f})"
    if "target" not in found:
        return text
    ((bound, limit),) = found["target"].items()
    return f"{text}, target {bound.replace('_', ' ')} {limit}: {'met' if found['is_met'] else 'MISSED'}"


def _module() -> str:
    return Path(sys.argv[0]).resolve().with_suffix("").as_posix().removeprefix(ROOT.as_posix() + "/").replace("/", ".")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()
