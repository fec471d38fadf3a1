"""Every benchmark and study runs with its smallest settings; what they measure here means nothing."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import record
from PIL import Image
from studies import RESULTS, table

ROOT = Path(__file__).parent.parent
TINY_FIT = ["--fit-images", "8", "--tile-px", "64", "--epochs", "1", "--repeats", "1"]
TINY_TRAINING = ["--batch-sizes", "4", "--images", "8", "--validation", "2", "--epochs", "3", "--warm-up-epochs", "1"]
BENCHMARKS = {
    "startup": ["--repeats", "1", "--warm-up", "0", "--without-first-lines"],
    "training_step": ["--recipes", "autoencoder", "--repeats", "1", *TINY_TRAINING],
    "inspection": [
        "--recipes",
        "autoencoder",
        "--images",
        "4",
        "--warm-up",
        "0",
        "--runtimes",
        "torch,onnx",
        *TINY_FIT,
    ],
    "preprocessing": ["--presets", "potato,chocolate", "--images", "2", "--repeats", "1", "--warm-up", "0"],
    "inpainting": ["--side-px", "64", "--repeats", "1", "--threads", "1"],
    "one_pass": ["--side-px", "256", "--repeats", "1", "--warm-up", "0", "--threads", "1"],
    "memory": ["--recipes", "autoencoder", "--few", "4", "--many", "6", *TINY_FIT],
}
# Several processes import torch one after another, and that is what takes the time.
PARAMETERS = [pytest.param(name, marks=[] if name == "startup" else pytest.mark.slow) for name in BENCHMARKS]


def run(module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """With one thread: OpenMP threads of parallel tests would wait for each other."""
    settings = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)


def fail_on(constant: str) -> None:
    pytest.fail(f"{constant} is no JSON")


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.thorough
def test_benchmark_runs_and_leaves_a_record(name: str, tmp_path: Path) -> None:
    if name == "memory" and not Path("/proc/self/status").exists():
        pytest.skip("resident memory is read from /proc")
    done = run(f"benchmarks.{name}", *BENCHMARKS[name], "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob(f"{name}*.json")
    record = json.loads(path.read_text(), parse_constant=fail_on)
    assert {"seed", "commit", "is_dirty", "versions", "cpu", "n_cores", "n_repeats", "reference"} <= set(record)
    assert record["command"].startswith(f"python -m benchmarks.{name} ")
    assert all(result["ratio"] for result in record["results"])
    assert len(done.stdout.splitlines()) > 1


@pytest.mark.parametrize("folder", ["benchmarks", "studies"])
def test_what_is_imported_from_urushi_is_there(folder: str) -> None:
    """Studies that take long are run seldom; what they import may have moved meanwhile."""
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / folder).rglob("*.py"))]
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    wanted = {(one.module, name.name) for one in imports for name in one.names if (one.module or "")[:6] == "urushi"}
    assert len(wanted) > 10
    assert [pair for pair in sorted(wanted) if not _is_there(*pair)] == []


def _is_there(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}") is not None


JOBS = """
import sys
from pathlib import Path
from studies import jobs

def measure(part, share):
    for kind in ("good", "bad"):
        yield {"kind": kind, "value": len(part) / 7}

