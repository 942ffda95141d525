"""Consensus calling: against the plain twin, threads and batches, balance, and bad input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.model.errors import InputError
from ctdna.model.params.consensus import ConsensusParams
from ctdna.stages.consensus import ConsensusCaller, Naming
from tests import naive_consensus as naive
from tests.builders import Read
from tests.consensus_cases import call, params, plain_records, raw

pytestmark = pytest.mark.timeout(180)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

TEMPLATE = "ACGTTGCAACGGTTAACCATGACTTAGC"
CIGARS = ("8M", "3M1I4M", "4M1D4M", "2S6M", "6M2S", "5M1D3M")


@st.composite
def _end(draw: st.DrawFn, name: str, flag: int, pos0: int, molecule: str) -> Read:
    cigar = draw(st.sampled_from(CIGARS))
    bases = list(TEMPLATE[pos0 : pos0 + 8])
    for _ in range(draw(st.integers(0, 2))):
        bases[draw(st.integers(0, 7))] = draw(st.sampled_from("ACGTN"))
    quals = draw(st.lists(st.sampled_from([2, 5, 12, 20, 30, 37, 40]), min_size=8, max_size=8))
    return Read(name, flag, 0, pos0, 60, cigar, 0, 0, 0, "".join(bases), quals, {"MI": molecule, "RX": "AC-GT"})


@st.composite
def families(draw: st.DrawFn, molecules: tuple[str, ...] = ("1",)) -> list[Read]:
    """Return the reads of one molecule: pairs in both orientations of the strands, some close enough to overlap."""
    reads = []
    start = draw(st.integers(0, 8))
    for k in range(draw(st.integers(1, 5))):
        molecule = draw(st.sampled_from(molecules))
        low, high = start, start + draw(st.integers(0, 9))
        first, second = (83, 163) if molecule.endswith("/B") else (99, 147)
        r1 = draw(_end(f"r{k}", first, high if first & 16 else low, molecule))
        r2 = draw(_end(f"r{k}", second, high if second & 16 else low, molecule))
        reads += [r1._replace(mate_pos0=r2.pos0), r2._replace(mate_pos0=r1.pos0)]
    return reads


@st.composite
def wanted_params(draw: st.DrawFn, mode: str) -> ConsensusParams:
    least = draw(st.sampled_from([(1,), (2,)] if mode == "simplex" else [(1,), (1, 1, 0), (2, 1, 0), (2, 1, 1)]))
    return params(
        mode,
        min_reads=least,
        trim=draw(st.booleans()),
        min_consensus_base_quality=draw(st.sampled_from([2, 20])) if mode == "simplex" else 2,
        consensus_call_overlapping_bases=draw(st.booleans()),
    )


@pytest.mark.req("REQ-CNS-001")
@QUICK
@given(families(), wanted_params("simplex"))
def test_simplex_as_the_twin(reads: list[Read], wanted: ConsensusParams) -> None:
    found, metrics = call(reads, wanted)
    expect = naive.simplex(reads, wanted)
    assert [record["end"] for record in found] == sorted(expect)
    for record in found:
        twin = expect[record["end"]]
        assert (record["bases"], record["quals"]) == (twin.bases, twin.quals)
        assert (record["tags"]["cd"], record["tags"]["ce"]) == (twin.depths, twin.errors)
        assert record["tags"]["cD"] == max(twin.depths)
        assert record["tags"]["cM"] == min(twin.depths)
        assert record["tags"]["cE"] == pytest.approx(sum(twin.errors) / sum(twin.depths), rel=1e-6)
    used = sum(len(twin.sources) for twin in expect.values())
    assert (metrics.n_in, metrics.n_out) == (len(reads), used)


@pytest.mark.req("REQ-CNS-002")
@QUICK
@given(families(("1/A", "1/B")), wanted_params("duplex"))
def test_duplex_as_the_twin(reads: list[Read], wanted: ConsensusParams) -> None:
    found, _ = call(reads, wanted)
    expect = naive.duplex(reads, wanted)
    assert len(found) == len(expect)
    for record, twin in zip(found, expect, strict=True):
        n = len(twin["bases"])
        assert (record["bases"], record["quals"]) == (twin["bases"], twin["quals"])
        for letter in "ab":
            strand = twin[letter]
            assert (f"{letter}d" in record["tags"]) == (strand is not None)
            if strand:
                tags = record["tags"]
                assert (tags[f"{letter}d"], tags[f"{letter}e"]) == (strand.depths[:n], strand.errors[:n])
                assert tags[f"{letter}c"] == strand.bases[:n]
                assert tags[f"{letter}q"] == "".join(chr(q + 33) for q in strand.quals[:n])
        depths = sum(sum(twin[letter].depths[:n]) for letter in "ab" if twin[letter])
        assert record["tags"]["cE"] == pytest.approx(sum(twin["errors"]) / depths, rel=1e-6)


@pytest.mark.req("REQ-CNS-005")
@QUICK
@given(st.lists(families(("{}/A", "{}/B")), min_size=1, max_size=6), st.sampled_from(["simplex", "duplex"]))
def test_threads_batches_and_balance(groups: list[list[Read]], mode: str) -> None:
    """The records depend neither on threads nor on where batches end; every read and molecule is counted once."""
    reads = []
    for k, group in enumerate(groups):
        named = [read._replace(name=f"{k}{read.name}") for read in group]
        tagged = [read._replace(tags=read.tags | {"MI": read.tags["MI"].format(k)}) for read in named]
        reads += sorted(tagged, key=lambda read: read.tags["MI"]) if mode == "simplex" else tagged
    wanted = params(mode, min_reads=(1,) if mode == "simplex" else (1, 1, 0), consensus_call_overlapping_bases=True)
    whole, metrics = call(reads, wanted)
    for threads, size in ((2, len(reads)), (4, 3), (1, 1)):
        caller = ConsensusCaller(wanted, Naming("lib", "A"), threads)
        batches = [raw(reads[at : at + size]) for at in range(0, len(reads), size)]
        assert [record for part in caller.call(batches) for record in plain_records(part)] == whole
        assert caller.metrics("sample") == metrics
    assert metrics.n_in == len(reads)
    counts = metrics.counts
    lost = sum(count for name, count in counts.items() if name.startswith("molecules_rejected_"))
    key = {read.tags["MI"] if mode == "simplex" else read.tags["MI"][:-2] for read in reads}
    assert counts["molecules_in"] == counts["molecules_out"] + lost == len(key)
    assert counts["consensus_reads"] == len(whole) == 2 * counts["molecules_out"]


@QUICK
@given(families(("1/A", "1/B")), wanted_params("duplex"), st.sampled_from(["simplex", "duplex"]))
def test_losses_as_the_twin(reads: list[Read], wanted: ConsensusParams, mode: str) -> None:
    if mode == "simplex":
        wanted = wanted.model_copy(update={"mode": "simplex", "min_reads": (1,)})
        reads = [read._replace(tags=read.tags | {"MI": "1"}) for read in reads]
    plain, _ = call(reads, wanted)
    found, metrics = call(reads, wanted, has_losses=True)
    for record, before in zip(found, plain, strict=True):
        lost = {name: record["tags"].pop(name) for name in ("lm", "lc", "lu", "lp", "lt")}
        assert lost == naive.losses(reads, wanted, record["end"])
        assert record == before
    if found:
        tags = [record["tags"] for record in call(reads, wanted, has_losses=True)[0]]
        assert sum(tag["lm"] for tag in tags) == metrics.rejected["minority_alignment"]
        assert sum(tag["lu"] for tag in tags) == metrics.rejected["no_usable_base"]


def test_losses_beyond_the_limit() -> None:
    reads = [read for k in range(5) for read in _pair(f"r{k}", "1/A")]
    found, metrics = call(reads, params("duplex", min_reads=(1, 1, 0), max_reads=3), has_losses=True)
    assert [record["tags"]["lc"] for record in found] == [2, 2]
    assert metrics.rejected["over_max_reads"] == 4


def _pair(name: str, molecule: str, bases: str = "ACGTACGT", **tags: Any) -> list[Read]:
    r1 = Read(name, 99, 0, 10, 60, f"{len(bases)}M", 0, 100, 0, bases, 30, {"MI": molecule} | tags)
    return [r1, r1._replace(flag=147, pos0=100, mate_pos0=10)]


@pytest.mark.req("REQ-CNS-005")
def test_each_reason_is_counted() -> None:
    wanted = params("duplex", min_reads=(2, 2, 0), max_reads=2)
    reads = [*_pair("a", "1/A"), Read("f", 0, 0, 10, 60, "8M", -1, -1, 0, "ACGTACGT", 30, {"MI": "1/A"})]
    reads += [read for k in range(3) for read in _pair(f"b{k}", "2/A")]
    reads += [read._replace(flag=read.flag | 2048) for read in _pair("b9", "2/A")]
    odd = [read._replace(flag=flag) for read, flag in zip(_pair("c0", "3/A"), (83, 163), strict=True)]
    reads += odd + _pair("c1", "3/A")
    reads += _pair("d0", "4/A") + _pair("d1", "4/A") + [read._replace(quals=3) for read in _pair("d2", "4/A")]
    indel = [read._replace(cigar="4M1D4M") for read in _pair("e2", "5/A")]
    reads += _pair("e0", "5/A") + _pair("e1", "5/A") + indel
    _, metrics = call(reads, wanted)
    assert metrics.rejected == {
        "too_few_reads": 2, "fragment": 1, "over_max_reads": 2, "not_primary": 2, "collision": 4,
        "no_usable_base": 2, "minority_alignment": 2, "no_consensus_of_mate": 0,
    }  # fmt: skip
    assert metrics.counts["molecules_rejected_too_few_reads"] == 1
    assert metrics.counts["molecules_rejected_collision"] == 1
    assert metrics.counts["molecules_out"] == 3


def test_an_end_without_its_mate_gives_no_read() -> None:
    blind = [read if read.flag & 64 else read._replace(quals=3) for read in _pair("a", "1")]
    found, metrics = call(blind, params("simplex"))
    assert found == []
    assert metrics.rejected["no_consensus_of_mate"] == 1
    assert metrics.rejected["no_usable_base"] == 1


def test_mates_apart_from_each_other_are_found() -> None:
    pairs = [_pair(f"r{k}", "1", "ACGTACGT") for k in range(4)]
    close = [[r1, r2._replace(pos0=12, bases="GTACGTAC")] for r1, r2 in pairs]
    close = [[r1._replace(mate_pos0=12), r2] for r1, r2 in close]
    wanted = params("simplex", consensus_call_overlapping_bases=True)
    together, _ = call([read for pair in close for read in pair], wanted)
    apart, metrics = call([pair[0] for pair in close] + [pair[1] for pair in reversed(close)], wanted)
    assert apart == together
    assert metrics.counts["mate_pairs"] == 4


def test_the_reads_kept_under_a_limit_do_not_depend_on_their_order() -> None:
    reads = [_pair(f"r{k}", "1", bases) for k, bases in enumerate(["ACGTACGT", "ACGTACGA", "ACCTACGT", "AAGTACGT"] * 3)]
    wanted = params("simplex", max_reads=3)
    first, _ = call([read for pair in reads for read in pair], wanted)
    second, _ = call([read for pair in reversed(reads) for read in pair], wanted)
    assert first == second
    assert max(first[0]["tags"]["cd"]) == 3


@pytest.mark.parametrize(
    ("reads", "mode", "message"),
    [
        ([*_pair("x", "1")[:1], Read("y")], "simplex", "read y: no MI tag; group the reads again"),
        (_pair("x", "1"), "duplex", "read x: no MI tag ending in /A or /B, as duplex consensus needs; group with"),
        (_pair("x", "1/C"), "duplex", "read x: no MI tag ending in /A or /B"),
        (
            _pair("x", "7") + _pair("y", "8") + _pair("z", "7"),
            "simplex",
            "read z: molecule 7 comes again after other molecules; all its reads must stand together; group",
        ),
        (_pair("x", "a") + _pair("y", "b") + _pair("z", "a"), "simplex", "read z: molecule a comes again"),
        (
            _pair("x", "1", RX="AC") + _pair("y", "1", RX="ACG"),
            "simplex",
            r"read y: a UMI \(RX\) of another length than its molecule's other reads",
        ),
        (_pair("x", "1", RX="A-C") + _pair("y", "1", RX="AC-"), "simplex", r"read y: dashes of the UMI \(RX\) stand"),
        (_pair("x", "1", CB="A") + _pair("y", "1", CB="C"), "simplex", r"read y: another cell barcode \(CB\)"),
        ([r._replace(quals=[255] * 8) for r in _pair("x", "1")], "simplex", "read x: bases without qualities; give"),
        (_pair("x", "m" * 252), "simplex", "a read name of more than 254 letters would come of prefix and MI"),
    ],
)
def test_bad_input(reads: list[Read], mode: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(reads, params(mode))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_reads": (1, 1)}, "min_reads found 1 1, allowed is one number with the simplex mode"),
        ({"min_reads": (0,)}, "min_reads allowed: at least 1 read"),
        ({"min_reads": (3,), "max_reads": 2}, "max_reads found 2, allowed is min_reads or more"),
        ({"error_rate_pre_umi": 1}, "greater than or equal to 2"),
    ],
)
def test_bad_parameters(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        params("simplex", **changes)


def test_nothing_in_nothing_out() -> None:
    found, metrics = call([], params("simplex"))
    assert (found, metrics.n_in, metrics.counts["molecules_in"]) == ([], 0, 0)


def test_molecules_that_are_not_numbered_in_order() -> None:
    found, _ = call(_pair("x", "90000000001") + _pair("y", "5") + _pair("z", "05") + _pair("w", "q"), params("simplex"))
    assert [record["tags"]["MI"] for record in found[::2]] == ["90000000001", "5", "05", "q"]
    assert np.all([record["name"] == f"lib:{record['tags']['MI']}" for record in found])


def test_a_long_read_group_has_room() -> None:
    caller = ConsensusCaller(params("simplex"), Naming("p" * 200, "G" * 5000))
    found = [record for part in caller.call([raw(_pair("x", "1"))]) for record in plain_records(part)]
    assert [len(record["tags"]["RG"]) for record in found] == [5000, 5000]
    assert [record["name"] for record in found] == ["p" * 200 + ":1"] * 2
