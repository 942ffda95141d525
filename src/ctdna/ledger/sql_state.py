"""The state as rows of the database, within one transaction."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from ctdna.ledger.chain import Row, Value
from ctdna.ledger.state import KEYS, key_of
from ctdna.ledger.tables import metadata


class SqlState:
    """Rows by table and key, read and written by one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _is(self, table: str, key: tuple[Value, ...]) -> ColumnElement[bool]:
        columns = metadata.tables[table].columns
        return and_(*(columns[name] == value for name, value in zip(KEYS[table], key, strict=True)))

    def get(self, table: str, *key: Value) -> Row | None:
        """Return the row of that key, or None."""
        found = self._connection.execute(select(metadata.tables[table]).where(self._is(table, key))).mappings().first()
        return None if found is None else dict(found)

    def rows(self, table: str) -> Iterator[Row]:
        """Yield every row of a table."""
        for row in self._connection.execute(select(metadata.tables[table])).mappings():
            yield dict(row)

    def put(self, table: str, row: Row) -> None:
        """Write a whole row, in place of one with the same key."""
        key = key_of(table, row)
        if self.get(table, *key) is None:
            self._connection.execute(insert(metadata.tables[table]).values(**row))
        else:
            self._connection.execute(update(metadata.tables[table]).where(self._is(table, key)).values(**row))

    def drop(self, table: str, *key: Value) -> None:
        """Remove the row of that key."""
        self._connection.execute(delete(metadata.tables[table]).where(self._is(table, key)))
