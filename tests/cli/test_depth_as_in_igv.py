"""The depths of `call` against what a person counts in IGV: pysam's pileup of the written BAM, molecule by molecule."""

import random
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pysam
import pytest
from click.testing import CliRunner

from ctdna.cli.call import command as call
from ctdna.formats.tables import read_loci
from ctdna.formats.vcf import read_vcf
from tests.builders import Read, write_bam, write_fasta
from tests.consensus_molecules import (
    CONTIG,
    HEADER,
    PAIR2,
    REFERENCE,
    SINGLE,
    TARGET,
    Edit,
    crowd,
    flip,
    molecule,
)

pytestmark = pytest.mark.timeout(60)
SNV = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
IN_DELETION = Edit(508, REFERENCE[508], flip(REFERENCE[508]))
DELETION = Edit(501, REFERENCE[501:517], REFERENCE[501])
INSERTION = Edit(485, REFERENCE[485], REFERENCE[485] + "ACGTTGCAA")
LEAST_QUALITY, LEAST_MAPQ = 20, 20
WITH_INDEL = range(2 * 9, 2 * (9 + 7 + 6))
"""Reads of the molecules with an indel: an error in an inserted base makes another allele."""
OUT = pysam.FUNMAP | pysam.FSECONDARY | pysam.FQCFAIL | pysam.FDUP | pysam.FSUPPLEMENTARY


class Column(NamedTuple):
    """What the molecules say at one position."""

    bases: dict[str, int]
    deleted: int
    deletions: int
    """Molecules with a deletion that begins behind this base."""
    insertions: int


def sample() -> list[Read]:
    """Return molecules with indels, errors, weak and missing bases, weak mapping, marks, and mates that disagree."""
    reads = crowd(160, 3, [(9, [SNV]), (7, [DELETION]), (6, [INSERTION]), (5, [IN_DELETION])])
    rng = random.Random(8)
    for i in range(0, len(reads), 2):
        for k in (i, i + 1):
            bases, quals = list(reads[k].bases), [40] * len(reads[k].bases)
            for _ in range(0 if i in WITH_INDEL else 4):
                bases[rng.randrange(len(bases))] = rng.choice("ACGTN")
                quals[rng.randrange(len(quals))] = rng.choice([2, 19, 20])
            mark = rng.choice([0] * 12 + [0x100, 0x400, 0x200, 0x800])
            mapq = rng.choice([60] * 8 + [19, 20])
            flag = reads[k].flag | mark
            reads[k] = reads[k]._replace(bases="".join(bases), quals=quals, flag=flag, mapq=mapq)
    for k in range(12):  # short fragments, whose mates lie one over the other; of every other, one mate has an error
        pair = molecule(1000 + k, 470 + k, 105, SINGLE if k % 3 else PAIR2, [SNV] if k % 4 == 0 else ())
        at = 515 - pair[0].pos0
        wrong = pair[0].bases[:at] + flip(pair[0].bases[at]) + pair[0].bases[at + 1 :]
        reads += [pair[0]._replace(bases=wrong) if k % 2 else pair[0], pair[1]]
    return reads


