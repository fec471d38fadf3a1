"""urushi classify, novelties, and inspect with types, as a user meets them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from urushi import Detector
from urushi.calibration import Calibration
from urushi.cli._typing import TypeTeller
from urushi.defect_types import NoveltyBuffer


@pytest.mark.thorough
def test_types_are_learnt_from_folders_and_named_by_inspect(urushi, fitted, labelled, defects, good, tmp_path):
    types = tmp_path / "weave.types"
    learnt = urushi("classify", fitted, labelled, "-o", types)
    assert learnt.status == 0, learnt.err
    assert "2 types from 20 images: bar, hole" in learnt.out
    assert "of images left out of learning in turn" in learnt.out
    result = urushi("inspect", fitted, defects, good, "--types", types, "--format", "json")
    found = json.loads(result.out)["results"]
    kinds = [one["defect_type"] for one in found if one["decision"] == "anomalous"]
    assert kinds.count("hole") >= 4
    assert "bar" not in kinds
    assert all(one["defect_type"] is None for one in found if one["decision"] == "normal")
    table = urushi("inspect", fitted, defects, "--types", types)
    assert "[hole]" in table.out
    assert "types: hole" in table.err


@pytest.fixture(scope="module")
def rough(dataset, tmp_path_factory, quick_recipe) -> Path:
    """A detector whose residuals are larger, so that kinds of defects lie apart."""
    path = tmp_path_factory.mktemp("rough") / "part.urushi"
    images = sorted((dataset / "train" / "good").iterdir())
    Detector.fit(images, quick_recipe.with_settings({"model.variance": 0.97})).save(path)
    return path


@pytest.mark.thorough
def test_novelties_gather_over_runs_are_named_and_told_later(urushi, rough, labelled, tmp_path):
    buffer, page = tmp_path / "novel", tmp_path / "groups.png"
    assert "novel 10" in urushi("inspect", rough, labelled / "hole", "--novelty-buffer", buffer).err
    again = urushi("inspect", rough, labelled, "--novelty-buffer", buffer)
    assert "10 images more" in again.err
    listed = json.loads(urushi("novelties", buffer, "--json", "--page", page).out)["groups"]
    (holes, *_) = [one for one in listed if one["proposal"] and "hole" in one["sources"][0]]
    assert all("hole" in source for source in holes["sources"])
    with Image.open(page) as picture:
        assert picture.width > 300
    named = urushi("novelties", buffer, "--name", f"{holes['proposal']}=pinhole")
    assert "pinhole" in named.out
    later = urushi("inspect", rough, labelled / "hole", labelled / "bar", "--novelty-buffer", buffer, "--format", "csv")
    rows = list(csv.DictReader(later.out.splitlines()))
    found = [row["defect_type"] for row in rows if "hole" in row["source"]]
    assert found.count("pinhole") >= len(holes["sources"]) - 1
    assert {row["defect_type"] for row in rows if "bar" in row["source"]} == {"novel"}


def test_two_inspections_at_once_gather_in_one_buffer(rough, labelled, tmp_path):
    detector, buffer = Detector.load(rough), tmp_path / "novel"
    tellers = [TypeTeller(detector, None, buffer) for _ in range(2)]
    for teller, kind in zip(tellers, ("hole", "bar"), strict=True):
        found = list(teller.tell(detector.inspect_many(sorted((labelled / kind).iterdir()))))
        assert {result.defect_type for result in found} == {"novel"}
    for teller in tellers:
        teller.close()
    assert len(NoveltyBuffer.load(buffer).sources) == 20


def test_what_is_unsure_gathers_where_that_is_asked_for(rough, defects, tmp_path):
    loaded, sizes = Detector.load(rough), []
    scores = [one.score for one in loaded.inspect_many(sorted(defects.iterdir()))]
    between = replace(loaded.threshold, value=max(scores) + 1, warn_value=min(scores) / 2)
    detector = replace(loaded, ways=loaded.ways.calibrated(Calibration(loaded.held_out, between)))
    for gathers_unsure in (False, True):
        teller = TypeTeller(detector, None, tmp_path / str(gathers_unsure), gathers_unsure=gathers_unsure)
        found = list(teller.tell(detector.inspect_many(sorted(defects.iterdir()))))
        assert {one.decision for one in found} == {"unsure"}
        sizes.append(len(teller.buffer.sources))
    assert sizes == [0, 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inspect", "DETECTOR", "GOOD", "--gather-unsure"], "goes with --novelty-buffer"),
        (["classify", "DETECTOR", "LABELLED", "--joint"], "for how many epochs with --tune-epochs"),
        (["novelties", "nowhere", "--rename", "a="], "a type is renamed OLD=NEW"),
        (["classify", "DETECTOR", "EMPTY"], "each type of defect is a folder of images"),
        (["classify", "DETECTOR", "nowhere"], "is no folder"),
        (["inspect", "DETECTOR", "GOOD", "--types", "DETECTOR"], "cannot be read"),
        (["inspect", "DETECTOR", "GOOD", "--novelty-buffer", "DETECTOR"], "cannot be read"),
        (["novelties", "nowhere"], "nowhere does not exist"),
        (["classify", "DETECTOR", "LABELLED", "--unknown-rate", "2"], "between 0 and 1"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(words, message, urushi, fitted, labelled, good, tmp_path):
    places = {"DETECTOR": fitted, "EMPTY": tmp_path, "LABELLED": labelled, "GOOD": good}
    result = urushi(*(places.get(word, word) for word in words))
    assert result.status == 2
    assert message in result.err
