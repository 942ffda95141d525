"""Files that are missing, cut, damaged or of another kind, in every command of the reads: one line, code 2, no file."""

import gzip
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam
import pytest

from tests.aligner import random_contigs
from tests.builders import Read, write_bam, write_fasta, write_fastq
from tests.end_to_end.world import KIT, World, check_refusal, ctdna, done, molecules, refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
READ_INPUTS = [("extract", "r1"), ("extract", "r2"), ("align", "r1"), ("align", "r2")]
BAM_INPUTS = [(stage, "input") for stage in ("group", "consensus", "realign", "filter", "call")]
BAM_INPUTS.append(("background", "normals"))
REFERENCES = [(stage, "reference") for stage in ("align", "realign", "filter", "call", "background")]
STAGES = ["extract", "align", "group", "consensus", "realign", "filter", "call", "background"]


def flipped(content: bytes, at: int) -> bytes:
    """Return the content with one bit of one byte turned."""
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


HARMS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"hello\nworld\n",
    "binary": lambda _: bytes(range(256)) * 20,
    "cut": lambda content: content[: len(content) // 2],
    "tail_cut": lambda content: content[:-10],
    "flip": lambda content: flipped(content, len(content) // 2),
    "early_flip": lambda content: flipped(content, 30),
    "no_gzip": lambda content: content[:2] + bytes(50),
}
FASTQ_WORDS = {
    "empty": "ends after 0 reads, but",
    "text": "record 1: the file ends after 2 of the record's 4 lines",
    "binary": "record 1: the first line of a record must start with @",
    "cut": "the file is truncated",
    "tail_cut": "the file is truncated",
    "flip": "the file is damaged: copy or make it again",
    "early_flip": "the file is damaged: copy or make it again",
    "no_gzip": "gzip does not inflate",
}
BAM_WORDS = {
    "empty": "not a BAM file",
    "text": "not a BAM file",
    "binary": "not a BAM file",
    "cut": "the file is truncated",
    "tail_cut": "the file is truncated",
    "flip": "the file is damaged: copy or make it again",
    "early_flip": "the file is damaged: copy or make it again",
    "no_gzip": "not a BAM file",
}


def _source(world: World, stage: str, option: str) -> Path:
    words = world.command(stage, world.folder)
    return Path(str(words[words.index(f"--{option.replace('_', '-')}") + 1]))


def _harmed(world: World, stage: str, option: str, harm: str, folder: Path) -> Path:
    source = _source(world, stage, option)
    path = folder / source.name
    path.write_bytes(HARMS[harm](source.read_bytes()))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("stage, option", READ_INPUTS)
def test_damaged_fastq(world: World, tmp_path: Path, out: Path, stage: str, option: str, harm: str) -> None:
    path = _harmed(world, stage, option, harm, tmp_path)
    refused(out, world.command(stage, out, **{option: path}), 2, str(path), FASTQ_WORDS[harm])


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("stage, option", BAM_INPUTS)
def test_damaged_bam(world: World, tmp_path: Path, out: Path, stage: str, option: str, harm: str) -> None:
    path = _harmed(world, stage, option, harm, tmp_path)
    refused(out, world.command(stage, out, **{option: path}), 2, str(path), BAM_WORDS[harm])


@pytest.mark.parametrize("stage, option", [*READ_INPUTS, *BAM_INPUTS, *REFERENCES, ("call", "targets")])
def test_missing_file_and_folder(world: World, tmp_path: Path, out: Path, stage: str, option: str) -> None:
    absent = tmp_path / "absent"
    needs_index = option == "reference" and stage in ("align", "realign")
    words = "the reference is not found" if needs_index else "cannot be read: No such file or directory"
    refused(out, world.command(stage, out, **{option: absent}), 2, f"{absent}: {words}")
    refused(out, world.command(stage, out, **{option: tmp_path}), 2, f"{tmp_path}: ")


def test_damage_in_a_later_block_leaves_nothing(world: World, tmp_path: Path, out: Path) -> None:
    for name, reads in zip(("a.fastq.gz", "b.fastq.gz"), molecules(400), strict=True):
        write_fastq(tmp_path / name, reads)
    pair = {"r1": tmp_path / "a.fastq.gz", "r2": tmp_path / "b.fastq.gz"}
    done(*world.command("extract", tmp_path, **pair))
    path = tmp_path / "extract_r2.fastq.gz"
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size - 300))
    refused(out, world.command("align", out, r1=tmp_path / "extract_r1.fastq.gz", r2=path), 2, "byte ", "BGZF block")


