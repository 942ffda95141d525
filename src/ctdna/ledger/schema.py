"""The form of the tables: which one a database has, and how it gets the one that this program needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from ctdna.ledger import migrations
from ctdna.model.errors import DefinitionError, InputError

FIRST, LATEST = "0001", "0002"


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
    found = version_of(connection)
    if found == LATEST:
        return
    if found is None or found < LATEST:
        raise InputError(name, "", f"its tables are of version {found}, needed is {LATEST}", "run ctdna ledger migrate")
    raise DefinitionError(name, "", f"its tables are of version {found}, known is {LATEST}", "use the newer ctdna")
