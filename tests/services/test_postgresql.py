"""What only a server can show: its guards, its lock, connections that fail, a password that stays hidden."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ctdna.ledger.open import has_ledger, open_ledger
from ctdna.model.errors import DefinitionError, InputError
from tests.ledger.conftest import home, postgresql, quick_folder
from tests.ledger.world import World, lot, make_world

__all__ = ["home", "postgresql", "quick_folder"]  # fixtures

pytestmark = pytest.mark.services


@pytest.fixture
def address(home: object, postgresql: str) -> str:
    """Return the address of an empty database, which CTDNA_LEDGER names."""
    return postgresql


def _run(address: str, *statements: str) -> None:
    engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.req("REQ-LED-017")
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE entries SET why = 'x' WHERE sequence = 3", "entries of the ledger are never changed"),
        ("DELETE FROM entries WHERE sequence = 3", "entries of the ledger are never changed"),
        ("TRUNCATE entries CASCADE", "entries of the ledger are never changed"),
        (
            'INSERT INTO entries SELECT sequence + 900, at, site, "user", role, kind, subject, new_payload, '
            "old_payload, why, previous, digest, key_id, signer, signature FROM entries WHERE sequence = 3",
            "entries of the ledger have no gaps",
        ),
    ],
)
def test_the_server_refuses_changes_of_entries(address: str, statement: str, told: str) -> None:
    world = make_world()
    with pytest.raises(DBAPIError, match=told):
        _run(address, statement)
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-017")
@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        (
            ("SET session_replication_role = replica", "UPDATE entries SET why = 'x' WHERE sequence = 2"),
            "entry 2: digest: found",
        ),
        (
            ("SET session_replication_role = replica", "DELETE FROM entries WHERE sequence = 10"),
            "has seen entry 10, the chain ends at",
        ),
        (("ALTER TABLE entries DISABLE TRIGGER entries_rows",), "database: entries_rows was changed: found 31 D"),
        (("DROP TRIGGER entries_whole ON entries",), "database: entries_whole is missing"),
        (
            ("CREATE OR REPLACE FUNCTION entries_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",),
            "database: entries_guard was changed",
        ),
        (
            ("CREATE TRIGGER more BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION entries_guard()",),
            "database: more is not the ledger's",
        ),
        (
            ("UPDATE user_roles SET role = 'director' WHERE \"user\" = 'tech'",),
            "table user_roles, user tech, role director: no entry has made this row",
        ),
        (("UPDATE lots SET expires = '2035-12-31'",), "column expires: found '2035-12-31', expected '2030-12-31'"),
    ],
)
def test_what_the_servers_owner_changes_is_found(address: str, statements: tuple[str, ...], fault: str) -> None:
    world = make_world()
    world.ledger.record(world.actor("tech"), lot("L1"))
    assert world.ledger.verify() == ()
    _run(address, *statements)
    assert [problem for problem in world.ledger.verify() if fault in str(problem)] != []


def test_a_table_that_is_gone_is_told_in_one_line(address: str) -> None:
    world = make_world()
    _run(address, "DROP TABLE exports")
    with pytest.raises(DefinitionError, match='the database is damaged: relation "exports" does not exist') as told:
        world.ledger.verify()
    assert "\n" not in str(told.value)


def test_a_writer_waits_for_the_one_before_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctdna.ledger import database

    world = make_world()
    tech = world.actor("tech")
    monkeypatch.setattr(database, "WAIT_SECONDS", 1)
    engine = create_engine(address, poolclass=NullPool)
    with engine.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(hashtext('ctdna ledger'))"))
        with pytest.raises(InputError, match="another program holds the ledger; wait until it has ended"):
            world.ledger.record(tech, lot("L1"))
    assert world.ledger.record(tech, lot("L1")).subject == "lot L1"


def test_failures_of_the_connection_are_one_line_without_the_password(address: str) -> None:
    url = make_url(address)
    secret = str(url.password)
    for wrong, told in (
        (url.set(password="not the password"), "password authentication failed"),
        (url.set(port=1), "Can't create a connection to host"),
        (url.set(database="none"), 'database "none" does not exist'),
    ):
        with pytest.raises((InputError, DefinitionError), match=told) as error:
            open_ledger(wrong.render_as_string(hide_password=False))
        assert "\n" not in str(error.value)
        assert secret not in str(error.value)
        assert "not the password" not in str(error.value)


def test_an_empty_database_has_no_ledger_and_the_name_hides_the_password(address: str) -> None:
    assert not has_ledger()
    world: World = make_world()
    assert has_ledger()
    assert str(make_url(address).password) not in world.ledger.name
    assert open_ledger(address.replace("postgresql+pg8000", "postgresql")).head() == world.ledger.head()
