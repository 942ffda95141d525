"""VCF lines with the annotation added, everything else as it was."""

import re
from pathlib import Path

import pysam
import pytest

from ctdna.formats.annotated_vcf import read_sites, write_annotated
from ctdna.model.annotation import Allele, Annotation
from ctdna.model.errors import InputError

HEADER = "##fileformat=VCFv4.3\n##contig=<ID=c,length=100>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
ANNOTATION = Annotation(
    gene="EGFR",
    transcript="NM_1.2",
    hgvs_g="c:g.5A>C",
    hgvs_c="c.5A>C",
    hgvs_p="p.(Leu2=)",
    consequence=("splice_region_variant", "synonymous_variant"),
    exon="2/3",
    is_hotspot=True,
    tier="III",
    tier_rule="no_evidence",
    tier_reason="Nothing known; 100% sure, really",
    knowledge=("K:1", "K:2"),
    is_chip_gene=True,
    is_germline_alert=False,
    genome_pos="",
)


def vcf(folder: Path, text: str) -> Path:
    path = folder / "in.vcf"
    path.write_text(text)
    return path


def test_annotation_is_added_encoded_and_indexed(tmp_path: Path) -> None:
    line = "c\t5\trs1\ta\tC\t7\tgermline;background\tHOTSPOT;PV=0.1;GENE=OLD\n"
    sites = read_sites(vcf(tmp_path, HEADER + line))
    assert sites.records[0].allele == Allele("c", 4, "A", "C")
    assert sites.records[0].filters == ("germline", "background")
    out = tmp_path / "out.vcf.gz"
    write_annotated(out, sites, [ANNOTATION])
    with pysam.VariantFile(str(out)) as file:
        record = next(file.fetch("c", 0, 10))
        assert record.info["GENE"] == "EGFR"
        assert record.info["CONSEQUENCE"] == ("splice_region_variant", "synonymous_variant")
        assert record.info["KNOWLEDGE"] == ("K:1", "K:2")
        assert record.info["HGVSP"] == "p.(Leu2%3D)"
        assert record.info["TIER_REASON"] == "Nothing%20known%3B%20100%25%20sure%2C%20really"
        assert record.info["CHIP"]
        assert record.info["HOTSPOT"]
        assert "GERMLINE_ALERT" not in record.info
        assert "GENOME_POS" not in record.info
    with pysam.BGZFile(str(out)) as stream:
        last = stream.read().decode().splitlines()[-1].split("\t")
    assert last[:7] == ["c", "5", "rs1", "a", "C", "7", "germline;background"]
    assert last[7].startswith("PV=0.1;GENE=EGFR;")
    assert "HGVSP=p.(Leu2%3D);" in last[7]
    assert "TIER_REASON=Nothing%20known%3B%20100%25%20sure%2C%20really;" in last[7]


def test_annotating_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    once, twice = tmp_path / "once.vcf.gz", tmp_path / "twice.vcf.gz"
    write_annotated(once, read_sites(vcf(tmp_path, HEADER + "c\t5\t.\tA\tC\t.\tPASS\t.\n")), [ANNOTATION])
    write_annotated(twice, read_sites(once), [ANNOTATION])
    assert once.read_bytes() == twice.read_bytes()
    assert Path(f"{once}.tbi").read_bytes() == Path(f"{twice}.tbi").read_bytes()


def test_an_empty_vcf_stays_empty(tmp_path: Path) -> None:
    write_annotated(tmp_path / "o.vcf.gz", read_sites(vcf(tmp_path, HEADER)), [])
    assert read_sites(tmp_path / "o.vcf.gz").records == []


ROW = "c\t5\t.\tA\tC\t.\tPASS\t.\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: is no VCF: `##fileformat=VCF...` is missing"),
        ("##fileformat=VCFv4.3\n", "line 2: the line `#CHROM POS ID REF ALT ...` is missing"),
        (HEADER + "c\t5\n", "line 4: found 2 fields, at least 8 are needed"),
        (HEADER + ROW.replace("5", "x"), "line 4, c:x: POS is `x`, a whole number from 1 on is allowed"),
        (HEADER + ROW.replace("C", "C,G"), "found several alternate alleles `C,G`, one is allowed; split them first"),
        (HEADER + ROW.replace("C", "<DEL>"), "ALT is `<DEL>`, only the bases A, C, G, T are allowed"),
        (HEADER + ROW.replace("A", "N"), "REF is `N`, only the bases"),
        (HEADER + ROW.replace("5", "6") + ROW, "line 5, c:5: stands out of coordinate order; sort the VCF first"),
        (HEADER + ROW + ROW.replace("c", "d") + ROW, "line 6, c:5: stands out of coordinate order"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_sites(vcf(tmp_path, text))


def test_a_vcf_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.vcf.gz"
    write_annotated(whole, read_sites(vcf(tmp_path, HEADER + ROW)), [ANNOTATION])
    content = whole.read_bytes()
    for size in (0, 20, 60, len(content) // 2, len(content) - 28):
        cut = tmp_path / "cut.vcf.gz"
        cut.write_bytes(content[:size])
        with pytest.raises(InputError, match=re.escape(str(cut))):
            read_sites(cut)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    sites = read_sites(vcf(tmp_path, HEADER + ROW))
    with pytest.raises(InputError, match="the folder does not exist; make the folder first"):
        write_annotated(tmp_path / "absent" / "o.vcf.gz", sites, [ANNOTATION])
    (tmp_path / "o.vcf.gz").mkdir()
    with pytest.raises(InputError, match="found a folder, a file is to be written"):
        write_annotated(tmp_path / "o.vcf.gz", sites, [ANNOTATION])
