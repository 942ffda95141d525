"""Review, approval and amendment of a sample's result: signatures in the ledger, documents in the run's folder."""

from pathlib import Path
from typing import NamedTuple

from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.layout import own_folder
from ctdna.bundle.source import FolderSource, digest_of, read
from ctdna.bundle.trust import site_trust
from ctdna.bundle.verify import Case, Opened, open_bundle
from ctdna.bundle.verify_approvals import amends_of, approved_renderings, check_approvals, moment_of, signed_by
from ctdna.bundle.verify_results import Documents, check_manifest, check_result, read_documents
from ctdna.bundle.versions import AMENDMENT, APPROVAL, result_folder, version_folder, versions_of
from ctdna.formats.atomic import atomic_path, discard
from ctdna.formats.signed import signature_path, write_signed
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.local import read_site, site_key
from ctdna.ledger.queries import known_site
from ctdna.ledger.records import Actor
from ctdna.model.approval import Amendment, Amends, Approval, RenderedFile, SignOff
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.ledger import Entry, Meaning, ResultMade, ResultSigned
from ctdna.model.result import Result
from ctdna.report.pdf_signature import PdfKey, PdfSeal, certificate_digest, sign_pdf, site_pdf_key
from ctdna.report.write import READS, RESULT


class Standing(NamedTuple):
    """How far the sign-off of a sample's result has come, all of it verified."""

    case: Case
    opened: Opened
    sample: str
    n_approved: int
    draft: SignOff | None
    """Of the amended version that waits for its signatures."""
    amends: Amends | None
    """What the next version amends, its reason left open; None: nothing is approved."""

    @property
    def run(self) -> str:
        """Return the run's key."""
        return self.opened.bundle.run

    @property
    def root(self) -> Path:
        """Return the run's folder."""
        if not isinstance(self.case.source, FolderSource):
            raise TypeError("sign-off works on a run's folder")
        return self.case.source.root


class Signing(NamedTuple):
    """What a person puts their name to."""

    user: str
    password: str
    meaning: Meaning
    comment: str


def _check_site(output: Path, opened: Opened) -> None:
    if opened.bundle.site != read_site().site:
        what = f"is of site {opened.bundle.site}, this is site {read_site().site}"
        raise InputError(output, "", what, "results are signed at the site that made them")


def _case(output: Path, sample: str) -> Case:
    folder = own_folder(sample)
    if not (output / folder / RESULT).is_file():
        raise InputError(
            output, sample, "there is no result of this sample", "check the run's folder and the sample id"
        )
    if not signature_path(output / folder / "bundle.json").is_file():
        what = "its bundle is not signed: the run was made without an operator and a ledger, or is not finished"
        raise InputError(output, sample, what, "only a run by `ctdna run --user` can be signed off")
    return Case(FolderSource(output), folder, site_trust(), "refuse")


def _open(output: Path, sample: str) -> tuple[Case, Opened]:
    """Return a sample's bundle, its documents and reports as the bundle says.

    Raises:
        InputError: the run or the sample cannot be signed off here.
        DefinitionError: a file is not what the bundle says.
    """
    case = _case(output, sample)
    opened = open_bundle(case)
    _check_site(output, opened)
    check_manifest(case, opened.bundle)
    check_result(case, opened, sample)
    for item in opened.bundle.files:
        is_report = item.path.startswith(case.folder)
        if is_report and (item.path not in case.source.sizes or digest_of(case.source, item.path)[1] != item.sha256):
            what = "is not the file that the bundle lists"
            raise DefinitionError(output / item.path, "", what, "restore it, or run again into another folder")
    return case, opened


def standing(output: Path, sample: str) -> Standing:
    """Return how far the sign-off of a sample has come; raises as `ctdna verify` where something does not hold.

    Raises:
        InputError: the run or the sample cannot be signed off here.
        DefinitionError: a document is not what its signatures say.
    """
    case, opened = _open(output, sample)
    versions = versions_of(case.source, sample)
    signed = [item.sign_off for item in check_approvals(case, opened, sample, "leave")]
    draft = signed.pop() if versions.has_draft else None
    amends = None
    if signed:
        approval = read(case.source, version_folder(sample, len(signed), False) + APPROVAL)
        amends = amends_of(digest_of_bytes(approval), signed[-1])
    return Standing(case, opened, sample, len(signed), draft, amends)


