"""python -m studies.kills [--kills N] [--seed N] [--out DIR]

Commands that write many files are ended by SIGKILL at a random moment, each `kills` times in one folder, and every file
that stands there under its final name is opened after each. Then the same command runs to its end, and the folder must
hold what a run that nobody ended holds: the same files, no draft, no UNFINISHED.txt. Images are simulated or drawn.
Results: studies/results/kills.json and .md.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
from benchmarks import command_line, record

from studies import RESULTS
from urushi import Detector, atomic_file
from urushi.data.demo import make_demo
from urushi.data.writing import UNFINISHED

URUSHI = (sys.executable, "-c", "from urushi.cli import main; main()")
QUICK = (
    "--set",
    "preprocessing.resize.height=64",
    "--set",
    "preprocessing.resize.width=64",
    "--set",
    "model.name=feature_reconstruction",
    "model.blocks=[4]",
)
TRAINED = ("--recipe", "autoencoder", "--set", "training.max_epochs=3", *QUICK[:4])
STUDY = """title = "killed"
repeats = 3
draws = 2
[[data]]
name = "brick"
folder = "images"
recipe = "default"
[data.settings]
"preprocessing.resize.height" = 64
"preprocessing.resize.width" = 64
"model.name" = "feature_reconstruction"
"model.blocks" = [4]
[[methods]]
name = "pca"
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    "prepare": ("prepare", "images", "out", "--recipe", "default"),
    "augment": ("augment", "images", "out", "--copies", "2", "--transforms", "flip,rotation"),
    "texture": ("texture", "picture.png", "out", "--patches", "200"),
    "inspect --maps": ("inspect", "part.urushi", "images/test", "--maps", "--report", "--out", "out"),
    "fit": ("fit", "images", "-o", "out/part.urushi", *TRAINED),
    "study": ("study", "killed.toml", "--out", "out", "--data", "."),
}


def opened(path: Path) -> None:
    """Raises where a file is not whole."""
    if path.suffix == ".png":
        assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    elif path.suffix == ".json":
        json.loads(path.read_text("utf-8"))
    elif path.suffix == ".jsonl":
        [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    elif path.suffix == ".urushi":
        Detector.load(path)
    elif path.suffix == ".html":
        assert path.read_text("utf-8").rstrip().endswith("</html>")


def halves(folder: Path) -> list[str]:
    """Files under their final names that are not whole; the logs of a training grow and are none."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not atomic_file.is_draft(path) and "logs" not in path.parts:
            try:
                opened(path)
            except Exception as error:  # whatever a half file does to its reader
                found.append(f"{path.relative_to(folder)}: {type(error).__name__}")
    return found


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "logs" not in path.parts
    }


def run(command: tuple[str, ...], place: Path) -> float:
    start = time.monotonic()
    done = subprocess.run([*URUSHI, *command], cwd=place, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return time.monotonic() - start


def killed(command: tuple[str, ...], place: Path, after: float) -> None:
    """Ended so many seconds after it has begun to write."""
    start = time.time()
    process = subprocess.Popen([*URUSHI, *command], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not any(changed > start for changed in times(place / "out")):
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()


def times(folder: Path) -> list[float]:
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # a draft has just got its name
            found.append(path.lstat().st_mtime)
    return found


def measure(name: str, place: Path, n: int, rng: random.Random) -> dict[str, Any]:
    """`n` kills of one command, and what its last whole run then leaves."""
    command, out = COMMANDS[name], place / "out"
    again = (*command, "--resume") if name == "fit" else command
    out.mkdir()
    seconds = run(command, place)
    whole, found, marked = files(out), [], 0
    shutil.rmtree(out)
    out.mkdir()
    for _ in range(n):
        has_run = any(out.rglob("run.json"))
        killed(again if has_run else command, place, rng.uniform(0, 0.5) * seconds)
        found += halves(out)
        marked += any(out.rglob(UNFINISHED))
    run(again if any(out.rglob("run.json")) else command, place)
    left = files(out)
    shutil.rmtree(out)
    drafts = [file for file in left if atomic_file.is_draft(Path(file))]
    unlike = sorted(_kept(left) ^ _kept(whole))
    return {"command": name, "kills": n, "half_files": found, "unfinished_marked": marked} | {
        "seconds": seconds,
        "drafts_left": drafts,
        "files": len(whole),
        "files_unlike": unlike,
    }


def _kept(names: set[str]) -> set[str]:
    """Without what a resumed training numbers anew."""
    return {name for name in names if not name.endswith((".ckpt", "/pid", "/.lock"))}


def prepared(place: Path) -> None:
    make_demo(place / "images")
    shutil.copy(place / "images" / "train" / "good" / "000.png", place / "picture.png")
    picture = cv2.imread(str(place / "picture.png"), 0)
    assert picture is not None
    picture = cv2.resize(picture, (512, 512))
    cv2.imwrite(str(place / "picture.png"), picture)
    (place / "killed.toml").write_text(STUDY, "utf-8")
    run(("fit", "images", "-o", "part.urushi", *QUICK, "--set", "split.n_folds=2"), place)


def page(study: dict[str, Any]) -> str:
    rows = [
        f"| {row['command']} | {row['kills']} | {len(row['half_files'])} | {row['unfinished_marked']} | "
        f"{len(row['drafts_left'])} | {row['files']} | {len(row['files_unlike'])} |"
        for row in study["rows"]
    ]
    head = "| command | kills | half files | times marked unfinished | drafts left | files | files unlike |"
    total = sum(row["kills"] for row in study["rows"])
    about = " ".join((__doc__ or "").split("\n\n")[1].rpartition("Results:")[0].split())
    return "\n".join(
        [
            "# Kills",
            "",
            about,
            "",
            f"{total} kills, seed {study['seed']}, commit {study['environment']['commit']}.",
            "",
            head,
            "|---" * 7 + "|",
            *rows,
        ]
    )


def main() -> None:
    parser = command_line.parser(__doc__, RESULTS, kills=12, seed=0)
    options = parser.parse_args()
    rng, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder))
        for name in COMMANDS:
            rows.append(measure(name, Path(folder), options.kills, rng))
            print(rows[-1], file=sys.stderr, flush=True)
    study = {"environment": record.environment(), **command_line.settings(options), "rows": rows}
    record.publish(options.results, "kills", study, page)


if __name__ == "__main__":
    main()
