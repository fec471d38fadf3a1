"""Who may do what: tokens with a role, of whose secrets only hashes are kept."""

import hashlib
import math
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select

from urushi.errors import AccessError, BusyError, InputError, NotFoundError
from urushi.serving.database import Database, note_change, now
from urushi.serving.tables import Token

Role = Literal["inspect", "review", "admin"]
ROLES: tuple[Role, ...] = ("inspect", "review", "admin")  # each may do what those before it may
_FORM = re.compile(r"urushi-([0-9a-f]{16})-([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][\w .@-]{0,63}", re.ASCII)
_MINUTE = 60.0
_KNOWN_SECONDS = 1.0  # for which a token is not looked up again: another process may revoke it
_MOST_KNOWN = 1000
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    name: str
    role: Role

    def require(self, role: Role) -> None:
        """Raises AccessError unless the role allows as much as this one."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise AccessError(f"this needs the role {role!r}; the token {self.name!r} has {self.role!r}", is_known=True)


class Tokens:
    """Those of a station; raises InputError for names and roles that are none."""

    def __init__(
        self,
        database: Database,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._hasher, self._clock = database, hasher or PasswordHasher(), clock
        self._verified: dict[str, tuple[str, str]] = {}  # id -> digest of the whole token, and the hash it fits
        self._verifying = threading.Lock()  # one at a time: each takes 64 MiB
        self._found: dict[str, tuple[float, Caller]] = {}  # by digest of the whole: when it was looked up, whose it is

    def create(self, name: str, role: str, author: str) -> str:
        """A new token, which can't be shown again."""
        if role not in ROLES:
            raise InputError(f"a role is one of {', '.join(ROLES)}; not {role!r}")
        if not _NAME.fullmatch(name):
            raise InputError("the name of a token has up to 64 letters, digits, spaces, and any of _ . @ -")
        number, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        token = Token(id=number, name=name, role=role, hash=self._hasher.hash(secret), created=now())
        with self._database.writing() as session:
            if session.scalar(select(Token.id).where(Token.name == name, Token.revoked.is_(None))):
                raise InputError(f"there is a token {name!r} already; revoke it, or choose another name")
            session.add(token)
            note_change(session, author, "token", name, before={}, after={"id": number, "role": role})
        return f"urushi-{number}-{secret}"

    def revoke(self, name: str, author: str) -> None:
        """The token of this name is worth nothing from now on; raises NotFoundError."""
        with self._database.writing() as session:
            token = session.scalar(select(Token).where(Token.name == name, Token.revoked.is_(None)))
            if token is None:
                raise NotFoundError(f"there is no token {name!r}, or it is revoked already")
            token.revoked = now()
            before = {"id": token.id, "role": token.role}
            note_change(session, author, "token", name, before=before, after={})
        self._found.clear()

    def all(self) -> list[Token]:
        """Those that are not revoked."""
        with self._database.reading() as session:
            return list(session.scalars(select(Token).where(Token.revoked.is_(None)).order_by(Token.created)))

    def is_verified(self, text: str) -> bool:
        """Whether this very token was found right before, which is quick to tell."""
        found = _FORM.fullmatch(text)
        digest, _ = self._verified.get(found[1], ("", "")) if found else ("", "")
        return secrets.compare_digest(digest, _digest(text))

    def known(self, text: str) -> Caller | None:
        """Whose token it is, if it was looked up within the last second."""
        looked_up, caller = self._found.get(_digest(text), (-math.inf, None))
        return caller if self._clock() - looked_up < _KNOWN_SECONDS else None

    def caller(self, text: str) -> Caller:
        """Whose token it is; raises AccessError."""
        found, start = _FORM.fullmatch(text), self._clock()
        caller = self._looked_up(found, text)
        if len(self._found) >= _MOST_KNOWN:
            self._found.clear()
        self._found[_digest(text)] = (start, caller)
        return caller

    def _looked_up(self, found: re.Match[str] | None, text: str) -> Caller:
        with self._database.reading() as session:
            token = session.get(Token, found[1]) if found else None
        if found is None or token is None or token.revoked is not None or not self._fits(token, found[2], text):
            raise AccessError("this token is not known, or not any more")
        return Caller(token.name, token.role)  # type: ignore[arg-type]

    def holder(self, number: str) -> Caller:
        """Whose token has this id, which alone lets nobody in; raises AccessError if it is revoked."""
        with self._database.reading() as session:
            token = session.get(Token, number)
        if token is None or token.revoked is not None:
            raise AccessError("this token is not known, or not any more")
        return Caller(token.name, token.role)  # type: ignore[arg-type]

    def _fits(self, token: Token, secret: str, text: str) -> bool:
        """Argon2 is slow on purpose; a token that it has found right is known again by a quick digest."""
        if self._was_right(token, text):
            return True
        with self._verifying:
            if self._was_right(token, text):  # found so by a request that came at the same time
                return True
            try:
                self._hasher.verify(token.hash, secret)
            except (VerificationError, InvalidHashError):
                return False
            self._verified[token.id] = (_digest(text), token.hash)
        return True

    def _was_right(self, token: Token, text: str) -> bool:
        digest, against = self._verified.get(token.id, ("", ""))
        return against == token.hash and secrets.compare_digest(digest, _digest(text))


class FailedLogins:
    """Counts wrong tokens by address; raises BusyError once there are too many within a minute."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._times: dict[str, deque[float]] = {}
        self._changing = threading.Lock()

    def check(self, address: str) -> None:
        """Before a token is looked at."""
        with self._changing:
            times = self._times.get(address, deque())
            while times and self._clock() - times[0] >= _MINUTE:
                times.popleft()
            if not times:
                self._times.pop(address, None)
            if len(times) >= self._most:
                wait = int(_MINUTE - (self._clock() - times[0])) + 1
                raise BusyError(f"{len(times)} wrong tokens came from this address within a minute", wait)

    def add(self, address: str) -> None:
        """One more."""
        with self._changing:
            if address not in self._times and len(self._times) >= _MOST_ADDRESSES:
                self._times.pop(next(iter(self._times)))
            self._times.setdefault(address, deque(maxlen=self._most)).append(self._clock())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
