"""Run folders, sample sheets, kits, variants, designs and documents that are wrong: one line, its code, no file."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ctdna.kit.lock import write_lock
from tests.builders_bcl import write_sheet
from tests.end_to_end.conftest import REPOSITORY
from tests.end_to_end.world import KIT, World, check_refusal, ctdna, done, refused, sequencer_run
from tests.report.run_folder import SAMPLE, Run, make_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"hello\n",
    "binary": lambda _: bytes(range(256)) * 9,
    "cut": lambda content: content[: len(content) // 2],
}
CALLS = "Data/Intensities/BaseCalls/L001"


def harm(path: Path, how: str) -> None:
    """Replace a file by a damaged one, by a folder, or by nothing."""
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(BYTES[how](content))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


# Run folders


@pytest.mark.req("REQ-DMX-007")
@pytest.mark.parametrize("how", ["missing", "folder", "empty", "text", "cut"])
@pytest.mark.parametrize(
    "kind, name",
    [
        ("cbcl", "C12.1/L001_1.cbcl"),
        ("bcl", "C10.1/s_1_1102.bcl"),
        ("bcl.gz", "C10.1/s_1_1102.bcl.gz"),
        ("bcl.bgzf", "0004.bcl.bgzf"),
        ("cbcl", "s_1_1101.filter"),
        ("bcl.bgzf", "s_1.bci"),
    ],
)
def test_damaged_base_calls(tmp_path: Path, out: Path, kind: str, name: str, how: str) -> None:
    run = sequencer_run(tmp_path / "run", kind)
    harm(run / CALLS / name, how)
    refused(out, ("demultiplex", run, "--output", out), 2, f"{run}/Data/Intensities/BaseCalls/L001")


def test_a_cycle_that_is_not_there(tmp_path: Path, out: Path) -> None:
    run = sequencer_run(tmp_path / "run")
    shutil.rmtree(run / CALLS / "C12.1")
    refused(out, ("demultiplex", run, "--output", out), 2, "L001: found 15 cycles, expected 16; missing: 12; copy the")


@pytest.mark.parametrize("how", ["missing", "folder", "empty", "text", "cut", "binary"])
@pytest.mark.parametrize("name", ["RunInfo.xml", "SampleSheet.csv", "Data/Intensities/L001/s_1_1101.locs"])
def test_damaged_parts_of_a_run_folder(tmp_path: Path, out: Path, name: str, how: str) -> None:
    run = sequencer_run(tmp_path / "run")
    harm(run / name, how)
    refused(out, ("demultiplex", run, "--output", out), 2, f"{run}")


HEAD = "[Header]\nFileFormatVersion,2\n\n[BCLConvert_Data]\n"
SHEETS: dict[str, tuple[bytes | list[str], str]] = {
    "same id": (["S1,AAAA,CCCC", "S1,AAAA,CCCC"], "line 7: found Sample_ID 'S1' again (first on line 6)"),
    "same barcode": (["S1,AAAA,CCCC", "S2,AAAA,CCCC"], "line 7: found AAAA+CCCC for 'S2' and for 'S1' (line 6)"),
    "near barcode": (["S1,AAAA,CCCC", "S2,AAAT,CCCC"], "line 7: barcodes of 'S2' and 'S1' (line 6) differ in 1+0"),
    "letters": (["S1,AAXA,CCCC"], "line 6: found index 'AAXA', allowed are the letters A, C, G, T and N"),
    "too long": (["S1,AAAAAAAA,CCCC"], "line 6: found index 'AAAAAAAA' of 8 bases for 'S1', the run has 4 cycles"),
    "path": (["../../etc/passwd,AAAA,CCCC"], "line 6: found Sample_ID '../../etc/passwd', allowed are letters"),
    "absolute path": (["/etc/passwd,AAAA,CCCC"], "line 6: found Sample_ID '/etc/passwd', allowed are letters"),
    "shell": (["$(rm -rf x),AAAA,CCCC"], "line 6: found Sample_ID '$(rm -rf x)', allowed are letters"),
    "backtick": (["`id`;id,AAAA,CCCC"], "line 6: found Sample_ID '`id`;id', allowed are letters"),
    "space": (["S 1,AAAA,CCCC"], "line 6: found Sample_ID 'S 1', allowed are letters, digits, dash and underscore"),
    "own name": (["Undetermined,AAAA,CCCC"], "line 6: found Sample_ID 'Undetermined', which names the reads of no"),
    "case": (["S1,AAAA,CCCC", "s1,GGGG,TTTT"], "line 7: found Sample_ID 's1', taken by 'S1' (line 6) apart from case"),
    "no sample": ([], "line 4: found no sample in [BCLConvert_Data]"),
    "no section": (b"[Header]\nFileFormatVersion,2\n", "found sections [Header], but neither [Data] nor"),
    "utf-16": ("[Header]\n".encode("utf-16"), "found UTF-16 or binary data, expected UTF-8 text; save the sheet as"),
    "latin-1": (b"[Header]\nRunName,M\xfcller\n", "line 2: found byte 0xfc, expected UTF-8 text"),
    "semicolons": (HEAD.encode() + b"Sample_ID;Index\nS1;AAAA\n", "line 5: found columns Sample_ID;Index, but no"),
    "v1 path": (b"[Header]\nIEMFileVersion,4\n\n[Data]\nSample_ID,index,index2\na/b,AAAA,CCCC\n", "Sample_ID 'a/b'"),
}  # fmt: skip


@pytest.mark.req("REQ-DMX-008")
@pytest.mark.parametrize("command", ["demultiplex", "run"])
@pytest.mark.parametrize("name", SHEETS)
def test_wrong_sample_sheets(tmp_path: Path, out: Path, name: str, command: str) -> None:
    content, words = SHEETS[name]
    run = sequencer_run(tmp_path / "run")
    sheet = run / "SampleSheet.csv"
    if isinstance(content, bytes):
        sheet.write_bytes(content)
    else:
        write_sheet(sheet, content)
    options = ("--kit", KIT, "--output", out / "results", "--prepare") if command == "run" else ("--output", out)
    refused(out, (command, run, *options), 2, f"{sheet}: ", words)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf[Header]\r\nFileFormatVersion,2\r\n\r\n[BCLConvert_Data]\r\nSample_ID , Index,Index2\r\n"
        b" S1 , AAAA,CCCC \r\n\r\n",
        HEAD.encode() + b"Sample_ID,Index,Index2,Fancy_Column\nS1,AAAA,CCCC,=cmd()\n",
        b"[Header]\nIEMFileVersion,4\n\n[Reads]\n5\n3\n\n[Data]\nSample_ID,Sample_Name,index,index2\n"
        b"S1,x y,AAAA,CCCC\n",
    ],
    ids=["byte-order mark, Windows ends, spaces", "unknown column", "version 1"],
)
def test_odd_sample_sheets_that_are_right(tmp_path: Path, out: Path, content: bytes) -> None:
    run = sequencer_run(tmp_path / "run")
    (run / "SampleSheet.csv").write_bytes(content)
    done("demultiplex", run, "--output", out)
    assert b"ACGTA" in gzip.decompress((out / "S1_R1.fastq.gz").read_bytes())


@pytest.mark.req("REQ-RUN-005")
def test_runs_that_may_not_start(tmp_path: Path, out: Path) -> None:
    run = sequencer_run(tmp_path / "run")
    options = ("--output", out / "results", "--prepare")
    refused(out, ("run", run, "--kit", "ctdna-dmo@1.0.0", *options), 2, "did you mean ctdna-demo@1.0.0")
    refused(out, ("run", run, "--kit", "ctdna-demo", *options), 2, "--kit: found `ctdna-demo`, expected NAME@VERSION")
    refused(out, ("run", tmp_path / "none", "--kit", KIT, *options), 2, "none: found no folder of this name")
    refused(out, ("run", run / "RunInfo.xml", "--kit", KIT, *options), 2, "RunInfo.xml: found no folder of this name")
    refused(out, ("run", run, "--kit", KIT, "--output", run / "RunInfo.xml" / "x", "--prepare"), 2, "RunInfo.xml/x")
    refused(out, ("run", run, "--kit", KIT, *options, "--sample-sheet", tmp_path / "no.csv"), 2, "no.csv: cannot be")
    (run / "RTAComplete.txt").unlink()
    refused(out, ("run", run, "--kit", KIT, *options), 2, "the run is not complete: found none of CopyComplete.txt")


def test_a_missing_decoder(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    run = sequencer_run(tmp_path / "run")
    refused(
        out,
        ("demultiplex", run, "--output", out, "--decoder", "bcl-convert"),
        5,
        "bcl-convert: found no such program on the PATH; install",
    )


# Kits


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a kit of one's own, `mine@1.0.0`."""
    folder = tmp_path / "kits" / "mine" / "1.0.0"
    shutil.copytree(REPOSITORY / "config" / "kits" / "ctdna-demo" / "1.0.0", folder)
    (folder / "kit.yaml").write_text((folder / "kit.yaml").read_text().replace("name: ctdna-demo", "name: mine", 1))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    return folder


