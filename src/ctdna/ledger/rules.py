"""What an entry must fulfil, given all entries before it: held at writing, and held again by `verify`."""

from collections.abc import Callable
from typing import Any

from ctdna.ledger.current import current
from ctdna.ledger.state import State
from ctdna.model import ledger as model
from ctdna.model.errors import AuthorityError, InputError
from ctdna.model.ledger import RIGHTS, ROLES, SIGNING_RIGHTS, EntryBody, EntryRole

FOUNDING = ("site.added", "ledger.settings", "user.added")
"""The kinds of the first entries: a site, the settings, its first administrator, who makes all three."""


def rights_of(payload: model.Payload) -> tuple[EntryRole, ...]:
    """Return the roles that may make such an entry."""
    if isinstance(payload, model.ResultSigned):
        return SIGNING_RIGHTS[payload.meaning]
    return RIGHTS[payload.kind]


def role_for(payload: model.Payload, user: str, state: State) -> EntryRole:
    """Return the role by whose right a user makes an entry: the first that has the right.

    Raises:
        AuthorityError: the user has no such role.
    """
    for role in rights_of(payload):
        if state.get("user_roles", user, role) is not None:
            return role
    held = ", ".join(role for role in ROLES if state.get("user_roles", user, role) is not None) or "no role"
    raise AuthorityError(None, user, f"has {held}; {deed(payload)} needs {' or '.join(rights_of(payload))}", "")


def deed(payload: model.Payload) -> str:
    """Return what an entry does, in words of a message."""
    return f"signing as {payload.meaning}" if isinstance(payload, model.ResultSigned) else f"entry {payload.kind}"


def check(entry: EntryBody, state: State) -> None:
    """Refuse an entry that the person may not make, or that does not follow from those before it.

    Raises:
        AuthorityError: the role has no right to it, or the person is not active, of another site, or the wrong one.
        InputError: it contradicts what is there.
    """
    if entry.sequence <= len(FOUNDING):
        _founding(entry)
    else:
        _authority(entry, state)
    rule = _RULES.get(type(entry.new))
    if rule is not None:
        rule(entry, entry.new, state)
    _change(entry, state)


def _founding(entry: EntryBody) -> None:
    new, wanted = entry.new, FOUNDING[entry.sequence - 1]
    if new.kind != wanted or entry.role != "administrator":
        what = f"found {new.kind} by a {entry.role}; entry {entry.sequence} is {wanted} by the administrator"
        raise AuthorityError(None, f"entry {entry.sequence}", what, "")
    if isinstance(new, model.UserAdded) and (new.user != entry.user or "administrator" not in new.roles):
        raise AuthorityError(None, f"entry {entry.sequence}", "the first user is not the administrator who made it", "")


def _authority(entry: EntryBody, state: State) -> None:
    if entry.role not in rights_of(entry.new):
        allowed = " or ".join(rights_of(entry.new))
        raise AuthorityError(None, entry.user, f"as {entry.role} has no right to {deed(entry.new)}: {allowed} has", "")
    if entry.role == "system":
        return
    user = state.get("users", entry.user)
    if user is None or state.get("user_roles", entry.user, entry.role) is None:
        raise AuthorityError(None, entry.user, f"has not the role {entry.role}", "")
    if user["state"] != "active":
        raise AuthorityError(None, entry.user, f"the account is {user['state']}", "an administrator unlocks it")
    if user["site"] != entry.site:
        raise AuthorityError(None, entry.user, f"is of site {user['site']}, this is site {entry.site}", "")


def _change(entry: EntryBody, state: State) -> None:
    before = current(entry.new, state)
    if entry.old != before:
        what = "is in the ledger with other values than this change starts from" if before else "is not in the ledger"
        raise InputError(None, entry.subject, what, "read it again, then repeat")
    if before is not None and not entry.why.strip():
        raise InputError(None, entry.subject, "is in the ledger already", "a change of it needs a reason (why)")


def _known(state: State, table: str, *key: str | int) -> dict[str, Any]:
    row = state.get(table, *key)
    if row is None:
        raise InputError(None, " ".join(map(str, key)), f"is not in the ledger's {table}", "record it first")
    return row


def _new(state: State, table: str, *key: str | int) -> None:
    if state.get(table, *key) is not None:
        raise InputError(None, " ".join(map(str, key)), f"is in the ledger's {table} already", "each stands there once")


def _refuse(entry: EntryBody, what: str, hint: str = "") -> None:
    raise InputError(None, entry.subject, what, hint)


def _check_roles(entry: EntryBody, roles: tuple[model.Role, ...]) -> None:
    if not roles or roles != tuple(role for role in ROLES if role in roles):
        _refuse(entry, "found no role, a role twice or out of order", f"give roles in the order {', '.join(ROLES)}")


def _user_added(entry: EntryBody, new: model.UserAdded, state: State) -> None:
    _new(state, "users", new.user)
    _known(state, "sites", new.site)
    _check_roles(entry, new.roles)


def _user_changed(entry: EntryBody, new: model.UserChanged, state: State) -> None:
    _known(state, "users", new.user)
    _check_roles(entry, new.roles)
    keeps = new.state != "disabled" and "administrator" in new.roles
    if keeps or state.get("user_roles", new.user, "administrator") is None:
        return
    others = {row["user"] for row in state.rows("user_roles") if row["role"] == "administrator"} - {new.user}
    if not any(row["user"] in others and row["state"] != "disabled" for row in state.rows("users")):
        _refuse(entry, "is the last administrator", "give another person the role first")


