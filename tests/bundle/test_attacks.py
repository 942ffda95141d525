"""Tricks with archives, paths, JSON, signatures and approvals: each is found, none does harm."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ctdna.bundle.canonical import parse
from ctdna.bundle.layout import BUNDLE, SEAL
from ctdna.bundle.trust import site_trust
from ctdna.bundle.walk import Wanted, verify
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import new_key, trust
from ctdna.formats.signed import write_signed
from ctdna.formats.stored_zip import write_zip
from ctdna.ledger.local import site_key
from ctdna.model.approval import Approval
from ctdna.model.bundle import Bundle, Seal
from ctdna.model.errors import DefinitionError, InputError
from ctdna.report.pdf_signature import check_pdf
from tests.bundle.test_export import export
from tests.bundle.test_flips import failure
from tests.bundle.world import SAMPLE, Site, canonical

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with write_zip(path) as archive:
        for name, content in sorted(files.items()):
            archive.add(name, iter([content]), len(content))
    return path


def folder_files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.req("REQ-BDL-004")
@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "/etc/evil.json",
        "a/../../evil.json",
        "a\\..\\evil.json",
        "C:/evil.json",
        "a//b.json",
        "a/./b.json",
        "a/.hidden",
        "nul\0.json",
        "right\u202eleft.json",
        "a/" * 9 + "deep.json",
        "a/",
        "x" * 300,
        "é.json",
    ],
)
def test_names_in_an_archive_that_are_not_plain(site: Site, tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path / "a.zip", {name: b"{}\n", "bundle.json": b"{}\n"})
    error = failure(site, archive)
    assert "allowed are plain relative paths" in error.what
    assert not (tmp_path / "evil.json").exists()


def test_names_that_only_letter_case_tells_apart(site: Site, tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"a.json": b"1", "A.json": b"2", "bundle.json": b"{}\n"})
    assert "some file systems cannot tell apart" in failure(site, archive).what


def test_a_member_that_no_bundle_lists(site: Site, tmp_path: Path) -> None:
    export(site, tmp_path / "good.zip", "full")
    shutil.unpack_archive(tmp_path / "good.zip", tmp_path / "out")
    for name in ("logs/more.log", "config.yaml", "samples/more.bam", "reports/P99/v1/approval.json"):
        files = folder_files(tmp_path / "out") | {name: b"more"}
        assert name in failure(site, packed(tmp_path / "a.zip", files)).path


def test_documents_of_another_bundle_in_the_archive_of_a_sample(site: Site, tmp_path: Path) -> None:
    export(site, tmp_path / "good.zip", "full", SAMPLE)
    shutil.unpack_archive(tmp_path / "good.zip", tmp_path / "out")
    for name in ("bundle.seal.json", "reports/P99/bundle.seal.json", "reports/P99/bundle.json.sig", "provenance.json"):
        files = folder_files(tmp_path / "out") | {name: b"more"}
        assert name in failure(site, packed(tmp_path / "a.zip", files)).path


def test_folders_nested_without_end(site: Site) -> None:
    (site.run / "samples" / "/".join("a" * 20)).mkdir(parents=True)
    assert "lies deeper than any folder of a run" in failure(site).what


def test_an_archive_that_lacks_a_member(site: Site, tmp_path: Path) -> None:
    export(site, tmp_path / "good.zip", "full")
    shutil.unpack_archive(tmp_path / "good.zip", tmp_path / "out")
    files = folder_files(tmp_path / "out")
    del files["run.json"]
    assert "missing" in failure(site, packed(tmp_path / "a.zip", files)).what


def test_a_changed_crc(site: Site, tmp_path: Path) -> None:
    export(site, tmp_path / "a.zip", "aggregates")
    content = (tmp_path / "a.zip").read_bytes()
    at = content.index(b"PK\x03\x04") + 14
    wrong = bytes([content[at] ^ 1])
    changed = content[:at] + wrong + content[at + 1 :]
    central = changed.index(b"PK\x01\x02") + 16
    (tmp_path / "a.zip").write_bytes(changed[:central] + wrong + changed[central + 1 :])
    assert "does not fit its CRC" in failure(site, tmp_path / "a.zip").what


def test_an_archive_without_a_bundle(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found 0 bundles in it, expected one"):
        list(verify(packed(tmp_path / "a.zip", {"a.json": b"{}"}), site_trust(), None, Wanted()))
    with pytest.raises(InputError, match="found no file or folder of this name"):
        list(verify(tmp_path / "b.zip", site_trust(), None, Wanted()))
    with pytest.raises(InputError, match=r"holds no bundle\.json"):
        list(verify(tmp_path, site_trust(), None, Wanted()))


@pytest.mark.req("REQ-BDL-002")
@pytest.mark.parametrize("place", ["run.json", f"reports/{SAMPLE}/result.json", f"samples/{SAMPLE}"])
def test_a_link_in_a_folder(site: Site, tmp_path: Path, place: str) -> None:
    path = site.run / place
    path.rename(tmp_path / "aside")
    path.symlink_to(tmp_path / "aside")
    error = failure(site)
    assert error.path == str(path)
    assert "is a link or no plain file" in error.what


def resign(site: Site, folder: str = "", **changes: object) -> None:
    """Sign a changed bundle with the site's own key: what even the site itself must not get through."""
    path = site.run / folder / BUNDLE
    canonical(path, **changes)
    key = site_key()
    content = path.read_bytes()
    path.with_name(f"{BUNDLE}.sig").write_text(dump_json(key.sign("bundle", content)))
    seal = read_json(site.run / folder / SEAL, Seal)
    changed = seal.model_copy(update={"bundle": hashlib.sha256(content).hexdigest()})
    write_signed(site.run / folder / SEAL, changed, "bundle", key)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../b", "", "a\\b", "a\0b"])
