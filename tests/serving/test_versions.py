"""Detectors and their versions."""

import shutil

import pytest
from test_inspections import refused

from urushi.errors import ConflictError, DetectorFileError, InputError
from urushi.recipe import Part


def with_rate(station, rate: float):
    return station.detectors.get("exported").detector.calibrate(Part(name="conformal", false_alarm_rate=rate))


def test_a_detector_tells_of_itself_and_of_what_other_thresholds_would_do(connected):
    client = connected()
    (found,) = client.detectors()
    assert (found.name, found.version) == ("exported", 1)
    assert found == client.detector("exported")
    assert "ONNX" in found.runs_in or "OpenVINO" in found.runs_in
    assert found.card["fit"]["n_images"] == 12
    rules = {one.rule: one for one in client.rules("exported")}
    assert rules["conformal"].threshold["value"] > 0
    assert "needs labelled defects" in rules["youden"].reason


def test_a_version_decides_from_when_it_is_switched_to_and_the_audit_trail_says_who_did_it_and_why(connected, pngs):
    client = connected()
    (before,) = client.inspect("exported", [pngs[0]])
    client.station.detectors.add("exported", with_rate(client.station, 0.7), "anna", "stricter")
    (new,) = client.inspect("exported", [pngs[0]])
    assert (new.version, client.detector("exported").version) == (2, 2)
    assert new.threshold != before.threshold
    client.switch("exported", 1, "too strict")
    (again,) = client.inspect("exported", [pngs[0]])
    assert (again.version, again.threshold, again.decision) == (1, before.threshold, before.decision)
    assert [(one.number, one.is_current) for one in client.versions("exported")] == [(1, True), (2, False)]
    change = client.changes(limit=1)[0]
    assert (change.author, change.action, change.reason) == ("admin", "version", "too strict")
    assert (change.before["version"], change.after["version"]) == (2, 1)
    assert refused(client.switch, "exported", 3, "none").status == 404


def test_what_was_decided_by_an_old_version_keeps_its_words_and_pictures(connected, pngs):
    client = connected()
    (old,) = client.inspect("exported", [pngs[-1]])
    picture = client.picture(old.id, "overlay")
    client.station.detectors.add("exported", with_rate(client.station, 0.7), "anna", "stricter")
    assert client.inspection(old.id) == old
    assert client.picture(old.id, "overlay") == picture


def test_a_change_that_others_have_overtaken_is_refused(opened):
    station = opened()
    new = with_rate(station, 0.7)
    assert station.detectors.add("exported", new, "anna", "stricter", after=1).row.number == 2
    with pytest.raises(ConflictError, match="version 1 was to be followed, but version 2 decides now"):
        station.detectors.add("exported", new, "ben", "stricter", after=1)


def test_a_station_keeps_its_version_when_it_is_started_again_with_the_file_of_an_older_one(
    opened, exported_autoencoder
):
    station = opened()
    file = shutil.copy(exported_autoencoder, station.folder.parent / "exported.urushi")
    station.detectors.add("exported", with_rate(station, 0.7), "anna", "stricter")
    station.close()
    again = opened(files=[file])
    assert again.detectors.get("exported").row.number == 2
    with_rate(again, 0.5).save(file)
    again.close()
    assert opened(files=[file]).detectors.get("exported").row.number == 3


def test_what_is_no_detector_is_no_version(opened, tmp_path):
    station = opened()
    (tmp_path / "part.urushi").write_bytes(b"nonsense")
    with pytest.raises(DetectorFileError):
        station.detectors.register(tmp_path / "part.urushi", "test")
    with pytest.raises(InputError, match="no name for a detector"):
        station.detectors.register(tmp_path / "a b.urushi", "test")
    assert station.detectors.names() == ["exported"]


def test_versions_that_differ_by_their_threshold_alone_have_the_same_network(opened, autoencoder):
    station = opened()
    first = station.detectors.get("exported").row
    second = station.detectors.add("exported", with_rate(station, 0.7), "anna", "stricter").row
    other = station.detectors.register(autoencoder, "test").row
    assert first.network == second.network != other.network
