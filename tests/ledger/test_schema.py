"""The form of the tables: migrations and tables agree; a ledger of an older form becomes one of the present form."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from ctdna.ledger import schema
from ctdna.ledger.open import migrate_ledger, open_ledger
from ctdna.ledger.state import KEYS
from ctdna.ledger.tables import metadata
from ctdna.model.errors import DefinitionError, InputError
from tests.ledger.world import World, lot


def test_the_migrations_make_the_tables_that_the_program_knows(world: World) -> None:
    with world.ledger._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert schema.version_of(connection) == schema.LATEST
        found = inspect(connection)
        for name, table in metadata.tables.items():
            wanted = sorted((key.column.table.name, key.parent.name) for key in table.foreign_keys)
            there = sorted(
                (str(key["referred_table"]), column)
                for key in found.get_foreign_keys(name)
                for column in key["constrained_columns"]
            )
            assert there == wanted, name


def test_every_projection_has_its_key_and_its_order() -> None:
    assert {"entries", "credentials", *KEYS} == set(metadata.tables)
    order = list(KEYS)
    for name, key in KEYS.items():
        assert {column.name for column in metadata.tables[name].primary_key} == set(key)
        others = {one.column.table.name for one in metadata.tables[name].foreign_keys} - {"entries"}
        assert all(order.index(other) < order.index(name) for other in others)


def _to_the_first_form(connection: Connection) -> None:
    for name in reversed(KEYS):
        connection.execute(text(f"DROP TABLE {name}"))
    connection.execute(text(f"UPDATE alembic_version SET version_num = '{schema.FIRST}'"))


@pytest.mark.req("REQ-LED-021")
def test_a_ledger_of_the_first_form_is_brought_up_and_its_tables_filled_from_the_chain(world: World) -> None:
    world.work()
    with world.ledger._database.writing() as connection:
        _to_the_first_form(connection)
    with pytest.raises(InputError, match="its tables are of version 0001, needed is 0002; run ctdna ledger migrate"):
        open_ledger()
    assert migrate_ledger() == "0001"
    assert migrate_ledger() == "0002"
    ledger = open_ledger()
    assert ledger.verify() == ()
    ledger.record(world.actor("tech"), lot("L5"))
    assert ledger.verify() == ()


def test_a_migration_without_a_ledger(home: Path) -> None:
    with pytest.raises(InputError, match="there is no ledger; make one by ctdna ledger init"):
        migrate_ledger()


def test_tables_of_a_form_that_is_not_known(world: World) -> None:
    with world.ledger._database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0042'"))
    with pytest.raises(DefinitionError, match="found version 0042, known is 0002; use the ctdna that made it"):
        open_ledger()
