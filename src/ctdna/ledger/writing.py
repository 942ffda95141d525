"""How an entry comes to be: in one transaction it is checked, chained, signed, written and projected."""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from ctdna.formats.keys import PrivateKey
from ctdna.ledger import tables
from ctdna.ledger.chain import FIRST_PREVIOUS, checkpoint_of, digest_of, entry_of, row_of, sealed
from ctdna.ledger.current import current, subject_of
from ctdna.ledger.database import Database
from ctdna.ledger.local import read_anchor, write_anchor
from ctdna.ledger.projection import project
from ctdna.ledger.rules import FOUNDING, check, role_for
from ctdna.ledger.sql_state import SqlState
from ctdna.ledger.state import State
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.ledger import Entry, EntryBody, EntryRole, Head, PasswordChanged, Payload, UserAdded, UserChanged

_HINT = "run ctdna ledger verify"


class Act(NamedTuple):
    """What somebody does: the entry-to-be."""

    user: str
    new: Payload
    why: str = ""
    subject: str = ""
    old: Payload | None = None
    """What the caller saw before; None: whatever is there."""
    system: bool = False
    """Whether the program notes it by itself."""
    password_hash: str | None = None
    """Of the account that the payload speaks of; the payload holds its digest."""


class Pen:
    """Writes entries of one site, with its key, by a clock."""

    def __init__(self, database: Database, site: str, key: PrivateKey, clock: Callable[[], str]) -> None:
        self._database, self.site, self._key, self.clock = database, site, key, clock

    def write(self, plan: Callable[[State], tuple[Act, ...]]) -> Entry:
        """Write what the plan says, as the only writer: all of it or nothing; then renew the anchor.

        The plan sees the state that its acts will meet. Returned is the last entry.

        Raises:
            AuthorityError: a person has no right to an act.
            InputError: an act contradicts what is there, or the database or the anchor cannot be written.
            DefinitionError: the chain does not continue the one that the anchor saw.
        """
        with self._database.writing() as connection:
            check_anchor(self._database.name, connection)
            entries = [self._add(connection, act) for act in plan(SqlState(connection))]
        last = entries[-1]
        self.anchor(Head(site=self.site, sequence=last.sequence, digest=last.digest))
        return last

    def anchor(self, head: Head) -> None:
        """Write the signed head into this machine's home."""
        try:
            write_anchor(checkpoint_of(head, self._key))
        except InputError as error:
            what = f"entry {head.sequence} is in the ledger, but this file {error.what}"
            raise InputError(error.path, "", what, error.hint) from error

    def _add(self, connection: Connection, act: Act) -> Entry:
        state = SqlState(connection)
        before = last_entry(self._database.name, connection)
        sequence = before.sequence + 1 if before else 1
        body = EntryBody(
            sequence=sequence,
            at=self.clock(),
            site=self.site,
            user=act.user,
            role=_role(act, sequence, state),
            subject=act.subject or subject_of(act.new),
            new=act.new,
            old=act.old or current(act.new, state),
            why=act.why,
            previous=before.digest if before else FIRST_PREVIOUS,
        )
        check(body, state)
        entry = sealed(body, self._key)
        self._check_key(entry, state)
        connection.execute(insert(tables.entries).values(**row_of(entry)))
        project(entry, state)
        if act.password_hash is not None and isinstance(act.new, (UserAdded, UserChanged, PasswordChanged)):
            _keep_hash(connection, act.new.user, act.password_hash)
        return entry

    def _check_key(self, entry: Entry, state: SqlState) -> None:
        site = state.get("sites", entry.site)
        if site is not None and site["key_id"] != self._key.public.key_id:
            what = f"the ledger knows key {site['key_id']} of site {entry.site}, here is {self._key.public.key_id}"
            raise InputError(self._database.name, "", what, "see key in site.json")


def _keep_hash(connection: Connection, user: str, password_hash: str) -> None:
    is_user = tables.credentials.c.user == user
    changed = connection.execute(update(tables.credentials).where(is_user).values(password_hash=password_hash))
    if changed.rowcount == 0:
        connection.execute(insert(tables.credentials).values(user=user, password_hash=password_hash))


def _role(act: Act, sequence: int, state: SqlState) -> EntryRole:
    if act.system:
        return "system"
    return "administrator" if sequence <= len(FOUNDING) else role_for(act.new, act.user, state)


def last_entry(name: str, connection: Connection) -> Entry | None:
    """Return the last entry of the chain; None in an empty one.

    Raises:
        DefinitionError: its row was changed.
    """
    query = select(tables.entries).order_by(tables.entries.c.sequence.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    try:
        entry = entry_of(dict(row))
    except ValueError as error:
        raise DefinitionError(name, f"entry {row['sequence']}", "is not well formed", _HINT) from error
    if digest_of(entry) != entry.digest:
        raise DefinitionError(name, f"entry {entry.sequence}", "was changed after it was made", _HINT)
    return entry


def project_all(connection: Connection) -> None:
    """Write into the empty tables what the entries add up to."""
    state = SqlState(connection)
    for row in connection.execute(select(tables.entries).order_by(tables.entries.c.sequence)).mappings().all():
        project(entry_of(dict(row)), state)


def check_anchor(name: str, connection: Connection) -> None:
    """Refuse a chain that lacks the entry that this machine's anchor saw.

    Raises:
        DefinitionError: it was cut, or it is another one.
    """
    anchor = read_anchor()
    if anchor is None:
        return
    query = select(tables.entries.c.digest).where(tables.entries.c.sequence == anchor.head.sequence)
    if connection.execute(query).scalar() != anchor.head.digest:
        what = f"has not the entry {anchor.head.sequence} that this machine has seen: it was cut or exchanged"
        raise DefinitionError(name, "", what, _HINT)
