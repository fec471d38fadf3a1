"""python -m benchmarks.ray_inspection [--images 20000] [--category solar_cell] [--recipe default] [--workers 1,2]

`urushi inspect` by Ray with so many workers against `urushi inspect` alone, on the same real images (URUSHI_DATA): each
run is a process of its own, as a shell starts it, and the folder holds hard links to copies of the test images of a
category, again and again; every one is opened and decoded. Alone it gets the folder, one computing thread and then as
many as there are cores; by Ray a Parquet file that lists the paths. The detector is exported, so ONNX Runtime computes.

Whole: all images over the time from the start of the process to its end. Steady: images between the first and the last
look at which results had grown, over the time between the two: without starting up. Memory is VmRSS of /proc (Linux
only), looked at twice a second: of the command, and of its largest worker; flatness is the highest of the tenths of a
run over that of its second tenth, so that what is loaded at the beginning does not count. The rows are compared: image
by image the same decision, none missing, none twice.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import command_line, record
from benchmarks.memory import link_many

_LOOKS_EVERY_S = 0.5
_PROGRAM = (sys.executable, "-c", "from urushi.cli import main; main()")


def measured(arguments: list[str], out: Path, scratch: Path, n: int) -> dict[str, Any]:
    """One run; `out` is the file or the folder of parts to which results go."""
    says, start = scratch / "says.txt", time.monotonic()
    with (out if out.suffix else scratch / "stdout").open("w") as stdout, says.open("w") as stderr:
        process = subprocess.Popen([*_PROGRAM, *arguments], cwd=scratch, stdout=stdout, stderr=stderr)
        looks = list(_looks(process, out, start))
    seconds = time.monotonic() - start
    if process.returncode:
        raise SystemExit(f"urushi {' '.join(arguments)} ended with {process.returncode}: {says.read_text()[-2000:]}")
    figures = {"seconds": seconds, "images_per_second": {"whole": n / seconds, "steady": _steady(looks)}}
    return figures | {"memory_mb": {"command": _memory(looks, 2), "worker": _memory(looks, 3)}}


def _looks(process: "subprocess.Popen[bytes]", out: Path, start: float) -> Iterator[tuple[float, ...]]:
    """Seconds, bytes of results, megabytes of the command, megabytes of its largest worker."""
    while process.poll() is None:
        workers = [_megabytes(pid) for pid in _below(process.pid) if _command(pid).startswith("ray::Inspector")]
        yield time.monotonic() - start, _written(out), _megabytes(process.pid), max(workers, default=0.0)
        time.sleep(_LOOKS_EVERY_S)


def _written(out: Path) -> int:
    files = out.glob("part-*") if out.is_dir() else [out] if out.exists() else []
    return sum(path.stat().st_size for path in files)


def _steady(looks: list[tuple[float, ...]]) -> float:
    """The share of the bytes of results between two looks stands for that of images; scaled by the caller's rows."""
    grown = [later for sooner, later in pairwise(looks) if later[1] > sooner[1]]
    if len(grown) < 2:
        return 0.0
    (begin, first, *_), (end, last, *_) = grown[0], grown[-1]
    return (last - first) / (end - begin)


def _memory(looks: list[tuple[float, ...]], place: int) -> dict[str, Any]:
    values = [look[place] for look in looks if look[place]]
    size = max(1, len(values) // 10)
    tenths = [max(values[at : at + size]) for at in range(0, size * 10, size) if values[at : at + size]]
    later = tenths[1:] or tenths
    return {"peak": max(values, default=0.0), "tenths": tenths, "flatness": max(later) / later[0] if later else None}


def _below(pid: int) -> list[int]:
    """Processes that this one has started, and those that they have."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _megabytes(pid: int) -> float:
    try:
        lines = (Path("/proc") / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def rows_of(out: Path) -> list[tuple[str, str | None]]:
    """Images and their decisions, as they were written."""
    files = sorted(out.glob("part-*.jsonl")) if out.is_dir() else [out]
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(Path(row["source"]).name, row.get("decision")) for row in rows]


def compared(rows: list[tuple[str, str | None]], reference: list[tuple[str, str | None]]) -> dict[str, int]:
    """How many rows there are, and how many images are missing, there twice, or decided otherwise."""
    found, expected = Counter(name for name, _ in rows), {name for name, _ in reference}
    decided = dict(reference)
    return {
        "n_rows": len(rows),
        "n_missing": len(expected - found.keys()),
        "n_repeated": sum(n - 1 for n in found.values()),
        "n_decided_otherwise": sum(decided.get(name) != decision for name, decision in rows),
    }


def detector_file(options: argparse.Namespace, place: Path) -> Path:
    """Fitted on the good images of the category, and exported; in processes of their own."""
    data = Path(os.environ["URUSHI_DATA"]) / options.category
    fit = ["fit", str(data), "-o", str(place), "--recipe", options.recipe, "--seed", str(options.seed)]
    for command in (fit, ["export", str(place), "--to", "onnx"]):
        subprocess.run([*_PROGRAM, *command], cwd=place.parent, check=True, stdout=subprocess.DEVNULL)
    return place


def listed(folder: Path, place: Path) -> Path:
    """A Parquet file with the paths of the images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"path": [str(path) for path in sorted(folder.iterdir())]}), place)
    return place


