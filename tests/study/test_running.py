"""A whole study on images, interrupted and not."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from urushi import Detector, load
from urushi.data.dataset import Dataset
from urushi.errors import DatasetError, InputError
from urushi.study import Record, Study, running
from urushi.study.drawing import measured
from urushi.study.measuring import labelled
from urushi.study.page import notes
from urushi.study.running import collect, run
from urushi.study.summary import Summary
from urushi.study.table import Table
from urushi.study.tables import tables


class Killed(BaseException):
    """What stands for a power cut."""


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
def measured_out(folder: Path, datasets: dict[str, Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run measured without interruption; tables and plots are not written."""
    out = tmp_path_factory.mktemp("results") / "out"
    collect(small(Study.of(folder / "study.toml")), datasets, out, lambda _: None)
    return out


@pytest.mark.thorough
def test_a_study_that_was_killed_goes_on_and_gives_the_same_tables(study, datasets, measured_out, tmp_path):
    said: list[str] = []

    def cut(text: str) -> None:
        said.append(text)
        if len(said) == 7:
            raise Killed

    study = small(study)
    with pytest.raises(Killed):
        collect(study, datasets, tmp_path / "out", cut)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "records").iterdir()}
    records = collect(study, datasets, tmp_path / "out", lambda _: None)
    assert len(done) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    whole = collect(study, datasets, measured_out, pytest.fail)
    assert tables_of(study, records) == tables_of(study, whole)
    assert [one.key for one in records] == [one.key for one in whole]


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
def test_results_are_tables_a_page_and_plain_json(folder, study, measured_out):
    one = study.model_copy(update={"methods": study.methods[:1], "repeats": 1})
    collect(one, {"waves": labelled(folder / "waves")}, measured_out, lambda _: None)
    run(one, folder, measured_out, pytest.fail)  # everything is there: nothing is measured
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


def test_a_folder_of_somebody_else_is_left_alone(folder, study, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds other files"):
        run(study, folder, tmp_path, lambda _: None)


def test_data_without_a_labelled_test_split_are_an_error_before_any_work(folder, study, tmp_path):
    flat = study.model_copy(update={"data": (study.data[0].model_copy(update={"folder": "waves/test/hole"}),)})
    with pytest.raises(DatasetError, match="good training images"):
        run(flat, folder, tmp_path / "out", pytest.fail)


def test_results_can_be_written_of_what_is_there_without_fitting(folder, study, measured_out, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(running, "write", lambda _study, records, *_: written.append(records))
    monkeypatch.setattr(running, "measure", pytest.fail)
    waves = labelled(folder / "waves").fingerprint()
    found = running.report(study, folder, measured_out)
    assert {one.key for one in found} >= {run.key(waves) for run in small(study).runs()}
    assert written == [found]
    assert f"{len(found)} of 8 fits done" in next(iter(notes(study, Summary.of(measured(study, found)), found)))
    with pytest.raises(InputError, match="no record"):
        running.report(study, folder, tmp_path)
