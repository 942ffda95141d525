"""The benchmark of calling: what is planted, what counts as found, curves, and tables that are those of the results."""

import importlib
import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.timeout(60)
FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "calling"
RNG = random.Random(5)
TEXT = "".join(RNG.choice("ACGT") for _ in range(800))


@pytest.fixture
def module() -> Callable[[str], Any]:
    """Return a function that imports a module of the benchmark."""
    return lambda name: importlib.import_module(f"benchmarks.calling.{name}")


def results() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / "results.json").read_text("utf-8"))
    return rows


def test_every_result_has_what_a_reader_asks_for(module: Any) -> None:
    parts = module("table").PARTS
    assert results()
    for row in results():
        assert {"part", "process", "what", "peer", "vaf", "ours", "theirs", "target", "met"} <= set(row)
        assert row["part"] in parts
        assert (row["met"] is not None) == (row["target"] is not None or row["peer"] is not None)


def test_the_tables_of_the_page_are_those_of_the_results(module: Any) -> None:
    between = importlib.import_module("benchmarks.results").between
    text = (FOLDER / "README.md").read_text("utf-8")
    assert between(text, module("table").markdown(results())) == text


def test_targets_are_those_asked_for() -> None:
    asked = {("SNV", 0.001): 0.7, ("SNV", 0.002): 0.95, ("SNV", 0.005): 0.99, ("SNV", 0.01): 1.0,
             ("indel and MNV", 0.0025): 0.9, ("indel and MNV", 0.005): 0.97, ("indel and MNV", 0.01): 0.99}  # fmt: skip
    rows = [row for row in results() if row["part"] == "sensitivity" and row["target"]]
    for row in rows:
        assert asked[row["what"].removeprefix("sensitivity, "), row["vaf"]] == row["target"]
        assert row["met"] == (row["k"] >= row["target"] * row["n"])
    assert len(rows) % len(asked) == 0


# The reference and its six ways to write one deletion: Tan et al. 2015, figure 1 (positions count from the first G).
PUBLISHED = [(8, "CA", ""), (6, "CAC", "C"), (3, "GCACA", "GCA"), (2, "GGCA", "GG"), (3, "GCA", "G")]


@pytest.mark.parametrize("written", PUBLISHED)
def test_alleles_are_normalised_as_published(module: Any, written: tuple[int, str, str]) -> None:
    assert module("variants").normalised("GGGCACACACAGGG", *written) == (3, "GCA", "G")


def test_planted_variants_fit_the_sequence_and_stand_apart(module: Any, tmp_path: Path) -> None:
    variants, panel = module("variants"), module("panel")
    sequences = {f"c{i}": "".join(RNG.choice("ACGT") for _ in range(2000)) for i in range(15)}
    targets = tuple((name, 500, 1500) for name in sequences)
    made = panel.Panel("x@1.0.0", tmp_path, sequences, targets, frozenset({("c0", 900)}))
    planted = variants.draw_variants(7, made)
    assert planted == variants.draw_variants(7, made) != variants.draw_variants(8, made)
    assert len(planted) == 4 * 8 + 3 * 7
    for one, following in pairwise(planted):
        assert sequences[one.contig][one.pos1 - 1 : one.pos1 - 1 + len(one.ref)] == one.ref != one.alt
        assert (one.pos1, one.ref, one.alt) == variants.normalised(sequences[one.contig], *one[1:4])
        assert one.contig != following.contig or one.pos1 + len(one.ref) + 80 < following.pos1
        assert one.contig != "c0" or not one.pos1 - 25 < 900 < one.pos1 + len(one.ref) + 25


def call(alleles: Any, key: tuple[str, int, str, str], score: float = 9.0, is_called: bool = True) -> Any:
    return alleles.Call(key, score, is_called, 0.01)


def key(pos1: int, n_ref: int, alt: str) -> tuple[str, int, str, str]:
    return ("c", pos1, TEXT[pos1 - 1 : pos1 - 1 + n_ref], alt)


