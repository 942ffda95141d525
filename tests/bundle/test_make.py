"""Bundles as a run makes them: which files, the same bytes, inputs that stay as they are."""

import os
from pathlib import Path

import pytest

from ctdna.bundle.finish import Finished, bundle_run
from ctdna.bundle.hashing import digest_of_lines, sha256_of_all
from ctdna.bundle.inputs import NOTE, check_unchanged, input_files, note_inputs
from ctdna.bundle.layout import counts, is_of_sample, is_own, walk_files
from ctdna.bundle.make import listed_files, reference_digest
from ctdna.bundle.walk import Wanted, verify
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import read_json, write_json
from ctdna.kit.authority import Authority
from ctdna.kit.reference import StoredContig, StoredReference
from ctdna.model.bundle import Bundle, Seal
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.ledger import ResultMade, RunFinished
from ctdna.model.manifest import RunManifest
from tests.builders_bcl import tile_of, write_run_folder, write_sheet
from tests.bundle.world import PROVENANCE, QUICK, SAMPLE, SITE, Site, finish, make_stages, password

pytestmark = pytest.mark.timeout(60)  # reports are rendered and signed


def again(site: Site, authority: Authority | None) -> None:
    manifest = read_json(site.run / "run.json", RunManifest)
    finish(site.root, manifest, site.root / "reference.fa", authority)


def tech(site: Site) -> Authority:
    ledger = site.ledger
    return Authority(ledger, ledger.authenticate("tech", password("tech")))


def test_the_bundle_names_what_the_run_was_made_with(site: Site) -> None:
    bundle = read_json(site.run / "bundle.json", Bundle)
    assert (bundle.site, bundle.operator, bundle.instrument, bundle.lot) == (SITE, "tech", "DEMO1", "L1")
    assert (bundle.kit, bundle.content, bundle.origin) == ("ctdna-demo@1.0.0", "full", None)
    assert [item.path for item in bundle.inputs] == [f"{SAMPLE}_R1.fastq.gz", f"{SAMPLE}_R2.fastq.gz"]
    listed = {item.path: item.sha256 for item in bundle.files}
    assert listed[f"reports/{SAMPLE}/result.json"] == sha256_of(site.report / "result.json")
    assert not {"config.yaml", "provenance.json", "logs/snakemake.log", "bundle.json"} & set(listed)
    assert bundle.samples == {SAMPLE: sha256_of(site.report / "bundle.json")}


@pytest.mark.req("REQ-BDL-006")
def test_the_same_run_gives_the_same_bundle_but_not_the_same_seal(site: Site) -> None:
    before = {path: path.read_bytes() for path in site.run.rglob("bundle.*") if path.is_file()}
    site.ledger.authenticate("rev", password("rev"))
    with pytest.raises(Exception, match="log-in"):
        site.ledger.authenticate("rev", "wrong")
    again(site, tech(site))
    differing = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert differing == {"bundle.seal.json", "bundle.seal.json.sig"}
    site.links()


def test_a_run_stands_in_the_ledger_once(site: Site) -> None:
    again(site, tech(site))
    made = [entry.new for entry in site.ledger.entries(kind="result.made")]
    ended = [entry.new for entry in site.ledger.entries(kind="run.finished")]
    assert [(item.sample, item.version) for item in made if isinstance(item, ResultMade)] == [(SAMPLE, 1)]
    assert isinstance(ended[0], RunFinished)
    assert (len(ended), ended[0].bundle_digest) == (1, sha256_of(site.run / "bundle.json"))


def test_another_result_of_the_same_run_is_no_first_version(site: Site) -> None:
    path = site.report / "result.json"
    path.write_text(path.read_text().replace("Lung adenocarcinoma", "Lung adenocarcinom4"))
    with pytest.raises(InputError, match=r"the ledger knows another result of this run.*ctdna amend"):
        again(site, tech(site))


def test_the_seal_holds_the_ledgers_end_after_the_run(site: Site) -> None:
    seal = read_json(site.run / "bundle.seal.json", Seal)
    assert seal.ledger is not None
    last = list(site.ledger.entries())[seal.ledger.sequence - 1]
    assert (last.new.kind, last.digest) == ("run.finished", seal.ledger.digest)


def test_a_research_run_is_unsigned_and_says_so(site: Site, tmp_path: Path) -> None:
    manifest, reference = make_stages(tmp_path / "research", None)
    finish(tmp_path / "research", manifest, reference, None)
    run = tmp_path / "research" / "run"
    assert list(run.rglob("*.sig")) == []
    with pytest.raises(DefinitionError, match=r"is unsigned: a research run.*give --unsigned"):
        list(verify(run, {}, None, QUICK))
    links = list(verify(run, {}, site.ledger, QUICK._replace(unsigned="let pass")))
    assert (links[0].what, links[0].is_note) == ("unsigned: a research run", True)
    (run / "run.json").write_text((run / "run.json").read_text().replace("HDEMO", "HDEMX"))
    with pytest.raises(DefinitionError, match=r"run\.json: was changed"):
        list(verify(run, {}, None, QUICK._replace(unsigned="let pass")))


def test_a_signature_from_before_does_not_stay(site: Site) -> None:
    again(site, None)
    assert not (site.run / "bundle.json.sig").exists()


