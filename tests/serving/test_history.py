"""What is on the disk: contents by their digests, rows that name them, and what is removed when."""

import csv
import hashlib
import json
from datetime import timedelta

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from urushi.errors import InputError
from urushi.serving.database import Database, now
from urushi.serving.export import writer
from urushi.serving.history import Query
from urushi.serving.retention import retain
from urushi.serving.settings import Retention
from urushi.serving.station import Station
from urushi.serving.tables import Base, Change, Verdict


def files(station: Station) -> list:
    return [path for path in station.objects.root.rglob("*") if path.is_file()]


def judged(station: Station, number: int) -> None:
    with station.database.writing() as session:
        session.add(Verdict(inspected_id=number, verdict="ok", author="anna", time=now()))


def retained(station: Station, moment=None, **limits) -> list[int]:
    parts = (station.database, station.objects, station.history, Retention(**limits))
    retain(*parts, moment or now())
    return [row.id for row in station.history.all(Query())]


def test_each_content_lies_once_under_its_digest(connected, pngs):
    client = connected()
    for _ in range(3):
        client.inspect_bytes("exported", pngs[0])
    found = files(client.station)
    assert len(found) == 3  # detector, image, its evidence
    assert [path.name for path in found] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in found]


def test_what_a_killed_process_has_left_is_swept_and_nothing_else(connected, pngs):
    client = connected()
    client.inspect_bytes("exported", pngs[0])
    station, kept = client.station, set(files(client.station))
    (station.objects.root / "ab").mkdir(exist_ok=True)
    (station.objects.root / "ab" / ("ab" * 32)).write_bytes(b"named by no row")
    (station.objects.root / "ab" / ".ab-1-x.part").write_bytes(b"half")
    (station.objects.incoming / "x.png").write_bytes(b"never inspected")
    assert station.objects.sweep(station.history.names) == 3
    assert set(files(station)) == kept


def test_two_processes_do_not_serve_one_folder(opened):
    station = opened()
    with pytest.raises(InputError, match="another process serves"):
        opened()
    assert station.detectors.names() == ["exported"]


def test_a_station_without_a_detector_says_so(tmp_path):
    with pytest.raises(InputError, match="no detector yet"):
        Station.open(tmp_path / "new")
    with pytest.raises(InputError, match="no detector yet"):
        Station.open(tmp_path / "new")  # the lock is let go


def test_an_opened_station_knows_what_was_inspected_before(opened, connected, pngs):
    client = connected()
    found = client.inspect_bytes("exported", pngs[-1], tag="x")
    client.station.close()
    again = opened()
    (row,) = again.history.all(Query(tag="x"))
    assert (row.id, row.decision) == (found.id, "anomalous")


@pytest.mark.parametrize("table", ["change", "verdict"])
def test_the_database_itself_refuses_to_rewrite_audit_trail_and_verdicts(connected, pngs, table):
    client = connected()
    judged(client.station, client.inspect_bytes("exported", pngs[0]).id)
    for statement in (f"UPDATE {table} SET author = 'x'", f"DELETE FROM {table}"):
        with (
            pytest.raises(DatabaseError, match="never changed or removed"),
            client.station.database.writing() as session,
        ):
            session.execute(text(statement))


def test_old_inspections_are_removed_with_their_files_but_not_those_with_a_verdict(connected, pngs):
    client = connected()
    numbers = [client.inspect_bytes("exported", png, tag="x").id for png in pngs[:4]]
    judged(client.station, numbers[0])
    station, later = client.station, now() + timedelta(days=2)
    assert retained(station, days=1) == numbers[::-1]
    assert retained(station, later, days=1) == numbers[:1]
    assert len(files(station)) == 3
    assert client.picture(numbers[0], "original")
    with station.database.reading() as session:
        change = session.scalars(select(Change).order_by(Change.id.desc())).first()
    assert (change.action, change.after["n_inspections"]) == ("removal", 3)
    new = client.inspect_bytes("exported", pngs[1])
    assert new.id > numbers[-1]


def test_the_oldest_are_removed_where_there_are_too_many_or_too_large_ones(connected, pngs):
    client = connected()
    numbers = [client.inspect_bytes("exported", png).id for png in pngs[:5]]
    assert retained(client.station, inspections=4) == numbers[:0:-1]
    sizes = [row.n_bytes for row in client.station.history.all(Query())]
    assert retained(client.station, gigabytes=(sizes[0] + sizes[1]) / 1e9) == numbers[:2:-1]
    assert len(files(client.station)) == 1 + 2 * 2


def test_a_file_that_another_inspection_names_is_kept(connected, pngs):
    client = connected()
    client.inspect_bytes("exported", pngs[0])
    kept = client.inspect_bytes("exported", pngs[0])
    assert retained(client.station, inspections=1) == [kept.id]
    assert client.picture(kept.id, "original")


def test_the_history_is_exported_with_verdicts_and_does_nothing_in_a_spreadsheet(connected, pngs, tmp_path):
    client = connected()
    client.inspect_bytes("exported", pngs[0], part_id="=1+1", tag=["b", "a"])
    judged(client.station, client.inspect_bytes("exported", pngs[-1]).id)
    for name in ("all.csv", "all.jsonl"):
        assert writer(tmp_path / name)(tmp_path / name, client.station.history.all(Query())) == 2
    odd, normal = csv.DictReader((tmp_path / "all.csv").read_text("utf-8").splitlines())
    assert (normal["part_id"], normal["tags"], normal["decision"]) == ("'=1+1", "a; b", "normal")
    assert (odd["verdict"], odd["reviewer"], odd["n_regions"]) == ("ok", "anna", "1")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert lines[1]["part_id"] == "=1+1"
    assert (
        lines[0]["regions"]
        == json.loads(client.http.get(f"/v1/inspections/{odd['id']}", headers=client._headers).text)["regions"]
    )
    with pytest.raises(InputError, match=r"give \.csv, \.jsonl or \.parquet"):
        writer(tmp_path / "all.xlsx")


def test_the_history_is_exported_as_parquet(connected, pngs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    client = connected()
    found = client.inspect_bytes("exported", pngs[-1])
    path = tmp_path / "all.parquet"
    assert writer(path)(path, client.station.history.all(Query())) == 1
    (row,) = parquet.read_table(path).to_pylist()
    assert (row["id"], row["score"], row["time"]) == (found.id, found.score, found.time)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_tables_are_as_the_migrations_make_them(opened):
    with opened().database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_database_of_the_first_schema_keeps_its_rows(connected, opened, pngs):
    client = connected()
    found, station = client.inspect_bytes("exported", pngs[-1], tag="x"), client.station
    with station.database.writing() as session:
        for name in ("inspected_by_score", "inspected_by_time"):
            session.execute(text(f"DROP INDEX {name}"))
        session.execute(text("UPDATE alembic_version SET version_num = 'first'"))
    station.close()
    again = opened()
    (row,), _ = again.gallery.page(Query(detector="exported", tag="x"), "worst")
    assert (row.id, row.score) == (found.id, found.score)
    with again.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_database_of_a_newer_urushi_is_refused(opened, tmp_path):
    with opened().database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(InputError, match="newer Urushi"):
        Database.open(tmp_path / "station", None)


@pytest.mark.parametrize("url", ["nonsense", "postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/x.sqlite"])
def test_a_database_that_cannot_be_used_is_said_to_be_so(tmp_path, url):
    with pytest.raises(InputError):
        Database.open(tmp_path, url)
