"""`equivalence.json`, its signature, and its two renderings."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.atomic import atomic_path, make_folder, write_text
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import PrivateKey, check_signature, trusted_keys
from ctdna.formats.signed import read_signature, signature_path, write_signed
from ctdna.ledger.local import site_key, site_path
from ctdna.model.equivalence import Equivalence
from ctdna.validation.equivalence_page import PDF_ROWS, equivalence_page
from ctdna.validation.page import page_html, page_pdf

DOCUMENT, HTML, PDF = "equivalence.json", "equivalence.html", "equivalence.pdf"


class ReadEquivalence(NamedTuple):
    """An equivalence report as it was found."""

    report: Equivalence
    digest: str
    """SHA-256 of the file."""
    signer: str | None
    """Name of the key that signed it; None: it is not signed."""


def own_site_key() -> PrivateKey | None:
    """Return the key of this machine's site; None where it is none.

    Raises:
        InputError: the key cannot be opened.
    """
    return site_key() if site_path().is_file() else None


def write_equivalence(folder: Path, report: Equivalence, key: PrivateKey | None) -> None:
    """Write the document, signed where there is a key, and its HTML and PDF; the same bytes for the same report.

    Raises:
        InputError: a file cannot be written.
    """
    make_folder(folder)
    text = dump_json(report)
    report = Equivalence.model_validate_json(text)  # the renderings show what the document says, digit by digit
    digest = hashlib.sha256(text.encode()).hexdigest()
    html = page_html(equivalence_page(report, digest))
    pdf = page_pdf(equivalence_page(report, digest, PDF_ROWS), (DOCUMENT, text))
    write_text(folder / HTML, html)
    with atomic_path(folder / PDF) as temporary:
        temporary.write_bytes(pdf)
    if key is not None:
        write_signed(folder / DOCUMENT, report, "equivalence", key)
    else:
        signature_path(folder / DOCUMENT).unlink(missing_ok=True)
        write_text(folder / DOCUMENT, text)


def read_equivalence(path: Path) -> ReadEquivalence:
    """Return an equivalence report; a signature beside it must hold and be of a trusted site or this machine's own.

    Raises:
        InputError: it cannot be read.
        DefinitionError: its signature is of an unknown key or does not hold.
    """
    report = read_json(path, Equivalence)
    content = path.read_bytes()
    signer = None
    if signature_path(path).is_file():
        own = own_site_key()
        keys = {**trusted_keys("site"), **({own.public.key_id: own.public} if own else {})}
        signer = check_signature(path, read_signature(path), "equivalence", content, keys).name
    return ReadEquivalence(report, hashlib.sha256(content).hexdigest(), signer)
