"""The links of a sign-off: approval to result, signatures to entries of the ledger, renderings to both."""

import datetime
from collections.abc import Iterator
from typing import NamedTuple

from ctdna.bundle.canonical import parse
from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.source import digest_of, read
from ctdna.bundle.verify import Case, Opened, require_signature
from ctdna.bundle.verify_results import Documents, Rendering, check_renderings, read_documents
from ctdna.bundle.versions import (
    AMENDMENT,
    APPROVAL,
    check_names,
    expected_names,
    result_folder,
    version_folder,
    versions_of,
)
from ctdna.formats.keys import PublicKey
from ctdna.ledger.chain import digest_of as digest_of_entry
from ctdna.ledger.chain import signature_holds
from ctdna.model.approval import Amendment, Amends, Approval, RenderedFile, SignedBy, SignOff
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import Entry, ResultMade, ResultSigned
from ctdna.model.result import Result
from ctdna.report.pdf_signature import check_pdf
from ctdna.report.write import renderings

_HINT = "restore the version's folder from its source"


class Signed(NamedTuple):
    """One version of a sample's result that holds."""

    sample: str
    sign_off: SignOff
    entries: tuple[Entry, ...]
    note: str | None


class _Version(NamedTuple):
    """Where one version stands, and what is known of it."""

    case: Case
    opened: Opened
    sample: str
    number: int
    is_draft: bool
    documents: Documents

    @property
    def folder(self) -> str:
        """Return its folder."""
        return version_folder(self.sample, self.number, self.is_draft)

    def fail(self, name: str, where: str, what: str) -> DefinitionError:
        """Return the error of one of its documents."""
        return DefinitionError(self.case.source.place(self.folder + name), where, what, _HINT)


def _check_entry(at: _Version, name: str, entry: Entry) -> None:
    """Check that the ledger's entry is whole and signed by the key that signed the document which holds it."""
    if digest_of_entry(entry) != entry.digest:
        raise at.fail(name, f"entry {entry.sequence}", "does not fit its own digest: it was changed")
    if not any(signature_holds(entry, key) for key in at.case.trusted.values()):
        raise at.fail(name, f"entry {entry.sequence}", "is not signed by a key that this machine trusts")


def _check_target(at: _Version, name: str, entry: Entry, kind: type[ResultSigned] | type[ResultMade]) -> None:
    """Check that an entry is of a kind, and speaks of this version of this result of this run, by its digest."""
    payload = entry.new
    if not isinstance(payload, kind):
        raise at.fail(name, f"entry {entry.sequence}", f"is of kind {payload.kind}")
    expected = (at.opened.bundle.run, at.sample, at.number, digest_of_bytes(at.documents.result))
    if (payload.run, payload.sample, payload.version, payload.digest) != expected:
        raise at.fail(name, f"entry {entry.sequence}", "is the signature of another result")


def signed_by(entry: Entry, full_name: str) -> SignedBy:
    """Return an entry of a signature as a report shows it.

    Raises:
        ValueError: it is no signature of a result.
    """
    if not isinstance(entry.new, ResultSigned):
        raise ValueError(f"entry {entry.sequence} is of kind {entry.new.kind}")
    return SignedBy(
        meaning=entry.new.meaning,
        user=entry.user,
        full_name=full_name,
        role=entry.role,
        at=entry.at,
        comment=entry.why,
        sequence=entry.sequence,
        entry=entry.digest,
    )


def _check_signatures(at: _Version, approval: Approval) -> None:
    """Check that the signatures shown are the entries', by at least two people, the last one an approval."""
    shown, entries = approval.sign_off.signatures, approval.entries
    for entry in entries:
        _check_entry(at, APPROVAL, entry)
        _check_target(at, APPROVAL, entry, ResultSigned)
    if len(shown) != len(entries) or any(
        item != signed_by(entry, item.full_name) for item, entry in zip(shown, entries, strict=False)
    ):
        raise at.fail(APPROVAL, "signatures", "are not those of the ledger's entries")
    meanings = [item.meaning for item in shown]
    if meanings != ["reviewed"] * (len(shown) - 1) + ["approved"] or shown[-1].role != "director":
        raise at.fail(APPROVAL, "signatures", "are not reviews and then a director's approval")
    if shown[-1].user in {item.user for item in shown[:-1]}:
        raise at.fail(APPROVAL, "signatures", f"{shown[-1].user} approved what they reviewed themselves")


def _check_pdf(at: _Version, name: str, content: bytes, file: RenderedFile, approval: Approval) -> None:
    place = at.case.source.place(at.folder + name)
    if file.unsigned_size is None or digest_of_bytes(content[: file.unsigned_size]) != file.unsigned_sha256:
        raise at.fail(name, "", "does not begin with the document that was signed")
    certificate, signed_at = check_pdf(place, content)
    if certificate != approval.pdf_certificate:
        raise at.fail(name, "PDF signature", "is of another certificate than the approval names")
    if signed_at != moment_of(approval.sign_off.signatures[-1].at).replace(microsecond=0):
        raise at.fail(name, "PDF signature", "was made at another time than the approval")


def moment_of(at: str) -> datetime.datetime:
    """Return the moment of an ISO 8601 text; UTC where it names no zone."""
    moment = datetime.datetime.fromisoformat(at)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _check_files(at: _Version, approval: Approval, rendering: Rendering) -> str | None:
    """Check the renderings beside an approval: digests, PDF signatures, and the same again; return a note."""
    for name, file in approval.files.items():
        path = at.folder + name
        if digest_of(at.case.source, path) != (file.size, file.sha256):
            raise at.fail(name, "", "was changed after the approval")
        if name.endswith(".pdf"):
            _check_pdf(at, name, read(at.case.source, path), file, approval)
    if rendering == "leave":
        return None
    made = approved_renderings(at.documents, approval.sign_off)
    for name, content in made.items():
        wanted = approval.files.get(name)
        digest = digest_of_bytes(content)
        if wanted is not None and digest in (wanted.unsigned_sha256, wanted.sha256):
            continue
        if rendering == "compare, other build":
            return f"{at.folder}{name} comes out differently with this build; its digest holds"
        raise at.fail(name, "", "is not what result.json and the sign-off give when they are rendered again")
    return None


