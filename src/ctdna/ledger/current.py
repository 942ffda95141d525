"""What a subject is in the ledger before an entry changes it, as a payload of the same kind."""

from collections.abc import Callable
from typing import Any

from ctdna.ledger.chain import Row
from ctdna.ledger.projection import SETTINGS
from ctdna.ledger.state import State
from ctdna.model import ledger as model


def _plain(row: Row, *without: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("sequence", *without)}


def _site(new: model.SiteAdded, state: State) -> model.SiteAdded | None:
    row = state.get("sites", new.site)
    return model.SiteAdded(**_plain(row)) if row else None


def _instrument(new: model.InstrumentAdded, state: State) -> model.InstrumentAdded | None:
    row = state.get("instruments", new.serial)
    return model.InstrumentAdded(**_plain(row)) if row else None


def _settings(new: model.LedgerSettings, state: State) -> model.LedgerSettings | None:
    row = state.get("settings", SETTINGS)
    return model.LedgerSettings(**_plain(row, "name")) if row else None


def _lot(new: model.LotAdded, state: State) -> model.LotAdded | None:
    row = state.get("lots", new.lot, new.kit)
    return model.LotAdded(**_plain(row)) if row else None


def roles_of(user: str, state: State) -> tuple[model.Role, ...]:
    """Return a user's roles, in the order of `ROLES`."""
    return tuple(role for role in model.ROLES if state.get("user_roles", user, role) is not None)


def account(user: str, state: State) -> model.UserChanged | None:
    """Return what an account is; None where there is none."""
    row = state.get("users", user)
    if row is None:
        return None
    facts: dict[str, Any] = {"password_digest": row["password_digest"], "state": row["state"]}
    return model.UserChanged(user=user, roles=roles_of(user, state), **facts)


def _user(new: model.UserChanged, state: State) -> model.UserChanged | None:
    return account(new.user, state)


def _password(new: model.PasswordChanged, state: State) -> model.PasswordChanged | None:
    now = account(new.user, state)
    return model.PasswordChanged(user=new.user, password_digest=now.password_digest) if now else None


_CHANGED: dict[type, Callable[[Any, State], model.Payload | None]] = {
    model.SiteAdded: _site,
    model.InstrumentAdded: _instrument,
    model.LedgerSettings: _settings,
    model.LotAdded: _lot,
    model.UserChanged: _user,
    model.PasswordChanged: _password,
}
"""The kinds of entry that may change what an earlier one says; all others only add."""


def current(payload: model.Payload, state: State) -> model.Payload | None:
    """Return what an entry with this payload would change, as it is; None if it changes nothing."""
    step = _CHANGED.get(type(payload))
    return step(payload, state) if step else None


_SUBJECTS: dict[str, str] = {
    "site.added": "site {site}",
    "ledger.settings": "ledger settings",
    "instrument.added": "instrument {serial}",
    "user.added": "user {user}",
    "user.changed": "user {user}",
    "password.changed": "user {user}",
    "login.failed": "user {user}",
    "login.succeeded": "user {user}",
    "lot.added": "lot {lot}",
    "kit.moved": "kit {kit}",
    "run.started": "run {run}",
    "run.finished": "run {run}",
    "result.made": "result {run}/{sample}",
    "result.signed": "result {run}/{sample}",
    "override.granted": "override {override_id}",
    "override.used": "override {override_id}",
    "evidence.added": "evidence {evidence_id}",
    "evidence.carried": "evidence {evidence_id}",
    "bundle.exported": "bundle {bundle_digest}",
}


def subject_of(payload: model.Payload) -> str:
    """Return what an entry speaks of, as `result RUN/SAMPLE`."""
    return _SUBJECTS[payload.kind].format_map(payload.model_dump())
