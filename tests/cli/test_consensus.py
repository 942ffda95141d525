"""`ctdna consensus` as a user runs it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.consensus import command, consensus_header, name_prefix
from ctdna.formats.bam import BamHeader, read_records
from ctdna.model.errors import CtdnaError, InputError
from tests.builders import CONTIGS, Read, write_bam
from tests.consensus_cases import plain_records

pytestmark = pytest.mark.timeout(180)
GROUPS = "@RG\tID:x\tLB:two\tSM:s1\tPL:illumina\n@RG\tID:y\tLB:one\tSM:s1\tPL:ILLUMINA\n"
HEADER = BamHeader(BamHeader.of_contigs(CONTIGS).text + GROUPS, CONTIGS)


def _reads(n: int = 6, strands: str = "AB") -> list[Read]:
    reads = []
    for molecule in range(n):
        for strand in strands:
            tags = {"MI": f"{molecule}/{strand}" if strand else str(molecule), "RX": "AC-GT"}
            first, second = ((99, 10), (147, 40)) if strand != "B" else ((163, 10), (83, 40))
            for flag, pos0 in (first, second):
                reads.append(
                    Read(f"m{molecule}{strand}", flag, 0, pos0, 60, "8M", 0, 50 - pos0, 0, "ACGTACGT", 30, tags)
                )
    return reads


def run(*arguments: object) -> str:
    """Run the command; return what it says on stderr. Errors of ours pass through."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, CtdnaError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stderr


def _called(path: Path) -> list[dict[str, object]]:
    return plain_records(read_records(path)[1])


def test_duplex_by_the_mi_tags(tmp_path: Path) -> None:
    source, target, metrics = (
        write_bam(tmp_path / "in.bam", _reads(), HEADER),
        tmp_path / "out.bam",
        tmp_path / "m.json",
    )
    run("--input", source, "--output", target, "--metrics", metrics, "--min-reads", 2, 1, 1)
    found = _called(target)
    assert [record["name"] for record in found[:3]] == ["one|two:0", "one|two:0", "one|two:1"]
    assert [record["flag"] for record in found[:2]] == [77, 141]
    assert "bd" in found[0]["tags"]  # type: ignore[operator]
    counts = json.loads(metrics.read_text())
    assert (counts["n_in"], counts["n_out"], counts["sample"]) == (24, 24, "s1")
    assert counts["counts"]["molecules_with_both_strands"] == 6
    assert counts["histograms"]["family_size"] == {"2": 6}


def test_simplex_on_request(tmp_path: Path) -> None:
    source, target = write_bam(tmp_path / "in.bam", _reads(), HEADER), tmp_path / "out.bam"
    run("--input", source, "--output", target, "--simplex", "--read-name-prefix", "p", "--read-group-id", "Z")
    found = _called(target)
    assert len(found) == 24
    assert (found[0]["name"], found[2]["name"]) == ("p:0/A", "p:0/B")
    assert {"RG": "Z", "MI": "0/A", "RX": "AC-GT", "cD": 1}.items() <= found[0]["tags"].items()  # type: ignore[attr-defined]


def test_same_bytes_for_any_threads(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "in.bam", _reads(40), HEADER)
    outputs = []
    for threads in (1, 2, 4):
        target = tmp_path / f"{threads}.bam"
        run("--input", source, "--output", target, "--threads", threads)
        outputs.append(target.read_bytes())
    assert outputs[0] == outputs[1] == outputs[2]


def test_header() -> None:
    header = consensus_header(HEADER, "A")
    assert header.contigs == ()
    assert "@RG\tID:A\tLB:two,one\tSM:s1\tPL:ILLUMINA\n" in header.text
    assert "@PG\tID:ctdna-consensus\tPN:ctdna\tVN:" in header.text
    assert "CL:" not in header.text
    two = BamHeader("@RG\tID:a\tPM:NovaSeq 6000\tPL:illumina\n@RG\tID:b\tPM:NovaSeq 6000\n", ())
    assert "@RG\tID:A\tPL:ILLUMINA\tPM:NovaSeq 6000\n" in consensus_header(two, "A").text
    many = BamHeader("".join(f"@RG\tID:{'x' * 50}{k}\n" for k in range(9)), ())
    assert len(name_prefix(many)) == 16


