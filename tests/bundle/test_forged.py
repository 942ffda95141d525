"""Documents of a sign-off that the site's own key signed, but that do not hold together."""

import json
import shutil
from pathlib import Path

import pytest

from ctdna.bundle import canonical as canonical_module
from ctdna.bundle.canonical import parse
from ctdna.bundle.verify_approvals import signed_by
from ctdna.formats.documents import read_json
from ctdna.formats.keys import PrivateKey, new_key
from ctdna.formats.signed import write_signed
from ctdna.ledger.chain import sealed
from ctdna.ledger.local import site_key
from ctdna.model.approval import Amendment, Approval
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import Entry, EntryBody
from ctdna.model.result import Result
from tests.bundle.test_attacks import approval_of, forge
from tests.bundle.test_flips import failure
from tests.bundle.world import SAMPLE, Site, canonical

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed


def sealed_again(entry: Entry, key: PrivateKey, **changes: object) -> Entry:
    fields = {name: getattr(entry, name) for name in EntryBody.model_fields}
    return sealed(EntryBody.model_validate({**fields, **changes}), key)


def with_entries(found: Approval, *entries: Entry) -> Approval:
    signatures = tuple(signed_by(entry, entry.user) for entry in entries)
    sign_off = found.sign_off.model_copy(update={"signatures": signatures})
    return found.model_copy(update={"sign_off": sign_off, "entries": entries})


def test_an_entry_of_an_unknown_key(signed: Site, tmp_path: Path) -> None:
    found = approval_of(signed)
    stranger = sealed_again(found.entries[1], new_key("stranger", None, tmp_path))
    forge(signed, with_entries(found, found.entries[0], stranger))
    assert "is not signed by a key that this machine trusts" in failure(signed).what


def test_an_entry_of_another_kind(signed: Site) -> None:
    found = approval_of(signed)
    other = next(signed.ledger.entries(kind="run.finished"))
    forge(signed, found.model_copy(update={"entries": (found.entries[0], other)}))
    assert failure(signed).what == "is of kind run.finished"
    with pytest.raises(ValueError, match=r"is of kind run\.finished"):
        signed_by(other, "X")


def test_an_approval_of_what_one_reviewed_oneself(signed: Site) -> None:
    found = approval_of(signed)
    own = sealed_again(found.entries[0], site_key(), user="dir")
    forge(signed, with_entries(found, own, found.entries[1]))
    assert failure(signed).what == "dir approved what they reviewed themselves"


def test_an_approval_by_somebody_who_is_no_director(signed: Site) -> None:
    found = approval_of(signed)
    low = sealed_again(found.entries[1], site_key(), role="reviewer")
    forge(signed, with_entries(found, found.entries[0], low))
    assert failure(signed).what == "are not reviews and then a director's approval"


def test_a_pdf_that_was_signed_at_another_time(signed: Site) -> None:
    found = approval_of(signed)
    later = sealed_again(found.entries[1], site_key(), at="2031-01-01T00:00:00.000000+00:00")
    forge(signed, with_entries(found, found.entries[0], later))
    assert failure(signed).what == "was made at another time than the approval"


def change_amendment(site: Site, **changes: object) -> None:
    path = site.report / "v2" / "amendment.json"
    write_signed(path, read_json(path, Amendment).model_copy(update=changes), "report", site_key())


def test_an_amendment_of_another_version(signed: Site) -> None:
    found = read_json(signed.report / "v2" / "amendment.json", Amendment)
    assert found.sign_off.amends is not None
    wrong = found.sign_off.amends.model_copy(update={"approval": "0" * 64})
    change_amendment(signed, sign_off=found.sign_off.model_copy(update={"amends": wrong}))
    assert failure(signed).what == "is not version 1 as it lies here"
    change_amendment(signed, sign_off=found.sign_off.model_copy(update={"amends": None}))
    assert failure(signed).what == "does not fit the versions that are there"


def test_an_amendment_with_another_reason_or_with_signatures(signed: Site) -> None:
    found = read_json(signed.report / "v2" / "amendment.json", Amendment)
    change_amendment(signed, entry=sealed_again(found.entry, site_key(), why="no reason"))
    assert failure(signed).what == "gives another reason than the document"
    shown = read_json(signed.report / "v2" / "approval.json", Approval).sign_off.signatures
    change_amendment(signed, entry=found.entry, sign_off=found.sign_off.model_copy(update={"signatures": shown}))
    assert failure(signed).what == "stand where there are none yet"


def test_the_result_of_another_sample_in_a_version(signed: Site) -> None:
    path = signed.report / "v2" / "result.json"
    sample = json.loads(path.read_text())["sample"] | {"sample_id": "P04"}
    reads = signed.report / "v2" / "reads.json"
    reads.unlink()
    canonical(path, sample=sample, reads=None)
    assert (Path(failure(signed).path).name, failure(signed).where) == ("result.json", "sample")


def test_a_draft_of_a_version_that_is_not_due(signed: Site) -> None:
    shutil.copytree(signed.report / "v2", signed.report / "v7-draft")
    assert failure(signed).what == "is not the version that follows 2"


def test_a_document_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical_module, "MAX_BYTES", 10)
    with pytest.raises(DefinitionError, match="has 11 bytes, allowed are 10"):
        parse("result.json", b"{} " + b" " * 8, Result)


def test_the_bundle_of_another_sample_in_the_place_of_one(site: Site) -> None:
    shutil.copytree(site.report, site.run / "reports" / "P04")
    error = failure(site, site.run / "reports" / "P04")
    assert error.what == f"speaks of {SAMPLE}, which does not belong here"
