"""Requests that come again: the same key with the same content gets the same answer, and no part is recorded twice."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from urushi.errors import ConflictError, InputError
from urushi.serving.database import Database
from urushi.serving.history import About, Received
from urushi.serving.tables import Inspected, Sent


@dataclass(frozen=True)
class Sending:
    """A request that may come again."""

    author: str
    key: str
    digest: str  # of all that it brought

    @classmethod
    def of(cls, key: str, detector: str, images: Sequence[Received], about: About) -> "Sending":
        """Reads all images."""
        digest = hashlib.sha256(repr((detector, asdict(about), [image.source for image in images])).encode())
        for image in images:
            with image.path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return cls(about.author, key, digest.hexdigest())


class Sendings:
    """Those of a station, one of each key at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._n_wanting = Counter[tuple[str, str]]()

    @asynccontextmanager
    async def turn(self, author: str, key: str) -> AsyncIterator[None]:
        """Waits until no other request with this key is at work."""
        self._n_wanting[author, key] += 1
        try:
            async with self._turns.setdefault((author, key), asyncio.Lock()):
                yield
        finally:
            self._n_wanting[author, key] -= 1
            if not self._n_wanting[author, key]:
                del self._n_wanting[author, key], self._turns[author, key]

    def answered(self, sending: Sending) -> dict[int, Inspected]:
        """What is recorded of it already, by its place; raises InputError if the key came with other content."""
        mine = (Sent.author == sending.author, Sent.key == sending.key)
        with self._database.reading() as session:
            found = session.execute(
                select(Sent, Inspected).join(Inspected, Inspected.id == Sent.inspected_id).where(*mine)
            )
            rows = {sent.position: (sent.digest, row) for sent, row in found}
        if any(digest != sending.digest for digest, _ in rows.values()):
            raise InputError("this Idempotency-Key came before with other images or fields; send a new one with these")
        return {position: row for position, (_, row) in rows.items()}

    def note(self, session: Session, row: Inspected, sending: Sending, position: int) -> None:
        """With the transaction that records an image; raises ConflictError if it is recorded already."""
        if session.get(Sent, (sending.author, sending.key, position)) is not None:
            raise ConflictError(
                "an earlier request with this Idempotency-Key has just recorded this image: send it again"
            )
        session.add(Sent(**vars(sending), position=position, inspected_id=row.id))
