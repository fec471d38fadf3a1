"""python -m benchmarks.minimal_install [--repeats 15]

Size and cold start of what an inspection PC needs: the base install, without extras, in a fresh environment.

Size: the packages' folder without pip and setuptools, in MiB, with the byte code that pip compiles and without.
Cold start: wall time of a new process for `urushi inspect FILE IMAGE` with an exported default detector of 256 px
against `python -c pass`; and whether it imported torch.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import command_line, record
from benchmarks.tiles import described, tiles, write_tiles

AT_MOST_MIB, AT_MOST_SECONDS = 350, 1.0
_TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack")


def install(folder: Path) -> Path:
    """A fresh environment with the base package from this tree, at the versions that are tested; gives its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    with tempfile.TemporaryDirectory() as copy:  # pip leaves a build folder where it builds
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=record.ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", copy], input=archive.stdout, check=True)
        command: list[str | Path] = [python, "-m", "pip", "install", "-q", "-c", record.ROOT / "constraints.txt", copy]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return python


def sizes(python: Path) -> dict[str, Any]:
    """MiB that the packages take on disk."""
    (packages,) = (python.parent.parent / "lib").glob("python*/site-packages")
    files = list(_files(packages))
    compiled = sum(size for path, size in files if path.suffix == ".pyc")
    everything = sum(size for _, size in files)
    mib = {"with_byte_code": everything / 2**20, "without": (everything - compiled) / 2**20}
    largest: dict[str, float] = {}
    for path, size in files:
        name = path.relative_to(packages).parts[0]
        largest[name] = largest.get(name, 0) + size / 2**20
    return mib | {"largest": dict(sorted(largest.items(), key=lambda item: -item[1])[:8])}


def _files(packages: Path) -> Iterator[tuple[Path, int]]:
    for path in packages.rglob("*"):
        if path.is_file() and not path.relative_to(packages).parts[0].startswith(_TOOLS):
            yield path, path.stat().st_blocks * 512  # what it takes on the disk


def export(folder: Path, seed: int) -> tuple[Path, Path]:
    """A detector file with a graph, and an image for it."""
    from urushi import Detector

    good = list(tiles(40, 256, seed))
    path = folder / "part.urushi"
    Detector.fit(good, "default", seed=seed).export(good[:10]).save(path)
    return path, next(write_tiles(folder / "images", 1, 256, seed).iterdir())


def seconds(command: list[str | Path]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    return measure


def imported(python: Path, arguments: list[str | Path]) -> set[str]:
    run = subprocess.run([python, "-X", "importtime", *arguments], check=True, capture_output=True, text=True)
    return {line.rpartition("|")[2].strip().split(".")[0] for line in run.stderr.splitlines()}


def main() -> None:
    options = command_line.parser(__doc__, repeats=15, seed=0).parse_args()
    header = record.environment() | {"seed": options.seed, "n_warm_up": 1, "n_repeats": options.repeats}
    with tempfile.TemporaryDirectory(prefix="urushi-") as name:
        python = install(Path(name) / "environment")
        part, image = export(Path(name), options.seed)
        inspect: list[str | Path] = [python.with_name("urushi"), "inspect", part, image]
        commands: dict[str, list[str | Path]] = {"inspect": [python, *inspect], "pass": [python, "-c", "pass"]}
        found = record.interleave({n: seconds(c) for n, c in commands.items()}, options.repeats, n_warm_up=1)
        size, modules = sizes(python), imported(python, inspect)
    result: dict[str, Any] = {
        "mib": size | {"target": {"at_most": AT_MOST_MIB}, "is_met": size["with_byte_code"] <= AT_MOST_MIB},
        "seconds": record.judged(record.spread(found["inspect"]), at_most=AT_MOST_SECONDS),
        "ratio": record.ratio(found["inspect"], found["pass"]),
        "imports_torch": "torch" in modules,
    }
    about = {"reference": "pass", "compares": __doc__, "images": described(1, 256)}
    after = {"load_average_1_min_after": record.load_average()}
    record.write(options.results, "minimal_install", header | about | after | {"results": [result]})
    mib = f"{size['with_byte_code']:.0f} ({size['without']:.0f} without byte code), target at most {AT_MOST_MIB}"
    record.show(
        ("size MiB", "cold inspect s", "imports torch"),
        [(mib, record.ratio_cell(result["seconds"]), result["imports_torch"])],
    )


if __name__ == "__main__":
    main()
