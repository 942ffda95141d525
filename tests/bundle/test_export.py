"""Bundles as archives: whole, de-identified, aggregates; who may export, and the log of it."""

import gzip
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pysam
import pytest

from ctdna.bundle.deidentify import names_of, renamed
from ctdna.bundle.export import Purpose, Request, Witness, check_clean, export_bundle
from ctdna.bundle.pseudonyms import pseudonym, secret_path, site_secret
from ctdna.bundle.trust import site_trust
from ctdna.bundle.walk import Wanted, verify
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import read_json
from ctdna.formats.relabel import renamer
from ctdna.model.bundle import Content
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.model.ledger import BundleExported
from ctdna.model.manifest import RunManifest
from tests.bundle.world import QUICK, SAMPLE, Site, password

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed

PURPOSE = Purpose("Southern Laboratory", "comparison of two sites", "EC 12/2026")
IDENTIFYING = (SAMPLE, "P04", "SUBJ-0041", "260302_DEMO_0001_AHDEMO", "HDEMO", "Jane Roe", "2026-03-02", "2025-11-03")


def export(site: Site, output: Path, content: Content, sample: str | None = None, user: str = "dir") -> str:
    ledger = site.ledger
    actor = ledger.authenticate(user, password(user))
    return export_bundle(Request(site.run, sample, content, output), Witness(ledger, actor, PURPOSE))


def text_of(content: bytes) -> str:
    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    return plain.decode("latin-1")


def members(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: text_of(archive.read(name)) for name in archive.namelist()}


def holds(site: Site, archive: Path, wanted: Wanted = QUICK) -> list[str]:
    return site.links(archive, wanted)


@pytest.mark.parametrize("sample", [None, SAMPLE])
def test_a_whole_archive_holds_and_is_the_same_each_time(signed: Site, tmp_path: Path, sample: str | None) -> None:
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    export(signed, one, "full", sample)
    export(signed, two, "full", sample)
    assert one.read_bytes() == two.read_bytes()
    links = holds(signed, one)
    assert links[0].startswith("holds archive")
    assert sum(f"{SAMPLE} v" in link for link in links) == 2
    assert f"reports/{SAMPLE}/v2/approval.json" in members(one)
    assert "config.yaml" not in members(one)


