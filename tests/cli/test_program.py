"""The installed program itself: exit statuses, streams and tracebacks of real processes."""

import json
import os
import re
import runpy
import signal
import struct
import subprocess
import sys
import time
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from urushi.cli import COMMANDS
from urushi.cli._console import note
from urushi.detector_file import members

COMMAND = Path(sys.executable).with_name("urushi")

# Root may read every file. This gives up that right (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) before the program starts.
WITHOUT_RIGHTS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if any(libc.prctl(24, right, 0, 0, 0) for right in (1, 2)):  # PR_CAPBSET_DROP
    sys.exit("the rights cannot be given up")
os.execv(sys.argv[1], sys.argv[1:])
"""


def run(*arguments: object, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*launcher, str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, errors="surrogateescape")


def test_help_of_the_program_fits_eighty_columns_and_cuts_no_sentence_off():
    shown = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith("...") and "Usage" not in line] == []
    assert "  inspect      Inspect images and print score, p-value and decision of each." in lines


GROUPS = {"xray", "history"}
OF_GROUPS = ["xray contrast", "xray simulate", "history export", "serve token"]
SUBCOMMANDS = [*(name for name in COMMANDS if name not in GROUPS), *OF_GROUPS]


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_help_of_a_command_fits_eighty_columns_groups_its_options_and_ends_with_examples(urushi, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = urushi(*command.split(), "--help").out.splitlines()
    assert max(map(len, shown)) <= 80
    ungrouped = "\n".join(shown).partition("─ Options ─")[2].partition("╰")[0]
    assert ungrouped.count("│ --") + ungrouped.count("│    --") <= 14
    examples = [line.strip() for line in shown[shown.index(" Examples".ljust(80)) + 1 :] if line.strip()]
    assert any(line.startswith(f"urushi {command}") for line in examples)
    assert all(line.startswith("urushi ") for line in examples), "an example is broken over two lines"


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_help_of_a_command_cuts_nothing_off_and_names_what_it_takes_in_capitals(urushi, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = urushi(*command.split(), "--help").out.splitlines()
    assert [line for line in lines if "… │" in line] == []
    (usage,) = [line for line in lines if "Usage: " in line]
    assert all(word.isupper() for word in re.findall(r"[\[{]([^]}]+)", usage.partition("[OPTIONS]")[2])), usage
    assert "…" not in usage  # it says "..." itself where there may be several


@pytest.mark.parametrize("command", ["merge", "calibrate", "export", "benchmark"])
def test_paragraphs_of_help_fill_their_lines(urushi, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    about = "\n".join(line.strip() for line in urushi(command, "--help").out.partition("╭")[0].splitlines())
    for paragraph in about.split("\n\n"):
        lines = paragraph.strip().split("\n")
        assert all(len(f" {line} {after.split()[0]} ") > 80 for line, after in pairwise(lines)), paragraph


def png(width: int, height: int) -> bytes:
    """A black PNG of one bit a pixel and any size, some ten kB small; compressed piece by piece."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + (width + 7) // 8)) for _ in range(height)]
    parts = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        chunk(b"IDAT", b"".join(rows) + packer.flush()),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def hostile_files(folder: Path, image: np.ndarray) -> dict[str, str]:
    """Writes them and returns the names of those that cannot be inspected, with a word of the reason."""
    picture = Image.fromarray(image)
    colour = Image.fromarray(np.stack([image] * 3, axis=-1))
    whole = folder / "whole.png"
    picture.save(whole)
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:900])
    whole.unlink()
    (folder / "zero.png").touch()
    (folder / "text.png").write_text("I am no picture")
    Image.fromarray(image[:1, :1]).save(folder / "one.png")
    (folder / "bomb.png").write_bytes(png(20_000, 20_000))
    Image.fromarray(image.astype(np.uint16) * 257).save(folder / "deep.tiff")
    holes = (image / 255).astype(np.float32)
    holes[3, 4] = np.nan
    Image.fromarray(holes).save(folder / "nan.tiff")
    colour.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    colour.quantize(64).save(folder / "palette.png")
    colour.convert("RGBA").save(folder / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    picture.rotate(90, expand=True).save(folder / "rotated.jpg", exif=exif, quality=95)
    picture.save(folder / "漆\nü.png")
    secret = folder / "secret.png"
    picture.save(secret)
    secret.chmod(0)
    (folder / "directory.png").mkdir()
    return {
        "truncated.png": "truncated",
        "zero.png": "zero bytes",
        "text.png": "not an image",
        "bomb.png": "too large: 20000 × 20000",
        "nan.tiff": "NaN",
        "secret.png": "permission denied",
        "directory.png": "is a directory",
    }


@pytest.fixture(scope="module")
def launcher() -> tuple[str, ...]:
    """What to start the program with so that unreadable files are unreadable."""
    if os.name != "posix" or os.geteuid() != 0:
        return ()
    chosen = (sys.executable, "-c", WITHOUT_RIGHTS)
    if subprocess.run([*chosen, "/bin/true"], capture_output=True).returncode != 0:
        pytest.skip("runs as root, who may read everything, and cannot give up that right here")
    return chosen


@pytest.fixture(scope="module")
def hostile(dataset, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Five good images and fourteen hostile files."""
    folder = tmp_path_factory.mktemp("hostile")
    images = sorted((dataset / "test" / "good").iterdir())
    for path in images[:5]:
        (folder / f"good-{path.name}").write_bytes(path.read_bytes())
    reasons = hostile_files(folder, np.asarray(Image.open(images[5])))
    assert len(list(folder.iterdir())) == 19
    return folder, reasons


@pytest.mark.thorough
def test_in_a_hostile_folder_every_good_image_is_inspected_and_every_bad_one_listed(exported, hostile, launcher):
    folder, reasons = hostile
    done = run("inspect", exported, folder, "--format", "json", launcher=launcher)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    listed = {Path(item["source"]).name: item["reason"] for item in found["unreadable"]}
    inspected = {Path(item["source"]).name: item for item in found["results"]}
    assert set(listed) == set(reasons)
    assert set(listed) | set(inspected) == {path.name for path in folder.iterdir()}
    for name, word in reasons.items():
        assert word in listed[name]
        assert "\n" not in listed[name]
        assert any(line.startswith("not read: ") and name in line for line in done.stderr.splitlines())
    good = {name: item for name, item in inspected.items() if name.startswith("good-")}
    assert [item["decision"] for item in good.values()] == ["normal"] * 5
    assert "Traceback" not in done.stderr
    same = [inspected[name]["score"] for name in ("deep.tiff", "alpha.png", "漆\nü.png")]
    assert same == pytest.approx([same[0]] * 3, rel=1e-4)  # the same picture in other clothes


@pytest.mark.slow
def test_a_hostile_folder_can_be_fitted_on_too(hostile, launcher, tmp_path, quick):
    folder, reasons = hostile
    done = run("fit", folder, "-o", tmp_path / "part.urushi", *quick, launcher=launcher)
    assert done.returncode == 1, done.stderr
    assert "fitted on 11 of 11 good images" in done.stdout
    assert "with the same pixels as others, which are left out: 1" in done.stderr
    for name in set(reasons) - {"directory.png"}:
        assert any(line.startswith("not read: ") and name in line for line in done.stderr.splitlines()), name
    assert "directory.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "{good}/100.png", "{good}"], "100.png is damaged or no detector file"),
        (["inspect", "nowhere.urushi", "{good}"], "nowhere.urushi does not exist; make one with `urushi fit"),
        (["fit", "{good}", "-o", "part.urushi", "--recipe", "defaut"], "did you mean 'default'"),
        (["fit", "{good}", "-o", "part.urushi", "--set", "training.max_epoch=3"], "did you mean 'max_epochs'"),
    ],
    ids=["wrong detector", "no detector", "recipe", "setting"],
)
def test_an_error_is_one_message_on_stderr_and_status_2(urushi, good, arguments, message):
    done = urushi(*(argument.format(good=good) for argument in arguments))
    assert (done.status, done.out) == (2, "")
    (error,) = [line for line in done.err.splitlines() if not line.startswith("reading ")]
    assert error.startswith("error: ")
    assert message in error


@pytest.mark.thorough
def test_the_program_ends_with_the_status_and_the_message_of_its_entry_point(urushi, good):
    arguments = ["inspect", f"{good}/100.png", good]
    done, expected = run(*arguments), urushi(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == expected


@pytest.mark.thorough
def test_debug_shows_where_it_happened():
    done = run("--debug", "inspect", "nowhere.urushi", "x.png")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "DetectorFileError: nowhere.urushi does not exist" in done.stderr


@pytest.mark.parametrize("arguments", [["inspect"], ["inspekt"], ["inspect", "a", "b", "--format", "xml"], []])
def test_wrong_use_is_status_2_and_shows_how_it_is_meant(urushi, arguments):
    done = urushi(*arguments)
    assert done.status == 2
    assert "Usage: urushi" in done.out + done.err
    assert "Traceback" not in done.err


def test_python_runs_it_as_a_module(monkeypatch, capsys):
    from urushi import __version__

    monkeypatch.setattr(sys, "argv", ["urushi", "--version"])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_module("urushi", run_name="__main__")
    assert capsys.readouterr().out.strip() == __version__


def test_the_version_is_that_of_the_package(urushi):
    from urushi import __version__

    assert urushi("--version").out.strip() == __version__


@pytest.mark.thorough
def test_an_interrupt_ends_quietly(exported, good, started):
    images = [good] * 100
    with started(COMMAND, "inspect", exported, *images) as running:
        assert running.stdout.readline()  # it is at work
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "Traceback" not in errors


@pytest.mark.thorough
def test_a_reader_who_has_seen_enough_causes_no_complaint(exported, good):
    images = [str(good)] * 30
    with subprocess.Popen(
        [str(COMMAND), "inspect", str(exported), *images], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout.readline()
        running.stdout.close()
        errors = running.stderr.read()
    assert running.returncode == 0
    assert "Traceback" not in errors
    assert "Broken" not in errors


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_is_one_message(exported, good):
    command = [COMMAND, "inspect", exported, good, "--format", "csv"]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: the output cannot be written: No space left on device"


DRAWING = """
import sys
import time
from urushi import cli
sys.argv = ["urushi", "--version"]
try:
    cli.main()
finally:
    import matplotlib.pyplot
"""


@pytest.mark.thorough
def test_plots_leave_nothing_in_the_home_folder_nor_among_temporary_files(tmp_path):
    (home := tmp_path / "home").mkdir()
    (temporary := tmp_path / "temporary").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", DRAWING], env=environment, check=True, capture_output=True)
    assert [*home.rglob("*"), *temporary.rglob("*")] == []


# --- interrupts -------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_an_interrupted_fit_in_closed_form_says_in_one_line_that_nothing_was_written(started, dataset, quick, tmp_path):
    with started(COMMAND, "fit", dataset, "-o", tmp_path / "part.urushi", *quick) as running:
        first = [running.stderr.readline() for _ in range(2)][-1]
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
    assert first == f"24 good images found in {dataset}\n"
    assert (running.returncode, errors) == (130, "interrupted: nothing was written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["inspect", "{detector}", "{images}"], "what was printed stands; the other images were not inspected"),
        (["evaluate", "{detector}", "{dataset}"], "nothing was written"),
        (["calibrate", "{detector}"], "the detector is as it was"),
        (["export", "{detector}", "--to", "onnx"], "the detector is as it was"),
        (["sample", "{detector}", "-o", "made.png"], "nothing was written"),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_an_interrupted_command_says_in_its_last_line_what_is_left(
    urushi, monkeypatch, arguments, left, detector, dataset, good
):
    def interrupted(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(members, "of_content", interrupted)
    done = urushi(*(one.format(detector=detector, images=good, dataset=dataset) for one in arguments))
    assert (done.status, done.out) == (130, "")
    assert done.err.splitlines()[-1].startswith(f"interrupted: {left}")
    assert "Traceback" not in done.err


def test_a_note_is_written_whole_so_that_no_interrupt_comes_between_it_and_its_line_break(monkeypatch):
    class Recorder(list):
        write, flush = list.append, lambda _: None

    monkeypatch.setattr(sys, "stderr", written := Recorder())
    note("reading good/")
    assert [text for text in written if text] == ["reading good/\n"]


@pytest.mark.thorough
def test_an_interrupted_benchmark_ends_its_measuring_process_too(started, detector, good):
    with started(COMMAND, "benchmark", detector, good, "--seconds", 300) as running:
        time.sleep(4)  # the other process has begun
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert errors.splitlines()[-1] == "interrupted: nothing was written"
    assert "Traceback" not in errors


@pytest.mark.thorough
def test_an_interrupted_training_says_how_to_go_on_and_that_works(started, urushi, dataset, tmp_path):
    sizes = ("preprocessing.resize.height=32", "preprocessing.resize.width=32", "split.n_folds=0")
    settings = [word for one in (*sizes, "training.patience_epochs=999999") for word in ("--set", one)]
    command = ["fit", dataset, "-o", tmp_path / "part.urushi", "--recipe", "autoencoder", *settings]
    folder = tmp_path / "part.urushi.training"
    with started(COMMAND, *command, "--set", "training.max_epochs=100000") as running:
        while not (folder / "last.ckpt").exists():
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    kept = f"whole epochs are kept in {folder}; the same command with --resume goes on"
    assert errors.splitlines()[-1] == f"interrupted: {kept}"
    assert "Traceback" not in errors


# --- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ca"], ["calibrate"]),
        (["fit", "--recipe", "pot"], ["potato", "potato-line-scanner", "potato-line-scanner-paper", "potato-paper"]),
        (["models", "sparse"], ["sparse_dictionary"]),
        (["xray", "co"], ["contrast"]),
        (["inspect", "par"], [""]),  # the shell offers files itself
    ],
    ids=" ".join,
)
def test_a_shell_completes_commands_options_and_names(words, offered, urushi, monkeypatch):
    typed = {"_URUSHI_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["urushi", *words]), "COMP_CWORD": len(words)}
    for name, value in typed.items():
        monkeypatch.setenv(name, str(value))
    assert urushi().out.splitlines() == offered


def test_completion_imports_nothing_heavy():
    code = "import sys; sys.argv = ['urushi']; from urushi.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    typed = {"_URUSHI_COMPLETE": "complete_bash", "COMP_WORDS": "urushi fit --recipe pot", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | typed, capture_output=True, text=True)
    assert "potato-line-scanner" in done.stdout
    assert {"numpy", "rich", "torch"} & set(done.stdout.split()) == set()
