"""python -m benchmarks.startup [--repeats 21]

Wall time of a fresh process for `urushi --help`, `import urushi` and what a user of the library imports first, against
`python -c pass`; and which heavy packages each of them loads. Compiled first, as pip does it where it installs.
"""

import compileall
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command_line, record

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "urushi --help": [str(Path(sys.executable).with_name("urushi")), "--help"],
    "urushi inspect --help": [str(Path(sys.executable).with_name("urushi")), "inspect", "--help"],
    "urushi recipes": [str(Path(sys.executable).with_name("urushi")), "recipes"],
    "import urushi": ["-c", "import urushi"],
    "from urushi import Detector": ["-c", "from urushi import Detector"],
}
REFERENCE = "python -c pass"
AT_MOST_SECONDS = {"urushi --help": 0.3, "urushi inspect --help": 0.5, "urushi recipes": 0.5}
HEAVY = ("torch", "lightning", "kornia", "torchmetrics", "sklearn", "skimage", "scipy", "matplotlib", "onnxruntime")
HEAVY += ("numpy", "cv2", "PIL", "pydantic", "typer", "rich", "jinja2", "safetensors")


def seconds(arguments: list[str]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return measure


def heavy_modules(arguments: list[str]) -> list[str]:
    """Which of the heavy packages a fresh process loads, from `-X importtime`."""
    command = [sys.executable, "-X", "importtime", *arguments]
    run = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in run.stderr.splitlines()}
    return [name for name in HEAVY if name in loaded]


def result(name: str, found: dict[str, list[float]]) -> dict[str, Any]:
    times = record.spread(found[name])
    limit = AT_MOST_SECONDS.get(name)
    return {
        "command": name,
        "seconds": times if limit is None else record.judged(times, at_most=limit),
        "ratio": record.ratio(found[name], found[REFERENCE]),
        "heavy_modules": heavy_modules(COMMANDS[name]),
    }


def main() -> None:
    options = command_line.parser(__doc__, repeats=21, warm_up=2).parse_args()
    compileall.compile_dir(record.ROOT / "src", quiet=1)  # PYTHONDONTWRITEBYTECODE would have each run compile anew
    header = record.environment() | {"seed": None, "n_warm_up": options.warm_up, "n_repeats": options.repeats}
    measures = {name: seconds(arguments) for name, arguments in COMMANDS.items()}
    found = record.interleave(measures, options.repeats, n_warm_up=options.warm_up)
    results = [result(name, found) for name in COMMANDS]
    about = {"reference": REFERENCE, "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "startup", header | about | {"results": results})
    record.show(("command", "seconds", "ratio to pass", "heavy modules"), [_row(one) for one in results])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    ratio = f"{one['ratio']['median']:.2f}"
    return one["command"], record.ratio_cell(one["seconds"]), ratio, ", ".join(one["heavy_modules"]) or "none"


if __name__ == "__main__":
    main()
