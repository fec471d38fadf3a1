"""python -m benchmarks.startup [--repeats 21] [--without-first-lines]

Wall time of a fresh process for `urushi --help`, `import urushi` and what a user of the library imports first, against
`python -c pass`, and which heavy packages each of them loads; and how long each command takes until its
first line, on the images of `urushi demo`. Compiled first, as pip does it where it installs.
"""

import compileall
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import command_line, record
from urushi import Detector
from urushi.data.dataset import find_dataset
from urushi.data.demo import make_demo

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
FIRST_LINES = {  # IMAGES: a data set; DETECTOR: fitted on some of it; OUT: a file that is not there yet
    "demo": "demo --out OUT",
    "fit": "fit IMAGES -o OUT",
    "merge": "merge DETECTOR DETECTOR -o OUT",
    "inspect": "inspect DETECTOR IMAGES/test",
    "evaluate": "evaluate DETECTOR IMAGES",
    "calibrate": "calibrate DETECTOR --false-alarm-rate 0.05",
    "export": "export DETECTOR --to onnx --images IMAGES/train -o OUT",
    "doctor": "doctor IMAGES",
    "prepare": "prepare IMAGES/train OUT --recipe default",
    "augment": "augment IMAGES/train OUT --copies 1 --transforms flip",
    "benchmark": "benchmark DETECTOR IMAGES/train",
    "classify": "classify DETECTOR IMAGES/test -o OUT",
    "novelties": "novelties DETECTOR",
    "sample": "sample DETECTOR -o OUT",
    "interpolate": "interpolate DETECTOR -o OUT.gif",
    "represent": "represent IMAGES/train/good/000.png -o OUT.png",
    "study": "study IMAGES/README.txt --out OUT",
    "texture": "texture IMAGES/train/good/000.png OUT",
    "models": "models",
    "scores": "scores",
    "steps": "steps",
    "transforms": "transforms",
    "recipes": "recipes",
    "xray contrast": "xray contrast --product Al --thickness-mm 9 --object Cu --size-mm 1",
    "xray simulate": "xray simulate potato OUT",
}
FIRST_LINE_SECONDS = 0.5
N_FITTED = 30  # good images
HEAVY: tuple[str, ...] = ("torch", "lightning", "kornia", "torchmetrics", "sklearn", "skimage", "scipy", "matplotlib")
HEAVY += ("onnxruntime", "numpy", "cv2", "PIL", "pydantic", "typer", "rich", "jinja2", "safetensors")


def seconds(arguments: list[str]) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return measure


def first_line(command: str, folder: Path) -> Callable[[], float]:
    """Seconds until it has written a line, wherever to; it is ended then."""
    words = command.split()
    places = {"IMAGES": str(folder / "images"), "DETECTOR": str(folder / "part.urushi"), "OUT": str(folder / words[0])}
    for name, path in places.items():
        words = [word.replace(name, path) for word in words]

    def measure() -> float:
        start = time.perf_counter()
        arguments = [str(Path(sys.executable).with_name("urushi")), *words]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            line, taken = process.stdout.readline(), time.perf_counter() - start
            process.kill()
        if not line or line.startswith(b"error"):
            raise RuntimeError(f"{command} wrote {line!r}")
        return taken

    return measure


def first_lines(folder: Path) -> dict[str, Callable[[], float]]:
    images = make_demo(folder / "images")
    good = [sample.path for sample in find_dataset(images).normal_training()]
    Detector.fit(good[:N_FITTED], "default").save(folder / "part.urushi")
    return {name: first_line(command, folder) for name, command in FIRST_LINES.items()}


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
    parser = command_line.parser(__doc__, repeats=21, warm_up=2)
    parser.add_argument("--without-first-lines", action="store_true", help="no fit, no commands on images")
    options = parser.parse_args()
    compileall.compile_dir(record.ROOT / "src", quiet=1)  # PYTHONDONTWRITEBYTECODE would have each run compile anew
    header = record.environment() | {"seed": None, "n_warm_up": options.warm_up, "n_repeats": options.repeats}
    measures = {name: seconds(arguments) for name, arguments in COMMANDS.items()}
    found = record.interleave(measures, options.repeats, n_warm_up=options.warm_up)
    results = [result(name, found) for name in COMMANDS]
    with tempfile.TemporaryDirectory() as folder:
        commands = {} if options.without_first_lines else first_lines(Path(folder))
        lines = record.interleave(commands, options.repeats, n_warm_up=options.warm_up)
    judged: list[dict[str, Any]] = [
        {"command": FIRST_LINES[name], "seconds": record.judged(record.spread(times), at_most=FIRST_LINE_SECONDS)}
        for name, times in lines.items()
    ]
    about = {"reference": REFERENCE, "compares": __doc__, "load_average_1_min_after": record.load_average()}
    record.write(options.results, "startup", header | about | {"results": results, "first_lines": judged})
    record.show(("command", "seconds", "ratio to pass", "heavy modules"), [_row(one) for one in results])
    record.show(("first line of", "seconds"), [(one["command"], record.ratio_cell(one["seconds"])) for one in judged])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    ratio = f"{one['ratio']['median']:.2f}"
    return one["command"], record.ratio_cell(one["seconds"]), ratio, ", ".join(one["heavy_modules"]) or "none"


if __name__ == "__main__":
    main()
