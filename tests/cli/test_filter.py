"""`ctdna filter` as a user runs it."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ctdna.cli.filter import command
from ctdna.formats.bam import BamHeader, read_records
from ctdna.model.errors import CtdnaError, InputError
from tests.builders import Read, Tag, write_bam, write_fasta
from tests.consensus_cases import plain_records

pysam = pytest.importorskip("pysam")
pytestmark = pytest.mark.timeout(180)
CONTIGS = (("c1", 300), ("c2", 200))
HEADER = BamHeader(BamHeader.of_contigs(CONTIGS).text + "@RG\tID:A\tSM:s1\n", CONTIGS)


def run(*arguments: object) -> str:
    """Run the command; return what it says on stderr. Errors of ours pass through."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, CtdnaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stderr


def _tags(n: int, depth: int, errors: list[int], **more: Any) -> dict[str, Any]:
    return {"cD": depth, "cM": depth, "cE": sum(errors) / (depth * n), "cd": [depth] * n, "ce": errors} | more


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    chance = random.Random(5)
    return write_fasta(tmp_path / "ref.fa", {name: "".join(chance.choices("ACGT", k=n)) for name, n in CONTIGS})


def _aligned(reference: Path, n: int = 40) -> list[Read]:
    """Return pairs with indels, clips and differences, tags NM, MD and UQ still of the aligner."""
    chance = random.Random(7)
    bases = dict(zip(("c1", "c2"), pysam.FastaFile(str(reference)).fetch("c1"), strict=False))
    with pysam.FastaFile(str(reference)) as fasta:
        bases = {name: fasta.fetch(name) for name, _ in CONTIGS}
    reads = []
    for k in range(n):
        contig = k % 2
        for flag in (99, 147):
            pos0 = chance.randrange(0, 100)
            cigar, span = chance.choice([("30M", 30), ("3S27M", 27), ("10M2I18M", 28), ("12M3D18M", 33)])
            text = bases[CONTIGS[contig][0]][pos0 : pos0 + span]
            query = {"30M": text, "3S27M": "TTT" + text, "10M2I18M": text[:10] + "GG" + text[10:]}.get(
                cigar, text[:12] + text[15:]
            )
            letters = [chance.choice("ACGT") if chance.random() < 0.05 else letter for letter in query]
            errors = [chance.choice([0, 0, 0, 0, 2]) for _ in letters]
            quals = [chance.choice([20, 45]) for _ in letters]
            tags = _tags(30, 10, errors, NM=0, MD="30", UQ=Tag("C", 0), RX="AC-GT")
            reads.append(Read(f"m{k}", flag, contig, pos0, 60, cigar, contig, 0, 0, "".join(letters), quals, tags))
    return reads


def test_aligned_reads_are_masked_retagged_sorted_and_indexed(tmp_path: Path, reference: Path) -> None:
    source, target, metrics = (
        write_bam(tmp_path / "in.bam", _aligned(reference), HEADER),
        tmp_path / "out.bam",
        tmp_path / "m",
    )
    limits = ("--min-base-quality", 30, "--max-read-error-rate", 0.06, "--max-no-call-fraction", 0.9)
    run("--input", source, "--reference", reference, "--output", target, "--metrics", metrics, *limits)
    counts = json.loads(metrics.read_text())
    assert 0 < counts["n_out"] < counts["n_in"] == 80
    assert counts["n_in"] == counts["n_out"] + sum(counts["rejected"].values())
    assert counts["rejected"]["high_error_rate"] > 0
    assert counts["rejected"]["other_read_of_template_failed"] > 0
    with pysam.AlignmentFile(str(target)) as file, pysam.FastaFile(str(reference)) as fasta:
        found = list(file.fetch("c1")) + list(file.fetch("c2"))
        assert len(found) == counts["n_out"]
        assert [(r.reference_id, r.pos) for r in found] == sorted((r.reference_id, r.pos) for r in found)
        assert {r.query_name for r in found if r.is_read1} == {r.query_name for r in found if r.is_read2}
        masked = 0
        for r in found:
            masked += sum(base == "N" for base in r.query_sequence)
            pairs = [(q, p) for q, p in r.get_aligned_pairs(matches_only=True)]
            differing = [q for q, p in pairs if r.query_sequence[q] != fasta.fetch(r.reference_name, p, p + 1)]
            indels = sum(size for code, size in r.cigartuples if code in (1, 2))
            assert r.get_tag("NM") == len(differing) + indels
            assert r.get_tag("UQ") == sum(r.query_qualities[q] for q in differing)
            assert r.get_reference_sequence().upper() == "".join(
                fasta.fetch(r.reference_name, p, p + 1) for _, p in r.get_aligned_pairs() if p is not None
            )
        assert masked == counts["counts"]["bases_masked_in_kept_primary_reads"] > 0


