"""The ledger as the rest of the program sees it: log-in, entries, signatures, overrides, accounts."""

import uuid
from collections.abc import Callable
from pathlib import Path

from ctdna.formats.keys import PublicKey
from ctdna.ledger import accounts, passwords
from ctdna.ledger.chain import checkpoint_of
from ctdna.ledger.current import account, roles_of
from ctdna.ledger.database import Database
from ctdna.ledger.local import read_site, site_key
from ctdna.ledger.queries import Queries, settings_of
from ctdna.ledger.records import Actor
from ctdna.ledger.replay import Problem
from ctdna.ledger.sql_state import SqlState
from ctdna.ledger.state import State
from ctdna.ledger.verify import verify
from ctdna.ledger.writing import Act, Pen
from ctdna.model.errors import AuthorityError, InputError
from ctdna.model.ledger import (
    AccountState,
    Checkpoint,
    Entry,
    Meaning,
    OverrideGranted,
    OverrideUsed,
    PasswordChanged,
    Payload,
    ResultSigned,
    Role,
    UserChanged,
)
from ctdna.model.trace import Gate

OWN_METHODS = {
    "user.added": "add_user",
    "user.changed": "change_user",
    "password.changed": "change_password",
    "login.failed": "authenticate",
    "login.succeeded": "authenticate",
    "result.signed": "sign_result",
}
"""Kinds of entry that `record` refuses: each needs more than an actor, and has a method of its own."""


