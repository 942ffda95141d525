"""`kit.states.json`: the chain of signed statements that says in which state a kit version is."""

import hashlib
from pathlib import Path

from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import PrivateKey, PublicKey, check_signature, trusted_keys
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.kit_state import MOVES, NO_DIGEST, KitStatement, KitStates, SignedStatement

_HINT = "restore the file from the manufacturer's release"


def statement_digest(statement: KitStatement) -> str:
    """Return the SHA-256 of a statement's canonical text, in hex."""
    return hashlib.sha256(dump_json(statement).encode()).hexdigest()


def sign_statement(statement: KitStatement, key: PrivateKey) -> SignedStatement:
    """Return the statement with the key's signature."""
    return SignedStatement(statement=statement, signature=key.sign("kit-state", dump_json(statement).encode()))


def states_text(statements: tuple[SignedStatement, ...]) -> str:
    """Return the text of `kit.states.json`."""
    return dump_json(KitStates(statements=statements))


def read_states(
    path: Path, kit: str, digest: str, trusted: dict[str, PublicKey] | None = None
) -> tuple[SignedStatement, ...]:
    """Return the statements of a kit version, the first one first; the manufacturers' keys trusted here count.

    Whether statements were cut off at the end, the file alone cannot tell; the ledger can.

    Raises:
        DefinitionError: the file is not well formed; or a statement is of another kit or content, does not follow the
            one before it, makes no legal move, or is not signed by a trusted key.
    """
    try:
        found = read_json(path, KitStates)
    except InputError as error:
        raise DefinitionError(path, error.where, error.what, _HINT) from error
    keys = trusted_keys("manufacturer") if trusted is None else trusted
    previous, state = NO_DIGEST, "development"
    for number, signed in enumerate(found.statements, 1):
        where = f"statement {number}"
        wrong = _misfit(signed.statement, kit, digest) or _break(signed.statement, previous, state)
        if wrong:
            raise DefinitionError(path, where, wrong, _HINT)
        _check_signature(path, where, signed, keys)
        previous, state = statement_digest(signed.statement), signed.statement.to_state
    return found.statements


def _check_signature(path: Path, where: str, signed: SignedStatement, keys: dict[str, PublicKey]) -> None:
    try:
        check_signature(path, signed.signature, "kit-state", dump_json(signed.statement).encode(), keys)
    except DefinitionError as error:
        raise DefinitionError(path, where, error.what, error.hint) from error


def _misfit(statement: KitStatement, kit: str, digest: str) -> str:
    if statement.kit != kit:
        return f"is of kit {statement.kit}, not of {kit}"
    if statement.kit_digest != digest:
        return f"was given for the content {statement.kit_digest[:16]}..., the kit's is {digest[:16]}..."
    return ""


def _break(statement: KitStatement, previous: str, state: str) -> str:
    if statement.previous != previous:
        return "does not follow the statement before it: statements were cut out, added or put in another order"
    if statement.from_state != state:
        return f"moves from {statement.from_state}, but the kit was {state}"
    if statement.to_state not in MOVES[statement.from_state]:
        allowed = ", ".join(MOVES[statement.from_state]) or "none"
        return f"moves from {statement.from_state} to {statement.to_state}, allowed: {allowed}"
    return ""