def columns(path: Path) -> dict[int, Column]:
    """Return the molecules by position, from pysam alone: one name, one molecule, and its reads must agree."""
    found = {}
    with pysam.AlignmentFile(str(path)) as bam:
        options = {"stepper": "nofilter", "min_base_quality": 0, "ignore_overlaps": False, "max_depth": 10**6}
        for column in bam.pileup(CONTIG, *TARGET, truncate=True, **options):
            said: dict[str, set[str]] = defaultdict(set)
            indels: dict[str, set[int]] = defaultdict(set)
            for one in column.pileups:
                read = one.alignment
                if read.flag & OUT or read.mapping_quality < LEAST_MAPQ:
                    continue
                indels[read.query_name].add(one.indel)
                if one.is_del:
                    said[read.query_name].add("deleted")
                    continue
                base = read.query_sequence[one.query_position]
                if base != "N" and read.query_qualities[one.query_position] >= LEAST_QUALITY:
                    said[read.query_name].add(base)
            agreed = [next(iter(words)) for words in said.values() if len(words) == 1]
            found[column.reference_pos] = Column(
                {base: agreed.count(base) for base in "ACGT"}, agreed.count("deleted"),
                sum(min(sizes) < 0 for sizes in indels.values()), sum(max(sizes) > 0 for sizes in indels.values()),
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("igv")
    write_fasta(path / "ref.fa", {CONTIG: REFERENCE})
    pysam.faidx(str(path / "ref.fa"))
    (path / "panel.bed").write_text(f"{CONTIG}\t{TARGET[0]}\t{TARGET[1]}\tGENE:1\n")
    write_bam(path / "s.bam", sample(), HEADER)
    args = ["--input", "s.bam", "--reference", "ref.fa", "--targets", "panel.bed", "--output", "o.vcf.gz"]
    paths = [str(path / arg) if "." in arg else arg for arg in args]
    limits = ["--min-base-quality", LEAST_QUALITY, "--min-mapq", LEAST_MAPQ, "--evidence-floor", 1]
    assert CliRunner().invoke(call, [*paths, *map(str, limits)]).exit_code == 0
    pysam.sort("-o", str(path / "sorted.bam"), str(path / "s.bam"))
    pysam.index(str(path / "sorted.bam"))
    return path


@pytest.mark.req("REQ-CAL-007")
def test_depth_and_alternate_molecules_of_every_site(folder: Path) -> None:
    seen = columns(folder / "sorted.bam")
    rows = list(read_loci(folder / "o.loci.tsv.gz"))
    assert len(rows) == 3 * (TARGET[1] - TARGET[0])
    got = {(int(row["pos1"]), row["alt"]): (int(row["depth"]), int(row["alt_molecules"])) for row in rows}
    expected = {}
    for pos1, alt in got:
        bases = seen[pos1 - 1].bases if pos1 - 1 in seen else dict.fromkeys("ACGT", 0)
        expected[pos1, alt] = sum(bases.values()), bases[alt]
    assert got == expected
    assert sum(column.deleted for column in seen.values()) > 50


@pytest.mark.req("REQ-CAL-007")
def test_dp_and_ad_of_substitutions_in_the_vcf(folder: Path) -> None:
    seen = columns(folder / "sorted.bam")
    snvs = [v for v in read_vcf(folder / "o.vcf.gz") if v.variant_class == "snv"]
    assert len(snvs) > 100
    got = {(v.pos1, v.alt): (v.depth, v.n_ref, v.n_alt) for v in snvs}
    expected = {}
    for pos1, alt in got:
        bases = seen[pos1 - 1].bases
        expected[pos1, alt] = sum(bases.values()), bases[REFERENCE[pos1 - 1]], bases[alt]
    assert got == expected
    assert (IN_DELETION.pos0 + 1, IN_DELETION.alt) in got


@pytest.mark.req("REQ-CAL-007")
def test_ad_and_dp_of_indels_in_the_vcf(folder: Path) -> None:
    seen = columns(folder / "sorted.bam")
    indels = {(v.pos1, v.ref, v.alt): v for v in read_vcf(folder / "o.vcf.gz") if v.variant_class == "indel"}
    for edit, count in ((DELETION, seen[DELETION.pos0].deletions), (INSERTION, seen[INSERTION.pos0].insertions)):
        variant = indels[edit.pos0 + 1, edit.ref, edit.alt]
        assert variant.n_alt == count > 3
        low, high = edit.pos0, edit.pos0 + len(edit.ref)
        assert spanning(folder / "sorted.bam", low - 8, high + 8) <= variant.depth
        assert variant.depth <= overlapping(folder / "sorted.bam", low, high)


def _kept(path: Path, start0: int, end0: int) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path)) as bam:
        reads = bam.fetch(CONTIG, start0, end0)
        return [read for read in reads if not read.flag & OUT and read.mapping_quality >= LEAST_MAPQ]


def overlapping(path: Path, start0: int, end0: int) -> int:
    """Return the molecules of which a read is aligned to any of the bases."""
    return len({read.query_name for read in _kept(path, start0, end0)})


def spanning(path: Path, start0: int, end0: int) -> int:
    """Return the molecules of which one read is aligned to all of the bases."""
    kept = _kept(path, start0, end0)
    return len({r.query_name for r in kept if r.reference_start <= start0 and r.reference_end >= end0})