@pytest.mark.req("REQ-BDL-005")
@pytest.mark.parametrize("change", ["changed", "removed", "added", "touched"])
def test_an_input_that_does_not_stay_as_it_was(site: Site, change: str) -> None:
    path = site.inputs / f"{SAMPLE}_R1.fastq.gz"
    if change == "changed":
        path.write_bytes(b"other reads")
    elif change == "removed":
        path.rename(site.inputs / f"{SAMPLE}_R1.fastq.gz.aside")
        (site.inputs / f"{SAMPLE}_R2.fastq.gz").rename(path)
    elif change == "added":
        (site.inputs / "P77_R1.fastq.gz").write_bytes(b"more")
    else:
        os.utime(path, ns=(0, 0))
    with pytest.raises(InputError, match="while the run worked; its results cannot be traced to one input"):
        check_unchanged(site.inputs, None, site.run)


def test_the_first_note_of_the_inputs_stays(site: Site) -> None:
    before = (site.run / NOTE).read_text()
    (site.inputs / f"{SAMPLE}_R1.fastq.gz").write_bytes(b"other reads")
    note_inputs(site.inputs, None, site.run)
    assert (site.run / NOTE).read_text() == before


def test_inputs_are_compared_where_they_are_at_hand(site: Site) -> None:
    wanted = Wanted(is_rendered=False, inputs=site.inputs)
    assert any("2 files of the run folder" in link for link in site.links(wanted=wanted))
    (site.inputs / f"{SAMPLE}_R1.fastq.gz").write_bytes(b"other reads")
    with pytest.raises(DefinitionError, match=r"_R1\.fastq\.gz: is not the input that the run read"):
        site.links(wanted=wanted)
    (site.inputs / f"{SAMPLE}_R1.fastq.gz").unlink()
    with pytest.raises(DefinitionError, match=r"input .*_R1\.fastq\.gz is missing"):
        site.links(wanted=wanted)


def test_the_inputs_of_a_run_folder(tmp_path: Path) -> None:
    reads = [(5, "T"), (4, "B"), (4, "B"), (3, "T")]
    folder = tmp_path / "run"
    write_run_folder(folder, reads, {1: {1101: tile_of(["ACGTAAAAACCCCTTG"])}})
    write_sheet(folder / "SampleSheet.csv", ["S1,AAAA,CCCC"])
    (folder / "Thumbnail_Images").mkdir()
    (folder / "Thumbnail_Images" / "a.jpg").write_bytes(b"picture")
    names = set(input_files(folder, folder / "SampleSheet.csv"))
    assert {"RunInfo.xml", "SampleSheet.csv"} <= names
    assert any(name.startswith("Data/Intensities/BaseCalls/L001/") for name in names)
    assert not any("Thumbnail" in name for name in names)
    outside = tmp_path / "other.csv"
    outside.write_bytes((folder / "SampleSheet.csv").read_bytes())
    assert "other.csv" in input_files(folder, outside)


def test_which_files_count() -> None:
    assert counts("run.json")
    assert counts("reports/P1/result.json")
    for path in ("logs/a.log", "benchmarks/a.tsv", "config.yaml", "provenance.json", "reports/P1/v1/approval.json"):
        assert not counts(path)
    assert is_own("reports/P1/bundle.seal.json.sig")
    assert not is_own("samples/P1/bundle.json")
    assert is_of_sample("fastq/P1_R1.fastq.gz", "P1")
    assert not is_of_sample("fastq/P1_R1_R1.fastq.gz", "P1")
    assert not is_of_sample("samples/P10/filter.bam", "P1")
    assert is_of_sample("fastq/P1_R1_R1.fastq.gz", "P1_R1")


def test_a_file_whose_name_no_run_has(site: Site) -> None:
    (site.run / "my notes.txt").write_text("x")
    with pytest.raises(InputError, match="its name is not plain"):
        listed_files(site.run)


def test_a_link_in_the_output_folder(site: Site) -> None:
    (site.run / "link.json").symlink_to(site.run / "run.json")
    with pytest.raises(DefinitionError, match="is a link or no plain file"):
        walk_files(site.run)


def test_digests_do_not_depend_on_threads(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(7)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    assert sha256_of_all(paths, 1) == sha256_of_all(paths, 4) == [sha256_of(path) for path in paths]
    # of `printf 'a\nb\n' | sha256sum`
    assert digest_of_lines(["a", "b"]) == "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"


def test_the_digest_of_a_reference(tmp_path: Path) -> None:
    assert reference_digest(tmp_path / "reference.fa") is None
    contigs = (StoredContig(name="chr1", length=4, md5="0" * 32), StoredContig(name="chr2", length=2, md5="1" * 32))
    stored = StoredReference(name="r", form="genome", n_bytes=9, contigs=contigs)
    write_json(tmp_path / "reference.json", stored)
    lines = ["chr1\t4\t" + "0" * 32, "chr2\t2\t" + "1" * 32]
    assert reference_digest(tmp_path / "reference.fa") == digest_of_lines(lines)


def test_a_document_is_written_as_it_is_read(site: Site) -> None:
    done = Finished(
        site.inputs,
        None,
        site.root / "reference.fa",
        site.run,
        RunManifest.model_validate_json((site.run / "run.json").read_bytes()),
        PROVENANCE,
    )
    bundles = bundle_run(done, tech(site))
    assert read_json(site.run / "bundle.json", Bundle) == bundles.run
