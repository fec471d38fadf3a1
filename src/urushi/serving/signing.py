"""Signs what leaves the station as evidence, by Ed25519, with a key that stays in its folder."""

import hashlib
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from urushi import atomic_file
from urushi.errors import InputError

PRIVATE, PUBLIC = "signing.key", "signing.pub"
_SEAL = re.compile(
    rb"\n<!-- urushi-signature ([0-9a-f]{64}) ([0-9a-f]{128}) -->\n\Z"
)  # of hex nothing else reads the same
_PEM = serialization.Encoding.PEM


class Signer:
    """The key of a station, which is made when it is first needed; raises InputError if it cannot be used."""

    def __init__(self, folder: Path) -> None:
        path = folder / PRIVATE
        try:
            self._key = _read_private(path) if path.exists() else _made(path)
            if not (folder / PUBLIC).exists():
                public = self._key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
                atomic_file.replace(folder / PUBLIC, public)
        except OSError as error:
            raise InputError(f"{path} cannot be used: {error.strerror}") from None

    @property
    def fingerprint(self) -> str:
        """What the public key is known by."""
        return fingerprint(self._key.public_key())

    def signed(self, page: str) -> bytes:
        """An HTML page with a last line that holds the fingerprint and the signature of all before it."""
        content = page.encode("utf-8", errors="backslashreplace")
        seal = f"\n<!-- urushi-signature {self.fingerprint} {self._key.sign(content).hex()} -->\n"
        return content + seal.encode()


def verify(content: bytes, key: Ed25519PublicKey) -> None:
    """Raises InputError unless each byte is as the owner of the key has signed it."""
    if (seal := _SEAL.search(content)) is None:
        raise InputError("it has no signature of Urushi at its end: it was changed, or is no page of evidence")
    if seal[1].decode() != fingerprint(key):
        raise InputError(f"it says that it was signed by the key {seal[1].decode()[:16]}…, which is not the one given")
    try:
        key.verify(bytes.fromhex(seal[2].decode()), content[: seal.start()])
    except InvalidSignature:
        raise InputError("its content is not what was signed: it was changed") from None


def public_key(path: Path) -> Ed25519PublicKey:
    """From a PEM file; raises InputError."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is no public key in PEM format") from None
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} is no public key of Ed25519, as {PUBLIC} in a station's folder is")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the raw public key, 64 hex digits."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()


def _made(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # two that make one at once: the first one's stays
    except FileExistsError:
        return _read_private(path)
    finally:
        draft.unlink()
    return key


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise InputError(
            f"{path} is no key in PEM format; put the right one back, or remove it for a new one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is no key of Ed25519")
    return key