def test_unaligned_reads_keep_their_order(tmp_path: Path) -> None:
    reads = []
    for k, depth in enumerate((3, 1, 4)):
        for flag in (77, 141):
            reads.append(Read(f"r{9 - k}", flag, bases="ACGT", quals=[30, 10, 30, 30], tags=_tags(4, depth, [0] * 4)))
    source, target = write_bam(tmp_path / "in.bam", reads, BamHeader("@HD\tVN:1.6\n", ())), tmp_path / "out.bam"
    run("--input", source, "--output", target, "--min-reads", 2, "--min-base-quality", 20, "--max-no-call-fraction", 1)
    found = plain_records(read_records(target)[1])
    assert [record["name"] for record in found] == ["r9", "r9", "r7", "r7"]
    assert [(record["bases"], record["quals"]) for record in found] == [("ANGT", [30, 2, 30, 30])] * 4


def test_an_empty_aligned_file_still_gets_its_index(tmp_path: Path, reference: Path) -> None:
    source, target = write_bam(tmp_path / "in.bam", [], HEADER), tmp_path / "out.bam"
    said = run("--input", source, "--reference", reference, "--output", target)
    assert "warning: no read is left (no reads came in)" in said
    assert (tmp_path / "out.bam.bai").is_file()


def test_same_bytes_for_any_threads_and_order(tmp_path: Path, reference: Path) -> None:
    reads = _aligned(reference)
    outputs = []
    for k, (threads, given) in enumerate(((1, reads), (2, reads), (2, reads[::-1]))):
        source, target = write_bam(tmp_path / f"in{k}.bam", given, HEADER), tmp_path / f"{k}.bam"
        run("--input", source, "--reference", reference, "--output", target, "--threads", threads)
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_unaligned_reads_keep_their_order_where_names_stand_apart(tmp_path: Path) -> None:
    together = [
        Read(f"r{k}", flag, bases="ACGT", quals=[30, 10, 30, 30], tags=_tags(4, 1 + k % 3, [0] * 4))
        for k in range(9)
        for flag in (77, 141)
    ]
    apart = sorted(together, key=lambda read: (read.flag, read.name))
    header = BamHeader("@HD\tVN:1.6\n", ())
    found = []
    for name, reads in (("together", together), ("apart", apart)):
        source, target = write_bam(tmp_path / f"{name}.in.bam", reads, header), tmp_path / f"{name}.bam"
        run("--input", source, "--output", target, "--min-reads", 2, "--metrics", tmp_path / f"{name}.json")
        found.append([(record["name"], record["flag"]) for record in plain_records(read_records(target)[1])])
    kept = [(read.name, read.flag) for read in apart if int(read.name[1:]) % 3]
    assert found == [sorted(kept), kept]
    assert (tmp_path / "together.json").read_text() == (tmp_path / "apart.json").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tags": {"MI": "1"}}, "read m0: no consensus tags .*; give the output of ctdna consensus or ctdna realign"),
        ({"tags": {"cD": 3, "cE": 0.0, "aD": 3}}, "read m0: no consensus tags"),
        ({"tags": {"cD": 3, "cE": 0.0, "cd": [3] * 29}}, "read m0: a per-base tag does not have the read's 30 entries"),
        ({"tags": {"cD": 3, "cE": 0.0, "ac": "A" * 31}}, "read m0: a per-base tag does not have the read's 30 entries"),
        ({"quals": [255] * 30}, "read m0: bases without qualities"),
        ({"pos0": 299, "cigar": "30M"}, "read m0: its alignment ends behind its contig's end; align against this"),
    ],
)
def test_bad_records(tmp_path: Path, reference: Path, change: dict[str, Any], message: str) -> None:
    reads = _aligned(reference, 2)
    reads[0] = reads[0]._replace(**({"quals": [10] * 30, "tags": _tags(30, 9, [0] * 30)} | change))
    source, target = write_bam(tmp_path / "in.bam", reads, HEADER), tmp_path / "out.bam"
    limits = ("--min-base-quality", 20, "--max-read-error-rate", 1, "--max-no-call-fraction", 1)
    with pytest.raises(InputError, match=message):
        run("--input", source, "--reference", reference, "--output", target, *limits)
    assert not target.exists()


def test_bad_options(tmp_path: Path, reference: Path) -> None:
    source, target = write_bam(tmp_path / "in.bam", _aligned(reference, 2), HEADER), tmp_path / "out.bam"
    with pytest.raises(InputError, match="--reference: none is given, but the reads are aligned"):
        run("--input", source, "--output", target)
    with pytest.raises(InputError, match="--min-reads: found 1 2, allowed are values from high to low"):
        run("--input", source, "--reference", reference, "--output", target, "--min-reads", 1, 2)
    with pytest.raises(
        InputError, match=r"--max-base-error-rate: found 0\.1 0\.2 0\.1, allowed is a limit of the better"
    ):
        run("--input", source, "--reference", reference, "--output", target, "--max-base-error-rate", 0.1, 0.2, 0.1)
    other = write_fasta(tmp_path / "other.fa", {"c1": "ACGT" * 10, "c2": "A" * 200})
    with pytest.raises(InputError, match=r"other.fa: contig c1: found 40, the BAM's header says 300 bases"):
        run("--input", source, "--reference", other, "--output", target)
