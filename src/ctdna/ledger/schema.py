"""The form of the tables: which one a database has, and how it gets the one that this program needs."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, inspect, text

from ctdna.ledger import migrations
from ctdna.ledger.migrations.versions.v0001_entries import GUARD_BODY
from ctdna.model.errors import DefinitionError, InputError

FIRST, LATEST = "0001", "0002"
_OBJECTS = {
    "sqlite": "SELECT type || ' ' || name, COALESCE(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'",
    "postgresql": """
        SELECT tgname, tgtype::text || ' ' || tgenabled::text || ' ' || tgfoid::regproc::text FROM pg_trigger
        WHERE tgrelid = 'entries'::regclass AND NOT tgisinternal
        UNION ALL SELECT proname, prosrc FROM pg_proc WHERE oid = 'entries_guard'::regproc
    """,
}
_POSTGRESQL_TRIGGERS = {"entries_rows": "31 O entries_guard", "entries_whole": "34 O entries_guard"}
"""31: before each row that is inserted, deleted or updated; 34: before the table is emptied; O: switched on."""


def version_of(connection: Connection) -> str | None:
    """Return the version of a database's tables; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, version: str = LATEST) -> None:
    """Bring the tables to a version, within the transaction of the connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def check_version(name: str, connection: Connection) -> None:
    """Refuse a database whose tables are not in the form that this program knows.

    Raises:
        InputError: they are older.
        DefinitionError: their version is unknown.
    """
    try:
        found = version_of(connection)
    except CommandError as error:
        raise DefinitionError(name, "table alembic_version", str(error), "restore it from a backup") from error
    if found == FIRST and not inspect(connection).has_table("users"):
        raise InputError(name, "", f"its tables are of version {found}, needed is {LATEST}", "run ctdna ledger migrate")
    if found != LATEST:
        hint = "use the ctdna that made it; if there is none, the table was edited"
        raise DefinitionError(name, "table alembic_version", f"found version {found}, known is {LATEST}", hint)


def objects_of(connection: Connection) -> dict[str, str]:
    """Return what guards and shapes the ledger in its database: text by name.

    SQLite: the definition of every table, trigger and index. PostgreSQL: the triggers of `entries` that are switched
    on, and what their function does.
    """
    query = _OBJECTS[connection.dialect.name]
    return {str(row[0]): str(row[1]) for row in connection.execute(text(query))}


@cache
def expected_objects(dialect: str) -> dict[str, str]:
    """Return `objects_of` a ledger that was just made."""
    if dialect == "postgresql":
        return {**_POSTGRESQL_TRIGGERS, "entries_guard": GUARD_BODY}
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        return objects_of(connection)
