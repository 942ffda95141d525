"""Review, approval, amendment: who may, in which order, and what the reports say."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pypdf import PdfReader

from ctdna.bundle.sign_off import Signing, amend, approve, review, standing
from ctdna.formats.documents import read_json
from ctdna.model.approval import Amendment, Approval
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.report.pdf_signature import check_pdf, key_files
from tests.bundle.world import QUICK, SAMPLE, SITE, Site, password

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed

NAMES = [
    "approval.json",
    "approval.json.sig",
    *(f"report.{lang}.{kind}" for lang in ("en", "zh") for kind in ("html", "pdf")),
]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def text_of(pdf: Path) -> str:
    pages = PdfReader(io.BytesIO(pdf.read_bytes())).pages
    return re.sub(r"[\s\u200b]+", " ", "\n".join(page.extract_text() for page in pages))


def test_an_approved_version_holds_signed_reports(site: Site) -> None:
    site.review()
    folder = site.approve()
    assert folder == site.report / "v1"
    assert names(folder) == sorted(NAMES)
    assert next(link for link in site.links() if "v1" in link).startswith(f"holds result {SAMPLE} v1: reviewed by Rev")


@pytest.mark.req("REQ-SGN-002")
def test_the_reports_name_who_signed_when_and_what_for(signed: Site) -> None:
    approval = read_json(signed.report / "v1" / "approval.json", Approval)
    for kind in ("html", "pdf"):
        path = signed.report / "v1" / f"report.en.{kind}"
        text = path.read_text() if kind == "html" else text_of(path)
        assert "Reviewed and approved, version 1" in text
        assert "Draft" not in text
        for item in approval.sign_off.signatures:
            assert item.full_name in text
            assert item.at[:10] in text
        assert "fit to leave the laboratory" in text
        assert "controls looked at" in text
    assert "已审核并批准，第 1 版" in (signed.report / "v1" / "report.zh.html").read_text()


def test_the_draft_stays_a_draft_beside_it(signed: Site) -> None:
    assert "Draft: not reviewed, not signed" in (signed.report / "report.en.html").read_text()


@pytest.mark.req("REQ-SGN-004")
def test_an_amended_report_says_what_it_replaces_and_why(signed: Site) -> None:
    first = read_json(signed.report / "v1" / "approval.json", Approval).sign_off.signatures[-1]
    time = first.at[:19].replace("T", " ")
    expected = f"Amended report, replaces version 1 of {time} UTC because: the diagnosis was entered wrongly"
    assert expected in (signed.report / "v2" / "report.en.html").read_text()
    assert expected in text_of(signed.report / "v2" / "report.en.pdf")
    assert "Reviewed and approved, version 2" in text_of(signed.report / "v2" / "report.en.pdf")


@pytest.mark.req("REQ-SGN-004")
def test_the_first_version_is_untouched_by_an_amendment(site: Site) -> None:
    site.review()
    before = {path.name: path.read_bytes() for path in site.approve().iterdir()}
    draft = site.amend()
    assert draft.name == "v2-draft"
    assert "Draft of version 2: not reviewed, not signed" in (draft / "report.en.html").read_text()
    site.links()
    site.review()
    site.approve()
    assert {path.name: path.read_bytes() for path in (site.report / "v1").iterdir()} == before
    assert not draft.exists()


def test_an_amended_draft_is_verified_with_its_renderings(site: Site) -> None:
    site.review()
    site.approve()
    draft = site.amend()
    assert f"note result {SAMPLE} v2: an amended draft: not reviewed, not signed" in site.links(
        wanted=QUICK._replace(is_rendered=True)
    )
    (draft / "report.en.html").write_text("another\n")
    with pytest.raises(DefinitionError, match=r"v2-draft/report\.en\.html: is not what"):
        site.links(wanted=QUICK._replace(is_rendered=True))


@pytest.mark.req("REQ-SGN-003")
def test_pdfsig_agrees(signed: Site) -> None:
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig (poppler-utils) is not installed")
    approval = read_json(signed.report / "v1" / "approval.json", Approval).sign_off.signatures[-1]
    for language in ("en", "zh"):
        path = signed.report / "v1" / f"report.{language}.pdf"
        said = subprocess.run(["pdfsig", path], capture_output=True, text=True, check=False).stdout
        assert "Signature is Valid." in said
        assert "Total document signed" in said
        assert "ETSI.CAdES.detached" in said
        assert f"Signer Certificate Common Name: {SITE}" in said
        assert approval.at[11:19] in said


def test_a_signed_pdf_is_still_pdf_a_with_its_result(signed: Site) -> None:
    reader = PdfReader(io.BytesIO((signed.report / "v1" / "report.en.pdf").read_bytes()))
    assert reader.attachments["result.json"][0] == (signed.report / "result.json").read_bytes()
    metadata = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()
    assert re.search(r"pdfaid:part(>|=\")3", metadata)


def test_a_pdf_key_is_made_once_and_kept_private(signed: Site) -> None:
    store, certificate = key_files(SITE)
    assert store.stat().st_mode & 0o777 == 0o600
    digests = {
        check_pdf(path, path.read_bytes())[0] for path in signed.report.glob("v*/report.*.pdf") if path.is_file()
    }
    assert len(digests) == 1
    assert certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.req("REQ-SGN-001", "REQ-SGN-005")
@pytest.mark.parametrize("user", ["tech", "aud", "root"])
def test_who_may_not_review(site: Site, user: str) -> None:
    with pytest.raises(AuthorityError, match="signing as reviewed needs reviewer or director"):
        site.review(user)


@pytest.mark.req("REQ-SGN-001", "REQ-SGN-005")
@pytest.mark.parametrize("user", ["tech", "rev", "aud", "root"])
def test_who_may_not_approve(site: Site, user: str) -> None:
    site.review("dir")
    with pytest.raises(AuthorityError, match="signing as approved needs director"):
        site.approve(user)
    assert not (site.report / "v1").exists()


@pytest.mark.req("REQ-SGN-005")
def test_a_wrong_password_signs_nothing(site: Site) -> None:
    with pytest.raises(AuthorityError):
        review(standing(site.run, SAMPLE), site.ledger, Signing("rev", password("dir"), "reviewed", ""))
    assert list(site.ledger.entries(kind="result.signed")) == []


@pytest.mark.req("REQ-SGN-009")
def test_an_administrator_does_not_sign_in_a_directors_name(site: Site) -> None:
    ledger, given = site.ledger, "a phrase that is given"
    site.review()
    ledger.change_user(ledger.authenticate("root", password("root")), "dir", "a try", password=given)
    with pytest.raises(AuthorityError, match="dir: the password was set by root"):
        approve(standing(site.run, SAMPLE), ledger, Signing("dir", given, "approved", ""), None)
    assert not (site.report / "v1").exists()
    ledger.change_password("dir", given, password("dir"))
    assert site.approve() == site.report / "v1"


@pytest.mark.req("REQ-SGN-001")
def test_no_approval_without_a_review_by_another_person(site: Site) -> None:
    with pytest.raises(AuthorityError, match="was not reviewed by a person other than dir"):
        site.approve()
    site.review("dir")
    with pytest.raises(AuthorityError, match="was not reviewed by a person other than dir"):
        site.approve()
    assert not (site.report / "v1").exists()


def test_what_is_approved_is_not_signed_again(signed: Site) -> None:
    for act in (signed.review, signed.approve):
        with pytest.raises(InputError, match="version 2 is approved already; to change it, amend it"):
            act()


@pytest.mark.req("REQ-SGN-007")
def test_an_amended_version_needs_its_own_review(site: Site) -> None:
    site.review()
    site.approve()
    site.amend()
    with pytest.raises(AuthorityError, match="version 2 was not reviewed"):
        site.approve()


def test_what_is_not_approved_is_not_amended(site: Site) -> None:
    with pytest.raises(InputError, match="is not approved yet: nothing to amend"):
        site.amend()
    site.review()
    with pytest.raises(InputError, match="is not approved yet: nothing to amend"):
        site.amend()


def test_an_amendment_needs_a_reason_and_waits_for_the_one_before(signed: Site) -> None:
    with pytest.raises(InputError, match="--why: is empty"):
        signed.amend(" ")
    signed.amend()
    with pytest.raises(InputError, match="version 3 is a draft already"):
        signed.amend()


@pytest.mark.req("REQ-SGN-005")
@pytest.mark.parametrize("user", ["rev", "aud", "root"])
def test_who_may_not_amend(signed: Site, user: str) -> None:
    ledger = signed.ledger
    with pytest.raises(AuthorityError, match=r"result\.made needs technician or director"):
        amend(standing(signed.run, SAMPLE), ledger, ledger.authenticate(user, password(user)), "a reason", None)


@pytest.mark.req("REQ-SGN-006")
def test_a_changed_result_is_not_signed(site: Site) -> None:
    path = site.report / "result.json"
    path.write_text(path.read_text().replace("Lung adenocarcinoma", "Lung adenocarcinom4"))
    with pytest.raises(DefinitionError, match=r"result\.json"):
        site.review()


@pytest.mark.req("REQ-SGN-006")
def test_a_changed_report_is_not_signed(site: Site) -> None:
    path = site.report / "report.en.html"
    path.write_text(path.read_text().replace("Leu858Arg", "Leu858Gln"))
    with pytest.raises(DefinitionError, match=r"report\.en\.html: is not the file that the bundle lists"):
        site.review()


def test_a_sample_without_a_result(site: Site) -> None:
    with pytest.raises(InputError, match="there is no result of this sample"):
        standing(site.run, "P04")


def test_a_run_without_a_site_is_not_signed_off(site: Site) -> None:
    (site.report / "bundle.json.sig").unlink()
    with pytest.raises(InputError, match="its bundle is not signed"):
        standing(site.run, SAMPLE)


@pytest.mark.req("REQ-SGN-008")
def test_an_approval_cut_off_by_a_power_cut_is_completed(site: Site) -> None:
    site.review()
    folder = site.approve()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    site.approve()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len([entry for entry in site.ledger.entries(kind="result.signed")]) == 2
    shutil.rmtree(folder)
    at, wrong = standing(site.run, SAMPLE), Signing("dir", "wrong", "approved", "")
    with pytest.raises(AuthorityError):
        approve(at, site.ledger, wrong, None)


@pytest.mark.req("REQ-SGN-008")
def test_an_amendment_cut_off_by_a_power_cut_is_completed(signed: Site) -> None:
    draft = signed.amend()
    before = {path.name: path.read_bytes() for path in draft.iterdir()}
    shutil.rmtree(draft)
    signed.amend()
    assert {path.name: path.read_bytes() for path in draft.iterdir()} == before
    assert len([entry for entry in signed.ledger.entries(kind="result.made")]) == 3


def test_a_result_of_another_run_of_the_same_data(signed: Site, finished_site: Site, tmp_path: Path) -> None:
    other = finished_site.copy(tmp_path / "other")
    draft = signed.amend("run again", other.run)
    amendment = read_json(draft / "amendment.json", Amendment)
    assert amendment.origin is not None
    assert amendment.sign_off.amends is not None
    assert amendment.sign_off.amends.why == "run again"
    signed.review()
    signed.approve()
    assert any(f"{SAMPLE} v3: reviewed" in link for link in signed.links())


def test_a_result_from_nowhere_is_no_new_result(signed: Site, finished_site: Site, tmp_path: Path) -> None:
    other = finished_site.copy(tmp_path / "other")
    path = other.report / "result.json"
    path.write_text(path.read_text().replace("Lung adenocarcinoma", "Lung adenocarcinom4"))
    with pytest.raises(DefinitionError, match=r"result\.json"):
        signed.amend("better", other.run)
    shutil.rmtree(other.report)
    other.report.mkdir()
    shutil.copy(signed.report / "result.json", other.report)
    with pytest.raises(InputError, match="its bundle is not signed"):
        signed.amend("better", other.run)
