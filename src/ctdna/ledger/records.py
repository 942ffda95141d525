"""What questions to the ledger are answered with."""

from typing import Any, NamedTuple, TypeVar

from ctdna.ledger.chain import Row
from ctdna.model.ledger import AccountState, Meaning, Role, Stage
from ctdna.model.trace import Gate, KitState


class Actor(NamedTuple):
    """A person who has shown who they are."""

    user: str
    roles: tuple[Role, ...]
    site: str


class Account(NamedTuple):
    """A person's account."""

    user: str
    full_name: str
    roles: tuple[Role, ...]
    site: str
    state: AccountState
    n_failed: int
    """Wrong passwords in a row."""
    locked_at: str | None
    password_by: str
    """Who set the present password: the person, or an administrator; with the latter's nobody signs results."""


class Site(NamedTuple):
    """A laboratory."""

    site: str
    name: str
    key_id: str


class Instrument(NamedTuple):
    """A sequencer."""

    serial: str
    model: str
    site: str


class Lot(NamedTuple):
    """A lot's file for one kit version."""

    lot: str
    kit: str
    kit_digest: str
    expires: str
    digest: str


class KitRecord(NamedTuple):
    """A kit version, as the last move in the ledger left it."""

    kit: str
    kit_digest: str
    state: KitState


class RunRecord(NamedTuple):
    """A run; `bundle_digest` and `verdict` are None until it is finished."""

    run: str
    run_id: str
    kit: str
    kit_digest: str
    lot: str | None
    build_digest: str
    instrument: str | None
    use: str
    operator: str
    bundle_digest: str | None
    verdict: str | None


class ResultRecord(NamedTuple):
    """A version of a sample's result; `why` says why it amends the one before."""

    run: str
    sample: str
    version: int
    digest: str
    verdict: str
    n_reviewed: int
    approved_by: str | None
    why: str


class ResultSignature(NamedTuple):
    """A person's signature of a result: name, time and meaning (21 CFR 11.50)."""

    run: str
    sample: str
    version: int
    meaning: Meaning
    user: str
    full_name: str
    at: str
    digest: str
    sequence: int


class Override(NamedTuple):
    """A gate that a person lets one run pass; `used_by` is that run."""

    override_id: str
    gate: Gate
    run_id: str
    user: str
    why: str
    used_by: str | None


class EvidenceRecord(NamedTuple):
    """One result of a study; `variant_classes` and `data` are JSON."""

    evidence_id: str
    study: str
    claim: str
    variant_classes: str
    stage: Stage
    kit: str
    kit_digest: str
    panel_digest: str
    lot: str | None
    site: str
    instrument: str | None
    build_digest: str
    data: str
    outcome: str
    sequence: int


T = TypeVar("T")


def of_row(kind: type[T], row: Row, **more: Any) -> T:
    """Return a row as a record; `more` are the fields that are not columns."""
    fields = {name: row[name] for name in kind.__annotations__ if name in row}
    return kind(**{**fields, **more})
