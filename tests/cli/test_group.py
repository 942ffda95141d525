"""`ctdna group` as a user runs it."""

import json
from pathlib import Path

import pysam
import pytest
from click.testing import CliRunner

from ctdna.cli.group import command, histogram_text
from ctdna.formats.bam import BamHeader
from ctdna.model.errors import InputError
from tests.builders import CONTIGS, Read, write_bam

pytestmark = pytest.mark.timeout(60)


def bam(path: Path, n: int = 40) -> Path:
    reads = [
        Read(f"r{i:03}", 0, i % 2, 100 + i // 8, 60, "4M", tags={"RX": "ACGT" if i % 3 else "ACGA"}) for i in range(n)
    ]
    return write_bam(
        path, [*reads, Read("low", 0, 0, 100, 0, "4M", tags={"RX": "ACGT"}), Read("free", tags={"RX": "A"})]
    )


def run(*args: object) -> None:
    result = CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=False, standalone_mode=False)
    if result.exception:
        raise result.exception


def test_writes_groups_metrics_and_histogram(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam")
    out = tmp_path / "out.bam"
    run("--input", source, "--output", out, "--strategy", "edit", "--sample", "s1",
        "--metrics", tmp_path / "m.json", "--histogram", tmp_path / "h.tsv")  # fmt: skip
    metrics = json.loads((tmp_path / "m.json").read_text())
    assert (metrics["n_in"], metrics["n_out"], metrics["sample"]) == (42, 40, "s1")
    assert metrics["rejected"]["low_mapq"] == metrics["rejected"]["unmapped"] == 1
    with pysam.AlignmentFile(str(out)) as back:
        header = back.header.to_dict()
        found = [(read.get_tag("MI"), read.reference_id, read.query_name) for read in back]
    assert header["HD"] == {"VN": "1.6", "SO": "unsorted", "GO": "query", "SS": "unsorted:template-coordinate"}
    assert header["PG"] == [{"ID": "ctdna-group", "PN": "ctdna", "VN": "0.1.0"}]
    assert [int(mi) for mi, _, _ in found] == sorted(int(mi) for mi, _, _ in found)
    assert len({mi for mi, _, _ in found}) == metrics["counts"]["molecules"] == 10
    table = (tmp_path / "h.tsv").read_text().splitlines()
    assert table == ["family_size\tcount\tfraction\tfraction_gt_or_eq_family_size", "4\t10\t1\t1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.tsv", "in.bam", "m.json", "out.bam"]


@pytest.mark.req("REQ-GRP-002")
def test_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam", 900)
    for threads in (1, 2):
        run("--input", source, "--output", tmp_path / f"{threads}.bam", "--strategy", "adjacency", "--threads", threads)
    assert (tmp_path / "1.bam").read_bytes() == (tmp_path / "2.bam").read_bytes()


def test_warns_where_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_bam(tmp_path / "in.bam", [Read("r")])
    result = CliRunner().invoke(
        command, ["--input", str(source), "--output", str(tmp_path / "o.bam"), "--strategy", "edit"]
    )
    assert result.exit_code == 0
    assert "warning: no read is left (unmapped 1)" in result.output
    assert pysam.AlignmentFile(str(tmp_path / "o.bam")).count(until_eof=True) == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--strategy: no strategy is given; give --strategy or --kit"),
        (["--strategy", "identity", "--edits", "1"], "--edits: found 1; identity allows 0"),
        (["--strategy", "paired", "--min-umi-length", "4"], "--min-umi-length: not with the paired strategy"),
        (
            ["--strategy", "edit", "--min-umi-length", "4", "--allow-mixed-umi-lengths"],
            "--allow-mixed-umi-lengths: not with --min-umi-length; UMIs are cut to one length",
        ),
        (["--strategy", "paired"], r"in\.bam: read r000: a single read, but the paired strategy needs read pairs"),
        (["--strategy", "adjacency", "--input", "absent.bam"], "absent.bam: cannot be read: No such file"),
        (["--strategy", "edit", "--kit", "no-such-kit@9.9.9"], "no-such-kit"),
    ],
)
def test_messages(tmp_path: Path, args: list[str], message: str) -> None:
    source = bam(tmp_path / "in.bam")
    with pytest.raises(Exception, match=message):
        run("--input", source, "--output", tmp_path / "out.bam", *args)
    assert not (tmp_path / "out.bam").exists()


