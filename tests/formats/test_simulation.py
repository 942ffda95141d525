"""Design, reference and truth files of the simulator; and what is said of wrong ones."""

import re
from pathlib import Path

import pytest

from ctdna.formats.simulation import read_design, read_genome
from ctdna.model.errors import InputError
from tests.simulation import KIT, ROOT, TINY

DESIGN = TINY.read_text()


@pytest.mark.parametrize("name", ["test-data/tiny.yaml", "config/demo/demo.yaml", "config/demo/normals.yaml"])
def test_shipped_designs_are_valid(name: str) -> None:
    assert len(read_design(ROOT / name).samples) >= 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vaf: 0.1}", "vaf: 1.5}", "samples.0.variants.0.vaf: found 1.5: Input should be less than or equal to 1"),
        ("role: patient", "role: healthy", "samples.1.role: found \"healthy\": Input should be 'patient'"),
        ("subject: tiny-1", "colour: red", "samples.1.subject: Field required"),
        ("TGAACCTC", "ACCTGAGT", "Value error"),
        ("TINY-P1", "TINY-PC", "a sample_id stands twice"),
        ("index: TGAACCTC", "index: TGAACC", "the samples' indexes differ in length"),
        ("samples:", "samples: [", "is not YAML"),
        ("role: patient", "role: patient\n    role: normal", "key `role` stands twice"),
        ("subject: tiny-1", "subject: 2025-01-01", "put it in quotes"),
        (
            "subject: tiny-1",
            "subject: tiny-1\n    contamination: {sample_id: X, fraction: 0.1}",
            "TINY-P1: contamination names `X`, which is no other sample",
        ),
    ],
)
def test_a_wrong_design_is_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "design.yaml"
    text = DESIGN.replace(old, new, 1)
    if message == "Value error":
        text = text.replace("CAGTTGAC", "GTTCAGCA")
        message = "two samples have the same pair of indexes"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_design(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_design_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file"):
        read_design(tmp_path / "none.yaml")


def test_a_design_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="byte 0: is not UTF-8 text"):
        read_design(tmp_path / "d.yaml")


def test_genome_is_the_fasta(tmp_path: Path) -> None:
    path = tmp_path / "r.fa"
    path.write_text(">a first\nACG\nT\n>b\nGGC\n")
    names, genome = read_genome(path)
    assert names == ("a", "b")
    assert genome.bases.tolist() == [0, 1, 2, 3, 2, 2, 1]
    assert genome.offsets.tolist() == [0, 4, 7]
    assert read_genome(KIT / "reference.fa")[0][0] == "demo_EGFR"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b">a\nACGN\n", "contig a: found N, allowed are A, C, G and T"),
        (b">a\n>b\nAC\n", "contig a: found no base"),
        (b"", "holds no sequence; give a FASTA file"),
        (b">a\n\xff\n", "byte 3: is not a FASTA file"),
    ],
)
def test_a_wrong_reference_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        read_genome(path)


def test_a_missing_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_genome(tmp_path / "r.fa")