class Ledger(Queries):
    """A ledger; what it writes is signed by the key of this machine's site."""

    def __init__(self, database: Database, clock: Callable[[], str]) -> None:
        super().__init__(database)
        self._clock = clock

    def _pen(self) -> Pen:
        return Pen(self._database, read_site().site, site_key(), self._clock)

    def _act(self, act: Act) -> Entry:
        return self._pen().write(lambda state: (act,))

    def authenticate(self, user: str, password: str) -> Actor:
        """Return the person, if the password is theirs and the account open.

        A refused log-in is an entry and may lock the account; the error is the same for an unknown name, a wrong
        password, a locked and a disabled account, and takes as long.

        Raises:
            AuthorityError: the log-in is refused.
            DefinitionError: the stored hash was exchanged.
        """
        with self._database.reading() as connection:
            settings = settings_of(self.name, SqlState(connection))
            known = accounts.stored_hash(self.name, connection, user)
        is_right = passwords.matches(password, known, settings)
        actor = self._open_account(user) if is_right else None
        if actor is None:
            now = self._clock()
            noted = self._pen().write(lambda state: (accounts.login_act(user, is_right, state, settings, now),))
            actor = None if noted.new.kind == "login.failed" else self._open_account(user)
        if actor is None:
            raise accounts.refused()
        return actor

    def _open_account(self, user: str) -> Actor | None:
        """Return the person, if the account is active and no wrong password is to be forgiven."""
        with self._database.reading() as connection:
            state = SqlState(connection)
            row = state.get("users", user)
            if row is None or row["state"] != "active" or row["n_failed"]:
                return None
            return Actor(user, roles_of(user, state), str(row["site"]))

    def record(
        self, actor: Actor, payload: Payload, subject: str = "", why: str = "", old: Payload | None = None
    ) -> Entry:
        """Write an entry and return it, durable and projected into the tables.

        The roles count that the ledger gives the actor at this moment. `subject`: empty for the usual one of the kind.
        `old`: what the caller saw before the change; None for whatever the ledger holds.

        Raises:
            AuthorityError: no role of the actor has the right, or the kind has a method of its own.
            InputError: it contradicts what is there, or cannot be written.
            DefinitionError: the chain was cut, changed or exchanged.
        """
        if payload.kind in OWN_METHODS:
            what = f"entries of kind {payload.kind} are not recorded directly"
            raise AuthorityError(self.name, actor.user, what, f"use {OWN_METHODS[payload.kind]}")
        return self._act(Act(actor.user, payload, why, subject, old))

    def sign_result(
        self,
        user: str,
        password: str,
        *,
        run: str,
        sample: str,
        version: int,
        digest: str,
        meaning: Meaning,
        why: str = "",
    ) -> Entry:
        """Sign a result by both components, user and password, and return the entry (21 CFR 11.50, 11.70, 11.200).

        Raises:
            AuthorityError: log-in refused, no right to this meaning, the password was set by another person, or nobody
                else has reviewed what is approved.
            InputError: no such result, another digest, not the latest version, approved already or signed twice.
        """
        before = self._one("users", user)
        actor = self.authenticate(user, password)
        signed = ResultSigned(run=run, sample=sample, version=version, digest=digest, meaning=meaning)

        def plan(now: State) -> tuple[Act, ...]:
            row = now.get("users", user)
            if row is None or before is None or row["password_digest"] != before["password_digest"]:
                raise accounts.refused()  # it was changed meanwhile: the one that was given counts no more
            return (Act(actor.user, signed, why),)

        return self._pen().write(plan)

    def grant_override(self, actor: Actor, gate: Gate, run_id: str, why: str) -> str:
        """Let one sequencer run pass one gate, once, and return the id of the override.

        Raises:
            AuthorityError: the actor may not.
            InputError: `why` is empty.
        """
        override_id = uuid.uuid4().hex[:12]
        self.record(actor, OverrideGranted(override_id=override_id, gate=gate, run_id=run_id), why=why)
        return override_id

    def use_override(self, actor: Actor, override_id: str, gate: Gate, run: str) -> Entry:
        """Use up an override for a run `<run id>:<16 hex digits>` at a gate, and return the entry.

        Raises:
            AuthorityError: it was used before, or holds for another run or gate.
            InputError: there is no such override.
        """
        for one in self.overrides():
            if one.override_id == override_id and one.gate != gate:
                what = f"holds at gate {one.gate}, not at {gate}"
                raise AuthorityError(self.name, f"override {override_id}", what, "grant another")
        return self.record(actor, OverrideUsed(override_id=override_id, run=run))

    def add_user(
        self, actor: Actor, user: str, full_name: str, roles: tuple[Role, ...], password: str, site: str = ""
    ) -> Entry:
        """Make an account and return the entry; `site`: empty for the actor's own.

        Raises:
            AuthorityError: the actor is no administrator.
            InputError: the name is taken or not allowed, no role is given, or the password is too weak.
        """
        act = accounts.new_account(actor.user, user, full_name, roles, password, site or actor.site, self.settings())
        return self._act(act)

    def change_user(
        self,
        actor: Actor,
        user: str,
        why: str,
        roles: tuple[Role, ...] | None = None,
        state: AccountState | None = None,
        password: str | None = None,
    ) -> Entry:
        """Change an account and return the entry, which keeps the old values; None leaves a thing as it is.

        Raises:
            AuthorityError: the actor is no administrator.
            InputError: no such user, no reason, the last administrator would go, or the password is too weak.
        """
        hashed = self._hashed(user, password)

        def plan(now: State) -> tuple[Act, ...]:
            before = account(user, now)
            if before is None:
                raise InputError(self.name, f"user {user}", "is not in the ledger", "see ctdna user list")
            new = UserChanged(
                user=user,
                roles=accounts.in_order(roles) if roles is not None else before.roles,
                password_digest=passwords.digest_of_hash(hashed) if hashed else before.password_digest,
                state=state or before.state,
            )
            return (Act(actor.user, new, why, password_hash=hashed),)

        return self._pen().write(plan)

    def change_password(self, user: str, password: str, new_password: str) -> Entry:
        """Change a person's own password, by the old one, and return the entry.

        Raises:
            AuthorityError: the log-in is refused.
            InputError: the new password is the old one, or too weak.
        """
        actor = self.authenticate(user, password)
        if new_password == password:
            raise InputError(None, user, "the new password is the old one", "choose another")
        hashed = self._hashed(user, new_password)
        digest = passwords.digest_of_hash(str(hashed))
        return self._act(
            Act(actor.user, PasswordChanged(user=user, password_digest=digest), "own password", password_hash=hashed)
        )

    def _hashed(self, user: str, password: str | None) -> str | None:
        if password is None:
            return None
        settings = self.settings()
        passwords.check_password(password, user, settings)
        return passwords.hash_of(password, settings)

    def checkpoint(self) -> Checkpoint:
        """Return the end of the chain, signed by this machine's site: to be kept elsewhere."""
        return checkpoint_of(self.head().model_copy(update={"site": read_site().site}), site_key())

    def verify(
        self, checkpoints: tuple[Path, ...] = (), trusted: dict[str, PublicKey] | None = None
    ) -> tuple[Problem, ...]:
        """Return what is wrong with chain, tables, anchor, and the chain before the given checkpoints.

        `trusted`: keys of sites by key id; None: those that this machine trusts, and its own.
        """
        return verify(self._database, checkpoints, trusted)