def _own_password(entry: EntryBody, new: model.PasswordChanged, state: State) -> None:
    if new.user != entry.user:
        raise AuthorityError(None, entry.user, f"cannot change the password of {new.user} as their own", "")


def _login(entry: EntryBody, new: model.LoginFailed | model.LoginSucceeded, state: State) -> None:
    if entry.user != new.user:
        _refuse(entry, f"the log-in of {new.user} is noted for {entry.user}")
    if new.user == model.UNKNOWN_USER and new.kind == "login.failed":
        return
    _known(state, "users", new.user)


def _instrument(entry: EntryBody, new: model.InstrumentAdded, state: State) -> None:
    _known(state, "sites", new.site)


def _kit(entry: EntryBody, new: model.KitMoved, state: State) -> None:
    row = state.get("kits", new.kit)
    if row is None and new.from_state not in (None, "development"):
        _refuse(
            entry, f"moves from {new.from_state}, but the ledger does not know the kit", "begin with its first move"
        )
    if row is not None and row["state"] != new.from_state:
        _refuse(entry, f"moves from {new.from_state}, but in the ledger its state is {row['state']}")
    if row is not None and row["state"] != "development" and row["kit_digest"] != new.kit_digest:
        _refuse(entry, f"found digest {new.kit_digest}, in the ledger is {row['kit_digest']}", "make a new version")


def _run_started(entry: EntryBody, new: model.RunStarted, state: State) -> None:
    _new(state, "runs", new.run)
    if len(set(new.samples)) != len(new.samples):
        _refuse(entry, "names a sample twice")


def _run_finished(entry: EntryBody, new: model.RunFinished, state: State) -> None:
    row = _known(state, "runs", new.run)
    if row["bundle_digest"] is not None and not entry.why.strip():
        _refuse(entry, "is finished already", "a further end needs a reason (why)")


def _result(entry: EntryBody, new: model.ResultMade, state: State) -> None:
    due = int(_known(state, "samples", new.run, new.sample)["n_versions"]) + 1
    if new.version != due:
        _refuse(entry, f"found version {new.version}, the next one is {due}")
    if due > 1 and not entry.why.strip():
        _refuse(entry, "amends a result without saying why", "give the reason")


def _has_own_password(entry: EntryBody, state: State) -> None:
    """Refuse who acts by a password that another person set, and so knows (21 CFR 11.200(a)(2))."""
    by = _known(state, "users", entry.user)["password_by"]
    if by != entry.user:
        what = f"the password was set by {by}, and a signature needs one that {entry.user} alone knows"
        raise AuthorityError(None, entry.user, what, f"{entry.user} changes it first, by ctdna user password")


def _signed(entry: EntryBody, new: model.ResultSigned, state: State) -> None:
    _has_own_password(entry, state)
    row = _known(state, "results", new.run, new.sample, new.version)
    n_versions = _known(state, "samples", new.run, new.sample)["n_versions"]
    if new.version != n_versions:
        _refuse(entry, f"version {new.version} was replaced by version {n_versions}", "sign the latest one")
    if row["digest"] != new.digest:
        _refuse(entry, f"found digest {new.digest}, the result in the ledger has {row['digest']}", "sign that one")
    if row["approved_by"] is not None:
        _refuse(entry, f"version {new.version} is approved already, by {row['approved_by']}", "amend it instead")
    key = (new.run, new.sample, new.version)
    _new(state, "signatures", *key, new.meaning, entry.user)
    by_others = row["n_reviewed"] - (state.get("signatures", *key, "reviewed", entry.user) is not None)
    if new.meaning == "approved" and by_others < 1:
        what = f"version {new.version} was not reviewed by a person other than {entry.user}"
        raise AuthorityError(None, entry.subject, what, "another person reviews it first")


def _granted(entry: EntryBody, new: model.OverrideGranted, state: State) -> None:
    _new(state, "overrides", new.override_id)
    if not entry.why.strip():
        _refuse(entry, "an override needs a reason", "say why")


def _used(entry: EntryBody, new: model.OverrideUsed, state: State) -> None:
    row = _known(state, "overrides", new.override_id)
    if row["used_by"] is not None:
        raise AuthorityError(None, entry.subject, f"was used by run {row['used_by']}", "each holds once: grant another")
    if new.run.rsplit(":", 1)[0] != row["run_id"]:
        raise AuthorityError(None, entry.subject, f"holds for run {row['run_id']}, not for {new.run}", "grant another")


def _evidence(entry: EntryBody, new: model.EvidenceAdded, state: State) -> None:
    _new(state, "evidence", new.evidence_id)


def _carried(entry: EntryBody, new: model.EvidenceCarried, state: State) -> None:
    _known(state, "evidence", new.evidence_id)
    _new(state, "evidence_carried", new.evidence_id, new.kit, new.stage)


_RULES: dict[type, Callable[[EntryBody, Any, State], None]] = {
    model.UserAdded: _user_added,
    model.UserChanged: _user_changed,
    model.PasswordChanged: _own_password,
    model.LoginFailed: _login,
    model.LoginSucceeded: _login,
    model.InstrumentAdded: _instrument,
    model.KitMoved: _kit,
    model.RunStarted: _run_started,
    model.RunFinished: _run_finished,
    model.ResultMade: _result,
    model.ResultSigned: _signed,
    model.OverrideGranted: _granted,
    model.OverrideUsed: _used,
    model.EvidenceAdded: _evidence,
    model.EvidenceCarried: _carried,
}