def ways(options: argparse.Namespace, folder: Path, scratch: Path) -> Iterator[tuple[str, list[str], Path]]:
    """The name of each run, its arguments, and where its results go."""
    detector = str(detector_file(options, scratch / "part.urushi"))
    for n in dict.fromkeys((1, os.cpu_count() or 1)):
        alone = ["inspect", detector, str(folder), "--format", "jsonl", "--threads", str(n)]
        yield f"alone, {record_threads(n)}", alone, scratch / f"alone-{n}.jsonl"
    paths = listed(folder, scratch / "paths.parquet")
    for n in options.workers:
        out = scratch / f"by-{n}"
        by_ray = ["inspect", detector, str(paths), "--engine", "ray", "--workers", str(n), "--out", str(out)]
        size = ["--parts-as", "jsonl", "--part-size", str(options.part_size)]
        yield f"Ray, {n} worker{'s' * (n > 1)}", [*by_ray, *size], out


def record_threads(n: int) -> str:
    return f"{n} thread{'s' * (n > 1)}"


def main() -> None:
    options = _options()
    header = record.environment() | {"seed": options.seed, "n_images": options.images, "compares": __doc__}
    header["versions"] |= {name: metadata.version(name) for name in ("ray", "pyarrow")}
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="urushi-", dir=options.scratch) as name:
        scratch = Path(name)
        (few := scratch / "few").mkdir()
        test = Path(os.environ["URUSHI_DATA"]) / options.category / "test"
        for number, path in enumerate(sorted(one for one in test.rglob("*") if one.is_file())):
            shutil.copy(path, few / f"{number:06}{path.suffix}")
        folder, reference = link_many(few, scratch / "many", options.images), None
        for way, arguments, out in ways(options, folder, scratch):
            found = measured(arguments, out, scratch, options.images)
            rows = rows_of(out)
            reference = reference or rows
            n_bytes = _written(out)
            found["images_per_second"]["steady"] *= options.images / n_bytes
            results[way] = found | {"rows": compared(rows, reference)}
            print(way, json.dumps(record.tidy(results[way] | {"memory_mb": "below"})), file=sys.stderr, flush=True)
            after = {"load_average_1_min_after": record.load_average(), "category": options.category}
            record.write(
                options.results, "ray_inspection", header | after | {"recipe": options.recipe, "runs": results}
            )
    columns = ("run", "images/s whole", "images/s steady", "command MB", "flat", "worker MB", "flat", "rows")
    record.show(columns, [_row(way, found) for way, found in results.items()])


def _row(way: str, found: dict[str, Any]) -> tuple[Any, ...]:
    rates, memory = found["images_per_second"], found["memory_mb"]
    sides = [
        text
        for side in ("command", "worker")
        for text in (f"{memory[side]['peak']:.0f}", f"{memory[side]['flatness'] or 0:.3f}")
    ]
    return way, f"{rates['whole']:.1f}", f"{rates['steady']:.1f}", *sides, json.dumps(found["rows"])


def _options() -> argparse.Namespace:
    parser = command_line.parser(__doc__, images=20_000, workers=[1, 2], part_size=256, seed=0)
    parser.add_argument("--category", default="solar_cell", help="of the real images")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--scratch", type=Path, help="where links, parts and results lie meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
