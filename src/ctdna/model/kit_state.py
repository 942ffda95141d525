"""The states of a kit version, the moves between them, and the manufacturer's statements of them."""

from typing import Annotated, Literal

from pydantic import Field

from ctdna.model.base import Frozen
from ctdna.model.signature import Signature
from ctdna.model.trace import KitState

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NO_DIGEST = "0" * 64
"""Stands for the statement before the first one."""
MOVES: dict[KitState, tuple[KitState, ...]] = {
    "development": ("investigational", "retired"),
    "investigational": ("released", "retired"),
    "released": ("retired",),
    "retired": (),
}
"""The states that may follow each state."""


class KitStatement(Frozen):
    """What a manufacturer states of one kit version: it moves from a state to the next."""

    schema_version: Literal[1] = 1
    kit: str
    """`name@version`."""
    kit_digest: Digest
    """SHA-256 over the kit's files; it stays the same from `freeze` on."""
    from_state: KitState
    to_state: KitState
    at: str
    """ISO 8601, UTC."""
    why: str
    preconditions: dict[str, str]
    """What was checked, and what was found."""
    builds: tuple[Digest, ...] = ()
    """Digests of the builds of the software that the kit was validated with."""
    evidence: tuple[str, ...] = ()
    """Ids of the evidence that it rests on."""
    previous: Digest = NO_DIGEST
    """Digest of the statement before."""


class SignedStatement(Frozen):
    """A statement with the signature of a manufacturer's key, purpose `kit-state`."""

    statement: KitStatement
    signature: Signature


class KitStates(Frozen):
    """`kit.states.json`: every statement of a kit version, the first one first."""

    schema_version: Literal[1] = 1
    statements: tuple[SignedStatement, ...] = Field(min_length=1)