def test_mates_that_do_not_belong_together(world: World, tmp_path: Path, out: Path) -> None:
    one, two = molecules(5)
    write_fastq(tmp_path / "short.fastq", two[:-1])
    command = world.command("extract", out, r1=write_fastq(tmp_path / "one.fastq", one), r2=tmp_path / "short.fastq")
    refused(out, command, 2, "short.fastq: ends after 29 reads, but", "give the R1 and R2 of one run")
    write_fastq(tmp_path / "other.fastq", [*two[:3], ("stranger", *two[3][1:]), *two[4:]])
    command = world.command("extract", out, r1=tmp_path / "one.fastq", r2=tmp_path / "other.fastq")
    refused(out, command, 2, "one.fastq: record 4: read m0c3 stands beside stranger of")


@pytest.mark.req("REQ-BAL-003")
def test_reads_that_are_all_rejected_are_counted(world: World, tmp_path: Path, out: Path) -> None:
    reads = [(f"r{i}", "ACGTA", "IIIII") for i in range(7)]
    paths = {name: write_fastq(tmp_path / f"{name}.fastq", reads) for name in ("r1", "r2")}
    ended = done(*world.command("extract", out, **paths, metrics=out / "extract.json"))
    assert "no read is left (too_short 7)" in ended.err
    assert '"n_out": 0' in (out / "extract.json").read_text()
    empty = {"r1": out / "extract_r1.fastq.gz", "r2": out / "extract_r2.fastq.gz"}
    done(*world.command("align", out, **empty))
    for stage, before in (("group", "align"), ("consensus", "group"), ("realign", "consensus"), ("filter", "realign")):
        done(*world.command(stage, out, input=out / f"{before}.bam"))
    done(*world.command("call", out, input=out / "filter.bam"))
    assert b"NO_CALL" in gzip.decompress((out / "call.loci.tsv.gz").read_bytes())


def test_consensus_of_reads_without_molecules(world: World, tmp_path: Path, out: Path) -> None:
    refused(out, world.command("consensus", out, input=world / "align.bam"), 2, "align.bam: ", "MI")
    mixed = [Read(name=f"r{i}", flag=flag, tags={"MI": mi, "RX": "AA-CC"})
             for i, mi in enumerate(("1/A", "2/A", "1/A")) for flag in (77, 141)]  # fmt: skip
    path = write_bam(tmp_path / "mixed.bam", mixed)
    refused(out, world.command("consensus", out, input=path), 2, "mixed.bam: ", "1", "group")


@pytest.mark.parametrize("harm", ["empty", "text", "binary", "cut", "tail_cut"])
@pytest.mark.parametrize("stage, option", REFERENCES)
def test_damaged_reference(world: World, tmp_path: Path, out: Path, stage: str, option: str, harm: str) -> None:
    path = _harmed(world, stage, option, harm, tmp_path)
    for side in world.folder.glob("reference.fa.*"):
        shutil.copy(side, tmp_path)
    refused(out, world.command(stage, out, reference=path), 2, f"{path}: contig chr")


