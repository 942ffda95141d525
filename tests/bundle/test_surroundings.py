"""Kit and build on the machine that verifies: the same, another, or none."""

import shutil
from pathlib import Path

import pytest

from ctdna.bundle import verify_ledger
from ctdna.bundle.trust import site_trust
from ctdna.bundle.verify import Case
from ctdna.bundle.verify_ledger import check_build, check_kit
from ctdna.bundle.walk import Wanted, verify
from ctdna.formats.documents import read_json
from ctdna.formats.signed import write_signed
from ctdna.kit.load import kit_folder
from ctdna.ledger.local import site_key
from ctdna.model.approval import Approval
from ctdna.model.bundle import Bundle
from ctdna.model.errors import DefinitionError
from tests.bundle.world import SAMPLE, Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed
KIT = "ctdna-demo@1.0.0"


def bundle_of(site: Site) -> Bundle:
    return read_json(site.run / "bundle.json", Bundle)


def case_of(site: Site) -> Case:
    from ctdna.bundle.source import FolderSource

    return Case(FolderSource(site.run), "", site_trust(), "refuse")


@pytest.fixture
def changed_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a kit of the same name with one byte more before the shipped one."""
    folder = tmp_path / "kits" / "ctdna-demo" / "1.0.0"
    shutil.copytree(kit_folder(KIT), folder)
    (folder / "panel.bed").write_text((folder / "panel.bed").read_text() + "\n")
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))


def test_a_kit_that_is_not_here_is_a_note(site: Site) -> None:
    link = check_kit(case_of(site), bundle_of(site).model_copy(update={"kit": "ctdna-demo@9.0.0"}))
    assert (link.is_note, "is not on this machine" in link.what) == (True, True)


@pytest.mark.usefixtures("changed_kit")
def test_a_development_kit_that_changed_is_a_note(site: Site) -> None:
    link = check_kit(case_of(site), bundle_of(site))
    assert (link.is_note, "has changed since" in link.what) == (True, True)


@pytest.mark.usefixtures("changed_kit")
def test_a_released_kit_of_another_digest_breaks_the_chain(site: Site) -> None:
    released = bundle_of(site).model_copy(update={"kit_state": "released"})
    with pytest.raises(DefinitionError, match="one of both is not genuine"):
        check_kit(case_of(site), released)


def test_the_build_by_its_digest_or_by_its_version(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lock:
        digest = "1" * 64

    monkeypatch.setattr(verify_ledger, "lock_of", Lock)
    bundle = bundle_of(site)
    assert check_build(bundle)[1] == "compare"
    assert check_build(bundle.model_copy(update={"build": "1" * 64}))[1] == "compare"
    link, rendering = check_build(bundle.model_copy(update={"build": "2" * 64}))
    assert (link.is_note, rendering) == (True, "compare, other build")
    assert check_build(bundle.model_copy(update={"software": "9.9.9"}))[1] == "compare, other build"


def test_another_build_may_render_otherwise(signed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digests hold; the difference is told, and is no failure."""
    from ctdna.bundle import verify_approvals, verify_results

    def other(*_: object) -> dict[str, bytes]:
        return {"report.en.html": b"another layout"}

    monkeypatch.setattr(verify_ledger, "__version__", "9.9.9")
    monkeypatch.setattr(verify_results, "renderings", other)
    monkeypatch.setattr(verify_approvals, "renderings", other)
    links = list(verify(signed.run, site_trust(), None, Wanted()))
    told = [link.what for link in links if link.name.startswith(f"result {SAMPLE}")]
    assert told == [
        f"reports/{SAMPLE}/{folder}report.en.html comes out differently with this build; its digest holds"
        for folder in ("", "v1/", "v2/")
    ]
    monkeypatch.setattr(verify_ledger, "__version__", bundle_of(signed).software)
    with pytest.raises(DefinitionError, match=r"is not what result\.json gives"):
        list(verify(signed.run, site_trust(), None, Wanted()))


def test_a_pdf_of_another_certificate_or_time(signed: Site) -> None:
    path = signed.report / "v1" / "approval.json"
    found = read_json(path, Approval)
    write_signed(path, found.model_copy(update={"pdf_certificate": "0" * 64}), "report", site_key())
    with pytest.raises(DefinitionError, match="is of another certificate than the approval names"):
        list(verify(signed.run, site_trust(), None, Wanted(is_rendered=False)))
    file = found.files["report.en.pdf"].model_copy(update={"unsigned_size": 100})
    files = {**found.files, "report.en.pdf": file}
    write_signed(path, found.model_copy(update={"files": files}), "report", site_key())
    with pytest.raises(DefinitionError, match="does not begin with the document that was signed"):
        list(verify(signed.run, site_trust(), None, Wanted(is_rendered=False)))