def test_no_read_comes_out(tmp_path: Path) -> None:
    source, target = write_bam(tmp_path / "in.bam", _reads(), HEADER), tmp_path / "out.bam"
    said = run("--input", source, "--output", target, "--min-reads", 5)
    assert "warning: no consensus read came out (too_few_reads 24)" in said
    assert _called(target) == []
    empty = write_bam(tmp_path / "none.bam", [], HEADER)
    assert "no reads came in" in run("--input", empty, "--output", target)


def test_the_kit_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.consensus_cases import params

    class Definition:
        consensus = params("duplex", min_reads=(1, 1, 0))

    class Kit:
        definition = Definition()

    monkeypatch.setattr("ctdna.kit.load.load_kit", lambda name: Kit())
    source, target = write_bam(tmp_path / "in.bam", _reads(2, "A"), HEADER), tmp_path / "out.bam"
    run("--input", source, "--output", target, "--kit", "demo@1.0.0")
    assert len(_called(target)) == 4
    with pytest.raises(InputError, match=r"--min-reads: found \(2,\), but kit demo@1.0.0 sets \(1, 1, 0\)"):
        run("--input", source, "--output", target, "--kit", "demo@1.0.0", "--min-reads", 2)
    with pytest.raises(InputError, match=r"--mode: found simplex, but kit demo@1.0.0 sets duplex"):
        run("--input", source, "--output", target, "--kit", "demo@1.0.0", "--simplex")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min-reads", "1", "2", "--duplex"), "--min-reads: found 1 2, allowed are values from high to low"),
        (("--min-reads", "3", "1", "--simplex"), "--min-reads: found 3 1, allowed is one number with the simplex mode"),
        (("--min-reads", "3", "--max-reads", "2"), "--max-reads: found 2, allowed is min_reads or more"),
        (("--min-reads", "4", "3", "2", "1"), "--min-reads: found 4 3 2 1: Tuple should have at most 3 items"),
        (("--read-group-id", "a\tb"), "--read-group-id: found 'a.tb', allowed is text without tabs"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    source, target = write_bam(tmp_path / "in.bam", _reads(), HEADER), tmp_path / "out.bam"
    with pytest.raises(InputError, match=message):
        run("--input", source, "--output", target, *arguments)
    assert not target.exists()


def test_bad_input_leaves_no_output(tmp_path: Path) -> None:
    reads = _reads(3)
    source = write_bam(tmp_path / "in.bam", reads + [read._replace(name="z") for read in reads[:2]], HEADER)
    target = tmp_path / "out.bam"
    with pytest.raises(InputError, match=r"in\.bam: read z: molecule 0 comes again after other molecules"):
        run("--input", source, "--output", target)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"in\.bam"):
        run("--input", source, "--output", target)
    assert [path.name for path in tmp_path.iterdir()] == ["in.bam"]


def test_the_level_changes_the_file_and_not_its_records(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "in.bam", _reads(40), HEADER)
    found = {}
    for level in (0, 1, 12):
        target = tmp_path / f"{level}.bam"
        run("--input", source, "--output", target, "--compression-level", level)
        found[level] = _called(target)
    assert found[0] == found[1] == found[12]
    sizes = [(tmp_path / f"{level}.bam").stat().st_size for level in (0, 1, 12)]
    assert sizes[0] > 2 * sizes[1] > 2 * sizes[2]
    run("--input", source, "--output", tmp_path / "plain.bam")
    assert (tmp_path / "plain.bam").read_bytes() == (tmp_path / "1.bam").read_bytes()


def test_loss_tags_are_asked_for(tmp_path: Path) -> None:
    source = write_bam(tmp_path / "in.bam", _reads(2), HEADER)
    run("--input", source, "--output", tmp_path / "plain.bam")
    run("--input", source, "--output", tmp_path / "tags.bam", "--loss-tags", "--kit", "ctdna-demo@1.0.0")
    names = [set(record["tags"]) for record in _called(tmp_path / "tags.bam")]  # type: ignore[call-overload]
    assert all({"lm", "lc", "lu", "lp", "lt"} <= one for one in names)
    assert not {"lm", "lc", "lu", "lp", "lt"} & set(_called(tmp_path / "plain.bam")[0]["tags"])  # type: ignore[call-overload]
