"""What comes by itself is inspected once, whatever is killed meanwhile: its key is written with its result."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from urushi.serving.database import Database, now
from urushi.serving.history import Also
from urushi.serving.tables import Arrival, Inspected

_AT_ONCE = 500
_KEPT = timedelta(days=30)  # what is gone for so long and comes back is taken for new


class Arrivals:
    """Of one source: a folder, or the triggers of a camera."""

    def __init__(self, database: Database, source: str) -> None:
        self._database, self._source = database, source

    def found(self, key: str) -> int | None:
        """The number of its inspection, which may be gone from the history; None where it was not inspected."""
        with self._database.reading() as session:
            row = session.get(Arrival, (self._source, key))
            return None if row is None else row.inspected

    def arrived(self, key: str) -> Also:
        """Writes it together with the result."""

        def write(session: Session, row: Inspected) -> None:
            session.add(Arrival(source=self._source, key=key, inspected=row.id, time=now()))

        return write

    def forget(self, kept: Iterable[str] = ()) -> None:
        """What came long ago, unless its key, up to a #, is among these."""
        long_ago = (Arrival.source == self._source) & (Arrival.time < now() - _KEPT)
        with self._database.writing() as session:
            old, here = session.scalars(select(Arrival.key).where(long_ago)).all(), set(kept)
            gone = [key for key in old if key.partition("#")[0] not in here]
            for start in range(0, len(gone), _AT_ONCE):
                some = Arrival.key.in_(gone[start : start + _AT_ONCE])
                session.execute(delete(Arrival).where(Arrival.source == self._source, some))


def key_of(*parts: object) -> str:
    """48 characters."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:48]
