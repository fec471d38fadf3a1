"""Teaching: what people bring is checked before it is kept, looked at, and learnt by a job that need not go live."""

import io
import stat
import struct
import sys
import zipfile
from datetime import timedelta

import pytest

from urushi.errors import InputError
from urushi.serving import jobs
from urushi.serving.database import now
from urushi.serving.jobs import Asked
from urushi.serving.teaching.sets import TeachingSets

HTML = "<img src=x onerror=alert(1)>.png"


def zipped(*members, compression=zipfile.ZIP_DEFLATED, **attributes) -> bytes:
    """A zip of members (name, content); `attributes` are those of each entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return buffer.getvalue()


@pytest.fixture
def bring(connected):
    """Sends a zip or images, and gives the answer; `client` is whose station it is."""

    def bring(content, client=None, *, to: str | None = None):
        client = client or connected()
        bring.client = client
        path = "/v1/teaching" if to is None else f"/v1/teaching/{to}/images"
        headers = {"Authorization": f"Bearer {client.token}"}
        if isinstance(content, bytes):
            return client.http.post(path, content=content, headers=headers | {"Content-Type": "application/zip"})
        return client.http.post(path, files=[("image", one) for one in content], headers=headers)

    return bring


def left(client) -> list[str]:
    """What lies in the folders for images to learn from, and for what comes in."""
    station = client.station
    return [str(path) for place in (station.teaching.root, station.objects.incoming) for path in place.rglob("*")]


def test_a_zip_of_images_is_a_set_whose_unreadable_files_are_listed(bring, pngs):
    broken = pngs[1][:40]
    members = [("a/1.png", pngs[0]), ("b/1.png", pngs[1]), (HTML, pngs[2]), ("again.jpg", pngs[0])]
    members += [("cut.png", broken), ("notes.txt", b"x"), ("__MACOSX/._1.png", b"x"), ("a/", b"")]
    members.append(("huge.pgm", b"P5 60000 60000 255\n0"))
    answer = bring(zipped(*members))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert sorted(found["images"].values()) == sorted(["a/1.png", "b/1.png", HTML])
    assert found["copies"] == ["again.jpg"]
    reasons = {one["name"]: one["reason"] for one in found["left_out"]}
    assert reasons.keys() == {"cut.png", "notes.txt", "__MACOSX/._1.png", "huge.pgm"}
    assert "60000" in reasons["huge.pgm"].replace(",", "")
    assert reasons["notes.txt"] == "no image by its name"
    assert "incoming" not in "".join(left(bring.client))
    kept = {path.name for path in bring.client.station.teaching.images(found["id"]).iterdir()}
    assert kept == found["images"].keys()
    more = bring([("9.png", pngs[3]), ("1.png", pngs[0])], bring.client, to=found["id"]).json()
    assert (len(more["images"]), more["copies"]) == (4, ["again.jpg", "1.png"])


def lying(n_stated: int) -> bytes:
    """A zip whose one member is larger than its entries say."""
    content = bytearray(zipped(("a.png", bytes(10_000))))
    stated, true = struct.pack("<I", n_stated), struct.pack("<I", 10_000)
    return bytes(content).replace(true, stated)


LINK = {"create_system": 3, "external_attr": (stat.S_IFLNK | 0o777) << 16}
HOSTILE = {
    "traversal": (zipped(("../../evil.png", b"x")), 422, "leads to another folder"),
    "traversal in Windows": (zipped(("..\\evil.png", b"x")), 422, "leads to another folder"),
    "absolute": (zipped(("/etc/evil.png", b"x")), 422, "leads to another folder"),
    "drive": (zipped(("C:/evil.png", b"x")), 422, "leads to another folder"),
    "link": (zipped(("a.png", b"/etc/passwd"), **LINK), 422, "is a link"),
    "nested": (zipped(("a.png", b"x"), ("b.ZIP", zipped(("c.png", b"x")))), 422, "is an archive itself"),
    "control characters": (zipped(("a\x1b[31m.png", b"x")), 422, "cannot be shown"),
    "right to left": (zipped(("a\u202egnp.png", b"x")), 422, "cannot be shown"),
    "bzip2": (zipped(("a.png", b"x"), compression=zipfile.ZIP_BZIP2), 422, "packed in a way"),
    "many": (zipped(*((f"{n}.png", b"") for n in range(10_000)), compression=0), 413, "10,000 files"),
    "bomb": (zipped(("a.png", bytes(5_000_000))), 413, "unpacked it would be larger"),
    "lying bomb": (lying(100), 422, "damaged"),
    "cut": (zipped(("a.png", b"x" * 99))[:60], 422, "no zip"),
    "none": (b"GIF89a, or whatever", 422, "no zip"),
    "empty": (zipped(), 422, "holds no files"),
    "nothing": (b"", 422, "no zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_zip_that_means_harm_is_refused_and_leaves_nothing(bring, connected, kind):
    content, status, words = HOSTILE[kind]
    client = connected(teaching_megabytes=1.0)
    answer = bring(content, client)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.json()["detail"]
    assert left(client) == []


def test_an_endless_list_of_members_is_not_read(bring, monkeypatch):
    monkeypatch.setattr("urushi.serving.teaching.zipped._MOST_AT_ONCE", 10_000)
    answer = bring(zipped(*((f"{n}.png", b"") for n in range(300)), compression=0))
    assert (answer.status_code, "list of members is too long" in answer.json()["detail"]) == (413, True)


def test_what_is_sent_has_limits_and_takes_the_role_admin(bring, connected, pngs):
    client = connected(teaching_images=2, body_megabytes=0.01, zip_megabytes=0.02)
    assert bring([("1.png", pngs[0]), ("2.png", pngs[1]), ("3.png", pngs[2])], client).status_code in (400, 413)
    assert bring([("a.zip", zipped(("1.png", pngs[0]))), ("2.png", pngs[1])], client).status_code == 422
    assert bring([("1.png", bytes(11_000))], client).status_code == 413
    assert bring(bytes(15_000), client).status_code == 422  # no zip, but not too large
    assert bring(bytes(21_000), client).status_code == 413
    plain = client.http.post("/v1/teaching", content=b"x", headers={"Authorization": f"Bearer {client.token}"})
    assert plain.status_code == 422
    found = bring([("a.zip", zipped(("1.png", pngs[0])))], client).json()
    assert list(found["images"].values()) == ["1.png"]
    assert bring([("2.png", pngs[1]), ("3.png", pngs[2])], client, to=found["id"]).status_code == 413
    assert len(client.station.teaching.get(found["id"]).images) == 1
    other = connected(client.station, role="review")
    assert bring([("1.png", pngs[0])], other).status_code == 403
    assert client.http.get(f"/v1/teaching/{found['id']}", headers=other._headers).status_code == 403


def test_a_set_is_removed_by_hand_and_after_a_week(bring, pngs):
    first = bring([("1.png", pngs[0])]).json()
    client = bring.client
    second = bring([("1.png", pngs[0])], client).json()
    headers = client._headers
    assert [one["id"] for one in client.http.get("/v1/teaching", headers=headers).json()] == [second["id"], first["id"]]
    assert client.http.delete(f"/v1/teaching/{first['id']}", headers=headers).status_code == 200
    assert client.http.delete(f"/v1/teaching/{first['id']}", headers=headers).status_code == 404
    assert client.http.get("/v1/teaching/..%2f..%2fx", headers=headers).status_code in (404, 422)
    teaching = client.station.teaching
    teaching.remove_old(now() + timedelta(days=6))
    assert len(teaching.all()) == 1
    teaching.remove_old(now() + timedelta(days=8))
    assert left(client) == []
    assert [one.action for one in client.changes(limit=4)] == ["remove", "remove", "teach", "teach"]


def test_the_findings_come_before_anything_is_fitted_by_the_names_of_the_files(bring, pngs, tmp_path):
    found = bring([*((f"{n}.png", pngs[n]) for n in range(5)), (HTML, pngs[-1]), ("tiny.pgm", b"P5 2 2 255\n\0\0\0\0")])
    path = f"/v1/teaching/{found.json()['id']}/findings"
    odd = bring.client.http.get(path, headers=bring.client._headers).json()
    assert odd["n_images"] == 7
    assert (odd["sizes"]["distinct"], odd["sizes"]["largest"]) == (2, {"width": 32, "height": 32})
    assert [one["path"] for one in odd["problems"]] == ["tiny.pgm"]
    assert any("fewer than 20" in one for one in odd["warnings"])
    assert 0 < odd["luminance"]["mean"] < 1
    assert odd["false_alarm_rates"]["n_good"] == 7


def test_a_set_is_what_a_fit_learns_and_its_detector_goes_live_only_when_somebody_says_so(
    bring, pngs, monkeypatch, exported_autoencoder
):
    learnt = bring([("1.png", pngs[0]), ("2.png", pngs[1]), ("cut.png", pngs[2][:40])]).json()
    client = bring.client
    program = (
        "import pathlib, shutil, sys; command = sys.argv[1]\n"
        "if command == 'fit':\n"
        " print('learnt', len(list(pathlib.Path(sys.argv[2]).iterdir())))\n"
        f" shutil.copy({str(exported_autoencoder)!r}, sys.argv[4])\n"
    )
    monkeypatch.setattr(jobs, "_PROGRAM", (sys.executable, "-c", program))
    monkeypatch.setattr(jobs, "_LOOK", (sys.executable, "-c", "print('planting defects: 3 of 4')"))
    begun = client.begin("fit", "new", "first", teaching=learnt["id"], goes_live=False)
    last = list(client.followed(begun.id))[-1]
    assert (last.state, last.version, last.message, last.share) == ("done", 1, "learnt 2", 1), last.message
    assert [one.name for one in client.detectors()] == ["exported"]
    (version,) = client.versions("new")
    assert not version.is_current
    client.switch("new", 1, "looks well")
    assert [one.name for one in client.detectors()] == ["exported", "new"]
    again = client.begin("fit", "new", "second", teaching=learnt["id"])
    assert list(client.followed(again.id))[-1].version == 2
    assert [one.is_current for one in client.versions("new")] == [False, True]


def test_a_job_with_a_set_that_is_gone_or_with_a_history_as_well_is_refused(connected, opened):
    client = connected()
    missing = client.http.post(
        "/v1/jobs",
        json={"kind": "fit", "detector": "new", "reason": "x", "teaching": "0" * 32},
        headers=client._headers,
    )
    assert missing.status_code == 404
    for how in ({"source": "exported"}, {"tag": "x"}, {"kind": "export"}):
        with pytest.raises(InputError, match="teaching set"):
            Asked(**({"kind": "fit", "detector": "new", "reason": "x", "teaching": "0" * 32} | how))


def test_what_a_station_that_was_killed_has_left_is_removed(bring, pngs):
    bring([("1.png", pngs[0])])
    station = bring.client.station
    (station.teaching.root / ("f" * 32) / "good").mkdir(parents=True)
    again = TeachingSets(station.folder, station.database, station.limits)
    assert len(list(again.root.iterdir())) == len(again.all()) == 1