parts = [{"part": part, "share": 0.02} for part in sys.argv[3:]]
settings = {"steps": int(sys.argv[2])}
page = lambda study: "\\n".join(row["part"] for row in study["rows"])
jobs.run((Path(sys.argv[1]), "parts"), parts, measure, page, about="", settings=settings)
"""


def measured_parts(folder: Path, *arguments: str) -> list[tuple[str, str]]:
    command = [sys.executable, "-c", JOBS, str(folder), *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    rows = json.loads((folder / "parts.json").read_text(), parse_constant=fail_on)["rows"]
    assert (folder / "parts.md").read_text().split() == [row["part"] for row in rows]
    return [(row["part"], row["kind"]) for row in rows]


@pytest.mark.thorough
def test_a_study_of_jobs_goes_on_with_what_has_no_row_of_the_same_settings(tmp_path: Path) -> None:
    screw, weld = ([(part, "good"), (part, "bad")] for part in ("screw", "weld"))
    assert measured_parts(tmp_path, "8", "screw") == screw
    before = json.loads((tmp_path / "parts.json").read_text())["rows"]
    assert measured_parts(tmp_path, "8", "weld", "screw") == screw + weld
    assert json.loads((tmp_path / "parts.json").read_text())["rows"][:2] == before
    assert list(before[0]) == ["part", "share", "kind", "value", "commit", "is_dirty"]
    assert measured_parts(tmp_path, "9", "weld") == weld


def category(folder: Path, *, has_masks: bool) -> None:
    """Noise with and without a white square, in MVTec layout."""
    rng = np.random.default_rng(0)
    for place, n, is_defective in (("train/good", 10, False), ("test/good", 3, False), ("test/hole", 3, True)):
        (folder / place).mkdir(parents=True)
        for number in range(n):
            image = rng.integers(80, 120, (40, 40)).astype(np.uint8)
            image[10:20, 10:20] = 255 if is_defective else image[10:20, 10:20]
            Image.fromarray(image).save(folder / place / f"{number}.png")
            if is_defective and has_masks:
                write_mask(folder / "ground_truth" / "hole" / f"{number}_mask.png")


def write_mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:20] = 255
    Image.fromarray(mask).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    category(tmp_path / "data" / "one", has_masks=True)
    category(tmp_path / "data" / "two", has_masks=False)
    return tmp_path / "data"


def study(data: Path, categories: str, *more: str) -> subprocess.CompletedProcess[str]:
    small = ["preprocessing.resize.height=32", "preprocessing.resize.width=32", "training.max_epochs=1"]
    settings = [part for setting in small for part in ("--set", setting)]
    arguments = ["--recipe", "variational-autoencoder", "--categories", categories, *settings, *more]
    return run("studies.seven_categories", *arguments, "--results", str(data.parent), URUSHI_DATA=str(data))


def results(data: Path) -> tuple[dict[str, Any], str]:
    ((path,), (page,)) = data.parent.glob("seven_categories-*.json"), data.parent.glob("seven_categories-*.md")
    return json.loads(path.read_text(), parse_constant=fail_on), page.read_text()


@pytest.mark.slow
def test_study_goes_on_with_what_is_missing(data: Path) -> None:
    first = study(data, "one", "--pictures", str(data.parent / "pictures"))
    assert first.returncode == 0, first.stderr
    before, _ = results(data)
    second = study(data, "one,two")
    assert second.returncode == 0, second.stderr
    after, page = results(data)
    assert after["rows"][0] == before["rows"][0]
    assert [row["category"] for row in after["rows"]] == ["one", "two"]
    assert [row["evaluation"]["pixel"] is None for row in after["rows"]] == [False, True]
    assert all(row["rebuilding"]["divergence_nats"]["mean"] >= 0 for row in after["rows"])
    assert "two: no pixel figures" in page
    assert len(list((data.parent / "pictures").iterdir())) == 1


@pytest.mark.slow
def test_study_of_luminance_shows_that_equalisation_takes_a_change_of_exposure_out(data: Path) -> None:
    done = run(
        "studies.luminance", "--category", "one", "--seeds", "0,1", "--results", str(data.parent), URUSHI_DATA=str(data)
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((data.parent / "luminance-one.json").read_text(), parse_constant=fail_on)
    for row in found["rows"]:
        distances = {name: by_measure["grey_levels"] for name, by_measure in row["distances"].items()}
        assert distances["midway_equalization, fitted on both"] < 0.2 * distances["none"]


@pytest.mark.slow
def test_study_of_dead_columns_shows_that_repair_helps(tmp_path: Path) -> None:
    done = run("studies.dead_columns", "--images", "1", "--seeds", "0", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "dead_columns.json").read_text(), parse_constant=fail_on)["rows"]
    errors = {name: by_place["all"] for name, by_place in row["errors"].items()}
    assert errors["inpainting, radius 20 px (S2)"] < 0.1 * errors["none"]


@pytest.mark.slow
def test_study_of_threshold_rules_shows_every_rule_and_that_conformal_rates_hold(data: Path) -> None:
    small = ["--categories", "one", "--draws", "200", "--results", str(data.parent)]
    done = run("studies.threshold_rules", *small, URUSHI_DATA=str(data))
    assert done.returncode == 0, done.stderr
    found = json.loads((data.parent / "threshold_rules.json").read_text(), parse_constant=fail_on)
    (row,) = found["categories"]
    assert len(row["rules"]) >= 11
    assert all((rule["threshold"] is None) == bool(rule["reason"]) for rule in row["rules"])
    simulated = [one for one in found["simulated"] if one["kind"] == "guaranteed"]
    assert all(one["mean"] <= one["stated"] + 4 * one["standard_error"] for one in simulated)


@pytest.mark.slow
def test_study_of_parity_compares_every_way_on_images_that_no_fit_has_seen(data: Path) -> None:
    small = ["--recipes", "autoencoder", "--categories", "one", "--epochs", "1", "--results", str(data.parent)]
    done = run("studies.parity", *small, URUSHI_DATA=str(data))
    assert done.returncode == 0, done.stderr
    found = json.loads((data.parent / "parity.json").read_text(), parse_constant=fail_on)["rows"]
    assert [(row["runtime"], row["precision"]) for row in found][:2] == [("onnx", "fp32"), ("openvino", "fp32")]
    assert all(row["n_flips"] == 0 and row["score_difference"]["largest"] < 1e-3 for row in found[:2])


@pytest.mark.slow
def test_study_of_orientation_has_all_strategies_of_a_repeat_and_goes_on(data: Path) -> None:
    how = ["--places", "one", "--repeats", "1", "--steps", "2", "--pretraining-epochs", "1", "--side", "32"]
    how += ["--batch", "8", "--latent-dimension", "4", "--results", str(data.parent), "--checkpoints", str(data / "ck")]
    done = run("studies.orientation", *how, URUSHI_DATA=str(data))
    assert done.returncode == 0, done.stderr
    (path,) = data.parent.glob("orientation-*-side-32-*.json")
    rows = json.loads(path.read_text(), parse_constant=fail_on)["rows"]
    assert [row["strategy"] for row in rows] == ["none", "random", "pretrained_finetuned", "pretrained_frozen"]
    assert all(len(row["figures"]) == 8 and row["data"] == "one" for row in rows)
    assert list((data / "ck").iterdir()) == []
    assert run("studies.orientation", *how, URUSHI_DATA=str(data)).returncode == 0
    assert json.loads(path.read_text())["rows"] == rows


TINY_DIFFUSION = """
base = "partial-diffusion"
[model]
width = 8
levels = 2
steps = 10
"""


@pytest.mark.slow
def test_study_of_partial_diffusion_has_every_mode_and_what_planted_defects_say(data: Path) -> None:
    recipe = data / "tiny.toml"
    recipe.write_text(TINY_DIFFUSION)
    how = ["--recipe", str(recipe), "--categories", "one,two", "--learnt", "all t,detail", "--steps", "1"]
    done = run("studies.partial_diffusion", *how, "--results", str(data.parent), URUSHI_DATA=str(data))
    assert done.returncode == 0, done.stderr
    (path,) = data.parent.glob("partial_diffusion-steps-1-recipe-tiny.json")
    rows = json.loads(path.read_text(), parse_constant=fail_on)["rows"]
    assert [(row["learnt"], row["category"]) for row in rows] == [
        (m, c) for m in ("all t", "detail") for c in ("one", "two")
    ]
    assert [[one["mode"] for one in row["modes"]] for row in rows][1:3] == [
        ["no_diffusion", "diffusion", "full"],
        ["no_diffusion", "diffusion"],
    ]
    assert all(0 <= row["planted"] <= 1 for row in rows)
    assert ["in_over_out" in row["modes"][0] for row in rows] == [True, False, True, False]  # only `one` has masks


@pytest.mark.slow
def test_study_of_tiling_finds_what_was_planted_and_measures_seams(tmp_path: Path) -> None:
    small = [
        "--recipes",
        "tiled",
        "--height",
        "600",
        "--width",
        "800",
        "--places",
        "3",
        "--images",
        "1",
        "--side",
        "800",
    ]
    done = run("studies.tiling", *small, "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "tiling.json").read_text(), parse_constant=fail_on)
    places = [row for row in found["large"]["rows"] if row.get("error_px", 800) < 30]
    assert places, found["large"]  # faint in this texture: not each is seen
    assert all(0 < row["p_value"] <= 1 for row in found["seams"]["tiled"])


def test_a_page_says_if_its_rows_are_of_several_commits() -> None:
    rows = [{"commit": "a" * 40, "is_dirty": False}, {"environment": {"commit": "b" * 40, "is_dirty": True}}]
    assert record.of_commits(rows[:1] * 3) is None
    assert record.of_commits([{}, {"commit": None}]) is None
    page = record.page_of({"rows": [*rows, rows[0]]}, lambda _: "# Title\n\nText\n")
    title, _, said, *_ = page.split("\n")
    assert title == "# Title"
    assert said.endswith("the code changed: 2 at `aaaaaaaaa`, 1 at `bbbbbbbbb` with uncommitted changes.")
    assert "commits" not in record.page_of({"rows": rows[:1]}, lambda _: "# Title\n\nText\n")


@pytest.mark.parametrize("name", ["autoencoder", "default"])
def test_a_study_of_fewer_than_seven_categories_says_so_in_its_title(name: str) -> None:
    found = json.loads((RESULTS / f"seven_categories-{name}.json").read_text(encoding="utf-8"))
    title = table.markdown(found).split("\n")[0]
    n = len({row["category"] for row in found["rows"]})
    assert title.startswith("# Seven categories: " if n == 7 else f"# {n} of seven categories (missing: ")


def test_committed_pages_of_seven_categories_are_those_of_their_records() -> None:
    for path in sorted(RESULTS.glob("seven_categories-*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        assert path.with_suffix(".md").read_text(encoding="utf-8") == record.page_of(found, table.markdown), path.name


@pytest.mark.slow
def test_the_big_table_is_measured_once_and_written_from_its_records(data: Path) -> None:
    place = data.parent
    arguments = ["--recipes", "pixel-pca,variational-autoencoder", "--categories", "one"]
    places = {"--out": "table", "--page": "results.md", "--readme": "README.md"}
    arguments += [word for option, name in places.items() for word in (option, str(place / name))]
    done = run("studies.big_table", *arguments, "--budget-seconds", "40", URUSHI_DATA=str(data))
    assert done.returncode == 0, done.stderr
    cuts = json.loads((place / "table-cuts.json").read_text(), parse_constant=fail_on)["recipes"]
    assert list(cuts) == ["variational-autoencoder"]
    kept = {path.stem for path in (place / "table" / "records").iterdir()}
    assert kept >= {"one-pixel-pca-0", "one-pixel-pca-1", "one-pixel-pca-2", "one-variational-autoencoder-0"}
    page = (place / "results.md").read_text()
    assert re.search(r"^\| pixel-pca \| \d\.\d \| ", page, re.MULTILINE)
    assert re.search(r"^\| variational-autoencoder \| .* \| \d+(–\d+)? of \d+ \| ", page, re.MULTILINE)
    assert "3 |\n" in page.partition("## one")[2]
    (place / "results.md").unlink()
    again = run("studies.big_table", *arguments, "--budget-seconds", "40", "--report-only", URUSHI_DATA=str(data))
    assert (again.returncode, "begun" in again.stderr) == (0, False)
    assert (place / "results.md").read_text() == page
    other = run("studies.big_table", *arguments, "--report-only", URUSHI_DATA=str(data))
    assert "is of a budget of 40 s; give another --out" in other.stderr
