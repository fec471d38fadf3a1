"""Results to whoever asks for them, as JSON by HTTP POST, signed as the Standard Webhooks have it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import time
from collections.abc import Callable
from datetime import timedelta

import httpx2

from urushi import __version__
from urushi.errors import DeliveryError
from urushi.serving.line.settings import Webhook
from urushi.serving.tables import Delivery

_OVERLOADED = (429, 502, 503, 504)  # whatever is sent


def signature(key: bytes, delivery_id: str, timestamp: str, body: str) -> str:
    """HMAC-SHA256 over id, time (seconds since 1970) and body, as the header `webhook-signature` has it."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


class WebhookDestination:
    """One receiver; only a status of 200 to 299 means that it has taken a delivery, and no redirect is followed."""

    def __init__(self, name: str, settings: Webhook, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self.name, self.keep = f"webhook {name}", timedelta(hours=settings.give_up_after_hours)
        self._url, self._key, self._clock = str(settings.url), key, clock
        self._http = httpx2.Client(timeout=settings.timeout_seconds, follow_redirects=False)

    def send(self, delivery: Delivery) -> None:
        """Raises DeliveryError."""
        timestamp = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"urushi/{__version__}",
            "webhook-id": delivery.key,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._key, delivery.key, timestamp, delivery.body),
        }
        try:  # as a stream: what it answers beside the status is nobody's business, however long it is
            with self._http.stream("POST", self._url, content=delivery.body.encode(), headers=headers) as response:
                status = response.status_code
        except httpx2.HTTPError as error:
            raise DeliveryError(f"cannot be reached: {type(error).__name__}", is_reachable=False) from None
        if not 200 <= status < 300:
            raise DeliveryError(f"answered with status {status}", is_reachable=status not in _OVERLOADED)

    def close(self) -> None:
        """Lets go of its connections."""
        self._http.close()
