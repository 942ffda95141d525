"""Log-in: who somebody is, wrong passwords counted, accounts locked."""

import re
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from ctdna.ledger import tables
from ctdna.ledger.chain import Row
from ctdna.ledger.passwords import check_password, digest_of_hash, hash_of
from ctdna.ledger.state import State
from ctdna.ledger.writing import Act
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.model.ledger import (
    ROLES,
    UNKNOWN_USER,
    USER_NAME,
    LedgerSettings,
    LoginFailed,
    LoginSucceeded,
    Role,
    UserAdded,
)


def refused() -> AuthorityError:
    """Return the one error of every log-in that fails: it does not say which part was wrong."""
    what = "the user is unknown, the password wrong, or the account locked or disabled"
    return AuthorityError(None, "log-in", what, "try again, or ask an administrator")


def stored_hash(name: str, connection: Connection, user: str) -> str | None:
    """Return the hash of a user's password; None for an unknown user.

    Raises:
        DefinitionError: it is not the one that the account's last entry names.
    """
    query = (
        select(tables.users.c.password_digest, tables.credentials.c.password_hash)
        .join(tables.credentials, tables.credentials.c.user == tables.users.c.user)
        .where(tables.users.c.user == user)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if digest_of_hash(row.password_hash) != row.password_digest:
        raise DefinitionError(
            name, f"user {user}", "the password was exchanged in the database", "run ctdna ledger verify"
        )
    return str(row.password_hash)


def is_open(row: Row, settings: LedgerSettings, now: str) -> bool:
    """Return whether an account may log in: it is active, or its lock has run out."""
    if row["state"] == "locked" and settings.lock_minutes:
        since = datetime.fromisoformat(str(row["locked_at"]))
        return datetime.fromisoformat(now) >= since + timedelta(minutes=settings.lock_minutes)
    return row["state"] == "active"


def login_act(user: str, is_right: bool, state: State, settings: LedgerSettings, now: str) -> Act:
    """Return what the ledger notes of a log-in; `is_right`: the password fits."""
    row = state.get("users", user)
    if row is None:
        return Act(UNKNOWN_USER, LoginFailed(user=UNKNOWN_USER, n_failed=0, locks=False), system=True)
    opens = is_open(row, settings, now)
    if opens and is_right:
        return Act(user, LoginSucceeded(user=user), system=True)
    n_failed = int(row["n_failed"] or 0) + (opens and not is_right)
    locks = opens and n_failed >= settings.max_failed_logins
    return Act(user, LoginFailed(user=user, n_failed=n_failed, locks=locks), system=True)


def in_order(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    """Return roles in the one order, each once."""
    return tuple(role for role in ROLES if role in roles)


def new_account(
    by: str, user: str, full_name: str, roles: tuple[Role, ...], password: str, site: str, settings: LedgerSettings
) -> Act:
    """Return the making of an account, by whom.

    Raises:
        InputError: the name is not allowed or missing, or the password is too weak.
    """
    if not re.match(USER_NAME, user):
        hint = "use small letters, digits, dots, dashes; a letter first; 32 at most"
        raise InputError(None, f"user {user}", "is no name for an account", hint)
    if not full_name.strip():
        raise InputError(None, f"user {user}", "has no full name", "signatures show it: give it")
    check_password(password, user, settings)
    hashed = hash_of(password, settings)
    digest = digest_of_hash(hashed)
    added = UserAdded(user=user, full_name=full_name, roles=in_order(roles), site=site, password_digest=digest)
    return Act(by, added, password_hash=hashed)