@pytest.mark.parametrize("stage", ["extract", "group", "consensus", "filter", "call"])
@pytest.mark.parametrize(
    "old, new, words",
    [
        ("name: mine", "name: [mine", "kit.yaml: line "),
        ("name: mine", "nome: mine", "kit.yaml: name: Field required"),
        ("strategy: paired", "strategy: best", "group.strategy: found \"best\""),
        ("name: mine", "name: other", "other"),
    ],
)  # fmt: skip
def test_malformed_kits(world: World, out: Path, kit: Path, stage: str, old: str, new: str, words: str) -> None:
    text = (kit / "kit.yaml").read_text()
    assert old in text
    (kit / "kit.yaml").write_text(text.replace(old, new, 1))
    refused(out, world.command(stage, out, kit="mine@1.0.0", strategy=None, read_structures=None), 3, words)


@pytest.mark.req("REQ-KIT-003")
def test_a_locked_kit_of_which_one_byte_changed(world: World, out: Path, kit: Path) -> None:
    write_lock(kit)
    done(*world.command("consensus", out, kit="mine@1.0.0"))
    (out / "consensus.bam").unlink()
    panel = (kit / "panel.bed").read_bytes()
    (kit / "panel.bed").write_bytes(panel[:-2] + bytes([panel[-2] ^ 1]) + panel[-1:])
    refused(out, world.command("consensus", out, kit="mine@1.0.0"), 3, "panel.bed", "lock")