def _waiting(at: Standing) -> SignOff:
    """Return the version that waits for signatures, without them."""
    if at.draft is not None:
        return at.draft
    if at.n_approved:
        what = f"version {at.n_approved} is approved already"
        raise InputError(at.root, at.sample, what, "to change it, amend it: ctdna amend")
    content = read(at.case.source, own_folder(at.sample) + RESULT)
    result = digest_of_bytes(content)
    return SignOff(run=at.run, sample=at.sample, version=1, result=result, signatures=(), amends=None)


def _signatures(ledger: Ledger, waiting: SignOff) -> list[Entry]:
    """Return the ledger's signatures of a version, in order."""
    key = (waiting.run, waiting.sample, waiting.version, waiting.result)
    found = []
    for entry in ledger.entries(kind="result.signed"):
        new = entry.new
        if isinstance(new, ResultSigned) and (new.run, new.sample, new.version, new.digest) == key:
            found.append(entry)
    return found


def _approval_of(ledger: Ledger, waiting: SignOff) -> Entry | None:
    found = [entry for entry in _signatures(ledger, waiting) if _meaning(entry) == "approved"]
    return found[0] if found else None


def _meaning(entry: Entry) -> str:
    return entry.new.meaning if isinstance(entry.new, ResultSigned) else ""


def review(at: Standing, ledger: Ledger, by: Signing) -> Entry:
    """Sign the waiting version as reviewed and return the ledger's entry.

    Raises:
        AuthorityError: log-in refused, or no right to it.
        InputError: there is nothing to review, or the ledger does not know the result.
    """
    waiting = _waiting(at)
    return ledger.sign_result(
        by.user,
        by.password,
        run=waiting.run,
        sample=waiting.sample,
        version=waiting.version,
        digest=waiting.result,
        meaning=by.meaning,
        why=by.comment,
    )


def approve(at: Standing, ledger: Ledger, by: Signing, pdf_passphrase: bytes | None) -> Path:
    """Sign the waiting version as approved, write its documents, and return their folder.

    Where the ledger has this person's approval already, but the documents are missing (a power cut), they are written.

    Raises:
        AuthorityError: log-in refused, no right to it, or nobody else has reviewed it.
        InputError: there is nothing to approve, or a file cannot be written.
    """
    waiting = _waiting(at)
    entry = _approval_of(ledger, waiting)
    if entry is None:
        key = pdf_key(ledger, pdf_passphrase)
        entry = review(at, ledger, by)
    else:
        ledger.authenticate(by.user, by.password)
        key = pdf_key(ledger, pdf_passphrase)
    reviews = [
        item for item in _signatures(ledger, waiting) if _meaning(item) == "reviewed" and item.user != entry.user
    ]
    entries = (*reviews, entry)
    names = {item.user: _full_name(ledger, item.user) for item in entries}
    signatures = tuple(signed_by(item, names[item.user]) for item in entries)
    sign_off = waiting.model_copy(update={"signatures": signatures})
    return _write_version(at, sign_off, entries, key)


def pdf_key(ledger: Ledger, passphrase: bytes | None) -> PdfKey:
    """Return the site's key for PDFs, made at its first use; the certificate holds from the ledger's first entry on."""
    site = known_site(ledger, read_site().site)
    begun_at = [entry.at for entry in ledger.entries(kind="site.added")]
    return site_pdf_key(site.site, site.name, passphrase, moment_of(min(begun_at)))


def _full_name(ledger: Ledger, user: str) -> str:
    account = ledger.user(user)
    return account.full_name if account else user


def _rendered(documents: Documents, sign_off: SignOff, key: PdfKey) -> tuple[dict[str, bytes], dict[str, RenderedFile]]:
    """Return the renderings of an approved version, PDFs signed, and what the approval says of each."""
    approval = sign_off.signatures[-1]
    reason = f"Approved: result {sign_off.result} of {sign_off.sample}, version {sign_off.version}"
    seal = PdfSeal(approval.full_name, reason, read_site().site, moment_of(approval.at))
    contents, files = {}, {}
    for name, made in approved_renderings(documents, sign_off).items():
        is_pdf = name.endswith(".pdf")
        content = sign_pdf(made, key, seal) if is_pdf else made
        contents[name] = content
        files[name] = RenderedFile(
            size=len(content),
            sha256=digest_of_bytes(content),
            unsigned_size=len(made) if is_pdf else None,
            unsigned_sha256=digest_of_bytes(made) if is_pdf else None,
        )
    return contents, files


