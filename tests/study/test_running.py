"""A whole study on images, interrupted and not."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from urushi import Detector, load
from urushi.data.dataset import Dataset
from urushi.errors import DatasetError, InputError
from urushi.jobs import LocalEngine
from urushi.study import Record, Study, running
from urushi.study.collecting import Step, collect
from urushi.study.drawing import measured
from urushi.study.measuring import PRELOAD, labelled
from urushi.study.page import notes
from urushi.study.records import Failure
from urushi.study.running import run
from urushi.study.summary import Summary
from urushi.study.table import Table
from urushi.study.tables import tables


class Killed(BaseException):
    """What stands for a power cut."""


def nothing(_: Step) -> None:
    """Who does not look."""


def only_kept(step: Step) -> None:
    """Who is told that something is measured anew."""
    assert step.state == "kept"


def tables_of(study: Study, records: Sequence[Record]) -> list[Table]:
    """What a study says, without the times it took."""
    return [one for one in tables(study, Summary.of(measured(study, records)), records) if one.title != "Fits"]


@pytest.fixture(scope="module")
def datasets(folder: Path) -> dict[str, Dataset]:
    return {"waves": labelled(folder / "waves")}


def small(study: Study) -> Study:
    """Both methods and both repeats, but one value: four runs."""
    return study.model_copy(update={"vary": study.vary.model_copy(update={"values": (2,)})})


@pytest.fixture(scope="module")
def measured_out(folder: Path, datasets: dict[str, Dataset], here, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run measured without interruption; tables and plots are not written."""
    out = tmp_path_factory.mktemp("results") / "out"
    collect(small(Study.of(folder / "study.toml")), datasets, out, nothing, here)
    return out


@pytest.mark.thorough
def test_a_study_that_was_killed_goes_on_and_gives_the_same_tables(study, datasets, measured_out, tmp_path, here):
    said: list[Step] = []

    def cut(step: Step) -> None:
        said.append(step)
        if len(said) == 7:
            raise Killed

    study = small(study)
    with pytest.raises(Killed):
        collect(study, datasets, tmp_path / "out", cut, here)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "records").iterdir()}
    records, _ = collect(study, datasets, tmp_path / "out", nothing, here)
    assert len(done) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    whole, _ = collect(study, datasets, measured_out, only_kept, here)
    assert tables_of(study, records) == tables_of(study, whole)
    assert [one.key for one in records] == [one.key for one in whole]


@pytest.mark.thorough
def test_a_record_that_was_cut_off_or_is_of_other_images_is_measured_anew(measured_out, tmp_path):
    path = next((measured_out / "records").iterdir())
    (tmp_path / "half.json").write_text(path.read_text()[:200])
    assert Record.load(tmp_path / "half.json", "any") is None
    assert Record.load(path, "another key") is None
    key = json.loads(path.read_text())["key"]
    assert Record.load(path, key) is not None


def test_scores_are_those_of_a_detector_with_that_score(folder, study, measured_out):
    first = next(study.runs())
    record = Record(**json.loads((measured_out / "records" / f"{first.name}.json").read_text()))
    kept = load(measured_out / "detectors" / f"{first.name}.urushi")
    recipe = first.recipe.model_copy(update={"score": study.scores[1]})
    good = sorted((folder / "waves" / "train" / "good").glob("*.png"))
    other = Detector.fit(good, recipe, seed=0)
    for detector, label in ((kept, "squared_error"), (other, "absolute_error pooling=max")):
        found = [detector.inspect(folder / "waves" / source).score for source in record.sources]
        np.testing.assert_allclose(found, record.scores[label], rtol=1e-4)
        np.testing.assert_allclose(detector.held_out.scores, record.held_out[label], rtol=1e-4)


