"""News of a station: each is told once what it tells of is in the database, and to all who have subscribed.

Whoever must not miss any, even if the station is killed, writes in the same transaction (`also_write`); whoever only
wants to know soon subscribes.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import event
from sqlalchemy.orm import Session

Kind = Literal["inspection", "alarm"]
Write = Callable[[Session, "Announcement"], None]


@dataclass(frozen=True)
class Announcement:
    """What happened; `content` is what the API gives of it, an inspection as `history.plain`."""

    kind: Kind
    content: dict[str, Any]


class Subscription:
    """What one subscriber has not taken yet; beyond `most_waiting` the oldest is dropped and counted. Close it."""

    def __init__(self, most_waiting: int, leave: Callable[["Subscription"], None]) -> None:
        self.n_missed, self.is_closed = 0, False
        self._waiting: deque[Announcement] = deque(maxlen=most_waiting)
        self._changed, self._leave = threading.Condition(), leave

    def next(self, timeout_seconds: float | None = None) -> Announcement | None:
        """The oldest that waits; None where none came in time (0: now), or none will since it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed, timeout_seconds)
            return self._waiting.popleft() if self._waiting else None

    def put(self, announcement: Announcement) -> None:
        """Never waits."""
        with self._changed:
            self.n_missed += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(announcement)
            self._changed.notify()

    def close(self) -> None:
        """No more comes; who waits is let go."""
        self._leave(self)
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Announcements:
    """Of a station; may be used by any thread."""

    def __init__(self) -> None:
        self._writing: list[Write] = []
        self._subscriptions: tuple[Subscription, ...] = ()
        self._changing, self._is_closed = threading.Lock(), False

    def also_write(self, write: Write) -> None:
        """Has this write of each announcement, within the transaction of what it tells of; it must be quick."""
        self._writing.append(write)

    def subscribe(self, most_waiting: int = 256) -> Subscription:
        """From now on; in the order in which they were committed."""
        subscription = Subscription(most_waiting, self._forget)
        with self._changing:
            subscription.is_closed = self._is_closed
            self._subscriptions += (subscription,)
        return subscription

    def announce(self, session: Session, announcement: Announcement) -> None:
        """Tells of what this session writes: once it is committed, and never if it is not."""
        for write in self._writing:
            write(session, announcement)
        event.listen(session, "after_commit", lambda _session: self._tell(announcement), once=True)

    def close(self) -> None:
        """Ends all subscriptions, those to come as well."""
        with self._changing:
            self._is_closed = True
        for subscription in self._subscriptions:
            subscription.close()

    def _tell(self, announcement: Announcement) -> None:
        for subscription in self._subscriptions:
            subscription.put(announcement)

    def _forget(self, subscription: Subscription) -> None:
        with self._changing:
            self._subscriptions = tuple(one for one in self._subscriptions if one is not subscription)
