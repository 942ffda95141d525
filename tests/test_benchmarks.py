"""The comparators of the benchmark find each kind of difference, and a partial run keeps the other rows."""

import gzip
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctdna.formats.bam import BamHeader
from tests.builders import CONTIGS, Read, write_bam, write_fasta

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "consensus"


@pytest.fixture
def module() -> Callable[[str], Any]:
    """Return a function that imports a module of the benchmark."""
    return lambda name: importlib.import_module(f"benchmarks.consensus.{name}")


def pair(name: str, pos0: int = 100, umi: str = "AA-CC", **changes: Any) -> list[Read]:
    """Return two mates, 10 bases each, with tags of a consensus read; `changes` are of R1."""
    tags = {"RX": umi, "MI": name, "cD": 3, "cd": [3] * 10, "NM": 0, "XS": 0}
    one = Read(name, 99, 0, pos0, 60, "10M", 0, pos0 + 40, 50, "ACGTACGTAC", 40, tags)
    two = Read(name, 147, 0, pos0 + 40, 60, "10M", 0, pos0, -50, "ACGTACGTAC", 40, tags)
    return [one._replace(**{"tags": tags | changes.pop("tags", {}), **changes}), two]


def bam(path: Path, *pairs: list[Read]) -> Path:
    header = BamHeader("".join(f"@SQ\tSN:{name}\tLN:{n}\n" for name, n in CONTIGS), CONTIGS)
    return write_bam(path, [read for some in pairs for read in some], header)


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("other CIGAR, other place", {"pos0": 101, "cigar": "1S9M", "mate_pos0": 140}),
    ("other CIGAR", {"cigar": "9M1S"}),
    ("bases", {"bases": "ACGTACGTAN"}),
    ("qualities", {"quals": 39}),
    ("mapping quality", {"mapq": 50}),
    ("proper-pair flag", {"flag": 97}),
    ("flags", {"flag": 99 | 0x200}),
    ("mate's place", {"insert_size": 51}),
    ("consensus tags: cD", {"tags": {"cD": 4}}),
    ("consensus tags: per base", {"tags": {"cd": [3] * 9 + [2]}}),
    ("aligner's tags: NM XS", {"tags": {"NM": 1, "XS": 5}}),
]