def test_truncated_input_is_one_error_and_no_output(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam", 300)
    (tmp_path / "cut.bam").write_bytes(source.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cut\.bam"):
        run("--input", tmp_path / "cut.bam", "--output", tmp_path / "out.bam", "--strategy", "edit")
    assert not (tmp_path / "out.bam").exists()


def test_histogram_of_nothing() -> None:
    assert histogram_text({}) == "family_size\tcount\tfraction\tfraction_gt_or_eq_family_size\n"
    assert histogram_text({2: 1, 1: 3}).splitlines()[1:] == ["1\t3\t0.75\t1", "2\t1\t0.25\t0.25"]


def test_tells_the_molecules_of_each_target(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam")
    (tmp_path / "panel.bed").write_text("chr1\t100\t102\tfirst\nchr2\t100\t110\tsecond\nchr2\t400\t410\tfar\n")
    run("--input", source, "--output", tmp_path / "out.bam", "--strategy", "edit",
        "--loci", tmp_path / "loci.tsv", "--panel", tmp_path / "panel.bed")  # fmt: skip
    with pysam.AlignmentFile(str(tmp_path / "out.bam")) as back:
        molecules: dict[str, set[int]] = {}
        for read in back:
            for name, contig, start0, end0 in (("first", 0, 100, 102), ("second", 1, 100, 110)):
                if read.reference_id == contig and start0 <= read.reference_start < end0:
                    molecules.setdefault(name, set()).add(int(read.get_tag("MI")))
    rows = [line.split("\t") for line in (tmp_path / "loci.tsv").read_text().splitlines()[1:]]
    assert [row[3] for row in rows] == ["first", "second", "far"]
    assert [int(row[5]) for row in rows] == [len(molecules["first"]), len(molecules["second"]), 0]
    assert rows[2][8:] == [".", ".", ".", ".", "0"]


def test_the_table_of_targets_needs_targets(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam")
    with pytest.raises(InputError, match="--loci: no targets are given; give --panel or --kit"):
        run("--input", source, "--output", tmp_path / "out.bam", "--strategy", "edit", "--loci", tmp_path / "t.tsv")
    assert not (tmp_path / "out.bam").exists()


def test_the_figures_do_not_depend_on_the_order_of_the_reads(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam", 300)
    with pysam.AlignmentFile(str(source)) as stream:
        reads = list(stream)
        with pysam.AlignmentFile(str(tmp_path / "turned.bam"), "wb", header=stream.header) as turned:
            for read in reads[::-1]:
                turned.write(read)
    for name in ("in", "turned"):
        run("--input", tmp_path / f"{name}.bam", "--output", tmp_path / "out.bam", "--strategy", "adjacency",
            "--metrics", tmp_path / f"{name}.json")  # fmt: skip
    assert (tmp_path / "in.json").read_bytes() == (tmp_path / "turned.json").read_bytes()
    metrics = json.loads((tmp_path / "in.json").read_text())
    assert metrics["histograms"]["molecules_at_percent"]["100"] == metrics["counts"]["molecules"]
    assert set(metrics["values"]) >= {"effective_umis", "saturation", "umi_collision"}


def _pairs(path: Path, starts: list[int], order: str) -> Path:
    reads = [
        Read(f"r{i:03}", flag, 0, pos, 60, "4M", 0, 0, 0, tags={"RX": "AC-GT", "MI": "7"})
        for i, start in enumerate(starts)
        for flag, pos in ((99, start), (147, start + 9))
    ]
    header = BamHeader(f"@HD\tVN:1.6\tSO:unsorted\tGO:query\tSS:{order}\n", CONTIGS)
    return write_bam(path, reads, header)


@pytest.mark.parametrize("starts", [list(range(50)), list(range(50, 0, -1))], ids=["as the header says", "not"])
def test_input_whose_header_says_it_is_in_order(tmp_path: Path, starts: list[int]) -> None:
    for order in ("template-coordinate", "unsorted:template-coordinate", "unsorted:natural"):
        source, target = _pairs(tmp_path / "in.bam", starts, order), tmp_path / f"{order}.bam"
        run("--input", source, "--output", target, "--strategy", "paired", "--metrics", tmp_path / f"{order}.json")
    files = [sorted(tmp_path.glob(f"*{ending}")) for ending in ("coordinate.bam", "natural.bam")]
    contents = {path.read_bytes() for some in files for path in some}
    assert len(contents) == 1
    assert len({path.read_text() for path in tmp_path.glob("*.json")}) == 1


@pytest.mark.req("REQ-GRP-002")
def test_same_bytes_for_any_memory(tmp_path: Path) -> None:
    source = bam(tmp_path / "in.bam", 900)
    for size in ("320M", "2G"):
        run("--input", source, "--output", tmp_path / f"{size}.bam", "--strategy", "edit", "--max-memory", size)
    assert (tmp_path / "320M.bam").read_bytes() == (tmp_path / "2G.bam").read_bytes()
