import gzip
from pathlib import Path

import pysam
import pytest

from ctdna.formats.alleles import check_reference, read_alleles
from ctdna.formats.fasta import Reference
from ctdna.model.errors import InputError
from ctdna.model.forced import ListedAllele
from tests.builders import write_fasta

BASES = "ACGTACGTAC"
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def read(folder: Path, content: str | bytes) -> tuple[tuple[ListedAllele, ...], tuple[str, ...]]:
    write_fasta(folder / "r.fa", {"c": BASES})
    pysam.faidx(str(folder / "r.fa"))
    path = folder / "list.vcf"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    listed, repeats = read_alleles(path)
    with Reference(folder / "r.fa") as reference:
        check_reference(path, listed, reference.contigs, reference.fetch)
    return tuple(one.allele for one in listed), repeats


def test_alleles_of_every_class_split_and_named(tmp_path: Path) -> None:
    text = HEADER + "c\t2\tspot 1\tC\tT,g\t.\t.\t.\nc\t3\t.\tGT\tAA\nc\t4\td\tTAC\tT\t.\t.\t.\n\nc\t1\ti\ta\tACC\n"
    alleles, repeats = read(tmp_path, text)
    assert alleles == (
        ListedAllele("c", 2, "C", "T", "spot_1"),
        ListedAllele("c", 2, "C", "G", "spot_1"),
        ListedAllele("c", 3, "GT", "AA", "forced"),
        ListedAllele("c", 4, "TAC", "T", "d"),
        ListedAllele("c", 1, "A", "ACC", "i"),
    )
    assert repeats == ()
    assert read(tmp_path, gzip.compress(text.encode()))[0] == alleles


def test_a_table_is_known_by_its_header(tmp_path: Path) -> None:
    text = "#contig\tpos1\tref\talt\tvaf\nc\t2\tC\tT\t0.5\n# old\n\nc\t2\tC\tT\t0.4\nc\t4\ttac\tT\t\n"
    alleles = ListedAllele("c", 2, "C", "T", "forced"), ListedAllele("c", 4, "TAC", "T", "forced")
    assert read(tmp_path, text) == (alleles, ("line 5, c:2: C>T stands there again and is answered once",))
    turned = "ref\talt\tpos1\tcontig\nC\tT\t2\tc\nTAC\tT\t4\tc\n"
    assert read(tmp_path, turned.replace("\n", "\r\n"))[0] == alleles


def test_vcfs_without_header_or_without_alternate_allele(tmp_path: Path) -> None:
    allele = ListedAllele("c", 2, "C", "T", "a")
    assert read(tmp_path, "c\t1\t.\tA\t.\nc\t2\ta\tC\tT\n")[0] == (allele,)
    assert read(tmp_path, "c\t2\ta\tC\tT\nc\t1\t.\tA\t.\n")[0] == (allele,)
    assert read(tmp_path, HEADER) == ((), ())


def test_pysam_s_blocked_gzip_is_read(tmp_path: Path) -> None:
    plain = tmp_path / "a.vcf"
    plain.write_text(HEADER + "c\t2\t.\tC\tT\t.\t.\t.\n")
    pysam.tabix_compress(str(plain), str(tmp_path / "a.vcf.gz"))
    assert read_alleles(tmp_path / "a.vcf.gz") == read_alleles(plain)


def test_repeats_are_named_and_given_once(tmp_path: Path) -> None:
    alleles, repeats = read(tmp_path, HEADER + "c\t2\ta\tC\tT\nc\t2\tb\tC\tT\n")
    assert [allele.label for allele in alleles] == ["a"]
    assert repeats == ("line 4, c:2: C>T stands there again and is answered once",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c\t2\t.\tG\tT", r"line 3, c:2: REF is G, the reference has C there"),
        ("x\t2\t.\tC\tT", r"line 3, x:2: contig x is not in the reference"),
        ("c\t2\t.\tC\t<DEL>", r"line 3, c:2: ALT `<DEL>` is symbolic or has other letters"),
        ("c\t2\t.\tC\t*", r"line 3, c:2: ALT `\*` is symbolic"),
        ("c\t2\t.\tN\tT", r"line 3, c:2: REF `N` is symbolic or has other letters"),
        ("c\t2\t.\tC\tC", r"line 3, c:2: ALT is the reference itself"),
        ("c\t0\t.\tC\tT", r"line 3, c:0: POS is `0`, a whole number from 1 on is allowed"),
        ("c\tx\t.\tC\tT", r"line 3, c:x: POS is `x`"),
        ("c\t10\t.\tCA\tT", r"line 3, c:10: REF ends behind c, which has 10 bases"),
        ("c 2 . C T", r"line 3: found 1 columns, at least 5 are needed"),
    ],
)
def test_bad_lists_are_named_by_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, HEADER + line + "\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contig\tpos1\tref\n", "line 1: lacks the column alt"),
        ("contig\tpos1\tref\talt\nc\tx\tC\tT\n", "line 2, c:x: POS is `x`"),
        ("contig\tpos1\tref\talt\nc\t2\tC\n", "line 2: found 3 columns, at least 4 are needed"),
        ("", "is empty; give a VCF, or a tab-separated table"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [(gzip.compress(b"hello", mtime=0)[:-6], "is cut off or damaged gzip"), (b"\xff\xfe\x00", "is not text")],
)
def test_damaged_lists(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_absent_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_alleles(tmp_path / "absent.vcf")
    with pytest.raises(InputError, match="cannot be read"):
        read_alleles(tmp_path)
