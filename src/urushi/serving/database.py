"""The station's database: SQLite in its folder, or PostgreSQL by a URL. To open it brings its schema up to date."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, Select, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from urushi.errors import InputError, MissingPackageError
from urushi.serving.tables import Change

_BUSY_SECONDS = 30


class Database:
    """Sessions to read and to write; writers of this process wait for each other."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self._writing = engine, threading.Lock()

    @classmethod
    def open(cls, folder: Path, url: str | None) -> "Database":
        """At a URL of SQLAlchemy, or history.sqlite in the folder; raises InputError where there is none to reach."""
        database = cls(_engine(url or f"sqlite:///{folder / 'history.sqlite'}"))
        try:
            upgrade(database.engine)
        except CommandError as error:
            database.close()
            raise InputError(f"the database is of a newer Urushi ({error}): upgrade Urushi") from None
        except OperationalError as error:
            database.close()
            reason = str(error.orig or error).strip().splitlines()[0]
            raise InputError(f"the database cannot be used: {reason}; check --database and its server") from None
        return database

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def rows(self, session: Session, columns: Select[*tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        """What is selected, as the driver gives it: quicker for very many rows of texts and numbers."""
        cursor = session.connection().execute(columns).cursor
        assert cursor is not None
        return cursor.fetchall()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are on the disk when it ends, all or none."""
        with self._writing, Session(self.engine, expire_on_commit=False) as session, session.begin():
            if self.engine.dialect.name == "sqlite":  # else who has read must not write once another process has
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session

    def close(self) -> None:
        """Lets go of all connections."""
        self.engine.dispose()


def note_change(
    session: Session,
    author: str,
    action: str,
    subject: str,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    reason: str | None = None,
) -> None:
    """Adds to the audit trail what the same transaction does."""
    values = {"before": before, "after": after, "reason": reason}
    session.add(Change(time=now(), author=author, action=action, subject=subject, **values))


def now() -> datetime:
    """The time that rows are given."""
    return datetime.now(UTC)


def upgrade(engine: Engine) -> None:
    """Applies the migrations that the database lacks; raises CommandError if it knows more than this Urushi."""
    folder, config = str(Path(__file__).with_name("migrations")), Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    script = ScriptDirectory(folder, version_locations=[folder])

    def steps(present: Any, _context: Any) -> Any:
        return script._upgrade_revs("heads", present)  # as Alembic's own command does, which needs an env.py

    with EnvironmentContext(config, script, fn=steps) as environment, engine.begin() as connection:
        environment.configure(connection=connection)
        environment.run_migrations()


def _engine(url: str) -> Engine:
    try:
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        how: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}} if is_sqlite else {"pool_pre_ping": True}
        engine = create_engine(url, **how)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(f"--database takes a URL as postgresql+psycopg://user@host/name; {error}") from None
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"this database needs {error.name}: install it beside Urushi") from None
    if is_sqlite:
        event.listen(engine, "connect", _careful)
    return engine


def _careful(connection: Any, _record: Connection) -> None:
    """Readers do not wait for the writer, and what was committed outlives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
