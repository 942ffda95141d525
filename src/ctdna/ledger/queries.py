"""Questions to the ledger."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, or_, select

from ctdna.ledger import tables
from ctdna.ledger.chain import Row, entry_of
from ctdna.ledger.current import roles_of
from ctdna.ledger.database import Database
from ctdna.ledger.projection import SETTINGS
from ctdna.ledger.records import (
    Account,
    EvidenceRecord,
    Instrument,
    KitRecord,
    Lot,
    Override,
    ResultRecord,
    ResultSignature,
    RunRecord,
    Site,
    of_row,
)
from ctdna.ledger.sql_state import SqlState
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.ledger import Entry, Head, LedgerSettings


class Search(NamedTuple):
    """Which entries are wanted; None asks for nothing."""

    user: str | None = None
    kind: str | None = None
    subject: str | None = None
    since: str | None = None
    """ISO 8601, inclusive, by the clock that made the entry."""
    until: str | None = None
    """ISO 8601, exclusive."""
    text: str | None = None
    """Part of subject, reason, old or new values; letter case does not count."""
    after: int = 0
    """Entries after this sequence."""


class Queries:
    """The reading side of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def name(self) -> str:
        """Return what the ledger is called in messages: its file, or its address without the password."""
        return self._database.name

    def entries(self, kind: str | None = None, subject: str | None = None, after: int = 0) -> Iterator[Entry]:
        """Yield the entries in order.

        Raises:
            DefinitionError: a row is not well formed.
        """
        yield from self.search(Search(kind=kind, subject=subject, after=after))

    def search(self, wanted: Search) -> Iterator[Entry]:
        """Yield the entries that fit, in order.

        Raises:
            DefinitionError: a row is not well formed.
        """
        query = select(tables.entries).where(*_conditions(wanted)).order_by(tables.entries.c.sequence)
        with self._database.reading() as connection:
            for row in connection.execute(query).mappings():
                try:
                    yield entry_of(dict(row))
                except ValueError as error:
                    place = f"entry {row['sequence']}"
                    what, hint = "is not well formed", "run ctdna ledger verify"
                    raise DefinitionError(self.name, place, what, hint) from error

    def head(self) -> Head:
        """Return the end of the chain."""
        columns = tables.entries.c
        query = select(columns.site, columns.sequence, columns.digest).order_by(columns.sequence.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one()
        return Head(**dict(row))

    def settings(self) -> LedgerSettings:
        """Return how passwords are kept and accounts locked."""
        with self._database.reading() as connection:
            return settings_of(self.name, SqlState(connection))

    def user(self, name: str) -> Account | None:
        """Return a person's account."""
        with self._database.reading() as connection:
            state = SqlState(connection)
            row = state.get("users", name)
            return None if row is None else of_row(Account, row, roles=roles_of(name, state))

    def users(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        with self._database.reading() as connection:
            state = SqlState(connection)
            found = [of_row(Account, row, roles=roles_of(str(row["user"]), state)) for row in state.rows("users")]
        return tuple(sorted(found))

    def sites(self) -> tuple[Site, ...]:
        """Return every site, by id."""
        return tuple(of_row(Site, row) for row in self._rows(tables.sites))

    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument, by serial number."""
        return tuple(of_row(Instrument, row) for row in self._rows(tables.instruments))

    def instrument(self, serial: str) -> Instrument | None:
        """Return an instrument."""
        row = self._one("instruments", serial)
        return None if row is None else of_row(Instrument, row)

    def lot(self, name: str, kit: str) -> Lot | None:
        """Return a lot of a kit version `name@version`."""
        row = self._one("lots", name, kit)
        return None if row is None else of_row(Lot, row)

    def lots(self) -> tuple[Lot, ...]:
        """Return every lot of every kit version, by name and kit."""
        return tuple(of_row(Lot, row) for row in self._rows(tables.lots))

    def kit(self, name: str) -> KitRecord | None:
        """Return a kit version `name@version`, as its last move in the ledger left it."""
        row = self._one("kits", name)
        return None if row is None else of_row(KitRecord, row)

    def runs(self) -> tuple[RunRecord, ...]:
        """Return every run, by name."""
        return tuple(of_row(RunRecord, row) for row in self._rows(tables.runs))

    def run(self, name: str) -> RunRecord | None:
        """Return a run."""
        row = self._one("runs", name)
        return None if row is None else of_row(RunRecord, row)

    def samples(self, run: str) -> tuple[str, ...]:
        """Return the samples of a run, by name."""
        return tuple(str(row["sample"]) for row in self._rows(tables.samples, tables.samples.c.run == run))

    def results(self, run: str, sample: str) -> tuple[ResultRecord, ...]:
        """Return the versions of a sample's result, the first one first."""
        columns = tables.results.c
        rows = self._rows(tables.results, columns.run == run, columns.sample == sample)
        return tuple(of_row(ResultRecord, row) for row in rows)

    def signatures(self, run: str, sample: str, version: int) -> tuple[ResultSignature, ...]:
        """Return the signatures of a version of a result, in the order in which they were given."""
        columns, people = tables.signatures.c, tables.users.c
        query = (
            select(tables.signatures, people.full_name)
            .join(tables.users, people.user == columns.user)
            .where(columns.run == run, columns.sample == sample, columns.version == version)
            .order_by(columns.sequence)
        )
        with self._database.reading() as connection:
            return tuple(of_row(ResultSignature, dict(row)) for row in connection.execute(query).mappings())

    def overrides(self, run_id: str | None = None, gate: str | None = None) -> tuple[Override, ...]:
        """Return the overrides, of one sequencer run and gate if named."""
        columns = tables.overrides.c
        wanted = [column == value for column, value in ((columns.run_id, run_id), (columns.gate, gate)) if value]
        return tuple(of_row(Override, row) for row in self._rows(tables.overrides, *wanted))

    def evidence(self, kit: str | None = None) -> tuple[EvidenceRecord, ...]:
        """Return the evidence, of one kit version if named."""
        wanted = [] if kit is None else [tables.evidence.c.kit == kit]
        return tuple(of_row(EvidenceRecord, row) for row in self._rows(tables.evidence, *wanted))

    def _one(self, table: str, *key: str | int) -> Row | None:
        with self._database.reading() as connection:
            return SqlState(connection).get(table, *key)

    def _rows(self, table: Table, *conditions: ColumnElement[bool]) -> list[Row]:
        query = select(table).where(*conditions).order_by(*table.primary_key.columns)
        with self._database.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def settings_of(name: str, state: SqlState) -> LedgerSettings:
    """Return how passwords are kept and accounts locked in the ledger of a name.

    Raises:
        DefinitionError: the settings' row is missing or not well formed.
    """
    row = state.get("settings", SETTINGS) or {"kind": ""}  # which fits no settings
    facts: dict[str, Any] = {column: value for column, value in row.items() if column in LedgerSettings.model_fields}
    try:
        return LedgerSettings(**facts)
    except ValueError as error:
        what = "is missing or not well formed"
        raise DefinitionError(name, "table settings", what, "run ctdna ledger verify") from error


def known_site(queries: Queries, site: str) -> Site:
    """Return a site of the ledger.

    Raises:
        InputError: it is not there.
    """
    for one in queries.sites():
        if one.site == site:
            return one
    raise InputError(queries.name, "", f"does not know site {site}", "an administrator adds it: ctdna site add")


def _conditions(wanted: Search) -> Iterator[ColumnElement[bool]]:
    columns = tables.entries.c
    yield columns.sequence > wanted.after
    for column, value in ((columns.user, wanted.user), (columns.kind, wanted.kind), (columns.subject, wanted.subject)):
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield columns.at >= wanted.since
    if wanted.until is not None:
        yield columns.at < wanted.until
    if wanted.text is not None:
        fields = (columns.subject, columns.why, columns.new_payload, columns.old_payload)
        yield or_(*(column.icontains(wanted.text, autoescape=True) for column in fields))