@pytest.mark.slow
def test_results_are_tables_a_page_and_plain_json(folder, study, measured_out, here):
    one = study.model_copy(update={"methods": study.methods[:1], "repeats": 1})
    collect(one, {"waves": labelled(folder / "waves")}, measured_out, nothing, here)
    run(one, folder, measured_out, only_kept, here)  # everything is there: nothing is measured
    text, html = (measured_out / "study.md").read_text(), (measured_out / "study.html").read_text()
    assert "## waves: methods over J" in text
    assert "0.500 ± 0.010" in text  # what was published
    assert "squared_error" in html
    assert re.search(
        r"waves: mean ROC-AUC \d\.\d{3} by plain, J = [24], score \w+( pooling=max)?, the highest of 4 combinations",
        html,
    )
    assert html.count("data:image/png;base64,") >= 8
    titles = [table["title"] for table in json.loads((measured_out / "study.json").read_text())["tables"]]
    assert {"waves: scores", "waves: threshold rules", "waves: over the anomaly ratio", "Brightness"} <= set(titles)


def test_a_folder_of_somebody_else_is_left_alone(folder, study, tmp_path, here):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds other files"):
        run(study, folder, tmp_path, nothing, here)


def test_data_without_a_labelled_test_split_are_an_error_before_any_work(folder, study, tmp_path, here):
    flat = study.model_copy(update={"data": (study.data[0].model_copy(update={"folder": "waves/test/hole"}),)})
    with pytest.raises(DatasetError, match="good training images"):
        run(flat, folder, tmp_path / "out", only_kept, here)


def test_results_can_be_written_of_what_is_there_without_fitting(folder, study, measured_out, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(running, "write", lambda _study, results, *_: written.append(results.records))
    waves = labelled(folder / "waves").fingerprint()
    found, _ = running.report(study, folder, measured_out)
    assert {one.key for one in found} >= {run.key(waves) for run in small(study).runs()}
    assert written == [found]
    assert f"{len(found)} of 8 fits done" in next(iter(notes(study, Summary.of(measured(study, found)), found)))
    with pytest.raises(InputError, match="no record"):
        running.report(study, folder, tmp_path)


def unfit(study: Study) -> Study:
    """Two runs, of which the second asks for more channels than there are, or so."""
    good, bad = (study.methods[0].model_copy(update={"name": name}) for name in ("plain", "bad"))
    bad = bad.model_copy(update={"settings": {"training.accelerator": "no such thing"}})
    vary = study.vary.model_copy(update={"values": (2,)})
    return study.model_copy(update={"methods": (good, bad), "repeats": 1, "vary": vary, "published": ()})


def test_a_run_that_fails_is_said_in_the_notes_and_the_others_go_on(folder, study, datasets, measured_out, here):
    study = unfit(study)
    records, failures = collect(study, datasets, measured_out, nothing, here)
    assert [one.method for one in records] == ["plain"]
    assert [(one.method, one.state) for one in failures] == [("bad", "failed")]
    said = notes(study, Summary.of(measured(study, records)), records, [failures[0].reason])
    assert any(one == f"**Not measured**: {failures[0].reason}" for one in said)


def test_what_was_stopped_is_tried_again_with_more_time_only(tmp_path):
    failure = Failure(1, "k", "waves", "plain", 2, 0, "stopped", "stopped: its 5 s were used up", 5.1, 5.0)
    failure.save(tmp_path / "one.json")
    found = Failure.load(tmp_path / "one.json", "k")
    assert found == failure
    assert Failure.load(tmp_path / "one.json", "another") is None
    assert Record.load(tmp_path / "one.json", "k") is None
    assert [failure.is_final(seconds) for seconds in (4.0, 5.0, 6.0, None)] == [True, True, False, False]
    assert not replace(failure, state="failed").is_final(5.0)


@pytest.mark.thorough
def test_in_a_process_of_its_own_a_run_gives_the_same(study, datasets, measured_out, tmp_path):
    one = small(study).model_copy(update={"methods": study.methods[:1], "repeats": 1})
    steps: list[str] = []
    records, _ = collect(one, datasets, tmp_path / "out", lambda step: steps.append(step.state), LocalEngine(PRELOAD))
    assert steps == ["begun", "done"]
    first = next(one.runs())
    before = Record.read(measured_out / "records" / f"{first.name}.json")
    assert before is not None
    assert (records[0].scores, records[0].held_out) == (before.scores, before.held_out)
    assert records[0].facts["peak_memory"] > 2**20
    assert (tmp_path / "out/detectors" / f"{first.name}.urushi").is_file()
