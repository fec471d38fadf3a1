"""A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder; ended and removed afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

_USER = "postgres"  # the server refuses to be run by root


@contextmanager
def serving() -> Iterator[str]:
    """The URL of its databases, with {} for the name of one; skips where there is no server or no driver."""
    pytest.importorskip("psycopg", reason="the extra `postgresql` is not installed")
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="urushi-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, _USER)
    data, quick = folder / "data", "-c fsync=off -c full_page_writes=off -c max_connections=40"
    options = f"-k {folder} -c listen_addresses='' {quick}"
    try:
        _run(programs / "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", f"--username={_USER}", "-D", data)
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://{_USER}@/{{}}?host={folder}"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def administer(url: str, *statements: str) -> None:
    """What cannot be done within a transaction."""
    engine = create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _programs() -> Path:
    """The folder of its newest programs, which Debian keeps off the path."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        pytest.skip("PostgreSQL is not installed here")
    return max(folders, key=lambda path: int(path.parent.name))


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    if os.geteuid() == 0:
        if _USER not in {one.pw_name for one in pwd.getpwall()}:
            pytest.skip(f"there is no user {_USER}, and PostgreSQL is not run by root")
        words = ["runuser", "-u", _USER, "--", *words]
    # The server keeps what it is given as its output open: no pipe, which would be waited for.
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/tmp", timeout=60)
