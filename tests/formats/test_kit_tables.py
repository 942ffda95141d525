"""The kit's tables: what they hold, and a message for every fault."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ctdna.formats.kit_tables import read_common_snps, read_contigs, read_hotspots
from ctdna.formats.knowledge import read_knowledge
from ctdna.formats.transcripts import read_transcripts
from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot, Transcript
from ctdna.model.errors import InputError

HOTSPOTS = "contig\tpos1\tref\talt\tgene\tlabel\n"
SNPS = "contig\tpos1\tref\talt\tfrequency\n"
CONTIGS = "contig\tlength\tmd5\tchrom\tstart1\n"
TRANSCRIPTS = "transcript\tgene\tcontig\tstrand\texon_starts0\texon_ends0\tcds_start0\tcds_end0\tprotein\n"
KNOWLEDGE = (
    "id\tgene\tvariant\tdisease\ttherapy\tevidence_type\tsignificance\tdirection\tlevel\ttier\trating\tcitation\tsource"
    "\tdate\n"
)
ITEM = "K1\tG\tp.A2T\tX\t.\tPredictive\tResistance\tSupports\tA\tI\t5\tc\ts\t2020\n"
MD5 = "0" * 32


def table(folder: Path, text: str) -> Path:
    path = folder / "table.tsv"
    path.write_bytes(text.encode())
    return path


def test_tables_are_read(tmp_path: Path) -> None:
    assert read_hotspots(table(tmp_path, HOTSPOTS + "chr7\t5\tT\tG\tEGFR\tEGFR p.(X)\n\n")) == (
        Hotspot("chr7", 5, "T", "G", "EGFR", "EGFR p.(X)"),
    )
    assert read_common_snps(table(tmp_path, SNPS)) == ()
    assert read_common_snps(table(tmp_path, SNPS + "c\t5\tT\tG\t0.25\n")) == (CommonSnp("c", 5, "T", "G", 0.25),)
    rows = f"chr7_101_200\t100\t{MD5}\tchr7\t101\nchrM\t16569\t{MD5}\t.\t.\n"
    assert read_contigs(table(tmp_path, CONTIGS + rows)) == (
        ContigPlace("chr7_101_200", 100, MD5, "chr7", 100),
        ContigPlace("chrM", 16569, MD5, "chrM", 0),
    )
    row = "T.1\tG\tc\t-\t10,50\t30,75\t15\t65\t.\n"
    assert read_transcripts(table(tmp_path, TRANSCRIPTS + row)) == (
        Transcript("T.1", "G", "c", "-", ((10, 30), (50, 75)), 15, 65, ""),
    )
    assert read_knowledge(table(tmp_path, KNOWLEDGE + ITEM))[0].therapy == ""


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    text = "\ufeff" + (SNPS + "c\t5\tT\tG\t0.25\n").replace("\n", "\r\n")
    assert len(read_common_snps(table(tmp_path, text))) == 1


FAULTS = [
    (read_hotspots, "contig\tpos1\n", "line 1: column ref is missing; allowed columns: contig, pos1, ref"),
    (read_hotspots, HOTSPOTS.replace("label", "label\tnote"), "line 1: column `note` is not known"),
    (read_hotspots, HOTSPOTS.replace("label", "label\tlabel"), "line 1: column label stands twice"),
    (
        read_hotspots,
        HOTSPOTS + "c\t5\n",
        "line 2: found 2 fields, the header has 6; separate the fields by single tabs",
    ),
    (
        read_hotspots,
        HOTSPOTS + "c\t0\tA\tC\tG\tl\n",
        "line 2, column pos1: found `0`; allowed: a whole number from 1 on",
    ),
    (read_hotspots, HOTSPOTS + "c\t5\ta\tC\tG\tl\n", "column ref: found `a`; allowed: one or more of A, C, G, T"),
    (read_hotspots, HOTSPOTS + "c\t5\tA\tC\t.\tl\n", "column gene: found `.`; allowed: anything but empty"),
    (read_common_snps, SNPS + "c\t5\tA\tC\tmuch\n", "column frequency: found `much`; allowed: a fraction above 0"),
    (
        read_common_snps,
        SNPS + "c\t5\tA\tC\t1\n",
        "column frequency: found `1`; allowed: a fraction above 0 and below 1",
    ),
    (read_common_snps, SNPS + "c\t5\tAA\tC\t0.1\n", "column ref: found `AA`; allowed: one of A, C, G, T"),
    (read_contigs, CONTIGS, "names no contig"),
    (
        read_contigs,
        CONTIGS + "c\t5\tabc\t.\t.\n",
        "column md5: found `abc`; allowed: an MD5 in 32 lower-case hex digits",
    ),
    (read_contigs, CONTIGS + f"c\t5\t{MD5}\t.\t.\n" * 2, "line 3, column contig: found `c`; allowed: each contig once"),
    (read_contigs, CONTIGS + f"c\t5\t{MD5}\tchr1\t.\n", "column start1: found `.`; allowed: a whole number from 1 on"),
    (read_transcripts, TRANSCRIPTS, "holds no transcript"),
    (read_transcripts, TRANSCRIPTS + "T\tG\tc\t*\t1\t9\t1\t7\t.\n", "column strand: found `*`; allowed: + or -"),
    (read_transcripts, TRANSCRIPTS + "T\tG\tc\t+\tx\t9\t1\t7\t.\n", "exon_starts0: found `x`; allowed: whole numbers"),
    (
        read_transcripts,
        TRANSCRIPTS + "T\tG\tc\t+\t1,8\t9\t1\t7\t.\n",
        "exon_ends0: found `9`; allowed: as many numbers",
    ),
    (
        read_transcripts,
        TRANSCRIPTS + "T\tG\tc\t+\t1,8\t9,20\t1\t7\t.\n",
        "allowed: exons in genomic order that neither",
    ),
    (
        read_transcripts,
        TRANSCRIPTS + "T\tG\tc\t+\t1\t9\t0\t7\t.\n",
        "column cds_start0: found `0`; allowed: a position",
    ),
    (
        read_transcripts,
        TRANSCRIPTS + "T\tG\tc\t+\t1\t9\t1\t10\t.\n",
        "column cds_end0: found `10`; allowed: the end of",
    ),
    (
        read_transcripts,
        TRANSCRIPTS + "T\tG\tc\t+\t1\t9\t1\t9\t.\n",
        "a CDS of whole codons, stop included; this one has 8",
    ),
    (read_transcripts, TRANSCRIPTS + "T\tG\tc\t+\t1\t9\t1\t7\t.\n" * 2, "found `T`; allowed: each transcript once"),
    (read_knowledge, KNOWLEDGE + ITEM.replace("\tA\tI", "\tF\tI"), "column level: found `F`; allowed: A, B, C, D, E"),
    (read_knowledge, KNOWLEDGE + ITEM.replace("\tA\tI", "\tA\tV"), "column tier: found `V`; allowed: I, II, III, IV"),
    (read_knowledge, KNOWLEDGE + ITEM.replace("Supports", "Yes"), "column direction: found `Yes`; allowed: Supports"),
    (read_knowledge, KNOWLEDGE + ITEM.replace("K1", "K,1"), "column id: found `K,1`; allowed: an id without commas"),
    (read_knowledge, KNOWLEDGE + ITEM * 2, "line 3, column id: found `K1`; allowed: each id once"),
]


@pytest.mark.parametrize(("reader", "text", "message"), FAULTS)
def test_faults_are_named(
    tmp_path: Path, reader: Callable[[Path], tuple[object, ...]], text: str, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        reader(table(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.tsv: cannot be read: No such file or directory; check the path"):
        read_hotspots(tmp_path / "absent.tsv")
    (tmp_path / "binary.tsv").write_bytes(b"contig\xff")
    with pytest.raises(InputError, match=r"byte 6: is not UTF-8 text; save it as tab-separated UTF-8"):
        read_hotspots(tmp_path / "binary.tsv")