@pytest.mark.parametrize(("kind", "changes"), KINDS)
def test_each_kind_of_difference_between_the_ways(
    module: Any, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    compare = module("short_and_long").compare
    same = [pair("1"), pair("2", umi="AA-GG"), pair("3", 300)]
    long = bam(tmp_path / "long.bam", *same, pair("4", umi="TT-GG"))
    short = bam(tmp_path / "short.bam", pair("9", umi="TT-GG", **changes), *same[::-1])
    found = compare(short, long)
    assert (found["molecules"], found["same_in_all"]) == (4, 3)
    assert {name: entry["n"] for name, entry in found["different"].items()} == {kind: 1}
    alone = kind in ("mapping quality", "proper-pair flag") or kind.startswith("aligner's tags")
    assert found["same_consensus"] == (4 if alone else 3)


def test_molecules_that_only_one_way_has(module: Any, tmp_path: Path) -> None:
    compare = module("short_and_long").compare
    short = bam(tmp_path / "short.bam", pair("1"), pair("2", 700, "GG-TT"))
    long = bam(tmp_path / "long.bam", pair("1"), pair("2", 5000, "CC-CC"), pair("3", 6000, "CC-CC"))
    found = compare(short, long)
    kinds = {name: entry["n"] for name, entry in found["different"].items()}
    assert kinds == {"only the short way": 1, "only the long way": 2}
    assert (found["molecules"], found["same_in_all"]) == (4, 1)
    assert found["different"]["only the short way"]["examples"] == ["GG-TT 0:701+ 0:750-"]
    moved = compare(bam(tmp_path / "moved.bam", pair("1", 104)), bam(tmp_path / "there.bam", pair("1")))
    assert list(moved["different"]) == ["other place"]


def grouped(path: Path, molecules: dict[str, list[str]]) -> Path:
    return bam(path, *([read._replace(tags=read.tags | {"MI": mi}) for read in pair(name)]
                       for mi, names in molecules.items() for name in names))  # fmt: skip


def test_groupings_that_differ(module: Any, tmp_path: Path) -> None:
    compare = module("compare")
    ours = grouped(tmp_path / "a.bam", {"1/A": ["a", "b"], "1/B": ["c"], "2/A": ["d"], "3/A": ["e", "f"], "4/A": ["g"]})
    theirs = grouped(
        tmp_path / "b.bam", {"7/A": ["a", "b"], "7/B": ["c"], "2/B": ["d"], "3/A": ["e"], "4/A": ["f"], "5/A": ["h"]}
    )
    found = compare.grouping(ours, theirs)
    assert (found["ours"], found["theirs"], found["equal"]) == (4, 5, 1)
    assert {kind: entry["n"] for kind, entry in found["different"].items()} == {
        "strand letter": 1, "other reads in the molecule": 1, "templates only here": 1, "templates only there": 1,
    }  # fmt: skip


def test_consensus_reads_that_differ(module: Any, tmp_path: Path) -> None:
    compare = module("compare")
    changes: dict[str, dict[str, Any]] = {
        "length": {"bases": "ACGTACGTA", "cigar": "9M"},
        "N here, base there": {"bases": "ACGTACGTNN"},
        "bases": {"bases": "ACGTACGTAA"},
        "qualities by 1": {"quals": 41},
        "qualities": {"quals": 20},
        "tags: cD": {"tags": {"cD": 5}},
        "tags present: zz": {"tags": {"zz": 5}},
    }
    mine = [pair(str(k), **change) for k, change in enumerate(changes.values())]
    ours = bam(tmp_path / "a.bam", *mine, pair("90"), pair("91"))
    theirs = bam(tmp_path / "b.bam", *(pair(str(k)) for k in range(len(changes))), pair("90"))
    found = compare.consensus(ours, theirs, ours)
    assert {kind: entry["n"] for kind, entry in found["different"].items()} == dict.fromkeys(changes, 1) | {
        "only here": 2
    }
    assert found["equal"] == len(changes) + 2
    placed = compare.filtered(bam(tmp_path / "c.bam", pair("1", mapq=3)), bam(tmp_path / "d.bam", pair("1")))
    assert list(placed["different"]) == ["place, CIGAR or flags"]


def test_a_partial_run_replaces_its_own_rows_only(module: Any, tmp_path: Path) -> None:
    table, results = module("table"), importlib.import_module("benchmarks.results")
    tables = table.PARTS, table.markdown
    (tmp_path / "README.md").write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    start = table.limit("start", "help", None, 0.2, table.SECONDS, 0.3)
    ways = table.share("ways", "same", 1000, 9996, 10000, 0.9995, reads="simulated")
    results.update(tmp_path, *tables, [ways, start], ["ways", "start"])
    results.update(tmp_path, *tables, [table.limit("start", "help", None, 0.4, table.SECONDS, 0.3)], ["start"])
    results.update(tmp_path, *tables, [table.skipped("whole", "all", "fgbio", 10.0, "not found")], ["whole"])
    text = (tmp_path / "README.md").read_text()
    assert text.startswith(f"before\n{results.BEGIN}\n### From FASTQ")
    assert text.endswith(f"{results.END}\nafter\n")
    assert "99.9600 % of 10,000" in text
    assert "| 0.4 seconds |  |  |  | <= 0.3 | no |" in text
    assert "| all | fgbio |  |  |  |  |  |  |  | >= 10 | not run: not found |" in text
    assert "old" not in text


def test_many_reads_are_of_the_reference_and_scattered(module: Any, tmp_path: Path) -> None:
    many_reads = module("many_reads")
    bases = "".join("ACGT"[(k * k // 7 + k // 3) % 4] for k in range(2000))
    fasta = write_fasta(tmp_path / "ref.fa", {"one": bases[:900], "two": bases[900:]})
    paths = tmp_path / "1.fastq.gz", tmp_path / "2.fastq.gz"
    n = many_reads.write_pairs(fasta, *paths, 4000)
    lines = [gzip.decompress(path.read_bytes()).decode().splitlines() for path in paths]
    assert 3700 < n < 4300
    assert [len(text) for text in lines] == [4 * n, 4 * n]
    assert lines[0][::4] == lines[1][::4] == [f"@{k:09d}" for k in range(n)]
    turned = str.maketrans("ACGT", "TGCA")
    both = (
        bases[:900]
        + "|"
        + bases[900:]
        + "|"
        + bases[:900].translate(turned)[::-1]
        + "|"
        + bases[900:].translate(turned)[::-1]
    )
    exact = sum(read[7:] in both for text in lines for read in text[1::4])
    assert 0.7 < exact / (2 * n) < 0.85  # 93 bases without an error: 0.997 ** 93
    assert all(read[5:7] == "CT" for read in lines[0][1:40:4])


def test_peak_of_a_process_alone(module: Any, tmp_path: Path) -> None:
    measure = module("measure")
    inner = "subprocess.run([sys.executable, '-c', 'bytearray(300 << 20)'])"
    code = f"import subprocess, sys; x = bytearray(90 << 20); {inner}"
    cost = measure.alone([sys.executable, "-c", code], tmp_path / "log.txt", {})
    assert 90 < cost.peak_mib < 200
    with pytest.raises(measure.FailedRunError, match="exit 3: words"):
        measure.alone(["bash", "-c", "echo words; exit 3"], tmp_path / "log.txt", {"PATH": "/usr/bin:/bin"})
    with pytest.raises(measure.FailedRunError, match="exit 4"):
        measure.measure("exit 4", tmp_path / "log.txt")
    assert (
        measure.FailedRunError("x", 2, "a\nctdna: error 2: /some/folder/a.bam: no").reason
        == "exit 2: ctdna: error 2: a.bam: no"
    )