def test_a_bundle_that_lists_a_path_outside(site: Site, path: str) -> None:
    files = json.loads((site.run / BUNDLE).read_text())["files"]
    files[0]["path"] = path
    resign(site, files=files)
    assert "allowed are plain relative paths" in failure(site).what


def test_a_bundle_that_lists_a_file_twice(site: Site) -> None:
    files = json.loads((site.run / BUNDLE).read_text())["files"]
    resign(site, files=[files[0], *files])
    assert "some file systems cannot tell apart" in failure(site).what


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operator", "dir"),
        ("instrument", "OTHER"),
        ("lot", "L2"),
        ("use", "clinical"),
        ("kit_state", "released"),
        ("build", "0" * 64),
        ("reference", "hg19"),
        ("software", "9.9.9"),
        ("run_id", "OTHER"),
        ("run", "OTHER:0123456789abcdef"),
    ],
)
def test_facts_that_differ_from_the_run(site: Site, field: str, value: str) -> None:
    for folder in (f"reports/{SAMPLE}", ""):
        changes: dict[str, object] = {field: value}
        if not folder:
            content = (site.run / "reports" / SAMPLE / BUNDLE).read_bytes()
            changes["samples"] = {SAMPLE: hashlib.sha256(content).hexdigest()}
        resign(site, folder, **changes)
    error = failure(site)
    assert (error.where, Path(error.path).name) == (field, "run.json")


def test_the_bundle_of_a_sample_must_be_the_runs(site: Site) -> None:
    resign(site, f"reports/{SAMPLE}", operator="dir")
    assert "is not the one that the run's bundle names" in failure(site).what


def test_the_list_of_inputs_must_fit_its_digest(site: Site) -> None:
    inputs = json.loads((site.run / BUNDLE).read_text())["inputs"]
    resign(site, inputs=inputs[1:])
    assert failure(site).where == "inputs_digest"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"bundle": "a", "bundle": "b"}\n', "should match pattern"),
        (b"[" * 100_000, "recursion limit|EOF|Invalid JSON"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "Input should be 1|Invalid JSON|number"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b'"\\ud800"', "Invalid JSON"),
    ],
)
def test_json_that_is_no_document(content: bytes, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        parse("seal.json", content, Seal)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"schema_version": 1', '"schema_version": 1,\n  "schema_version": 1'),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
        lambda text: text.replace('"bundle"', '"\\u0062undle"'),
        lambda text: text.replace('"schema_version": 1', '"schema_version": 1e0'),
        lambda text: " " + text,
        lambda text: text.replace('  "bundle"', '    "bundle"'),
    ],
)
def test_json_that_says_the_same_in_other_bytes(change: object) -> None:
    text = dump_json(Seal(bundle="0" * 64, provenance=None, ledger=None))
    assert parse("seal.json", text.encode(), Seal).bundle == "0" * 64
    assert callable(change)
    with pytest.raises(DefinitionError):
        parse("seal.json", change(text).encode(), Seal)


