"""Who is logged in on the page: a secret in a cookie stands for a token, and is kept as a digest, in memory only."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from urushi.errors import AccessError
from urushi.serving.tokens import Caller, Tokens

_IDLE_SECONDS = 12 * 3600.0
_MOST = 1000


class Sessions:
    """Of a station; one ends with its token, with the station, or after twelve hours without a request."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._clock = tokens, clock
        self._seen: OrderedDict[str, tuple[str, float]] = (
            OrderedDict()
        )  # digest -> id of the token, and when; last last
        self._changing = threading.Lock()

    def begin(self, token: str) -> str:
        """The secret of a new session; raises AccessError for a token that is none."""
        self._tokens.caller(token)
        secret = secrets.token_urlsafe(32)
        with self._changing:
            self._seen[_digest(secret)] = (token.split("-")[1], self._clock())
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)
        return secret

    def caller(self, secret: str) -> Caller:
        """Whose it is, with the role that the token has now; raises AccessError."""
        key = _digest(secret)
        with self._changing:
            number, seen = self._seen.get(key, ("", 0.0))
            if not number or self._clock() - seen > _IDLE_SECONDS:
                self._seen.pop(key, None)
                raise AccessError("you are not logged in, or not any more: log in on the page with a token")
            self._seen[key] = (number, self._clock())
            self._seen.move_to_end(key)
        return self._tokens.holder(number)

    def end(self, secret: str) -> None:
        """It is worth nothing any more."""
        with self._changing:
            self._seen.pop(_digest(secret), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