def other(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def snv(pos1: int) -> tuple[str, int, str, str]:
    return key(pos1, 1, other(TEXT[pos1 - 1]))


def test_a_change_of_several_bases_is_found_whole_or_by_all_its_parts(module: Any) -> None:
    alleles = module("alleles")
    mnv = key(200, 3, other(TEXT[199]) + TEXT[200] + other(TEXT[201]))
    for keys, found in (([mnv], True), ([snv(200), snv(202)], True), ([snv(200)], False), ([snv(201)], False)):
        calls = [call(alleles, one) for one in keys]
        verdict = alleles.judge({"c": TEXT}, [(mnv, "mnv", 0.01, 0.01)], [], calls)
        assert verdict.found[0].is_called == found
        assert verdict.false == []
    halves = [call(alleles, snv(200)), call(alleles, snv(202), is_called=False)]
    assert not alleles.judge({"c": TEXT}, [(mnv, "mnv", 0.01, 0.01)], [], halves).found[0].is_called


def test_a_delins_may_be_written_as_substitution_and_deletion(module: Any) -> None:
    alleles = module("alleles")
    whole = key(300, 5, other(TEXT[299]) + TEXT[300])
    first = key(300, 1, other(TEXT[299]))
    rest = module("variants").normalised(TEXT, 301, TEXT[300:304], TEXT[300])
    parts = [call(alleles, first), call(alleles, ("c", *rest))]
    verdict = alleles.judge({"c": TEXT}, [(whole, "delins", 0.01, 0.01)], [], parts)
    assert verdict.found[0].is_called
    assert len(verdict.found[0].parts) == 2


def test_what_is_neither_planted_nor_germline_nor_near_is_false(module: Any) -> None:
    alleles = module("alleles")
    deletion = key(400, 4, TEXT[399])
    calls = [call(alleles, one) for one in (snv(100), snv(150), snv(405), snv(425), deletion)]
    planted = [(deletion, "deletion", 0.01, 0.01), (snv(500), "snv", 0.001, 0.001)]
    verdict = alleles.judge({"c": TEXT}, planted, [snv(100)], calls)
    assert [one.key for one in verdict.false] == [snv(150), snv(425)]
    assert [one.is_called for one in verdict.found] == [True, False]
    longer = call(alleles, key(499, 3, TEXT[498] + other(TEXT[499]) + other(TEXT[500])))
    assert alleles.judge({"c": TEXT}, planted, [], [longer]).found[1].is_called


def curve_of(module: Any) -> Any:
    alleles, roc = module("alleles"), module("roc")
    calls = [alleles.Call(snv(pos1), score, score > 5, 0.01, 20 - score) for pos1, score in
             ((100, 9.0), (200, 8.0), (300, 6.0), (400, 4.0), (500, 7.0), (600, 3.0))]  # fmt: skip
    planted = [(snv(pos1), "snv", 0.01, 0.01) for pos1 in (100, 200, 300, 400, 700)]
    return roc.curve([alleles.judge({"c": TEXT}, planted, [], calls)], by_support=False)


def test_curve_of_sensitivity_against_false_calls(module: Any) -> None:
    found = curve_of(module)
    level = ("snv", 0.01)
    assert [found.sensitivity(level, n) for n in (0, 1, 2, 9)] == [0.4, 0.8, 0.8, 0.8]
    assert [found.false_at(level, share) for share in (0.0, 0.4, 0.6, 0.8, 1.0)] == [0, 0, 1, 1, float("inf")]
    assert (found.delivered(level), found.n_false) == (0.6, 1)


def test_a_peer_gets_the_better_of_score_and_reads(module: Any) -> None:
    alleles, roc = module("alleles"), module("roc")
    calls = [alleles.Call(snv(100), 1.0, True, 0.01, 30.0), alleles.Call(snv(150), 2.0, True, 0.01, 3.0)]
    verdict = alleles.judge({"c": TEXT}, [(snv(100), "snv", 0.01, 0.01)], [], calls)
    assert roc.curve([verdict]).sensitivity(("snv", 0.01), 0) == 1.0
    assert roc.curve([verdict], by_support=False).sensitivity(("snv", 0.01), 0) == 0.0


def test_plots_are_drawings_with_a_line_a_caller(module: Any) -> None:
    plots = module("plots")
    lines = [plots.Line("ctdna", curve_of(module)), plots.Line("peer", curve_of(module))]
    text = plots.roc_svg("title", lines, [("SNV, 1 %", ("snv", 0.01))])
    drawing = ElementTree.fromstring(text)
    assert len(drawing.findall(".//{http://www.w3.org/2000/svg}polyline")) == 2
    points = drawing.find(".//{http://www.w3.org/2000/svg}polyline").get("points").split()  # type: ignore[union-attr]
    assert [float(point.split(",")[1]) for point in points] == [148.0, 148.0, 80.0, 80.0]


def test_committed_plots_are_drawings() -> None:
    for path in FOLDER.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.stat().st_size < 100_000


def test_a_partial_run_replaces_its_own_rows_only(module: Any, tmp_path: Path) -> None:
    table, rows, results = module("table"), module("rows"), importlib.import_module("benchmarks.results")
    tables = table.PARTS, table.markdown
    (tmp_path / "README.md").write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    times = rows.row("time", "plain", "seconds", ours=3.2, target=30.0, met=True, n=7)
    results.update(tmp_path, *tables, [times], ["time"])
    peer = {"peer": "freebayes, consensus", "vaf": 0.001}
    against = rows.row(
        "peers", "harsh", "sensitivity, SNV, at our false calls", **peer, samples=3, ours=0.5, theirs=0.25, met=True
    )
    results.update(
        tmp_path,
        *tables,
        [against, rows.row("peers", "harsh", "not run", peer="x", met=False, skipped="why")],
        ["peers"],
    )
    text = (tmp_path / "README.md").read_text()
    assert "| sensitivity, SNV, at our false calls | 0.1 % | freebayes, consensus | 3 | 0.5 | 0.25 | yes |" in text
    assert "| default | seconds |  | 3.2 | 7 |  | <= 30 | yes |" in text
    assert "- x: why." in text
    assert "old" not in text


def job(module: Any, tmp_path: Path) -> Any:
    names = ("r.fa", "p.bed", "s.bam")
    fastq = tmp_path / "1.fq.gz", tmp_path / "2.fq.gz"
    return module("callers").Job(*(tmp_path / name for name in names), fastq, tmp_path / "making.x.vcf.gz")


def test_lofreq_gets_qualities_of_indels_and_its_calls_are_read(module: Any, tmp_path: Path) -> None:
    callers, peer = module("callers"), module("peers").Peer("LoFreq", "2.1.5", ("lofreq",), "")
    lines = callers.lofreq(peer, job(module, tmp_path)).splitlines()
    base = tmp_path / "making.x"
    assert lines[0] == f"lofreq indelqual --dindel -f {tmp_path}/r.fa -o {base}.bam {tmp_path}/s.bam"
    assert lines[2].startswith(f"lofreq call -f {tmp_path}/r.fa -l {tmp_path}/p.bed --call-indels")
    assert lines[2].endswith(f"-o {base}.vcf {base}.bam")
    vcf = tmp_path / "l.vcf"
    vcf.write_text(
        f"#h\nc\t100\t.\t{TEXT[99]}\t{other(TEXT[99])}\t93\tPASS\tDP=2900;AF=0.002069;SB=0;DP4=1450,1444,4,2\n"
    )
    setting = next(one for one in callers.SETTINGS if one.caller == "LoFreq")
    (found,) = callers.read_calls(setting, vcf, {"c": TEXT}, [("c", 50, 400)])
    assert (found.key, found.score, found.is_called, found.vaf, found.support) == (snv(100), 93.0, True, 0.002069, 6.0)


def test_vardict_is_piped_through_its_scripts_and_its_calls_are_read(module: Any, tmp_path: Path) -> None:
    callers, peer = module("callers"), module("peers").Peer("VarDict", "1.8.3", ("vardict-java",), "")
    first, second, third, _ = callers.vardict(peer, job(module, tmp_path)).split(" | ")
    assert first.startswith(f"vardict-java -G {tmp_path}/r.fa -N sample -b {tmp_path}/s.bam -f 0.0003")
    assert first.endswith(f"-c 1 -S 2 -E 3 -g 4 {tmp_path}/p.bed")
    assert (second, third.split()[0]) == ("teststrandbias.R", "var2vcf_valid.pl")
    vcf = tmp_path / "v.vcf"
    tail = "GT:DP:VD:AD:AF:RD:ALD\t0/1:2900:6:2894,6:0.0021:1447,1447:3,3\n"
    rows = [f"c\t{at}\t.\t{TEXT[at - 1]}\t{other(TEXT[at - 1])}\t88\t{why}\tTYPE=SNV;AF=0.0021\t{tail}"
            for at, why in ((100, "PASS"), (200, "q22.5"))]  # fmt: skip
    vcf.write_text("#h\n" + "".join(rows))
    setting = next(one for one in callers.SETTINGS if one.caller == "VarDict")
    found = callers.read_calls(setting, vcf, {"c": TEXT}, [("c", 50, 400)])
    assert [(one.key, one.is_called) for one in found] == [(snv(100), True), (snv(200), False)]
    assert [(one.score, one.vaf, one.support) for one in found] == [(88.0, 0.0021, 6.0)] * 2


def test_peers_of_the_path_want_their_scripts_too(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vardict-java"
    program.write_text("#!/bin/sh\necho 1.8.3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    peers = module("peers")
    assert "1.8.3" in peers.on_path("VarDict", "vardict-java", "build it").version
    missing = peers.on_path("VarDict", "vardict-java", "build it", "var2vcf_valid.pl").missing
    assert missing == "var2vcf_valid.pl is not on the PATH; build it"


def test_other_samples_share_the_backgrounds_and_nothing_else(module: Any) -> None:
    bench = object.__new__(module("bench").Bench)
    bench.__dict__.update(trained={"plain": "kit"}, seeds=(1,), n_held_out=3, patients={"plain": ["S1"]}, ours={})
    before = bench.on((7, 8))
    assert (before.seeds, before.n_held_out, before.trained) == ((7, 8), 0, {"plain": "kit"})
    assert "patients" not in before.__dict__
    assert (bench.seeds, bench.patients) == ((1,), {"plain": ["S1"]})
