"""How a ledger is found, made, joined by another machine, and brought to the present form of its tables."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from ctdna.formats.atomic import make_folder, writable_error
from ctdna.formats.home import home
from ctdna.formats.keys import PRIVATE, PrivateKey, keys_folder, read_public_key
from ctdna.ledger import schema, tables
from ctdna.ledger.accounts import new_account
from ctdna.ledger.database import Database, parse_url, sqlite_url
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.local import LocalSite, anchor_path, read_site, site_path, write_site
from ctdna.ledger.queries import known_site
from ctdna.ledger.writing import Act, Pen, last_entry, project_all
from ctdna.model.errors import InputError
from ctdna.model.ledger import LedgerSettings, SiteAdded


def utc_now() -> str:
    """Return the time by this machine's clock: ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _database(url: str | None) -> Database:
    named = url or os.environ.get("CTDNA_LEDGER")
    return Database(parse_url(named) if named else sqlite_url(home() / "ledger.sqlite"))


def has_ledger(url: str | None = None) -> bool:
    """Return whether there is a ledger: in a database of that URL, else of CTDNA_LEDGER, else in this machine's home.

    Raises:
        InputError: the URL is wrong, or the server does not answer.
        DefinitionError: the file is no database.
    """
    return _is_begun(_database(url))


def _is_begun(database: Database) -> bool:
    """Return whether there is an entry: a database whose making was broken off has none."""
    if not database.exists():
        return False
    with database.reading() as connection:
        return connection.execute(select(tables.entries.c.sequence).limit(1)).first() is not None


def open_ledger(url: str | None = None, clock: Callable[[], str] = utc_now) -> Ledger:
    """Return the ledger of a URL, else of CTDNA_LEDGER, else of this machine's home.

    It can be read and verified anywhere; what it writes needs this machine's `site.json` and the site's key.

    Raises:
        InputError: it is not initialised, its tables are old, or the database does not answer.
        DefinitionError: the database is damaged, or of a newer ctdna.
    """
    database = _database(url)
    if not _is_begun(database):
        raise InputError(database.name, "", "there is no ledger", "make one by ctdna ledger init")
    with database.reading() as connection:
        schema.check_version(database.name, connection)
    return Ledger(database, clock)


def init_ledger(
    site: SiteAdded,
    key: PrivateKey,
    administrator: str,
    full_name: str,
    password: str,
    settings: LedgerSettings | None = None,
    url: str | None = None,
    passphrase_file: Path | None = None,
    clock: Callable[[], str] = utc_now,
) -> Ledger:
    """Make a ledger with its site and first administrator, and this machine's `site.json` and anchor; return it.

    The key must lie among this machine's own.

    Raises:
        InputError: there is a ledger already, the key is not here, the password is too weak, or nothing can be written.
        DefinitionError: this machine's anchor has seen another ledger.
    """
    settings = settings or LedgerSettings()
    database = _database(url)
    _check_own(key)
    founder = new_account(administrator, administrator, full_name, ("administrator",), password, site.site, settings)
    if site_path().is_file() or anchor_path().is_file():
        raise InputError(site_path(), "", "this machine has a ledger already", "use it, or join it again")
    if database.is_sqlite:
        _make_file(Path(database.name))
    with database.writing() as connection:
        if schema.version_of(connection) is None:
            schema.upgrade(connection)
        if last_entry(database.name, connection) is not None:
            raise InputError(database.name, "", "there is a ledger already", "join it by ctdna ledger join")
    pen = Pen(database, site.site, key, clock)
    acts = (Act(administrator, site, "start of the ledger"), Act(administrator, settings), founder)
    pen.write(lambda state: acts)
    write_site(_local(site.site, key, passphrase_file))
    return Ledger(database, clock)


def join_ledger(site: str, key: PrivateKey, url: str | None = None, passphrase_file: Path | None = None) -> Ledger:
    """Make this machine one of a site's in a ledger that is there: write `site.json` and the anchor; return the ledger.

    Joined again, it takes the site's new key. Whoever calls it verifies the ledger first.

    Raises:
        InputError: this machine is of another site, the ledger does not know the site, or the key is not the site's.
    """
    ledger = open_ledger(url)
    _check_own(key)
    if site_path().is_file() and read_site().site != site:
        raise InputError(site_path(), "", f"this machine is of site {read_site().site} already", "")
    expected = known_site(ledger, site).key_id
    if key.public.key_id != expected:
        raise InputError(None, key.name, f"is key {key.public.key_id}, the site's is {expected}", "copy the site's key")
    write_site(_local(site, key, passphrase_file))
    Pen(_database(url), site, key, utc_now).anchor(ledger.head())
    return ledger


def migrate_ledger(url: str | None = None) -> str | None:
    """Bring the tables to the present form, all or nothing; return the version that they had.

    Raises:
        InputError: there is no ledger, or it cannot be written.
    """
    database = _database(url)
    if not database.exists():
        raise InputError(database.name, "", "there is no ledger", "make one by ctdna ledger init")
    with database.writing() as connection:
        before = schema.version_of(connection)
        schema.upgrade(connection)
        if before != schema.LATEST:
            project_all(connection)
    return before


def _local(site: str, key: PrivateKey, passphrase_file: Path | None) -> LocalSite:
    passphrase = None if passphrase_file is None else str(passphrase_file.resolve())
    return LocalSite(site=site, key=key.name, passphrase_file=passphrase)


def _check_own(key: PrivateKey) -> None:
    path = keys_folder() / f"{key.name}{PRIVATE}"
    if not path.is_file() or read_public_key(path.with_suffix(".pub")).key_id != key.public.key_id:
        raise InputError(path, "", "the site's key is not among this machine's own", "make it by ctdna keys new")


def _make_file(path: Path) -> None:
    """Make the empty file, readable by its owner only: it will hold the hashes of passwords."""
    make_folder(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise writable_error(path, error) from error
