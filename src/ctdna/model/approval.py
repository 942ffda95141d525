"""Sign-off of a result: who reviewed and approved it, and what an amended one replaces."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen
from ctdna.model.ledger import Digest, Entry


class SignedBy(Frozen):
    """A signature as a report shows it: name, time, meaning (21 CFR 11.50)."""

    meaning: Literal["reviewed", "approved"]
    user: str
    full_name: str
    role: str
    at: str
    """ISO 8601, UTC: the time of the ledger's entry."""
    comment: str
    sequence: int
    """Of the ledger's entry."""
    entry: Digest
    """Digest of the ledger's entry."""


class Amends(Frozen):
    """What an amended result replaces, and why."""

    version: int
    approval: Digest
    """SHA-256 of the replaced version's approval.json."""
    result: Digest
    """SHA-256 of the replaced version's result.json."""
    approved_at: str
    """ISO 8601, UTC."""
    why: str


class SignOff(Frozen):
    """What a rendering says besides the result itself."""

    run: str
    """`<run id>:<first 16 hex digits of the SHA-256 of run.json>`."""
    sample: str
    version: int = Field(ge=1)
    result: Digest
    """SHA-256 of result.json."""
    signatures: tuple[SignedBy, ...]
    """Reviewed, by one person or more, then approved by another; empty: a draft."""
    amends: Amends | None
    """None: the first version."""

    @property
    def is_approved(self) -> bool:
        """Return whether it is signed as approved."""
        return any(item.meaning == "approved" for item in self.signatures)


class RenderedFile(Frozen):
    """One rendering of an approved result."""

    size: int
    sha256: Digest
    unsigned_size: int | None = None
    """Of a PDF before its signature was appended."""
    unsigned_sha256: Digest | None = None


class Approval(Frozen):
    """`approval.json`: the sign-off of one version, bound to its result; signed by the site's key."""

    schema_version: Literal[1] = 1
    sign_off: SignOff
    entries: tuple[Entry, ...] = Field(min_length=2)
    """The ledger's entries of the signatures, in their order."""
    pdf_certificate: Digest
    """SHA-256 of the certificate that the PDFs are signed with."""
    files: dict[str, RenderedFile]
    """Every rendering beside this document, by its name."""


class Amendment(Frozen):
    """`amendment.json`: a new version of an approved result, before and after it is approved itself."""

    schema_version: Literal[1] = 1
    sign_off: SignOff
    """Without signatures."""
    entry: Entry
    """The ledger's entry of this version."""
    origin: Digest | None
    """SHA-256 of the sample's bundle.json in the run that the new result came from; None: the result is the old one."""
