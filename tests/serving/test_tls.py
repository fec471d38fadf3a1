"""The station over HTTPS, with a certificate that the test has made itself."""

import signal
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from studies.station_kills import Served, token_of

from urushi.cli import main
from urushi.errors import InputError
from urushi.serving.client import Client
from urushi.serving.server import require_certificate


class Pair(NamedTuple):
    certificate: Path
    key: Path


def pair(folder: Path, name: str, password: bytes | None = None) -> Pair:
    """A key, and a certificate for 127.0.0.1 that it has signed itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    found = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(key.private_bytes(*form))
    return found


def test_files_that_no_connection_can_be_encrypted_with_are_refused_with_the_reason(tmp_path):
    one, other, sealed = pair(tmp_path, "one"), pair(tmp_path, "other"), pair(tmp_path, "sealed", b"secret")
    require_certificate(*one)
    (tmp_path / "nonsense").write_text("no certificate")
    cases = [
        ((one.certificate, other.key), "the key is not that of the certificate"),
        ((tmp_path / "nonsense", one.key), "holds none in PEM format"),
        ((one.certificate, tmp_path / "nonsense"), "holds none in PEM format"),
        ((one.certificate, tmp_path / "gone"), "cannot be read: No such file"),
        (tuple(sealed), "is encrypted, and a station asks nobody"),
    ]
    for files, reason in cases:
        with pytest.raises(InputError, match=reason):
            require_certificate(*files)


def test_a_wrong_key_ends_the_command_before_anything_is_made(tmp_path, monkeypatch, exported_autoencoder, capsys):
    one, other = pair(tmp_path, "one"), pair(tmp_path, "other")
    files = ("--certificate", str(one.certificate), "--key", str(other.key))
    where = ("--data", str(tmp_path / "station"), "--port", "0")
    monkeypatch.setattr(sys, "argv", ["urushi", "serve", str(exported_autoencoder), *where, *files])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "the key is not that of the certificate" in capsys.readouterr().err
    assert not (tmp_path / "station").exists()


@pytest.mark.thorough
def test_images_are_inspected_over_https_and_who_knows_not_the_certificate_sends_nothing(
    tmp_path, exported_autoencoder, pngs
):
    mine, folder = pair(tmp_path, "mine"), tmp_path / "station"
    token = token_of(folder, "line")
    served = Served(folder, exported_autoencoder, "--certificate", str(mine.certificate), "--key", str(mine.key))
    try:
        assert served.url.startswith("https://127.0.0.1:")
        known = ssl.create_default_context(cafile=str(mine.certificate))
        with httpx2.Client(base_url=served.url, verify=known) as http:
            assert Client("", token, http=http).inspect_bytes("exported", pngs[-1]).decision == "anomalous"
            assert http.get("/healthz").headers["Strict-Transport-Security"]
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            Client(served.url, token, retries=0).detectors()
    finally:
        assert served.end(signal.SIGTERM) == 0