def _write_files(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


def _write_version(at: Standing, sign_off: SignOff, entries: tuple[Entry, ...], key: PdfKey) -> Path:
    """Write a version's folder, whole or not at all; the draft that it was goes."""
    is_draft = at.draft is not None
    source_folder = result_folder(at.sample, sign_off.version, is_draft)
    documents = read_documents(at.case.source, source_folder)
    contents, files = _rendered(documents, sign_off, key)
    if is_draft:
        for name in (AMENDMENT, f"{AMENDMENT}.sig", RESULT, READS):
            if source_folder + name in at.case.source.sizes:
                contents[name] = read(at.case.source, source_folder + name)
    certificate = certificate_digest(key)
    approval = Approval(sign_off=sign_off, entries=entries, pdf_certificate=certificate, files=files)
    folder = at.root / version_folder(at.sample, sign_off.version, False)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        _write_files(temporary, contents)
        write_signed(temporary / APPROVAL, approval, "report", site_key())
    if is_draft:
        discard(at.root / source_folder)
    return folder


class NewResult(NamedTuple):
    """The result of an amended version."""

    documents: Documents
    origin: str | None
    """SHA-256 of the bundle.json that it came with; None: it is the old one."""


def _new_result(at: Standing, folder: Path | None) -> NewResult:
    """Return the result of another run of the same sample, as its own bundle vouches for it; else the present one."""
    if folder is None:
        return NewResult(read_documents(at.case.source, result_folder(at.sample, at.n_approved, False)), None)
    case, opened = _open(folder, at.sample)
    if opened.bundle.run_id != at.opened.bundle.run_id:
        what = f"is of run {opened.bundle.run_id}, the result to amend of {at.opened.bundle.run_id}"
        raise InputError(folder, "", what, "give a folder with a new result of the same run")
    content = read(case.source, case.folder + "bundle.json")
    return NewResult(read_documents(case.source, case.folder), digest_of_bytes(content))


def _record_version(at: Standing, ledger: Ledger, actor: Actor, new: ResultMade, why: str) -> Entry:
    """Return the ledger's entry of a new version, made now or, after a power cut, before."""
    made = [entry for entry in ledger.entries(kind="result.made") if entry.new == new and entry.why == why]
    return made[-1] if made else ledger.record(actor, new, why=why)


def amend(at: Standing, ledger: Ledger, actor: Actor, why: str, result_from: Path | None) -> Path:
    """Begin the next version of an approved result and return the folder of its draft; the old version stays.

    Raises:
        AuthorityError: the person has no right to it.
        InputError: nothing is approved, an amended draft waits already, there is no reason, or the new result is of
            another sample or run.
        DefinitionError: the new result is not what its bundle says.
    """
    if at.amends is None:
        what = "is not approved yet: nothing to amend"
        raise InputError(at.root, at.sample, what, "a draft is made anew by running again into another folder")
    if at.draft is not None:
        what = f"version {at.draft.version} is a draft already"
        raise InputError(at.root, at.sample, what, "have it reviewed and approved first")
    if not why.strip():
        raise InputError(None, "--why", "is empty", "say why the report is amended; the reason stands on it")
    new = _new_result(at, result_from)
    digest, number = digest_of_bytes(new.documents.result), at.n_approved + 1
    verdict = Result.model_validate_json(new.documents.result).verdict
    made = ResultMade(run=at.run, sample=at.sample, version=number, digest=digest, verdict=verdict)
    entry = _record_version(at, ledger, actor, made, why)
    amends = at.amends.model_copy(update={"why": why})
    sign_off = SignOff(run=at.run, sample=at.sample, version=number, result=digest, signatures=(), amends=amends)
    return _write_draft(at, Amendment(sign_off=sign_off, entry=entry, origin=new.origin), new.documents)


def _write_draft(at: Standing, amendment: Amendment, documents: Documents) -> Path:
    folder = at.root / version_folder(at.sample, amendment.sign_off.version, True)
    contents = approved_renderings(documents, amendment.sign_off)
    contents[RESULT] = documents.result
    if documents.reads is not None:
        contents[READS] = documents.reads
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        _write_files(temporary, contents)
        write_signed(temporary / AMENDMENT, amendment, "report", site_key())
    return folder
