"""A ledger held against itself: chain, tables, guards, the anchor, and checkpoints kept elsewhere."""

from pathlib import Path

from sqlalchemy import Connection, select, text

from ctdna.formats.keys import PublicKey
from ctdna.ledger import tables
from ctdna.ledger.chain import Row, Value
from ctdna.ledger.database import Database
from ctdna.ledger.local import anchor_path, read_anchor, read_checkpoint, site_keys, site_path
from ctdna.ledger.passwords import digest_of_hash
from ctdna.ledger.replay import Problem, Replay
from ctdna.ledger.schema import expected_objects, objects_of
from ctdna.ledger.sql_state import SqlState
from ctdna.ledger.state import KEYS, MemoryState, key_of


def verify(
    database: Database, checkpoints: tuple[Path, ...] = (), trusted: dict[str, PublicKey] | None = None
) -> tuple[Problem, ...]:
    """Return everything that is wrong with a ledger, faults and notes; nothing, if it is as it was written.

    Raises:
        DefinitionError: the database is damaged so that it cannot be read.
        InputError: a checkpoint cannot be read.
    """
    replay = Replay(site_keys() if trusted is None else trusted)
    seen = [(str(path), read_checkpoint(path)) for path in checkpoints]
    with database.reading() as connection:
        problems = [*_damage(connection), *_objects(connection)]
        for row in connection.execute(select(tables.entries).order_by(tables.entries.c.sequence)).mappings():
            replay.take_row(dict(row))
        problems += _tables(connection, replay.state)
    anchor = read_anchor()
    if anchor is not None:
        seen.append((str(anchor_path()), anchor))
    elif site_path().is_file():
        problems.append(Problem(str(anchor_path()), "is missing: without it a cut chain is not noticed here"))
    if not replay.digests:
        problems.append(Problem("entries", "there is none"))
    for where, checkpoint in seen:
        replay.check_head(checkpoint, where)
    return (*replay.problems, *problems)


def _damage(connection: Connection) -> list[Problem]:
    if connection.dialect.name != "sqlite":
        return []
    told = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
    broken = [f"{row[0]} refers to a row of {row[2]} that is missing" for row in _broken_references(connection)]
    return [Problem("database", line) for line in (*told, *broken) if line != "ok"]


def _broken_references(connection: Connection) -> list[tuple[str, object, str, object]]:
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(text("PRAGMA foreign_key_check"))]


def _objects(connection: Connection) -> list[Problem]:
    found, expected = objects_of(connection), expected_objects(connection.dialect.name)
    problems = [Problem("database", f"{name} is missing") for name in sorted(expected.keys() - found.keys())]
    problems += [Problem("database", f"{name} is not the ledger's") for name in sorted(found.keys() - expected.keys())]
    changed = sorted(name for name in expected.keys() & found.keys() if expected[name] != found[name])
    return problems + [Problem("database", f"{name} was changed: found {found[name]}") for name in changed]


def _tables(connection: Connection, state: MemoryState) -> list[Problem]:
    found = SqlState(connection)
    problems: list[Problem] = []
    for table in KEYS:
        rows = {key_of(table, row): row for row in found.rows(table)}
        expected = state.tables[table]
        for key in sorted(rows.keys() | expected.keys(), key=repr):
            problems += _compare(_place(table, key), rows.get(key), expected.get(key))
    return problems + _credentials(connection, state)


def _place(table: str, key: tuple[Value, ...]) -> str:
    return f"table {table}, " + ", ".join(f"{name} {value}" for name, value in zip(KEYS[table], key, strict=True))


def _compare(place: str, found: Row | None, expected: Row | None) -> list[Problem]:
    if found is None:
        return [Problem(place, "the row is missing")]
    if expected is None:
        return [Problem(place, "no entry has made this row")]
    return [
        Problem(place, f"column {column}: found {found[column]!r}, expected {value!r}")
        for column, value in expected.items()
        if found[column] != value
    ]


def _credentials(connection: Connection, state: MemoryState) -> list[Problem]:
    problems = []
    kept = {str(row.user): str(row.password_hash) for row in connection.execute(select(tables.credentials))}
    for user in sorted(kept.keys() | {str(key[0]) for key in state.tables["users"]}):
        place, account = f"table credentials, user {user}", state.get("users", user)
        if user not in kept:
            problems.append(Problem(place, "the row is missing"))
        elif account is None:
            problems.append(Problem(place, "no entry has made this row"))
        elif digest_of_hash(kept[user]) != account["password_digest"]:
            found, expected = digest_of_hash(kept[user]), account["password_digest"]
            problems.append(Problem(place, f"column password_hash: its digest is {found}, expected {expected}"))
    return problems