def test_other_programs_read_the_archive(site: Site, tmp_path: Path) -> None:
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    target = tmp_path / "bundle.zip"
    export(site, target, "full")
    said = subprocess.run(["unzip", "-tqq", str(target)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.req("REQ-BDL-007")
@pytest.mark.parametrize("sample", [None, SAMPLE])
def test_a_de_identified_archive_holds_and_tells_no_name(signed: Site, tmp_path: Path, sample: str | None) -> None:
    target = tmp_path / "shared.zip"
    export(signed, target, "de-identified", sample)
    links = holds(signed, target)
    assert [link for link in links if "result S" in link]
    for name, text in members(target).items():
        for word in IDENTIFYING:
            assert word not in name
            assert word not in text, (name, word)
    assert not any(".fastq" in name or "report." in name or "/v1/" in name for name in members(target))


def test_what_a_de_identified_result_keeps(signed: Site, tmp_path: Path) -> None:
    target = tmp_path / "shared.zip"
    export(signed, target, "de-identified")
    files = members(target)
    alias = pseudonym(site_secret(), "sample", SAMPLE)
    result = json.loads(files[f"reports/{alias}/result.json"])
    specimen = result["sample"]["specimen"]
    assert specimen["subject_id"] == pseudonym(site_secret(), "subject", "SUBJ-0041")
    assert (specimen["drawn_at"], specimen["plasma_separated_at"]) == ("2026", "2026")
    assert (specimen["treatment"], specimen["operator"]) == (None, None)
    assert (specimen["diagnosis"], specimen["input_ng"]) == ("Lung adenocarcinoma", 14.0)
    original = json.loads((signed.report / "result.json").read_text())
    assert [item["hgvs_g"] for item in result["findings"]] == [item["hgvs_g"] for item in original["findings"]]
    bundle = json.loads(files["bundle.json"])
    assert (bundle["content"], bundle["inputs"]) == ("de-identified", [])
    assert bundle["origin"] == sha256_of(signed.run / "bundle.json")


def test_a_de_identified_bam_and_vcf_are_whole(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "shared.zip"
    export(site, target, "de-identified")
    alias = pseudonym(site_secret(), "sample", SAMPLE)
    with zipfile.ZipFile(target) as archive:
        archive.extractall(tmp_path / "out")
    folder = tmp_path / "out" / "samples" / alias
    with pysam.VariantFile(str(folder / "annotate.vcf.gz")) as vcf:
        assert list(vcf.header.samples) == [alias]
    with (
        pysam.AlignmentFile(str(folder / "filter.bam")) as bam,
        pysam.AlignmentFile(str(site.run / "samples" / SAMPLE / "filter.bam")) as before,
    ):
        assert [read.query_sequence for read in bam] == [read.query_sequence for read in before]


@pytest.mark.req("REQ-BDL-007")
def test_an_archive_of_aggregates_holds_no_sequence(signed: Site, tmp_path: Path) -> None:
    target = tmp_path / "figures.zip"
    export(signed, target, "aggregates")
    files = members(target)
    assert sorted(files) == sorted(
        ["aggregates.json", "bundle.json", "bundle.json.sig", "bundle.seal.json", "bundle.seal.json.sig"]
    )
    plain = json.loads(files["aggregates.json"])
    assert plain["samples"][0]["n_findings"] == {"snv filtered": 1, "snv reported": 1}
    for word in (*IDENTIFYING, "hgvs", "Leu858Arg", '"ref"', '"alt"', "pos1", "snps"):
        assert word not in files["aggregates.json"]
    assert [link.split(":")[0] for link in holds(signed, target)][-1] == "holds build"


@pytest.mark.req("REQ-BDL-008")
def test_each_export_is_logged_with_its_purpose(site: Site, tmp_path: Path) -> None:
    digest = export(site, tmp_path / "a.zip", "aggregates")
    entry = list(site.ledger.entries(kind="bundle.exported"))[-1]
    assert isinstance(entry.new, BundleExported)
    assert (entry.user, entry.new.recipient, entry.new.purpose, entry.new.approval) == ("dir", *PURPOSE)
    assert (entry.new.bundle_digest, entry.new.content) == (digest, "aggregates")
    assert digest == sha256_of(tmp_path / "a.zip")


@pytest.mark.req("REQ-BDL-008")
@pytest.mark.parametrize("user", ["tech", "rev", "aud", "root"])
def test_only_a_director_exports(site: Site, tmp_path: Path, user: str) -> None:
    with pytest.raises(AuthorityError, match=r"bundle\.exported needs director"):
        export(site, tmp_path / "a.zip", "aggregates", user=user)
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.req("REQ-BDL-008")
def test_a_signed_bundle_does_not_leave_without_the_log(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its exports are logged in the ledger"):
        export_bundle(Request(site.run, None, "full", tmp_path / "a.zip"), None)


def test_a_changed_run_does_not_leave(site: Site, tmp_path: Path) -> None:
    (site.report / "reads.json").write_text("{}\n")
    with pytest.raises(DefinitionError, match=r"reads\.json"):
        export(site, tmp_path / "a.zip", "full")
    assert list(site.ledger.entries(kind="bundle.exported")) == []


def test_a_sample_that_is_not_there(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"P99.*holds no bundle\.json"):
        export(site, tmp_path / "a.zip", "full", "P99")


def test_pseudonyms_depend_on_the_sites_secret(site: Site) -> None:
    secret = site_secret()
    assert secret == site_secret()
    assert secret_path().stat().st_mode & 0o777 == 0o600
    assert pseudonym(secret, "sample", "A") == pseudonym(secret, "sample", "A")
    names = {pseudonym(s, k, n) for s in (secret, b"x" * 32) for k in ("sample", "subject") for n in ("A", "B")}  # type: ignore[arg-type]
    assert len(names) == 8
    secret_path().write_text("abcd\n")
    with pytest.raises(InputError, match="has 2 bytes, expected 32"):
        site_secret()
    secret_path().write_text("no hex\n")
    with pytest.raises(InputError, match="the secret of the pseudonyms cannot be read"):
        site_secret()


def test_names_are_replaced_as_whole_words_only() -> None:
    rename = renamer({"S1": "X", "S1-b": "Y", "a.b": "Z"})
    assert rename("S1, S1-b; S10 S1_2 (S1) a.b. axb AS1") == "X, Y; S10 S1_2 (X) Z. axb AS1"
    assert renamer({})("S1") == "S1"


def test_a_name_that_is_a_word_of_the_documents_is_refused(site: Site) -> None:
    manifest = read_json(site.run / "run.json", RunManifest)
    with pytest.raises(InputError, match="uses as a word of its own"):
        renamed(Path("run.json"), manifest, renamer({"patient": "S0001"}))


def test_a_name_left_over_stops_the_export(site: Site, tmp_path: Path) -> None:
    names = names_of(read_json(site.run / "run.json", RunManifest), b"x" * 32)
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "clean.json").write_text('{"of": "nobody"}\n')
    check_clean(folder, names)
    (folder / "left.json").write_text('{"of": "Jane Roe"}\n')
    with pytest.raises(InputError, match=r"left\.json: a name that identifies is left"):
        check_clean(folder, names)


@pytest.mark.req("REQ-BDL-009")
def test_an_archive_is_verified_without_the_ledger(signed: Site, tmp_path: Path) -> None:
    target = tmp_path / "shared.zip"
    export(signed, target, "de-identified")
    links = list(verify(target, site_trust(), None, QUICK))
    assert any(link.is_note and "not on this machine" in link.what for link in links)