@pytest.fixture
def other_reference(world: World, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def make(contigs: dict[str, str]) -> Path:
        path = write_fasta(tmp_path / "other" / "other.fa", contigs)
        subprocess.run(["bwa", "index", str(path)], check=True, capture_output=True)
        return path

    (tmp_path / "other").mkdir()
    return make


def _with_a_weak_base(source: Path, target: Path) -> Path:
    """Write the reads again with the quality of one base at 2, so that it is masked and the reference is needed."""
    with pysam.AlignmentFile(str(source)) as reads, pysam.AlignmentFile(str(target), "wb", template=reads) as weak:
        for read in reads:
            qualities = read.query_qualities
            assert qualities is not None
            qualities[40] = 2
            read.query_qualities = qualities
            weak.write(read)
    return target


def test_another_sequence_of_the_same_names(
    world: World, tmp_path: Path, out: Path, other_reference: Callable[[dict[str, str]], Path]
) -> None:
    draw = np.random.default_rng(99)
    path = other_reference(
        {name: "".join(draw.choice(list("ACGT"), len(bases))) for name, bases in random_contigs().items()}
    )
    for stage in ("call", "background"):
        refused(out, world.command(stage, out, reference=path), 2, "differ from the reads that are aligned to it")
    weak = _with_a_weak_base(world / "realign.bam", tmp_path / "weak.bam")
    masking = world.command("filter", out, input=weak, reference=path, min_base_quality=10)
    refused(out, masking, 2, "differ from the reads that are aligned to it", "give the reference that the reads")
    for suffix in (".amb", ".ann", ".bwt", ".pac", ".sa"):
        shutil.copy(f"{world / 'reference.fa'}{suffix}", f"{path}{suffix}")
    for stage in ("align", "realign"):
        refused(out, world.command(stage, out, reference=path), 2, "the aligner's index is of another sequence")


@pytest.mark.req("REQ-ALN-004")
def test_contigs_that_are_missing_or_of_another_length(
    world: World, out: Path, other_reference: Callable[[dict[str, str]], Path]
) -> None:
    contigs = random_contigs()
    path = other_reference({"chr2": contigs["chr2"]})
    refused(out, world.command("filter", out, reference=path), 2, "contig chr1: found none, the BAM's header says 6000")
    refused(out, world.command("call", out, reference=path), 2, "contig chr1 has 6000 bases", "it is absent")
    path = other_reference(contigs | {"chr1": contigs["chr1"][:-1]})
    refused(out, world.command("filter", out, reference=path), 2, "contig chr1: found 5999, the BAM's header says 6000")
    refused(out, world.command("call", out, reference=path), 2, "in the reference other.fa 5999")
    refused(out, world.command("align", out, kit=KIT), 3, f"kit {KIT} needs", "give the reference of the kit")


def test_a_reference_without_index(world: World, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "bare.fa"
    shutil.copy(world / "reference.fa", path)
    for stage in ("align", "realign"):
        refused(out, world.command(stage, out, reference=path), 2, "the aligner's index bare.fa.amb is missing")
    for stage in ("filter", "call", "background"):
        refused(out, world.command(stage, out, reference=path), 2, "its index bare.fa.fai is missing", "faidx")
    Path(f"{path}.fai").write_bytes(b"\xff\xfe chr1\n")
    refused(out, world.command("call", out, reference=path), 2, "bare.fa.fai: line 1: not a line of a FASTA index")


@pytest.mark.parametrize(
    "content, words",
    [
        (b"chr1\t5990\t6001\n", "line 1: found 5990 to 6001, chr1 runs from 0 to 6000"),
        (b"chr1\t9\t9\n", "line 1: found 9 to 9"),
        (b"chr9\t1\t5\n", "line 1: contig chr9 is not in the reference"),
        (b"chr1\t1\n", "line 1: found 2 columns, expected at least 3"),
        (b"chr1\tone\ttwo\n", "line 1: found one to two, expected whole numbers"),
        (b"", "holds no target"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_panels_off_the_reference(world: World, tmp_path: Path, out: Path, content: bytes, words: str) -> None:
    path = tmp_path / "panel.bed"
    path.write_bytes(content)
    for stage in ("call", "background"):
        refused(out, world.command(stage, out, targets=path), 2, f"{path}: {words}")


@pytest.mark.parametrize("option", ["hotspots", "common_snps", "background"])
@pytest.mark.parametrize("harm", ["empty", "text", "binary"])
def test_damaged_tables_of_the_panel(world: World, tmp_path: Path, out: Path, option: str, harm: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(HARMS[harm](b""))
    refused(out, world.command("call", out, **{option: path}), 2, f"{path}: ")


def test_a_background_of_another_panel(world: World, tmp_path: Path, out: Path) -> None:
    ended = ctdna(*world.command("background", tmp_path))
    assert ended.code == 0, ended.err
    (tmp_path / "other.bed").write_text("chr1\t1000\t1050\tGENE:1\n")
    command = world.command("call", out, targets=tmp_path / "other.bed", background=tmp_path / "background.tsv.gz")
    refused(out, command, 3, "background.tsv.gz: ", "panel")


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_that_cannot_be(world: World, tmp_path: Path, out: Path, stage: str) -> None:
    outputs = [word for word in world.command(stage, out) if str(word).startswith("--output")]
    for option in outputs:
        name = str(option)[2:].replace("-", "_")
        refused(out, world.command(stage, out, **{name: out / "no" / "x.gz"}), 2, "the folder does not exist; make")
        refused(out, world.command(stage, out, **{name: world / "panel.bed" / "x.gz"}), 2, "is a file, not a folder")
        (out / "folder").mkdir(exist_ok=True)
        refused(out, world.command(stage, out, **{name: out / "folder"}), 2, "found a folder, a file is to be written")


def test_metrics_into_a_folder_that_is_not_there(world: World, out: Path) -> None:
    ended = ctdna(*world.command("group", out, metrics=out / "no" / "group.json"))
    check_refusal(ended, 2, "no/group.json: the folder does not exist")


@pytest.mark.parametrize(
    "words, pieces",
    [
        (("frob",), ("No such command 'frob'", "see ctdna --help")),
        (("group", "--frob"), ("No such option '--frob'", "see ctdna group --help")),
        (("group",), ("Missing option '--input'", "see ctdna group --help")),
        (("run",), ("Missing argument 'RUN_FOLDER'", "see ctdna run --help")),
        (("group", "--strategy", "best"), ("'best' is not one of 'identity', 'edit'", "see ctdna group --help")),
        (("group", "--threads", "0"), ("0 is not in the range x>=1", "see ctdna group --help")),
        (("qc", "frob"), ("No such command 'frob'", "see ctdna qc --help")),
    ],
)
def test_wrong_command_lines(words: tuple[str, ...], pieces: tuple[str, ...]) -> None:
    check_refusal(ctdna(*words), 2, *pieces)


def test_options_of_the_reads(world: World, tmp_path: Path, out: Path) -> None:
    wrong = world.command("extract", out, read_structures=("5M2S", "5Q+T"))
    refused(out, wrong, 2, "5[Q]+T: this is no kind of segment; allowed: ")
    umis = tmp_path / "umis.txt"
    umis.write_text("ACGTA\nACG\n")
    refused(out, world.command("extract", out, umis=umis), 2, "umis.txt: UMI 2: ACG has 3 bases, but ACGTA has 5")
    refused(out, world.command("align", out, sample="a b;rm -rf"), 2, "--sample: found 'a b;rm -rf', allowed letters")
    refused(out, world.command("align", out, options="-o /etc/passwd"), 2, "found -o, which ctdna sets itself")
    refused(out, world.command("consensus", out, kit=KIT, min_reads=9), 2, f"but kit {KIT} sets")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    words = ("consensus", "--input", tmp_path / "absent.bam", "--output", tmp_path / "x.bam")
    with pytest.raises(Exception, match=r"absent\.bam: cannot be read: No such file") as caught:
        ctdna("--debug", *words)
    assert caught.type.__name__ == "InputError"
    check_refusal(ctdna(*words), 2, "absent.bam: cannot be read: No such file or directory; check the path")
