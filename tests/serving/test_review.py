"""Verdicts, and what follows from them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sqlalchemy import update
from test_inspections import refused

from urushi import Detector, Recipe
from urushi.evaluation.intervals import wilson
from urushi.recipe import parse_setting
from urushi.serving.review import Recalibration
from urushi.serving.tables import Version
from weave import scratched, texture

SMALL = (
    *("preprocessing.resize.height=64", "preprocessing.resize.width=64", "model.name=feature_reconstruction"),
    *("model.blocks=[4]", "model.stride=8", "model.windows=[0]", "split.n_folds=3"),
)


@pytest.fixture
def reviewed(connected, pngs):
    """Three good images, of which one was called anomalous, and an odd one; all judged."""
    client = connected()
    station = client.station
    present = station.detectors.get("exported")
    found = client.inspect("exported", [pngs[0], pngs[1], pngs[2], pngs[-1]])
    scores = sorted(one.score for one in found[:3])
    detector, between = present.detector, (scores[1] + scores[2]) / 2
    ways = detector.ways.with_threshold(detector.backend, replace(detector.threshold, value=between))
    station.detectors.add("exported", replace(detector, ways=ways), "test", "one good image lies above it")
    found = client.inspect("exported", [pngs[0], pngs[1], pngs[2], pngs[-1]])
    for one in found[:3]:
        client.judge(one.id, "ok")
    client.judge(found[3].id, "ng", defect_type="patch", note="white")
    return client, found


def test_a_later_verdict_takes_the_place_of_those_before_which_are_kept_and_noted(connected, pngs):
    client = connected()
    (found,) = client.inspect("exported", [pngs[0]])
    assert client.judge(found.id, "ng", defect_type="crack").verdict.defect_type == "crack"
    assert client.judge(found.id, "ok").verdict.verdict == "ok"
    assert [one.verdict for one in client.verdicts(found.id)] == ["ng", "ok"]
    assert client.inspection(found.id).verdict.verdict == "ok"
    change = client.changes(limit=1)[0]
    assert (change.action, change.subject) == ("verdict", f"inspection {found.id}")
    assert (change.before, change.after) == ({"verdict": "ng", "defect_type": "crack"}, {"verdict": "ok"})
    assert [one.id for one in client.page(is_reviewed=True).items] == [found.id]
    assert 'urushi_verdicts_total{detector="exported",verdict="ng"} 1.0' in client.metrics()


def test_verdicts_that_make_no_sense_and_callers_who_may_not_judge_are_refused(connected, pngs):
    client = connected()
    (found,) = client.inspect("exported", [pngs[0]])
    assert refused(client.judge, found.id, "ok", defect_type="crack").status == 422
    assert refused(client.judge, found.id, "maybe").status == 422
    assert refused(client.judge, found.id, "ng", note="x" * 1001).status == 422
    assert refused(client.judge, 99, "ok").status == 404
    assert refused(connected(client.station, role="inspect").judge, found.id, "ok").status == 403
    assert client.verdicts(found.id) == []


def test_what_is_nearest_to_the_threshold_is_to_be_reviewed_first(connected, pngs):
    client = connected()
    found = client.inspect("exported", pngs[:4])
    client.judge(found[0].id, "ok")
    threshold = client.detector("exported").threshold["value"]
    nearest = sorted(found[1:], key=lambda one: abs(one.score - threshold))
    assert [one.id for one in client.borderline("exported")] == [one.id for one in nearest]


def test_a_preview_says_what_would_change_and_changes_nothing(reviewed):
    client, found = reviewed
    before = client.detector("exported").threshold["value"]
    preview = client.preview("exported", rule="youden")
    highest = max(one.score for one in found[:3])
    assert preview.before["value"] == before < highest
    assert before < preview.after["value"] < found[3].score
    assert (preview.after["rule"], preview.after["n_defects"]) == ("youden", 1)
    # the same four images were inspected by the first version, too, which has the same network
    assert (preview.n_inspections, preview.verdicts) == (8, {"none": 4, "ok": 3, "ng": 1})
    old, new = preview.false_alarms.before, preview.false_alarms.after
    assert (old.n, old.of, old.low, old.high) == (1, 3, *wilson(1, 3))
    assert new.n == int(highest > preview.after["value"])
    assert (preview.escapes.before.n, preview.escapes.before.of) == (0, 1)
    assert "may have been chosen" in preview.cautions[0]
    assert client.detector("exported").threshold["value"] == before
    assert len(client.versions("exported")) == 2


def test_what_was_previewed_is_applied_as_a_new_version_unless_others_were_quicker(reviewed):
    client, _ = reviewed
    preview = client.preview("exported", rule="youden")
    assert client.recalibrate("exported", 2, "week 48", rule="youden").threshold == preview.after
    assert (client.detector("exported").version, client.versions("exported")[2].author) == (3, "admin")
    assert refused(client.recalibrate, "exported", 2, "again", rule="youden").status == 409
    assert client.changes(limit=1)[0].reason == "week 48"
    assert client.switch("exported", 2, "undo").version == 2


def test_the_flips_are_the_inspections_that_would_be_decided_otherwise(reviewed):
    client, _ = reviewed
    after = client.preview("exported", rule="youden")
    limits = after.before["value"], after.after["value"]
    flipped = {one.id for one in client.inspections() if limits[0] < one.score <= limits[1]}
    assert {flip.id for flip in after.flips} == flipped != set()
    assert after.n_flips == {"anomalous -> normal": len(flipped)}


def test_scores_of_reviewed_images_count_only_where_all_of_a_time_were_reviewed(reviewed):
    client, found = reviewed
    error = refused(client.preview, "exported", counts_reviewed=True)
    assert "4 inspections of this time have no verdict" in error.problem["detail"]
    error = refused(client.preview, "exported", counts_reviewed=True, since=found[0].time.isoformat())
    assert "none that the detector was fitted on" in error.problem["detail"]


def test_they_join_the_held_out_ones_once_each(connected, textures):
    client = connected()
    images = [cv2.imencode(".png", image + 1)[1].tobytes() for image in textures[:3]]
    for one in client.inspect("exported", [*images, images[0]]):
        client.judge(one.id, "ok")
    station = client.station
    loaded = station.detectors.get("exported")
    n_before = len(loaded.detector.held_out.scores)
    found = station.review.preview(loaded, Recalibration(counts_reviewed=True)).detector
    scores = [one.score for one in client.inspections()]
    assert sorted(found.held_out.scores[n_before:]) == pytest.approx(sorted(set(scores)))
    assert found.threshold.n_normals == n_before + 3
    new = client.recalibrate("exported", 1, "more images", counts_reviewed=True)
    assert new.threshold["n_normals"] == n_before + 3


def test_rules_and_options_that_are_none_are_refused(connected):
    client, options = connected(), ({"false_alarm_rate": 2}, {"x": 1})
    asked = [{"rule": "none"}, {"rule": "../conformal"}, {"rule": "youden"}, *({"options": one} for one in options)]
    assert [refused(client.preview, "exported", **one).status for one in asked] == [422] * 5


def test_nothing_is_learnt_that_would_follow_a_version_that_decides_no_more(reviewed, monkeypatch):
    client, found = reviewed
    learnt = list[object]()
    monkeypatch.setattr(Detector, "add", lambda *given, **_: learnt.append(given))
    refusal = refused(client.learn, "exported", 1, "another light", [found[0].id])
    assert (refusal.status, learnt) == (409, [])
    assert "version 2 decides now" in str(refusal)


@pytest.mark.slow
def test_false_alarms_are_learnt_as_good_images_and_exported_again(opened, connected, tmp_path):
    good = [texture(seed) for seed in range(26)]
    recipe = Recipe.find("default").with_settings(dict(map(parse_setting, SMALL)))
    Detector.fit(good[:24], recipe).export(good[:24]).save(tmp_path / "part.urushi")
    client = connected(opened(files=[tmp_path / "part.urushi"]))
    client.inspect("part", [png(image) for image in good[24:]])
    alarms = client.inspect("part", [png(scratched(seed)[0]) for seed in (200, 201, 202)])
    assert {one.decision for one in alarms} == {"anomalous"}
    assert refused(client.learn, "part", 1, "none yet").status == 422
    for one in alarms[:2]:
        client.judge(one.id, "ok")
    client.judge(alarms[2].id, "ng")
    assert "only images with the verdict OK" in str(refused(client.learn, "part", 1, "x", [alarms[2].id]).problem)
    learnt = client.learn("part", 1, "another light")
    assert (learnt.version, learnt.card["fit"]["n_training"]) == (2, 26)
    assert "ONNX" in learnt.runs_in
    (again,) = client.inspect("part", [png(scratched(200)[0])])
    assert again.score < alarms[0].score


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def test_the_progress_of_a_review_counts_what_its_queue_gives(connected, pngs):
    client = connected()
    found = client.inspect("exported", pngs[:3])
    client.judge(found[0].id, "ok")
    station, loaded = client.station, client.station.detectors.get("exported")
    assert (station.review.progress(loaded), len(station.review.borderline(loaded, 10))) == ((1, 3), 2)
    with station.database.writing() as session:  # another fit goes on under the same name
        session.execute(update(Version).values(network="of an older fit"))
    assert (station.review.progress(loaded), len(station.review.borderline(loaded, 10))) == ((0, 0), 0)
