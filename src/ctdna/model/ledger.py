"""Entries of the ledger: what each kind of entry holds, and which roles may make it."""

from typing import Annotated, Literal

from pydantic import Field

from ctdna.model.base import Frozen
from ctdna.model.signature import Signature
from ctdna.model.trace import Gate, KitState

Role = Literal["technician", "reviewer", "director", "administrator", "auditor"]
ROLES: tuple[Role, ...] = ("technician", "reviewer", "director", "administrator", "auditor")
EntryRole = Literal["technician", "reviewer", "director", "administrator", "auditor", "system"]
"""`system`: the program itself, which notes failed and repaired log-ins; no person has this role."""
Meaning = Literal["reviewed", "approved"]
AccountState = Literal["active", "locked", "disabled"]
UNKNOWN_USER = "(unknown)"
"""Stands for a name without an account at log-in; what was typed is not kept: it may be a password."""
USER_NAME = r"^[a-z][a-z0-9._-]{0,31}$"
SHA256 = r"^[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=SHA256)]
Stage = Literal["development", "investigational", "validation", "commercial"]
"""Stage of a kit's life that a piece of evidence was made in."""


class SiteAdded(Frozen):
    """A laboratory, or the manufacturer's own site."""

    kind: Literal["site.added"] = "site.added"
    site: str
    name: str
    key_id: str
    """Of the site's key, which signs the ledger's entries."""


class InstrumentAdded(Frozen):
    """A sequencer of a site."""

    kind: Literal["instrument.added"] = "instrument.added"
    serial: str
    """As RunInfo.xml and the read names carry it."""
    model: str
    site: str


class UserAdded(Frozen):
    """A person with an account."""

    kind: Literal["user.added"] = "user.added"
    user: str = Field(pattern=USER_NAME)
    full_name: str
    roles: tuple[Role, ...]
    site: str
    password_digest: Digest
    """SHA-256 of the argon2 hash, so that an exchanged hash is found."""


class UserChanged(Frozen):
    """An administrator changed roles, password or state of an account."""

    kind: Literal["user.changed"] = "user.changed"
    user: str
    roles: tuple[Role, ...]
    password_digest: Digest
    state: AccountState


class PasswordChanged(Frozen):
    """A person changed their own password."""

    kind: Literal["password.changed"] = "password.changed"
    user: str
    password_digest: Digest


class LoginFailed(Frozen):
    """A log-in was refused: wrong password, locked or disabled account, unknown name."""

    kind: Literal["login.failed"] = "login.failed"
    user: str
    """The account, or UNKNOWN_USER."""
    n_failed: int
    """Wrong passwords in a row up to here; 0 for an unknown name."""
    locks: bool
    """Whether the account is locked by it."""


class LoginSucceeded(Frozen):
    """The first right password after wrong ones: the count is 0 again, a lock that has run out is lifted."""

    kind: Literal["login.succeeded"] = "login.succeeded"
    user: str


class LedgerSettings(Frozen):
    """How passwords are kept and when an account locks (21 CFR 11.300)."""

    kind: Literal["ledger.settings"] = "ledger.settings"
    argon2_passes: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=8)
    argon2_lanes: int = Field(default=4, ge=1)
    """Cost of argon2id; the defaults are the second choice of RFC 9106, section 4."""
    min_password_length: int = Field(default=12, ge=8)
    max_failed_logins: int = Field(default=5, ge=1)
    """Wrong passwords in a row that lock an account."""
    lock_minutes: int = Field(default=30, ge=0)
    """How long; 0: until an administrator unlocks it."""


class LotAdded(Frozen):
    """A lot of a kit, from its signed file."""

    kind: Literal["lot.added"] = "lot.added"
    lot: str
    kit: str
    """`name@version`."""
    kit_digest: Digest
    expires: str
    """ISO 8601 date, the last day of use."""
    digest: Digest
    """Of the lot's file."""


class KitMoved(Frozen):
    """A kit version moved to another state."""

    kind: Literal["kit.moved"] = "kit.moved"
    kit: str
    kit_digest: Digest
    from_state: KitState | None
    """None: it is new here."""
    to_state: KitState
    preconditions: dict[str, str]
    """What was checked, and what was found."""
    statement_digest: Digest | None
    """Of the manufacturer's signed statement; None for moves that need none."""


class RunStarted(Frozen):
    """A run of the whole job began."""

    kind: Literal["run.started"] = "run.started"
    run: str
    """`<run id>:<first 16 hex digits of the SHA-256 of run.json>`."""
    run_id: str
    kit: str
    kit_digest: Digest
    kit_statement: Digest | None = None
    """Of the manufacturer's last statement of its state; None: it is in development."""
    lot: str | None
    build_digest: Digest
    instrument: str | None
    use: str
    samples: tuple[str, ...]


class RunFinished(Frozen):
    """A run ended, and its results were bundled."""

    kind: Literal["run.finished"] = "run.finished"
    run: str
    bundle_digest: Digest
    verdict: str


class ResultMade(Frozen):
    """A version of one sample's result."""

    kind: Literal["result.made"] = "result.made"
    run: str
    sample: str
    version: int
    """1 is the first; amended ones count on."""
    digest: Digest
    """Of result.json."""
    verdict: str


