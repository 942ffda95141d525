"""The database of a ledger: SQLite or PostgreSQL, one writer at a time, its failures as one line."""

import ssl
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from ctdna.model.errors import CtdnaError, DefinitionError, InputError

WAIT_SECONDS = 60
"""How long a writer waits for the one before it."""
_WRITES = "ledger_writes"
_PRAGMAS = ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON", f"busy_timeout = {WAIT_SECONDS * 1000}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_DIALECTS = ("sqlite", "postgresql")
_TOLD = (
    ("disk is full", "no space is left for the ledger", "free space there; nothing was written"),
    ("disk i/o error", "the ledger cannot be written or read", "look at disk and rights; nothing was written"),
    ("no space left", "no space is left for the ledger", "free space there; nothing was written"),
    ("database is locked", "another program holds the ledger", "wait until it has ended, then repeat"),
    ("lock timeout", "another program holds the ledger", "wait until it has ended, then repeat"),
    ("readonly", "the ledger may not be written", "ask for the right to write it"),
    ("unable to open", "the ledger cannot be opened", "check the path and the rights"),
)
_DAMAGED = ("malformed", "not a database", "could not decode", "no such table", "no such column", "does not exist")


def parse_url(text_url: str) -> URL:
    """Return the address of a ledger.

    Raises:
        InputError: it is no URL of SQLite or PostgreSQL.
    """
    hint = "use sqlite:////PATH or postgresql+pg8000://USER:PASSWORD@HOST/DATABASE"
    try:
        url = make_url(text_url)
    except ArgumentError as error:
        raise InputError(None, "CTDNA_LEDGER", "is no address of a database", hint) from error
    if url.get_backend_name() not in _DIALECTS or (url.get_backend_name() == "sqlite" and not url.database):
        raise InputError(None, "CTDNA_LEDGER", f"found {url.get_backend_name()} without a place", hint)
    return url


def sqlite_url(path: Path) -> URL:
    """Return the address of a ledger in a file."""
    return URL.create("sqlite", database=str(path))


class Database:
    """Opens connections; every failure of the database leaves as one of `model.errors`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = str(url.database) if self.is_sqlite else url.render_as_string(hide_password=True)
        try:
            self._engine = _engine(url)
        except (NoSuchModuleError, ImportError) as error:
            raise InputError(None, "CTDNA_LEDGER", f"no driver for {url.drivername}", "see docs/ledger.md") from error
        weakref.finalize(self, self._engine.dispose)

    def exists(self) -> bool:
        """Return whether there is a database with entries' table; a file is not made by looking."""
        if self.is_sqlite and not Path(self.name).is_file():
            return False
        with self.reading() as connection:
            return inspect(connection).has_table("entries")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the database throughout."""
        with self._told(), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield the connection of the only writer; what it wrote is kept if the block ends well, else nothing is."""
        options = {_WRITES: True}
        with self._told(), self._engine.connect().execution_options(**options) as connection, connection.begin():
            if not self.is_sqlite:
                connection.execute(text(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ctdna ledger'))"))
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise told(self.name, error) from error


def told(name: str, error: DBAPIError) -> CtdnaError:
    """Return a failure of the database as an error of one line."""
    first: Any = error.orig.args[0] if error.orig is not None and error.orig.args else error.orig
    reason = str(first.get("M", first)) if isinstance(first, dict) else str(first)
    for part, what, hint in _TOLD:
        if part in reason.lower():
            return InputError(name, "", what, hint)
    if any(part in reason.lower() for part in _DAMAGED):
        return DefinitionError(name, "", f"the database is damaged: {reason}", "restore it from a backup")
    return InputError(name, "", f"the database refused: {reason}", "see docs/ledger.md")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})
        event.listen(engine, "connect", _connected)
        event.listen(engine, "begin", _begun)
        return engine
    root = url.query.get("sslrootcert")
    is_local = url.host is None or url.host in _LOOPBACK
    if not is_local and not isinstance(root, str):
        what = f"the server {url.host} is reached by a network, and nothing shows that it is the right one"
        raise InputError(None, "CTDNA_LEDGER", what, "add ?sslrootcert=FILE, the certificate it is signed by")
    context = ssl.create_default_context(cafile=root) if isinstance(root, str) else False
    url = url.set(drivername="postgresql+pg8000").difference_update_query(["sslrootcert"])
    return create_engine(url, pool_size=1, pool_pre_ping=True, connect_args={"ssl_context": context})


def _connected(connection: Any, record: object) -> None:
    """Set up a connection of SQLite; its driver must not begin transactions on its own."""
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begun(connection: Connection) -> None:
    """Begin a transaction of SQLite: a writer takes the lock at once, so that it never reads what another changes."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
