"""`ctdna extract` as a user runs it."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.extract import command
from ctdna.model.errors import InputError
from tests.builders import write_fastq

pytestmark = pytest.mark.timeout(60)


def run(*args: object) -> Result:
    result = CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


def pairs(folder: Path, n: int = 30) -> list[Path]:
    paths = []
    for end, bases in ((1, "ACGTACTGGGTTTAAACCC"), (2, "TTTTTCTACACACAGGGTG")):
        reads = [(f"r{i}/{end} {end}:N:0:AAAA", bases, "I" * len(bases)) for i in range(n)]
        paths.append(write_fastq(folder / f"in_R{end}.fastq.gz", reads))
    return paths


def arguments(folder: Path, r1: Path, r2: Path) -> list[object]:
    return [
        "--r1", r1, "--r2", r2, "--output-r1", folder / "out_R1.fastq.gz", "--output-r2", folder / "out_R2.fastq.gz",
    ]  # fmt: skip


def test_writes_templates_and_metrics(tmp_path: Path) -> None:
    r1, r2 = pairs(tmp_path)
    (tmp_path / "umis.txt").write_text("# the kit's\nACGTA\n\nTTTTC\n")
    run(*arguments(tmp_path, r1, r2), "--read-structures", "5M2S+T", "5M2S+T", "--metrics", tmp_path / "m.json",
        "--umis", tmp_path / "umis.txt", "--umi-max-mismatches", 1, "--umi-min-distance", 2,
        "--umi-metrics", tmp_path / "umis.tsv", "--sample", "s1")  # fmt: skip
    one = gzip.decompress((tmp_path / "out_R1.fastq.gz").read_bytes()).decode().splitlines()
    two = gzip.decompress((tmp_path / "out_R2.fastq.gz").read_bytes()).decode().splitlines()
    tags = "RX:Z:ACGTA-TTTTC\tQX:Z:IIIII IIIII\tOX:Z:ACGTA-TTTTT"
    assert one[:4] == [f"@r0 {tags}", "GGGTTTAAACCC", "+", "I" * 12]
    assert two[:4] == [f"@r0 {tags}", "ACACACAGGGTG", "+", "I" * 12]
    assert len(one) == len(two) == 120
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert (metrics["stage"], metrics["sample"], metrics["unit"]) == ("extract", "s1", "read pairs")
    assert (metrics["n_in"], metrics["n_out"], metrics["counts"]["umis_corrected"]) == (30, 30, 30)
    table = [line.split("\t") for line in (tmp_path / "umis.tsv").read_text().splitlines()]
    assert table[1:] == [["ACGTA", "30", "30", "0", "0", "0"], ["TTTTC", "30", "0", "30", "0", "0"],
                         ["NNNNN", "0", "0", "0", "0", "0"]]  # fmt: skip


def test_single_reads_and_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    r1, _ = pairs(tmp_path, 500)
    for threads in (1, 2):
        run("--r1", r1, "--read-structures", "5M2S+T", "--output-r1", tmp_path / f"{threads}.fq.gz",
            "--threads", threads)  # fmt: skip
    assert (tmp_path / "1.fq.gz").read_bytes() == (tmp_path / "2.fq.gz").read_bytes()


def test_warns_where_nothing_is_left_and_of_a_list_too_close(tmp_path: Path) -> None:
    r1, r2 = pairs(tmp_path)
    (tmp_path / "umis.txt").write_text("GGGGG\nGGGGC\n")
    result = run(*arguments(tmp_path, r1, r2), "--read-structures", "5M2S+T", "5M2S+T", "--umis",
                 tmp_path / "umis.txt", "--umi-max-mismatches", 1, "--umi-min-distance", 2)  # fmt: skip
    assert "warning: no read is left (umi_not_in_list 30)" in result.output
    assert "1 pairs of the UMI list are nearer than the least distance" in result.output
    assert "GGGGG and GGGGC (1 mismatches)" in result.output
    empty = write_fastq(tmp_path / "empty.fastq.gz", [])
    result = run("--r1", empty, "--read-structures", "5M+T", "--output-r1", tmp_path / "e.fq.gz")
    assert "warning: no read is left (no reads came in)" in result.output
    assert gzip.decompress((tmp_path / "e.fq.gz").read_bytes()) == b""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--read-structures", "5M2S+T"], "read structures: found 1 for 2 FASTQ files; give one for each file"),
        (["--read-structures", "5M2S+T", "5M2X+T"], r"read structure 5M2\[X\]\+T: this is no kind of segment"),
        (["--read-structures", "5M+T", "+T", "--adapters", "ACGTACGT"], "adapters: found 1 for 2 FASTQ files"),
        (["--read-structures", "5M+T", "+T", "--adapters", "ACGTACGT", "ACG"], "adapters: found ACG; allowed are 6 or"),
        (["--read-structures", "5M+T", "+T", "--max-mismatch-rate", "1"], "max_mismatch_rate: found 1.0; allowed"),
        (["--read-structures", "5M+T", "+T", "--umi-metrics", "x.tsv"], "--umi-metrics: there is no list of UMIs"),
        (["--read-structures", "5M+T", "+T", "--umis", "absent.txt"], "absent.txt: cannot be read: No such file"),
        (["--read-structures", "5M10T", "+T"], r"in_R1.*: read r0/1: 19 bases, but read structure 5M10T takes exactly"),
        (["--read-structures", "5M+T", "+T", "--kit", "no-such-kit@9.9.9"], "no-such-kit"),
    ],
)
def test_messages(tmp_path: Path, args: list[str], message: str) -> None:
    r1, r2 = pairs(tmp_path)
    with pytest.raises(Exception, match=message):
        run(*arguments(tmp_path, r1, r2), *args)
    assert not list(tmp_path.glob("*out_R*"))


def test_messages_of_the_files(tmp_path: Path) -> None:
    r1, r2 = pairs(tmp_path)
    structures = ["--read-structures", "5M2S+T", "5M2S+T"]
    other = write_fastq(tmp_path / "other.fastq", [("x", "ACGTACGT", "IIIIIIII")] * 30)
    with pytest.raises(InputError, match=r"record 1: read r0/1 stands beside x"):
        run(*arguments(tmp_path, r1, other), *structures)
    short = write_fastq(tmp_path / "short.fastq", [("r0/2", "ACGTACGT", "IIIIIIII")])
    with pytest.raises(InputError, match=r"short\.fastq: ends after 1 reads"):
        run(*arguments(tmp_path, r1, short), *structures)
    cut = tmp_path / "cut.fastq.gz"
    cut.write_bytes(r2.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cut\.fastq\.gz"):
        run(*arguments(tmp_path, r1, cut), *structures)
    with pytest.raises(InputError, match="--r2: given without --output-r2"):
        run("--r1", r1, "--r2", r2, "--output-r1", tmp_path / "out_R1.fastq.gz", *structures)
    (tmp_path / "umis.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"umis\.txt: not a text file; write one UMI a line"):
        run(*arguments(tmp_path, r1, r2), *structures, "--umis", tmp_path / "umis.txt")
    assert not list(tmp_path.glob("*out_R*"))


@pytest.mark.req("REQ-EXT-005")
def test_reads_shorter_than_the_umi_are_counted(tmp_path: Path) -> None:
    reads = [("a", "ACG", "III"), ("b", "ACGTACT", "IIIIIII"), ("c", "ACGTACTG", "IIIIIIII")]
    path = write_fastq(tmp_path / "in.fastq", reads)
    run("--r1", path, "--read-structures", "5M2S+T", "--output-r1", tmp_path / "o.fq.gz",
        "--metrics", tmp_path / "m.json")  # fmt: skip
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert (metrics["n_in"], metrics["n_out"]) == (3, 1)
    assert metrics["rejected"] == {
        "n_in_umi": 0, "no_template": 1, "not_pf": 0, "too_short": 1, "umi_not_in_list": 0,
    }  # fmt: skip