def test_a_reference_that_is_not_the_kits(world: World, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_REFERENCES", str(out))
    refused(out, ("reference", "add", world / "reference.fa", "--kit", KIT), 3, "the kit needs this contig")


# Variants, quality control, reports


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def finished_run(sound: Run, tmp_path: Path) -> Path:
    """Return a copy of the finished run that may be broken."""
    shutil.copytree(sound.folder, tmp_path / "finished")
    return tmp_path / "finished"


VCF_WORDS = {
    "missing": "cannot be read: No such file or directory",
    "folder": "cannot be read: Is a directory",
    "empty": "line 1: is no VCF",
    "text": "line 1: is no VCF",
    "binary": "is neither text nor BGZF",
    "cut": "the file is truncated",
}


@pytest.mark.parametrize("how", VCF_WORDS)
def test_damaged_variants(finished_run: Path, sound: Run, out: Path, how: str) -> None:
    path = finished_run / "samples" / SAMPLE / "call.vcf.gz"
    harm(path, how)
    command = ("annotate", "--input", path, "--reference", sound.reference, "--kit", KIT, "--output", out / "a.vcf.gz")
    refused(out, command, 2, f"{path}: ", VCF_WORDS[how])


@pytest.mark.req("REQ-ANN-006")
def test_variants_that_do_not_fit_the_reference(sound: Run, world: World, tmp_path: Path, out: Path) -> None:
    contig, pos1, ref, alt = sound.site
    text = gzip.decompress((sound.folder / "samples" / SAMPLE / "call.vcf.gz").read_bytes()).decode()
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    record = next(line for line in text.splitlines() if line.startswith(f"{contig}\t{pos1}\t"))
    wrong = {
        f"\t{pos1}\t": ("\tx12\t", "line "),
        f"\t{ref}\t{alt}\t": (f"\t{alt}\t{ref}\t", f"{contig}:{pos1}"),
        f"{contig}\t": ("nowhere\t", "nowhere"),
        f"{contig}\t{pos1}\t": (f"{contig}\t99999999\t", "99999999"),
    }
    path = tmp_path / "wrong.vcf"
    for old, (new, words) in wrong.items():
        path.write_text(head + record.replace(old, new, 1) + "\n")
        command = ("annotate", "--input", path, "--reference", sound.reference, "--kit", KIT)
        refused(out, (*command, "--output", out / "a.vcf.gz"), 2, str(path), words)
    command = ("annotate", "--input", path, "--reference", world / "reference.fa", "--kit", KIT)
    refused(out, (*command, "--output", out / "a.vcf.gz"), 3, "its contigs are not those of the reference of kit")


SOURCES = (
    *("run.json", "qc/run.json", f"qc/{SAMPLE}.json"),
    *(f"samples/{SAMPLE}/{name}" for name in ("annotate.vcf.gz", "call.loci.tsv.gz", "filter.bam", "filter.bam.bai")),
)


@pytest.mark.parametrize("how", ["missing", "folder", "empty", "text", "cut", "binary"])
@pytest.mark.parametrize("name", SOURCES)
def test_damaged_sources_of_a_report(
    finished_run: Path, sound: Run, out: Path, capfd: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    harm(finished_run / name, how)
    command = ("report", "--run-dir", finished_run, "--sample", SAMPLE, "--kit", KIT, "--reference", sound.reference)
    refused(out, (*command, "--output", out / "report"), 2, str(finished_run / name).removesuffix(".bai"))
    assert capfd.readouterr().err == ""


@pytest.mark.req("REQ-RPT-006")
def test_a_result_of_another_schema(finished_run: Path, sound: Run, tmp_path: Path, out: Path) -> None:
    command = ("report", "--run-dir", finished_run, "--sample", SAMPLE, "--kit", KIT, "--reference", sound.reference)
    done(*command, "--output", tmp_path / "report")
    path = tmp_path / "report" / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    refused(out, ("report", "--from", path, "--output", out / "again"), 2, "result.json: schema_version: ")


@pytest.mark.parametrize("how", ["missing", "folder", "empty", "text", "cut"])
def test_a_damaged_manifest(finished_run: Path, sound: Run, out: Path, how: str) -> None:
    harm(finished_run / "run.json", how)
    common = ("--run-dir", finished_run, "--kit", KIT, "--output", out / "qc.json")
    sample = ("--sample", SAMPLE, "--reference", sound.reference)
    refused(out, ("qc", "sample", *common, *sample), 2, f"{finished_run / 'run.json'}: ")
    refused(out, ("qc", "run", *common), 2, f"{finished_run / 'run.json'}: ")
    check_refusal(ctdna("summary", finished_run), 2, f"{finished_run / 'run.json'}: ")


def test_quality_control_of_what_is_not_there(finished_run: Path, sound: Run, out: Path) -> None:
    common = ("qc", "sample", "--run-dir", finished_run, "--kit", KIT, "--output", out / "qc.json")
    reference = ("--reference", sound.reference)
    refused(out, (*common, "--sample", "nobody", *reference), 2, f"no sample `nobody`; known: {SAMPLE}, P04")
    refused(out, (*common, "--sample", SAMPLE, *reference), 2, "extract.json: cannot be read: No such file")


# Designs


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("", "\0", "is not YAML"),
        ("", "\t- x", "is not YAML"),
        ("", "!!python/object/apply:os.system [ls]\n", "is not YAML"),
        ("run:", "frob: 1\nrun:", "frob: found 1: Extra inputs are not permitted"),
        ("Leu858Arg", "Leu9Arg", "sample TINY-PC: found allele `EGFR p.(Leu9Arg)`"),
        ("vaf: 0.1", "vaf: 7", "samples.0.variants.0.vaf: found 7"),
        ("TINY-P1", "TINY-PC", "a sample_id stands twice"),
        ("TINY-P1", "../x", 'samples.1.sample_id: found "../x"'),
        ("samples:", "a: &a [*a]\nsamples:", "tiny.yaml: "),
        ("samples:", "a: " + "[" * 5000 + "\nsamples:", "tiny.yaml: "),
    ],
)
def test_malformed_designs(tmp_path: Path, out: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text((REPOSITORY / "test-data" / "tiny.yaml").read_text().replace(old, new, 1))
    command = ("simulate", "--design", path, "--kit", KIT, "--seed", 1, "--output", out / "run")
    refused(out, command, 2, f"{path}: ", words)


def test_a_folder_that_holds_something_is_left_alone(out: Path) -> None:
    (out / "thesis.txt").write_text("precious")
    design = REPOSITORY / "test-data" / "tiny.yaml"
    command = ("simulate", "--design", design, "--kit", KIT, "--seed", 1, "--output", out)
    refused(out, command, 2, f"{out}: exists and is not an empty folder")
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
