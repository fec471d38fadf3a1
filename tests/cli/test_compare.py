"""urushi compare, and what commands say of many jobs while they run."""

import io
from dataclasses import dataclass

import pytest

from urushi.cli import _runs
from urushi.study.collecting import Step

SMALL = """
[[preprocessing]]
name = "grey"
[[preprocessing]]
name = "resize"
height = 32
width = 32
[[preprocessing]]
name = "scale"
[model]
name = "pixel_pca"
[score]
name = "squared_error"
"""


@pytest.fixture
def recipes(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "without.toml").write_text(SMALL.replace('"pixel_pca"', '"pixel_pca"\nn_components = 100000'))
    return tmp_path


def test_an_unknown_recipe_is_named_with_the_nearest_one(urushi, dataset):
    found = urushi("compare", dataset, "--recipes", "default,padimm")
    assert found.status == 2
    assert "padim" in found.err.replace("padimm", "")


def test_an_empty_data_set_is_an_error_before_any_work(urushi, dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    found = urushi("compare", dataset, tmp_path / "empty", "--recipes", "pixel-pca", "--out", tmp_path / "out")
    assert found.status == 2
    assert "is empty" in found.err
    assert not (tmp_path / "out").exists()


def test_a_data_set_without_defects_to_test_is_an_error(urushi, dataset, tmp_path):
    found = urushi("compare", dataset / "train" / "good", "--recipes", "pixel-pca", "--out", tmp_path / "out")
    assert found.status == 2
    assert "good and defective ones" in found.err


def test_an_address_without_ray_is_refused(urushi, dataset):
    found = urushi("compare", dataset, "--recipes", "pixel-pca", "--ray-address", "auto")
    assert found.status == 2
    assert found.err.splitlines()[1:] == ["error: --ray-address goes with --engine ray"]


@pytest.mark.thorough
def test_it_compares_shows_what_was_stopped_and_goes_on(urushi, dataset, recipes):
    (recipes / "many").mkdir()
    (recipes / "many" / "weave").symlink_to(dataset)
    (recipes / "many" / "else").mkdir()
    names = f"{recipes / 'small.toml'},{recipes / 'without.toml'}"
    command = ("compare", recipes / "many", "--recipes", names, "--out", recipes / "out")
    found = urushi(*command)
    assert found.status == 1, found.err
    assert "else: is no data set and is left out" in found.err
    assert "1/2 weave-small-0" in found.err
    assert "1 run gave no figures" in found.err
    page = (recipes / "out" / "comparison.html").read_text()
    assert "Not measured" in page
    again = urushi(*command)
    assert "weave-small-0" not in again.err  # kept
    assert "weave-without-0" in again.err  # tried again
    assert again.out == found.out


# --- how far it is ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    name: str


@dataclass(frozen=True)
class Run:
    data: Named
    method: Named
    name: str


RUNS = tuple(
    Run(Named(data), Named(method), f"{data}-{method}") for method in ("quick", "long") for data in ("a", "b", "c")
)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(_runs.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(_runs, "_roc_auc", lambda _: "0.900")
    return now


def test_what_is_left_is_told_from_runs_of_the_same_method(clock):
    watch = _runs.Runs(RUNS, 1, 100.0)
    assert watch.left(0.0) is None
    for n, (name, seconds) in enumerate((("a-quick", 10.0), ("a-long", 90.0))):
        run = next(one for one in RUNS if one.name == name)
        watch(Step(run, "begun"))
        clock[0] += seconds
        watch(Step(run, "done"))
        assert watch.n_ended == n + 1
    assert watch.left(clock[0]) == 2 * 10 + 2 * 90
    watch(Step(RUNS[1], "begun"))
    clock[0] += 4
    assert watch.left(clock[0]) == 6 + 10 + 2 * 90
    watch.budget_seconds = 60.0
    assert watch.left(clock[0]) == 6 + 10 + 2 * 60
    watch.n_parallel = 2
    assert watch.left(clock[0]) == (6 + 10 + 2 * 60) / 2


def test_the_table_has_a_row_for_each_recipe_and_a_column_for_each_data_set(clock):
    from rich.console import Console

    watch = _runs.Runs(RUNS, 1, None)
    watch.is_live = True
    watch(Step(RUNS[0], "kept"))
    watch(Step(RUNS[1], "begun"))
    clock[0] = 12.0
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(watch.table())
    shown = console.export_text()
    assert all(name in shown for name in ("quick", "long", "0.900", "12 s", "1 of 6 done"))


def test_times_are_said_in_seconds_minutes_and_hours():
    assert [_runs.duration(seconds) for seconds in (59.6, 300, 9000)] == ["60 s", "5 min", "2.5 h"]
