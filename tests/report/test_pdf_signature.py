"""The site's key for PDFs, and the signature that it gives."""

import datetime
import io
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from pypdf import PdfReader, PdfWriter

from ctdna.model.errors import DefinitionError, InputError
from ctdna.report.pdf_signature import PdfSeal, certificate_digest, check_pdf, key_files, sign_pdf, site_pdf_key

AT = datetime.datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=datetime.UTC)
SEAL = PdfSeal("Li Director", "Approved", "north-lab", AT)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))


def blank_pdf() -> bytes:
    writer, stream = PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.write(stream)
    return stream.getvalue()


def test_a_signature_tells_who_when_and_by_which_certificate() -> None:
    key, plain = site_pdf_key("north-lab", "Northern Laboratory", None, AT), blank_pdf()
    signed = sign_pdf(plain, key, SEAL)
    assert signed.startswith(plain)
    assert sign_pdf(plain, key, SEAL) == signed
    assert check_pdf("a.pdf", signed) == (certificate_digest(key), AT.replace(microsecond=0))
    field = PdfReader(io.BytesIO(signed)).get_fields()["Approval"]["/V"]  # type: ignore[index]
    assert (field["/Name"], field["/Reason"], field["/Location"]) == ("Li Director", "Approved", "north-lab")
    assert field["/SubFilter"] == "/ETSI.CAdES.detached"


def test_the_key_is_made_once_and_opened_by_its_passphrase() -> None:
    one = site_pdf_key("north-lab", "Northern Laboratory", b"pass", AT)
    two = site_pdf_key("north-lab", "Northern Laboratory", b"pass", AT)
    assert certificate_digest(one) == certificate_digest(two)
    assert one.key.key_size == 3072
    pem = x509.load_pem_x509_certificate(key_files("north-lab")[1].read_bytes())
    assert pem == one.certificate
    for wrong in (None, b"other"):
        with pytest.raises(InputError, match="or the passphrase is wrong"):
            site_pdf_key("north-lab", "Northern Laboratory", wrong, AT)


def test_a_file_that_is_no_key() -> None:
    site_pdf_key("north-lab", "Northern Laboratory", None, AT)
    store = key_files("north-lab")[0]
    store.write_bytes(b"no key")
    with pytest.raises(InputError, match="is no PKCS 12 file"):
        site_pdf_key("north-lab", "Northern Laboratory", None, AT)
    bare = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    store.write_bytes(pkcs12.serialize_key_and_certificates(b"a", bare, None, None, serialization.NoEncryption()))
    with pytest.raises(InputError, match="holds no RSA key with its certificate"):
        site_pdf_key("north-lab", "Northern Laboratory", None, AT)


def test_a_second_signature_or_none_is_not_what_was_approved() -> None:
    key, plain = site_pdf_key("north-lab", "Northern Laboratory", None, AT), blank_pdf()
    with pytest.raises(DefinitionError, match="found 0 signatures, expected 1"):
        check_pdf("a.pdf", plain)
    with pytest.raises(DefinitionError, match="the PDF or its signature is damaged"):
        check_pdf("a.pdf", b"text")
    signed = sign_pdf(plain, key, SEAL)
    with pytest.raises(DefinitionError, match="PDF signature"):
        check_pdf("a.pdf", signed[:-40])
