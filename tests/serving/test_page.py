"""The Python of the page on the station runs as it stands there."""

import sys
from contextlib import chdir

import pytest

from pages import ROOT, fenced
from urushi.serving import client as clients
from urushi.serving import jobs


@pytest.mark.thorough
def test_the_python_of_the_page_on_the_station_runs(connected, pngs, tmp_path, monkeypatch, capsys):
    client = connected()
    client.station.detectors.add("part", client.station.detectors.get("exported").detector, "test", "by that name")
    (tmp_path / "new").mkdir()
    for number in (0, -1):
        (tmp_path / "new" / f"{number % 20}.png").write_bytes(pngs[number])
    monkeypatch.setattr(clients, "Client", lambda _url, _token: client)
    first, second, third = fenced(ROOT / "docs/station.md", "python")
    names: dict[str, object] = {"token": "urushi-…"}
    with chdir(tmp_path):
        exec(compile(first, "station.md", "exec"), names)
    assert [name.suffix for name in tmp_path.iterdir() if name.is_file()] == [".png", ".png"]
    (anomalous,) = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "anomalous" in line]
    client.judge(int(anomalous), "ng")
    exec(compile(second, "station.md", "exec"), names)
    assert "false alarms" in capsys.readouterr().out
    monkeypatch.setattr(jobs, "_PROGRAM", (sys.executable, "-c", "print('no fit here'); raise SystemExit(2)"))
    exec(compile(third.replace("2026-11-30T06", "2026-01-01T06"), "station.md", "exec"), names)
    assert "failed None no fit here" in capsys.readouterr().out
