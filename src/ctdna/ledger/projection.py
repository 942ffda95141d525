"""What each kind of entry writes into the tables."""

import json
from collections.abc import Callable
from typing import Any

from ctdna.ledger.chain import Row
from ctdna.ledger.state import State
from ctdna.model import ledger as model
from ctdna.model.ledger import EntryBody

SETTINGS = "ledger"
"""Key of the one row of table `settings`."""


def _as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _fields(payload: model.Payload, *without: str) -> Row:
    plain: dict[str, Any] = payload.model_dump(mode="json", exclude={"kind", *without})
    return {name: _as_text(value) if isinstance(value, (list, dict)) else value for name, value in plain.items()}


def _update(state: State, table: str, key: tuple[str | int, ...], changes: Row) -> None:
    row = state.get(table, *key)
    if row is not None:  # where it is missing, `rules` has refused the entry
        state.put(table, {**row, **changes})


def _site(entry: EntryBody, new: model.SiteAdded, state: State) -> None:
    state.put("sites", {**_fields(new), "sequence": entry.sequence})


def _settings(entry: EntryBody, new: model.LedgerSettings, state: State) -> None:
    state.put("settings", {"name": SETTINGS, **_fields(new), "sequence": entry.sequence})


def _instrument(entry: EntryBody, new: model.InstrumentAdded, state: State) -> None:
    state.put("instruments", {**_fields(new), "sequence": entry.sequence})


def _roles(entry: EntryBody, user: str, roles: tuple[model.Role, ...], state: State) -> None:
    for role in model.ROLES:
        has = state.get("user_roles", user, role) is not None
        if role in roles and not has:
            state.put("user_roles", {"user": user, "role": role, "sequence": entry.sequence})
        elif has and role not in roles:
            state.drop("user_roles", user, role)


def _user_added(entry: EntryBody, new: model.UserAdded, state: State) -> None:
    fresh: Row = {"state": "active", "n_failed": 0, "locked_at": None, "sequence": entry.sequence}
    state.put("users", {**_fields(new, "roles"), "password_by": entry.user, **fresh})
    _roles(entry, new.user, new.roles, state)


def _user_changed(entry: EntryBody, new: model.UserChanged, state: State) -> None:
    changes: Row = {"state": new.state, "password_digest": new.password_digest, "sequence": entry.sequence}
    if new.state == "active":
        changes |= {"n_failed": 0, "locked_at": None}
    before = state.get("users", new.user)
    if before is not None and before["password_digest"] != new.password_digest:
        changes |= {"password_by": entry.user}
    _update(state, "users", (new.user,), changes)
    _roles(entry, new.user, new.roles, state)


def _password(entry: EntryBody, new: model.PasswordChanged, state: State) -> None:
    changes: Row = {"password_digest": new.password_digest, "password_by": entry.user, "sequence": entry.sequence}
    _update(state, "users", (new.user,), changes)


def _login_failed(entry: EntryBody, new: model.LoginFailed, state: State) -> None:
    changes: Row = {"n_failed": new.n_failed, "sequence": entry.sequence}
    if new.locks:
        changes |= {"state": "locked", "locked_at": entry.at}
    _update(state, "users", (new.user,), changes)


def _login_succeeded(entry: EntryBody, new: model.LoginSucceeded, state: State) -> None:
    changes: Row = {"state": "active", "n_failed": 0, "locked_at": None, "sequence": entry.sequence}
    _update(state, "users", (new.user,), changes)


def _lot(entry: EntryBody, new: model.LotAdded, state: State) -> None:
    state.put("lots", {**_fields(new), "sequence": entry.sequence})


def _kit(entry: EntryBody, new: model.KitMoved, state: State) -> None:
    row: Row = {"kit": new.kit, "kit_digest": new.kit_digest, "state": new.to_state, "sequence": entry.sequence}
    state.put("kits", row)


def _run_started(entry: EntryBody, new: model.RunStarted, state: State) -> None:
    facts: Row = {"operator": entry.user, "bundle_digest": None, "verdict": None, "sequence": entry.sequence}
    state.put("runs", {**_fields(new, "samples", "kit_statement"), **facts})
    for sample in new.samples:
        row: Row = {"run": new.run, "sample": sample, "n_versions": 0, "sequence": entry.sequence}
        state.put("samples", row)


def _run_finished(entry: EntryBody, new: model.RunFinished, state: State) -> None:
    _update(state, "runs", (new.run,), {**_fields(new), "sequence": entry.sequence})


def _result(entry: EntryBody, new: model.ResultMade, state: State) -> None:
    counted: Row = {"n_reviewed": 0, "approved_by": None, "why": entry.why, "sequence": entry.sequence}
    state.put("results", {**_fields(new), **counted})
    _update(state, "samples", (new.run, new.sample), {"n_versions": new.version, "sequence": entry.sequence})


def _signed(entry: EntryBody, new: model.ResultSigned, state: State) -> None:
    signed: Row = {"user": entry.user, "at": entry.at, "sequence": entry.sequence}
    state.put("signatures", {**_fields(new), **signed})
    key = (new.run, new.sample, new.version)
    before = state.get("results", *key) or {}
    changes: Row = {"approved_by": entry.user}
    if new.meaning == "reviewed":
        changes = {"n_reviewed": int(before.get("n_reviewed") or 0) + 1}
    _update(state, "results", key, {**changes, "sequence": entry.sequence})


def _granted(entry: EntryBody, new: model.OverrideGranted, state: State) -> None:
    facts: Row = {"user": entry.user, "why": entry.why, "used_by": None, "sequence": entry.sequence}
    state.put("overrides", {**_fields(new), **facts})


def _used(entry: EntryBody, new: model.OverrideUsed, state: State) -> None:
    _update(state, "overrides", (new.override_id,), {"used_by": new.run, "sequence": entry.sequence})


def _evidence(entry: EntryBody, new: model.EvidenceAdded, state: State) -> None:
    state.put("evidence", {**_fields(new, "bridge"), "sequence": entry.sequence})


def _carried(entry: EntryBody, new: model.EvidenceCarried, state: State) -> None:
    state.put("evidence_carried", {**_fields(new), "sequence": entry.sequence})


def _exported(entry: EntryBody, new: model.BundleExported, state: State) -> None:
    state.put("exports", {"sequence": entry.sequence, **_fields(new)})


_STEPS: dict[type, Callable[[EntryBody, Any, State], None]] = {
    model.SiteAdded: _site,
    model.LedgerSettings: _settings,
    model.InstrumentAdded: _instrument,
    model.UserAdded: _user_added,
    model.UserChanged: _user_changed,
    model.PasswordChanged: _password,
    model.LoginFailed: _login_failed,
    model.LoginSucceeded: _login_succeeded,
    model.LotAdded: _lot,
    model.KitMoved: _kit,
    model.RunStarted: _run_started,
    model.RunFinished: _run_finished,
    model.ResultMade: _result,
    model.ResultSigned: _signed,
    model.OverrideGranted: _granted,
    model.OverrideUsed: _used,
    model.EvidenceAdded: _evidence,
    model.EvidenceCarried: _carried,
    model.BundleExported: _exported,
}


def project(entry: EntryBody, state: State) -> None:
    """Write into the state what the entry says; `rules.check` comes before."""
    _STEPS[type(entry.new)](entry, entry.new, state)
