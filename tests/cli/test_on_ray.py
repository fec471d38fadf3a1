"""urushi inspect --engine ray: what is refused before anything is started, and a whole run where Ray is there."""

import json

import pytest

from urushi.catalogue.extras import is_installed


@pytest.fixture
def with_ray(monkeypatch):
    """As if the extra were there, for what is refused before it is used."""
    monkeypatch.setattr("urushi.catalogue.extras.is_installed", lambda _: True)


def test_pictures_are_refused(urushi, fitted, good):
    found = urushi("inspect", fitted, good, "--engine", "ray", "--maps", "--report")
    assert found.status == 2
    assert "leave out --maps, --report" in found.err


@pytest.mark.skipif(is_installed("ray"), reason="it is there")
def test_without_ray_the_extra_is_named(urushi, fitted, good):
    found = urushi("inspect", fitted, good, "--engine", "ray")
    assert found.status == 2
    assert "this needs ray, which is not installed" in found.err


@pytest.mark.usefixtures("with_ray")
def test_a_missing_folder_and_an_empty_one_are_errors_before_anything_is_started(urushi, fitted, tmp_path):
    (tmp_path / "empty").mkdir()
    for place, said in (("none", "There is no file or folder"), ("empty", "there are no images")):
        found = urushi("inspect", fitted, tmp_path / place, "--engine", "ray", "--out", tmp_path / "out")
        assert found.status == 2
        assert said in found.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own warnings
def test_it_writes_parts_and_the_same_command_writes_those_that_are_missing(urushi, fitted, dataset, tmp_path):
    ray = pytest.importorskip("ray")
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in sorted((dataset / "test").rglob("*.png"))))
    how = ("--engine", "ray", "--workers", 1, "--part-size", 4, "--parts-as", "jsonl", "--out", tmp_path / "out")
    found = urushi("inspect", fitted, tmp_path / "list.txt", *how)
    assert found.status == 0, found.err
    parts = sorted((tmp_path / "out").glob("part-*.jsonl"))
    assert [len(part.read_text().splitlines()) for part in parts] == [4, 4, 3]
    assert "3 parts, 11 images inspected now" in found.out
    parts[1].unlink()
    again = urushi("inspect", fitted, tmp_path / "list.txt", *how)
    assert "3 parts, 4 images inspected now" in again.out
    rows = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    local = json.loads(urushi("inspect", fitted, dataset / "test", "--format", "json").out)["results"]
    assert {row["source"]: row["decision"] for row in rows} == {row["source"]: row["decision"] for row in local}
    ray.shutdown()
