"""Digests of FASTA files."""

import gzip
import hashlib
import io
import re
from pathlib import Path

import pytest

from ctdna.formats.sequences import SequenceDigest, copy_fasta
from ctdna.model.errors import InputError


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("is_gzip", [False, True])
def test_sequences_are_renamed_copied_and_digested_in_upper_case(tmp_path: Path, is_gzip: bool) -> None:
    text = b">7 first\nACgt\nA\n\n>8\nNNNN\n"
    path = tmp_path / "x.fa"
    path.write_bytes(gzip.compress(text, mtime=0) if is_gzip else text)
    target = io.BytesIO()
    found = copy_fasta(path, lambda name: f"chr{name}", target)
    assert found == [SequenceDigest("chr7", 5, md5("ACGTA")), SequenceDigest("chr8", 4, md5("NNNN"))]
    assert target.getvalue() == b">chr7\nACgt\nA\n>chr8\nNNNN\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sequence; give a FASTA file"),
        (b"ACGT\n", "line 1: bases before the first `>` line: is no FASTA"),
        (b">\nACGT\n", "line 1: a sequence has no name"),
        (b">a\nAC\n>a\nAC\n", "line 3: sequence a stands twice; keep each sequence once"),
        (b">a\nAC-T\n", "line 2: found '-' among the bases of a"),
        (gzip.compress(b">a\n" + b"ACGT" * 999, mtime=0)[:-20], "is cut off or damaged"),
        (gzip.compress(b">a\nACGT\n", mtime=0)[:-8] + b"\0" * 8, "is cut off or damaged"),
    ],
)
def test_faults_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.fa").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        copy_fasta(tmp_path / "x.fa", str)
