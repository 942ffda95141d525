"""The moves of a kit version: freeze, sign, release, retire; each an entry of the ledger, most a signed statement."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.atomic import writable_error, write_text
from ctdna.formats.keys import PrivateKey, trusted_keys
from ctdna.kit import preconditions as hold
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import LOCK, STATES, file_digests, lock_text
from ctdna.kit.states import read_states, sign_statement, statement_digest, states_text
from ctdna.model.errors import InputError
from ctdna.model.kit_state import NO_DIGEST, KitStatement, SignedStatement
from ctdna.model.ledger import KitMoved
from ctdna.model.trace import KitState


class Signing(NamedTuple):
    """How a manufacturer signs a statement."""

    key: PrivateKey
    at: str
    """ISO 8601, UTC."""
    why: str
    builds: tuple[str, ...] = ()
    """Digests of the builds of the software that the kit was validated with."""


def _place(path: Path, text: str, record: Callable[[], object]) -> None:
    """Write a file of a kit once the ledger has its entry: neither comes without the other, but for a broken machine.

    Raises:
        InputError: the file cannot be written; the ledger is then left as it was, or the next call mends it.
    """
    staged = staged_path(path)
    write_text(staged, text)
    try:
        record()
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    try:
        staged.replace(path)
    except OSError as error:
        raise writable_error(path, error) from error


def staged_path(path: Path) -> Path:
    """Return where a file of a kit waits for its entry: outside the kit's folder, whose every file counts."""
    return path.parent.with_name(f".{path.parent.name}.{path.name}")


def freeze(kit: LoadedKit, authority: Authority, why: str) -> LoadedKit:
    """Lock the content of a kit in development for good, and return the kit.

    Raises:
        AuthorityError: the person may not.
        DefinitionError: the kit is not valid, or was frozen before.
    """
    authority.require("kit.moved")
    found = hold.require(kit, "frozen", (hold.is_unfrozen(kit, authority.ledger), hold.is_valid(kit)))
    moved = KitMoved(
        kit=kit.address,
        kit_digest=kit.digest,
        from_state=None,
        to_state="development",
        preconditions=found,
        statement_digest=None,
    )
    _place(kit.folder / LOCK, lock_text(file_digests(kit.folder)), lambda: authority.record(moved, why))
    return read_kit(kit.folder)


def sign(kit: LoadedKit, authority: Authority, signing: Signing) -> LoadedKit:
    """Move a frozen kit from development to investigational, and return it.

    Raises:
        AuthorityError: the person may not.
        DefinitionError: a precondition is not met.
        InputError: the key is not trusted here.
    """
    authority.require("kit.moved")
    ledger = authority.ledger
    conditions = (hold.has_state(kit, "development"), hold.is_frozen(kit, ledger), hold.is_valid(kit))
    found = hold.require(kit, "signed", conditions)
    if signing.builds:
        found["builds"] = ", ".join(signing.builds)
    return _move(kit, "investigational", authority, signing, found)


def release(
    kit: LoadedKit, authority: Authority, signing: Signing, claims: tuple[str, ...], not_asked: tuple[str, ...] = ()
) -> LoadedKit:
    """Move an investigational kit to released, on evidence for each claim and with named builds; raises as `sign`.

    `not_asked`: claims that a released kit usually has evidence for, but that this one does not make; the statement
    and the ledger name them.
    """
    authority.require("kit.moved")
    ledger = authority.ledger
    evidence = hold.evidence_by_claim(kit, ledger)
    conditions = (
        hold.has_state(kit, "investigational"),
        hold.is_frozen(kit, ledger),
        hold.is_valid(kit),
        hold.has_background(kit),
        hold.has_controls(kit),
        hold.has_builds(signing.builds),
        hold.has_evidence(claims, evidence),
    )
    found = hold.require(kit, "released", conditions)
    if not_asked:
        found["evidence not asked for"] = ", ".join(not_asked)
    rests_on = tuple(sorted({one for claim in claims for one in evidence[claim]}))
    return _move(kit, "released", authority, signing, found, rests_on)


def retire(kit: LoadedKit, authority: Authority, signing: Signing) -> LoadedKit:
    """Retire a frozen kit from any other state, and return it; raises as `sign`."""
    authority.require("kit.moved")
    conditions = (
        hold.has_state(kit, "development", "investigational", "released"),
        hold.is_frozen(kit, authority.ledger),
    )
    return _move(kit, "retired", authority, signing, hold.require(kit, "retired", conditions))


def _move(
    kit: LoadedKit,
    to_state: KitState,
    authority: Authority,
    signing: Signing,
    found: dict[str, str],
    evidence: tuple[str, ...] = (),
) -> LoadedKit:
    _check_key(signing.key)
    statement = KitStatement(
        kit=kit.address,
        kit_digest=kit.digest,
        from_state=kit.state,
        to_state=to_state,
        at=signing.at,
        why=signing.why,
        preconditions=found,
        builds=signing.builds,
        evidence=evidence,
        previous=statement_digest(kit.statements[-1].statement) if kit.statements else NO_DIGEST,
    )
    moved = KitMoved(
        kit=kit.address,
        kit_digest=kit.digest,
        from_state=kit.state,
        to_state=to_state,
        preconditions=found,
        statement_digest=statement_digest(statement),
    )
    statements = (*kit.statements, sign_statement(statement, signing.key))
    _place(kit.folder / STATES, states_text(statements), lambda: authority.record(moved, signing.why))
    return read_kit(kit.folder)


def _check_key(key: PrivateKey) -> None:
    if key.public.key_id not in trusted_keys("manufacturer"):
        what = f"key {key.name} ({key.public.key_id}) is not among the manufacturers' keys that this machine trusts"
        raise InputError(None, "--key", what, "trust its public key first: ctdna keys trust FILE --role manufacturer")


def mend(folder: Path, authority: Authority) -> None:
    """Put a file in its place that waited when the machine broke: its entry is in the ledger, the file is whole.

    A file that waited without an entry is dropped.
    """
    for name in (LOCK, STATES):
        staged = staged_path(folder / name)
        if not staged.is_file():
            continue
        if name == LOCK:
            is_recorded = _has_entry(folder, authority, None)
        else:
            is_recorded = _has_entry(folder, authority, _last_digest(staged, read_kit(folder)))
        if is_recorded:
            staged.replace(folder / name)
        else:
            with suppress(FileNotFoundError):
                staged.unlink()


def _last_digest(staged: Path, kit: LoadedKit) -> str:
    statements: tuple[SignedStatement, ...] = read_states(staged, kit.address, kit.digest)
    return statement_digest(statements[-1].statement)


def _has_entry(folder: Path, authority: Authority, statement: str | None) -> bool:
    kit = read_kit(folder)
    for entry in authority.ledger.entries(kind="kit.moved", subject=f"kit {kit.address}"):
        new = entry.new
        if isinstance(new, KitMoved) and (new.kit_digest, new.statement_digest) == (kit.digest, statement):
            return True
    return False
