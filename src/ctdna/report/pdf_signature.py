"""The digital signature in a PDF (PAdES-B): the site's RSA key and certificate, signing, and the check of it."""

import datetime
import hashlib
import io
import logging
import os
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from ctdna.formats.atomic import atomic_path, make_folder
from ctdna.formats.keys import keys_folder
from ctdna.model.errors import DefinitionError, InputError

FIELD = "Approval"
_BITS = 3072
_YEARS = 30
"""How long a certificate stands: as long as reports are kept."""
_LIBRARIES = ("pyhanko", "pyhanko_certvalidator")


class PdfKey(NamedTuple):
    """A site's key for PDFs."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


class PdfSeal(NamedTuple):
    """What a PDF signature says besides the document."""

    name: str
    """Who approved."""
    reason: str
    location: str
    at: datetime.datetime
    """When, with its zone."""


def key_files(site: str) -> tuple[Path, Path]:
    """Return where a site's PDF key (PKCS 12) and its certificate (PEM) lie."""
    return keys_folder() / f"{site}.pdf.p12", keys_folder() / f"{site}.pdf.crt"


def _make_certificate(key: rsa.RSAPrivateKey, site: str, site_name: str, at: datetime.datetime) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, site[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, site_name[:64]),
        ]
    )
    usage = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - datetime.timedelta(days=1))
        .not_valid_after(at + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)


def site_pdf_key(site: str, site_name: str, passphrase: bytes | None, at: datetime.datetime) -> PdfKey:
    """Return the site's key for PDFs, made at its first use: RSA of 3072 bits with a self-signed certificate.

    Raises:
        InputError: its files cannot be read or written, or the passphrase is wrong.
    """
    store, certificate = key_files(site)
    if not store.is_file():
        key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        made = _make_certificate(key, site, site_name, at)
        cipher = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        content = pkcs12.serialize_key_and_certificates(site.encode(), key, made, None, cipher)
        make_folder(store.parent)
        _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)
        _write(store, content, 0o600)
    try:
        content = store.read_bytes()
    except OSError as error:
        raise InputError(store, "", f"cannot be read: {error.strerror}", "check the rights of the file") from error
    try:
        opened, found, _ = pkcs12.load_key_and_certificates(content, passphrase)
    except ValueError as error:
        what = "is no PKCS 12 file, or the passphrase is wrong"
        raise InputError(store, "", what, "check both; see --passphrase-file") from error
    if found is None or not isinstance(opened, rsa.RSAPrivateKey):
        raise InputError(store, "", "holds no RSA key with its certificate", "restore the file")
    return PdfKey(opened, found)


def certificate_digest(key: PdfKey) -> str:
    """Return the SHA-256 of the key's certificate, as viewers show it, in hex."""
    return key.certificate.fingerprint(hashes.SHA256()).hex()


class _Rsa(signers.Signer):  # type: ignore[misc, unused-ignore]
    """A signer by a key that is open already: the library's own opens it anew for each signature."""

    def __init__(self, key: PdfKey) -> None:
        """Take the key and its certificate."""
        der = key.certificate.public_bytes(serialization.Encoding.DER)
        super().__init__(signing_cert=next(iter(load_certs_from_pemder_data(der))))
        self._key = key.key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Return the signature (RSASSA-PKCS1-v1_5 with SHA-256), or as many zeros."""
        return bytes(self._key.key_size // 8) if dry_run else self._key.sign(data, PKCS1v15(), hashes.SHA256())


class _Writer(IncrementalPdfFileWriter):  # type: ignore[misc, unused-ignore]
    """A writer that appends the signature and nothing else, and draws nothing at random."""

    def __init__(self, content: bytes) -> None:
        """Take the PDF; what the library draws at random of its new id is taken from its digest."""
        super().__init__(io.BytesIO(content))
        drawn = (1,) if "/ID" in self.prev.trailer else (0, 1)
        for part in drawn:
            self._document_id[part] = generic.ByteStringObject(hashlib.sha256(content).digest()[:16])

    def _update_meta(self) -> None:
        """Leave the document's own dates: the library would set them by this machine's clock."""


class _Signer(signers.PdfSigner):  # type: ignore[misc, unused-ignore]
    """A signer whose clock stands at the time of the approval."""

    at: datetime.datetime

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.at
        return session


def sign_pdf(content: bytes, key: PdfKey, seal: PdfSeal) -> bytes:
    """Return the PDF with a signature appended (incremental update); the given bytes are its beginning.

    The same PDF, key and seal give the same bytes.
    """
    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        name=seal.name,
        reason=seal.reason,
        location=seal.location,
    )
    pdf_signer = _Signer(meta, signer=_Rsa(key))
    pdf_signer.at = seal.at
    signed = io.BytesIO()
    pdf_signer.sign_pdf(_Writer(content), output=signed)
    return signed.getvalue()


def _quiet() -> None:
    """Keep the library's own log lines away: what it finds is told as an error of this program."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def check_pdf(path: Path | str, content: bytes) -> tuple[str, datetime.datetime]:
    """Return the SHA-256 of the certificate whose signature the PDF holds, and when it was signed.

    The certificate itself is taken at its word here: who compares its digest knows whose it is.

    Raises:
        DefinitionError: there is not exactly one signature, it does not hold, or it does not cover the whole file.
    """
    hint = "restore the file from its source"
    _quiet()
    try:
        reader = PdfFileReader(io.BytesIO(content))
        embedded = reader.embedded_signatures
        if len(embedded) != 1:
            raise DefinitionError(path, "PDF signature", f"found {len(embedded)} signatures, expected 1", hint)
        certificate, signed_at = embedded[0].signer_cert, embedded[0].self_reported_timestamp
        context = ValidationContext(trust_roots=[certificate], allow_fetching=False, moment=signed_at)
        status = validate_pdf_signature(embedded[0], context)
    except DefinitionError:
        raise
    except Exception as error:  # a damaged PDF breaks the library in ways that it does not name
        what = f"the PDF or its signature is damaged: {type(error).__name__}"
        raise DefinitionError(path, "PDF signature", what, hint) from error
    is_whole = status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    if not (status.intact and status.valid and status.trusted and is_whole):
        raise DefinitionError(path, "PDF signature", "does not hold for the whole file", hint)
    if signed_at is None:
        raise DefinitionError(path, "PDF signature", "tells no time", hint)
    return hashlib.sha256(certificate.dump()).hexdigest(), signed_at
