"""The kernels of extract and group: each compiles once, for the types that `warm` names."""

from pathlib import Path

import numba
import pytest
from click.testing import CliRunner

from ctdna.cli import extract, group
from ctdna.kernels import extract as extract_kernels
from ctdna.kernels import grouping, insert, umi
from tests.builders import Read, write_bam, write_fastq

pytestmark = pytest.mark.timeout(120)


def _signatures() -> dict[str, int]:
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in (umi, grouping, insert, extract_kernels)
        for name, kernel in vars(module).items()
        if kernel.__class__.__name__ == "CPUDispatcher" and not name.startswith("_")
    }


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="kernels run as plain Python")
def test_one_specialisation_each_and_warm_makes_it(tmp_path: Path) -> None:
    for module in (umi, grouping, insert, extract_kernels):
        module.warm()
    before = _signatures()
    cell = {"RX": "ACGT", "CB": "AC", "RG": "x"}
    source = write_bam(tmp_path / "in.bam", [Read(f"r{i}", 0, 0, 9, 60, "4M", tags=cell) for i in range(3)])
    fastq = write_fastq(tmp_path / "in.fastq.gz", [("r", "ACGT" * 10, "I" * 40)])
    (tmp_path / "umis.txt").write_text("ACGT\n")
    runs = [
        (group.command, ["--input", source, "--output", tmp_path / "o.bam", "--strategy", "edit",
                         "--min-umi-length", 3]),
        (extract.command, ["--r1", fastq, "--r2", fastq, "--read-structures", "4M+T", "4M+T",
                           "--output-r1", tmp_path / "1.fq.gz", "--output-r2", tmp_path / "2.fq.gz",
                           "--umis", tmp_path / "umis.txt", "--umi-max-mismatches", 1, "--umi-min-distance", 1,
                           "--adapters", "ACGTACGT", "ACGTACGT"]),
    ]  # fmt: skip
    for command, args in runs:
        result = CliRunner().invoke(command, [str(arg) for arg in args])
        assert result.exit_code == 0, result.output
    assert _signatures() == before
    assert all(n <= 1 for n in before.values())
    assert sum(before.values()) > 20
