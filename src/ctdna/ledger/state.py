"""What the entries add up to: rows of tables by key. The same steps fill it in memory and in the database."""

from collections.abc import Iterator
from typing import Protocol

from ctdna.ledger.chain import Row, Value

Key = tuple[Value, ...]
KEYS: dict[str, tuple[str, ...]] = {
    "settings": ("name",),
    "sites": ("site",),
    "instruments": ("serial",),
    "users": ("user",),
    "user_roles": ("user", "role"),
    "lots": ("lot", "kit"),
    "kits": ("kit",),
    "runs": ("run",),
    "samples": ("run", "sample"),
    "results": ("run", "sample", "version"),
    "signatures": ("run", "sample", "version", "meaning", "user"),
    "overrides": ("override_id",),
    "evidence": ("evidence_id",),
    "evidence_carried": ("evidence_id", "kit", "stage"),
    "exports": ("sequence",),
}
"""The tables that are projections of the entries, each with its key; a table stands after those that it refers to."""


class State(Protocol):
    """Rows by table and key."""

    def get(self, table: str, *key: Value) -> Row | None:
        """Return the row of that key, or None."""

    def rows(self, table: str) -> Iterator[Row]:
        """Yield every row of a table, in no order."""

    def put(self, table: str, row: Row) -> None:
        """Write a whole row, in place of one with the same key."""

    def drop(self, table: str, *key: Value) -> None:
        """Remove the row of that key."""


class MemoryState:
    """A state in memory, as `verify` replays it."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Key, Row]] = {table: {} for table in KEYS}

    def get(self, table: str, *key: Value) -> Row | None:
        """Return the row of that key, or None."""
        return self.tables[table].get(key)

    def rows(self, table: str) -> Iterator[Row]:
        """Yield every row of a table."""
        yield from self.tables[table].values()

    def put(self, table: str, row: Row) -> None:
        """Write a whole row, in place of one with the same key."""
        self.tables[table][key_of(table, row)] = row

    def drop(self, table: str, *key: Value) -> None:
        """Remove the row of that key."""
        del self.tables[table][key]


def key_of(table: str, row: Row) -> Key:
    """Return the key of a row."""
    return tuple(row[column] for column in KEYS[table])