def approved_renderings(documents: Documents, sign_off: SignOff) -> dict[str, bytes]:
    """Return the renderings of a version as its sign-off says; PDFs without their digital signature."""
    return renderings(documents.result.decode(), documents.reads.decode() if documents.reads else None, sign_off)


def _check_sign_off(at: _Version, name: str, sign_off: SignOff, amends: Amends | None) -> None:
    if (sign_off.run, sign_off.sample, sign_off.version) != (at.opened.bundle.run, at.sample, at.number):
        raise at.fail(name, "result", "is of another sample, run or version")
    if sign_off.result != digest_of_bytes(at.documents.result):
        if at.number > 1:
            raise at.fail("result.json", "", f"is not the result that {name} was signed for")
        raise at.fail(name, "result", "is of another result than the one that lies here")
    found = sign_off.amends
    if (found is None) != (amends is None):
        raise at.fail(name, "amends", "does not fit the versions that are there")
    if found is not None and amends is not None and found.model_copy(update={"why": ""}) != amends:
        raise at.fail(name, "amends", f"is not version {amends.version} as it lies here")


def _check_amendment(at: _Version, amends: Amends) -> tuple[Amendment, PublicKey]:
    source, path = at.case.source, at.folder + AMENDMENT
    content = read(source, path)
    amendment = parse(source.place(path), content, Amendment)
    key = require_signature(at.case, path, content, "report")
    _check_sign_off(at, AMENDMENT, amendment.sign_off, amends)
    _check_entry(at, AMENDMENT, amendment.entry)
    _check_target(at, AMENDMENT, amendment.entry, ResultMade)
    said = amendment.sign_off.amends.why if amendment.sign_off.amends else ""
    if amendment.entry.why != said:
        raise at.fail(AMENDMENT, "entry", "gives another reason than the document")
    if amendment.sign_off.signatures:
        raise at.fail(AMENDMENT, "signatures", "stand where there are none yet")
    return amendment, key


def _check_key(at: _Version, name: str, key: PublicKey) -> None:
    if key != at.opened.key:
        raise at.fail(name, "signature", "is of another key than the bundle's")


def _check_approved(at: _Version, amends: Amends | None, found: frozenset[str], rendering: Rendering) -> Signed:
    source, path = at.case.source, at.folder + APPROVAL
    content = read(source, path)
    approval = parse(source.place(path), content, Approval)
    _check_key(at, APPROVAL, require_signature(at.case, path, content, "report"))
    check_names(source, at.folder, found, expected_names(at.number, frozenset(approval.files), False), at.number)
    _check_sign_off(at, APPROVAL, approval.sign_off, amends)
    _check_signatures(at, approval)
    if amends is not None:
        amendment, key = _check_amendment(at, amends)
        _check_key(at, AMENDMENT, key)
        if amendment.sign_off.amends != approval.sign_off.amends:
            raise at.fail(APPROVAL, "amends", f"differs from {AMENDMENT}")
    return Signed(at.sample, approval.sign_off, approval.entries, _check_files(at, approval, rendering))


def _check_draft(at: _Version, amends: Amends, found: frozenset[str], rendering: Rendering) -> Signed:
    amendment, key = _check_amendment(at, amends)
    _check_key(at, AMENDMENT, key)
    made = approved_renderings(at.documents, amendment.sign_off) if rendering != "leave" else {}
    names = frozenset(made) or frozenset(name for name in found if name.startswith("report."))
    check_names(at.case.source, at.folder, found, expected_names(at.number, names, True), at.number)
    note = check_renderings(at.case, at.folder, made, rendering)
    return Signed(at.sample, amendment.sign_off, (amendment.entry,), note)


def _check_whose(at: _Version) -> None:
    result = Result.model_validate_json(at.documents.result)
    if result.sample.sample_id != at.sample:
        raise at.fail("result.json", "sample", f"found {result.sample.sample_id}, expected {at.sample}")


def check_approvals(case: Case, opened: Opened, sample: str, rendering: Rendering) -> Iterator[Signed]:
    """Yield each version of a sample's result as it holds, the first first, an amended draft last.

    Raises:
        DefinitionError: the first link that does not hold.
    """
    versions = versions_of(case.source, sample)
    amends: Amends | None = None
    for number in range(1, versions.n_approved + 1 + versions.has_draft):
        is_draft = number > versions.n_approved
        documents = read_documents(case.source, result_folder(sample, number, is_draft))
        at = _Version(case, opened, sample, number, is_draft, documents)
        _check_whose(at)
        found = versions.files[at.folder.rstrip("/").rpartition("/")[2]]
        if is_draft and amends is not None:
            yield _check_draft(at, amends, found, rendering)
            return
        signed = _check_approved(at, amends, found, rendering)
        yield signed
        amends = amends_of(digest_of_bytes(read(case.source, at.folder + APPROVAL)), signed.sign_off)


def amends_of(approval: str, sign_off: SignOff, why: str = "") -> Amends:
    """Return what the version after this one amends; `approval` is the SHA-256 of its approval.json."""
    return Amends(
        version=sign_off.version,
        approval=approval,
        result=sign_off.result,
        approved_at=sign_off.signatures[-1].at,
        why=why,
    )