@pytest.mark.req("REQ-BDL-003")
def test_a_key_that_is_not_trusted(site: Site, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="which this machine does not trust"):
        list(verify(site.run, {}, None, Wanted()))
    stranger = new_key("stranger", None, tmp_path)
    write_signed(site.run / BUNDLE, read_json(site.run / BUNDLE, Bundle), "bundle", stranger)
    assert "does not trust" in failure(site).what


@pytest.mark.req("REQ-BDL-003")
@pytest.mark.req("REQ-BDL-003")
def test_a_manufacturers_key_is_no_sites(site: Site) -> None:
    maker = new_key("maker", None)
    trust(site.home / "keys" / "maker.pub", "manufacturer")
    for path, model in ((site.run / BUNDLE, Bundle), (site.run / SEAL, Seal)):
        write_signed(path, read_json(path, model), "bundle", maker)
    assert "(maker), which this machine does not trust" in failure(site).what


def test_another_trusted_site_cannot_sign_for_this_one(site: Site, tmp_path: Path) -> None:
    other = new_key("other-site", None, tmp_path)
    trust(tmp_path / "other-site.pub", "site")
    write_signed(site.run / BUNDLE, read_json(site.run / BUNDLE, Bundle), "bundle", other)
    assert "is of another key than" in failure(site).what


@pytest.mark.req("REQ-BDL-003")
def test_a_signature_for_another_purpose(site: Site) -> None:
    write_signed(site.run / BUNDLE, read_json(site.run / BUNDLE, Bundle), "report", site_key())
    assert "was given for report, needed is one for bundle" in failure(site).what


@pytest.mark.req("REQ-BDL-003")
def test_stripping_the_signatures_is_found(site: Site) -> None:
    for path in site.run.rglob("bundle*.sig"):
        path.unlink()
    assert "the signature is missing" in failure(site).what
    canonical(site.run / BUNDLE, site=None)
    assert "nobody vouches" in failure(site).what


@pytest.mark.req("REQ-SGN-002")
def test_the_approval_of_another_result_copied_in(signed: Site) -> None:
    for name in ("approval.json", "approval.json.sig"):
        shutil.copy(signed.report / "v1" / name, signed.report / "v2" / name)
    error = failure(signed)
    assert "v2/approval.json" in error.path
    assert "is of another sample, run or version" in error.what


def test_a_version_copied_over_another(signed: Site) -> None:
    shutil.rmtree(signed.report / "v2")
    shutil.copytree(signed.report / "v1", signed.report / "v2")
    assert "v2" in failure(signed).path


def forge(site: Site, approval: Approval, version: str = "v1") -> None:
    """Sign a forged approval with the site's key."""
    write_signed(site.report / version / "approval.json", approval, "report", site_key())


def approval_of(site: Site) -> Approval:
    return read_json(site.report / "v1" / "approval.json", Approval)


@pytest.mark.req("REQ-SGN-002")
def test_a_forged_name_in_the_signatures(signed: Site) -> None:
    found = approval_of(signed)
    shown = found.sign_off.signatures
    for field, value in (("user", "rev"), ("role", "reviewer"), ("at", "2020-01-01T00:00:00+00:00"), ("comment", "x")):
        signatures = (*shown[:-1], shown[-1].model_copy(update={field: value}))
        sign_off = found.sign_off.model_copy(update={"signatures": signatures})
        forge(signed, found.model_copy(update={"sign_off": sign_off}))
        assert "are not those of the ledger's entries" in failure(signed).what


def test_a_forged_entry(signed: Site) -> None:
    found = approval_of(signed)
    last = found.entries[-1].model_copy(update={"user": "rev"})
    forge(signed, found.model_copy(update={"entries": (*found.entries[:-1], last)}))
    assert "does not fit its own digest" in failure(signed).what


