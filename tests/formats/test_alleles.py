from pathlib import Path

import pysam
import pytest

from ctdna.formats.alleles import NamedAllele, read_alleles
from ctdna.model.errors import InputError

VCF = "##fileformat=VCFv4.3\n##contig=<ID=c,length=99>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def test_a_vcf_of_any_source_and_a_table_are_read(tmp_path: Path) -> None:
    expected = (NamedAllele("c", 5, "A", "G"), NamedAllele("c", 5, "A", "T"), NamedAllele("c", 9, "AC", "A"))
    plain = tmp_path / "a.vcf"
    plain.write_text(VCF + "c\t5\t.\tA\tG,T\t.\t.\t.\nc\t9\t.\tac\tA\t.\t.\t.\n")
    assert read_alleles(plain) == expected
    pysam.tabix_compress(str(plain), str(tmp_path / "a.vcf.gz"))
    assert read_alleles(tmp_path / "a.vcf.gz") == expected
    table = tmp_path / "truth.tsv"
    table.write_text("#contig\tpos1\tref\talt\tvaf\nc\t5\tA\tG\t0.5\nc\t5\tA\tG\t0.5\n\n")
    assert read_alleles(table) == expected[:1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "contig\tpos1\tref\n", "line 1: lacks the column alt"),
        ("a.tsv", "contig\tpos1\tref\talt\nc\tx\tA\tG\n", r"line 2: found 'c\\tx\\tA\\tG', expected contig"),
        ("a.tsv", "contig\tpos1\tref\talt\nc\t5\tA\n", "line 2: found"),
        ("a.vcf", VCF + "c\t5\t.\tA\t<DEL>\t.\t.\t.\n", "c:5: found A><DEL>, expected bases"),
        ("a.vcf", "no vcf\n", "cannot be read"),
    ],
)
def test_what_is_no_list_of_alleles_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_alleles(path)


def test_unreadable_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_alleles(tmp_path / "absent.tsv")
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="byte 0: is not UTF-8"):
        read_alleles(tmp_path / "b.tsv")
