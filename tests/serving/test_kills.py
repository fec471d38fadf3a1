"""A station as a process of its own, ended under load."""

import signal
from pathlib import Path

import pytest
from studies.station_kills import Served, outcome_of, token_of, under_load


@pytest.fixture
def station(tmp_path: Path, exported_autoencoder: Path) -> tuple[Path, Path]:
    return tmp_path / "station", exported_autoencoder


@pytest.mark.thorough
def test_after_kills_under_load_every_acknowledged_result_is_there_whole_and_nothing_else(station):
    folder, detector = station
    token, acknowledged = token_of(folder, "load"), list[int]()
    for n_images in (3, 20, 11):
        new, _ = under_load(Served(folder, detector), token, "exported", n_images, signal.SIGKILL)
        assert new.refusals == []
        acknowledged += new.acknowledged
        outcome = outcome_of(folder, acknowledged)
        assert outcome.is_whole, outcome
    assert outcome.n_acknowledged >= 34


@pytest.mark.thorough
def test_a_station_that_is_told_to_end_answers_what_it_accepted_and_ends_with_status_0(station):
    folder, detector = station
    token = token_of(folder, "load")
    load, status = under_load(Served(folder, detector), token, "exported", 10, signal.SIGTERM)
    outcome = outcome_of(folder, load.acknowledged)
    assert status == 0
    assert outcome.is_whole
    assert outcome.n_recorded == outcome.n_acknowledged >= 10