def test_an_approval_without_a_review(signed: Site) -> None:
    found = approval_of(signed)
    sign_off = found.sign_off.model_copy(update={"signatures": (found.sign_off.signatures[1],) * 2})
    forge(signed, found.model_copy(update={"sign_off": sign_off, "entries": (found.entries[1],) * 2}))
    assert "are not reviews and then a director's approval" in failure(signed).what


@pytest.mark.req("REQ-SGN-002")
def test_the_signature_of_another_version(signed: Site) -> None:
    found, other = approval_of(signed), read_json(signed.report / "v2" / "approval.json", Approval)
    forge(signed, found.model_copy(update={"entries": other.entries}))
    assert "is the signature of another result" in failure(signed).what


def test_a_changed_reason_of_an_amendment(signed: Site) -> None:
    found = read_json(signed.report / "v2" / "approval.json", Approval)
    assert found.sign_off.amends is not None
    amends = found.sign_off.amends.model_copy(update={"why": "nothing of note"})
    forge(signed, found.model_copy(update={"sign_off": found.sign_off.model_copy(update={"amends": amends})}), "v2")
    assert "differs from amendment.json" in failure(signed).what


@pytest.mark.req("REQ-SGN-007")
def test_a_first_version_taken_away(signed: Site) -> None:
    shutil.rmtree(signed.report / "v1")
    error = failure(signed)
    assert (error.where, error.what) == ("v1", "this version is missing, but later ones are there")


@pytest.mark.req("REQ-SGN-007")
def test_a_last_version_taken_away_is_known_to_the_ledger(signed: Site, tmp_path: Path) -> None:
    export(signed, tmp_path / "whole.zip", "full")
    shutil.rmtree(signed.report / "v2")
    assert f"version 2 of {SAMPLE} is approved in the ledger, but is not here" in failure(signed).what
    assert any(link.what for link in verify(signed.run, site_trust(), None, Wanted(is_rendered=False)))


def test_a_report_that_another_one_replaces(signed: Site) -> None:
    """Even with a signed approval that names its digest: the report is not what the result gives."""
    folder = signed.report / "v1"
    found = approval_of(signed)
    changed = (folder / "report.en.html").read_bytes().replace(b"Leu858Arg", b"Leu858Gln")
    (folder / "report.en.html").write_bytes(changed)
    file = found.files["report.en.html"].model_copy(
        update={"size": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
    )
    forge(signed, found.model_copy(update={"files": {**found.files, "report.en.html": file}}))
    with pytest.raises(DefinitionError, match=r"is not what result\.json and the sign-off give"):
        list(verify(signed.run, site_trust(), None, Wanted()))


def test_a_cut_or_other_ledger(signed: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canonical(signed.run / SEAL, ledger={"site": "north-lab", "sequence": 999, "digest": "0" * 64})
    assert failure(signed).path.endswith(SEAL)
    seal = read_json(signed.run / SEAL, Seal)
    write_signed(signed.run / SEAL, seal, "bundle", site_key())
    assert "differs from the run's seal" in failure(signed).what
    sample = read_json(signed.report / SEAL, Seal).model_copy(update={"ledger": seal.ledger})
    write_signed(signed.report / SEAL, sample, "bundle", site_key())
    assert "names entry 999 (0000000000000000...), which the ledger here does not hold" in failure(signed).what


@pytest.mark.req("REQ-SGN-003")
def test_a_flipped_byte_in_a_signed_pdf_is_found_by_its_own_signature(signed: Site) -> None:
    content = (signed.report / "v1" / "report.en.pdf").read_bytes()
    check_pdf("report.en.pdf", content)
    for at in range(0, len(content), len(content) // 25):
        changed = bytearray(content)
        changed[at] ^= 1
        with pytest.raises(DefinitionError, match="PDF signature"):
            check_pdf("report.en.pdf", bytes(changed))
    with pytest.raises(DefinitionError, match=r"does not hold for the whole file|damaged"):
        check_pdf("report.en.pdf", content + b"\n% more\n")
    with pytest.raises(DefinitionError, match="found 0 signatures, expected 1"):
        check_pdf("report.en.pdf", (signed.report / "report.en.pdf").read_bytes())
