"""One inspection as a signed page: all that it says, and that not one byte of it can be changed unseen."""

import stat
import sys

import pytest

from urushi.cli import main

pytest.importorskip("cryptography", reason="the extra `serve` of an older checkout has no cryptography")

from urushi.serving import signing


@pytest.fixture
def run(monkeypatch):
    """The exit status of a command."""

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["urushi", *map(str, arguments)])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return run


@pytest.fixture
def written(connected, pngs, tmp_path, run):
    """A page, and the folder of its station."""
    client = connected()
    found = client.inspect_bytes("exported", pngs[-1], part_id="<b>A-17", tag="night", source="crack & more.png")
    client.judge(found.id, "unsure", note="ask Bob")
    client.judge(found.id, "ng", defect_type="crack")
    page, folder = tmp_path / "part.html", client.station.folder
    assert run("history", "evidence", found.id, "-o", page, "--data", folder) == 0
    return page, folder, found


def test_the_page_says_what_was_decided_by_what_on_what_and_what_people_said(written):
    page, folder, found = written
    text = page.read_text("utf-8")
    for words in ("crack &amp; more.png", "&lt;b&gt;A-17", "night", "anomalous", "ask Bob", "NG", "crack", "version"):
        assert words in text
    assert "<b>A-17" not in text
    assert text.count("<img ") == 4
    assert "http" not in text.replace("http-equiv", "")
    files = {path.name for path in (folder / "objects").rglob("*") if path.is_file()}
    assert len(files) == 3
    assert all(digest in text for digest in files)
    assert f"{found.score:.4g}" in text


def test_a_page_is_verified_with_the_public_key_alone(written, tmp_path, capsys, run):
    page, folder, _ = written
    key = tmp_path / "key.pem"
    key.write_bytes((folder / signing.PUBLIC).read_bytes())
    assert run("history", "verify", page, "--key", key) == 0
    assert "as it was signed by the key" in capsys.readouterr().out
    assert run("history", "verify", page, "--data", folder) == 0
    assert stat.S_IMODE((folder / signing.PRIVATE).stat().st_mode) == 0o600
    assert not list(folder.glob(".*.part"))


def test_each_changed_cut_or_added_byte_is_found(written):
    page, folder, _ = written
    content, key = page.read_bytes(), signing.public_key(folder / signing.PUBLIC)
    signing.verify(content, key)
    places = [*range(0, len(content), len(content) // 300), *range(len(content) - 240, len(content))]
    changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in places]
    changed += [content[:at] + bytes([content[at] ^ 32]) + content[at + 1 :] for at in places]  # capital, small
    changed += [content + b"\n", content[:-1], content[1:], b"", content + content[-221:]]
    for one in changed:
        with pytest.raises(signing.InputError):
            signing.verify(one, key)


def test_a_page_of_another_station_and_what_is_no_key_are_refused(written, tmp_path, capsys, run):
    page, folder, _ = written
    (tmp_path / "other").mkdir()
    signing.Signer(tmp_path / "other")
    for how in (["--data", tmp_path / "other"], ["--key", page], ["--key", tmp_path / "none.pem"]):
        assert run("history", "verify", page, *how) == 2, how
    said = capsys.readouterr().err
    assert "which is not the one given" in said
    assert "no public key in PEM format" in said
    assert run("history", "verify", tmp_path / "none.html", "--data", folder) == 2


def test_the_key_stays_the_same_and_a_damaged_one_is_not_replaced(written):
    page, folder, _ = written
    assert signing.Signer(folder).fingerprint in page.read_text("utf-8")
    (folder / signing.PRIVATE).write_text("damaged")
    with pytest.raises(signing.InputError, match="is no key in PEM format"):
        signing.Signer(folder)


def test_an_image_that_could_not_be_read_has_a_page_too_and_what_is_not_there_has_none(connected, tmp_path, run):
    client = connected()
    client.http.post("/v1/detectors/exported/inspections", files=[("image", b"no")], headers=client._headers)
    where = ["--data", client.station.folder]
    assert run("history", "evidence", 1, "-o", tmp_path / "a.html", *where) == 0
    assert "not an image" in (tmp_path / "a.html").read_text("utf-8")
    assert run("history", "evidence", 2, "-o", tmp_path / "b.html", *where) == 2
    assert run("history", "evidence", 1, "-o", tmp_path / "b.pdf", *where) == 2
    assert not (tmp_path / "b.html").exists()