class ResultSigned(Frozen):
    """A person signed a result: name, time, meaning (21 CFR 11.50), bound to its digest (11.70)."""

    kind: Literal["result.signed"] = "result.signed"
    run: str
    sample: str
    version: int
    digest: Digest
    meaning: Meaning


class OverrideGranted(Frozen):
    """A person with the right to do so lets one run pass one gate."""

    kind: Literal["override.granted"] = "override.granted"
    override_id: str
    gate: Gate
    run_id: str
    """The sequencer's run that it holds for."""


class OverrideUsed(Frozen):
    """A run passed a gate by an override; each is used by one run only."""

    kind: Literal["override.used"] = "override.used"
    override_id: str
    run: str


class Bridge(Frozen):
    """What a replay of archived runs compared the evidence's kit and build with, and what it showed."""

    kit: str
    kit_digest: Digest
    build_digest: str | None
    """None: the archived runs do not name it."""
    verdict: Literal["equivalent", "not_equivalent", "not_shown"]


class EvidenceAdded(Frozen):
    """One result of a study."""

    kind: Literal["evidence.added"] = "evidence.added"
    evidence_id: str
    study: str
    """As `EP17-LoD`, `EP05-precision`, `EP12-accuracy`, `carryover`, `stability`."""
    claim: str
    """What it supports, as `lod95`, `specificity`, `precision`."""
    variant_classes: tuple[str, ...]
    stage: Stage
    kit: str
    kit_digest: Digest
    panel_digest: Digest
    lot: str | None
    site: str
    instrument: str | None
    build_digest: Digest
    data: dict[str, Digest]
    """Digest of each file of data, by name."""
    outcome: str
    """In one sentence, with its figure and interval."""
    bridge: Bridge | None = None
    """Of a replay alone: what the kit was compared with."""


class EvidenceCarried(Frozen):
    """A person carried evidence over to another kit version, by a rule."""

    kind: Literal["evidence.carried"] = "evidence.carried"
    evidence_id: str
    kit: str
    kit_digest: Digest
    stage: Stage
    rule: str
    """Id of the rule, with the version of the table of rules."""


class BundleExported(Frozen):
    """A bundle left the site."""

    kind: Literal["bundle.exported"] = "bundle.exported"
    bundle_digest: Digest
    """Of the exported file."""
    run: str
    recipient: str
    purpose: str
    approval: str
    """Number of the approval."""
    content: Literal["full", "de-identified", "aggregates"]


Payload = (
    SiteAdded
    | LedgerSettings
    | InstrumentAdded
    | UserAdded
    | UserChanged
    | PasswordChanged
    | LoginFailed
    | LoginSucceeded
    | LotAdded
    | KitMoved
    | RunStarted
    | RunFinished
    | ResultMade
    | ResultSigned
    | OverrideGranted
    | OverrideUsed
    | EvidenceAdded
    | EvidenceCarried
    | BundleExported
)

RIGHTS: dict[str, tuple[EntryRole, ...]] = {
    "site.added": ("administrator",),
    "ledger.settings": ("administrator",),
    "instrument.added": ("administrator",),
    "user.added": ("administrator",),
    "user.changed": ("administrator",),
    "password.changed": ROLES,
    "login.failed": ("system",),
    "login.succeeded": ("system",),
    "lot.added": ("administrator", "director", "technician"),
    "kit.moved": ("director",),
    "run.started": ("technician", "director"),
    "run.finished": ("technician", "director"),
    "result.made": ("technician", "director"),
    "result.signed": ("reviewer", "director"),
    "override.granted": ("director",),
    "override.used": ("technician", "director"),
    "evidence.added": ("reviewer", "director"),
    "evidence.carried": ("director",),
    "bundle.exported": ("director",),
}
"""Who may make an entry of a kind; own passwords only."""
SIGNING_RIGHTS: dict[Meaning, tuple[EntryRole, ...]] = {"reviewed": ("reviewer", "director"), "approved": ("director",)}
"""Who may sign a result with a meaning."""


class EntryBody(Frozen):
    """What an entry says; its digest and signature are over this."""

    sequence: int
    """From 1, without gaps."""
    at: str
    """ISO 8601, UTC, microseconds, by this machine's clock; the order is by sequence, never by this."""
    site: str
    """Of the machine that made it."""
    user: str
    role: EntryRole
    """The role by whose right it was made."""
    subject: str
    """What it speaks of, as `kit ctdna-demo@1.0.0`, `result RUN/SAMPLE`."""
    new: Payload = Field(discriminator="kind")
    old: Payload | None = Field(default=None, discriminator="kind")
    """What the subject was before, where this entry changes it."""
    why: str
    previous: Digest
    """Digest of the entry before; 64 zeros for the first."""


class Entry(EntryBody):
    """One entry of the chain."""

    digest: Digest
    """SHA-256 over the canonical text of the body, which holds `previous`."""
    signature: Signature
    """Of the site's key over `digest` and the key's name."""


class Head(Frozen):
    """The end of a chain: enough to prove later that nothing before it was taken away or changed."""

    site: str
    sequence: int
    digest: Digest


class Checkpoint(Frozen):
    """A head that the site's key signed: kept elsewhere, it shows whether the chain before it is still the same."""

    head: Head
    signature: Signature
    """For purpose `checkpoint`, over the canonical text of `head` and the key's name."""
