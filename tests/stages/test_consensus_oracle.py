"""Consensus against the acceptance table: what the peers' own tests assert."""

import re
from typing import Any

import numba
import numpy as np
import pytest

from ctdna.kernels.consensus import (
    LETTERS_OF_NIBBLES,
    N,
    VoteLimits,
    add_mixed,
    call_single,
    call_votes,
    clear_votes,
    find_mixed,
    new_strands,
    pileup_call,
)
from ctdna.kernels.consensus import add_read as add_raw
from ctdna.kernels.duplex import BOTH, ONLY_A, ONLY_B, combine, combine_base
from ctdna.kernels.family import Input, cap_reads, new_family, vote
from ctdna.kernels.majority import Alignments, add_simple, majority
from ctdna.kernels.molecule_keys import find_molecules
from ctdna.kernels.overlap import ADD, BETTER, GREATER, MASK_BOTH, MASK_LOWER, PASS, correct_pair
from ctdna.kernels.prepare import mate_overhang, usable_length
from ctdna.kernels.read_rows import BASES_AT, N_BASES, N_ID, QUALS_AT
from ctdna.kernels.umi_vote import add_umi, call_umi, clear_umis, new_umi_votes
from ctdna.model.errors import InputError
from ctdna.model.params.consensus import three
from ctdna.stages.consensus import settings_of
from ctdna.stats.phred import adjusted_quality, consensus_tables
from tests.builders import Read, writable
from tests.consensus_cases import LETTERS, call, codes, fraction, params, plain_read, plain_records, raw, rows_of
from tests.oracle_cases import Case, case_params

pytestmark = pytest.mark.timeout(180)

STABLE_TIE = {"ties-04"}
"""An exact tie that the peers break by the rounding of their sums; here it is a tie (docs/parity.md)."""


def _tables(case: Case) -> Any:
    options = case["options"]
    return consensus_tables(options["error_rate_pre_umi"], options["error_rate_post_umi"])


@pytest.mark.parametrize("case", case_params("adjust_qualities"))
def test_adjust_qualities(case: Case) -> None:
    rate = case["options"]["error_rate_post_umi"]
    assert [adjusted_quality(q, rate) for q in case["input"]["quals"]] == case["expect"]["quals"]


@pytest.mark.req("REQ-CNS-003")
@pytest.mark.parametrize("case", case_params("pileup_call"))
def test_pileup_call(case: Case) -> None:
    seen = case["input"]["observations"]
    observed = codes("".join(base * count for base, _, count in seen))
    quals = np.array([q for _, q, count in seen for _ in range(count)], dtype=np.uint8)
    base, quality, counts = pileup_call(observed, quals, _tables(case))
    if case["id"] in STABLE_TIE:
        assert (LETTERS[base], quality) == ("N", 2)
        return
    expect = case["expect"] | case.get("formula", {})
    assert LETTERS[base] == expect["base"]
    assert quality == expect.get("qual", quality)
    assert quality <= expect.get("qual_max", 93)
    assert sum(counts) == expect.get("depth", sum(counts))
    assert dict(zip("ACGT", counts.tolist(), strict=True)) == expect.get(
        "counts", dict(zip("ACGT", counts, strict=True))
    )


def _simplex_reads(case: Case) -> dict[str, Any] | None:
    """Vote on reads as they are: nothing is trimmed or masked on the way."""
    wanted = params("simplex", case["options"], min_input_base_quality=0)
    reads = [Read(f"r{k}", 4, bases=r["bases"], quals=r["quals"], tags={"MI": "1"})
             for k, r in enumerate(case["input"]["reads"])]  # fmt: skip
    n = len(reads)
    if n < wanted.min_reads[0]:
        return None
    records = raw(reads)
    rows = rows_of(records)
    tables = consensus_tables(wanted.error_rate_pre_umi, wanted.error_rate_post_umi)
    source = Input(records.data, rows, LETTERS_OF_NIBBLES.copy(), settings_of(wanted), tables)
    family, strands = new_family(n, 1, 1), new_strands(16)
    family.length[:] = rows[:, N_BASES]
    cap_reads(source, 0, n, family, 0)
    limits = VoteLimits(wanted.min_reads[0], wanted.min_consensus_base_quality, 0)
    assert vote(source, 0, n, family, strands, 0, limits) > 0
    size = int(strands.lengths[0])
    return {
        "bases": "".join(LETTERS[c] for c in strands.codes[0, :size]),
        "quals": strands.quals[0, :size].tolist(),
        "tags": {"cd": strands.depths[0, :size].tolist(), "ce": strands.errors[0, :size].tolist()},
    }


@pytest.mark.req("REQ-CNS-001")
@pytest.mark.parametrize("case", case_params("simplex_reads"))
def test_simplex_reads(case: Case) -> None:
    expect = case["expect"] | case.get("formula", {})
    if expect.get("error"):
        read = case["input"]["reads"][0]
        assert len(read["bases"]) != len(read["quals"])  # BAM cannot hold such a record
        return
    found = _simplex_reads(case)
    assert (found is not None) == expect["called"]
    if found is None:
        return
    assert found["bases"] == expect.get("bases", found["bases"])
    assert found["quals"] == expect.get("quals", found["quals"])
    assert found["tags"]["cd"] == expect.get("depths", found["tags"]["cd"])
    assert found["tags"]["ce"] == expect.get("errors", found["tags"]["ce"])
    assert max(found["tags"]["cd"]) <= expect.get("depth_max", 32767)


@pytest.mark.parametrize("case", case_params("prepare_read"))
def test_prepare_read(case: Case) -> None:
    read, options, expect = plain_read(case["input"]["read"]), case["options"], case["expect"]
    least = options["min_input_base_quality"]
    if expect.get("error"):
        with pytest.raises(InputError, match="read r: bases without qualities; give reads with their base qualities"):
            call([read._replace(tags={"MI": "1"})], params("simplex"))
        return
    records = raw([read])
    rows, letters = rows_of(records), LETTERS_OF_NIBBLES.copy()
    overhang = mate_overhang(records.data, rows, 0, -1, np.zeros(8, np.int64), np.zeros(8, np.int64))
    limits = (np.int64(least), np.int64(options["quality_trim"]))
    length = int(usable_length(records.data, rows, 0, overhang, limits, letters))
    assert (length == 0) == expect.get("dropped", False)
    assert length == expect.get("length", length)
    if not length:
        return
    alignments = Alignments(np.zeros(8, np.int64), np.zeros(2, np.int64))
    add_simple(records.data, rows, 0, length, alignments, 0)
    wanted = "".join("M" if c in "SH=X" else c for c in expect.get("cigar", ""))
    assert _cigar(alignments, 0) == _merged(wanted) or not wanted
    votes = new_strands(length)
    place = rows[0, BASES_AT], rows[0, QUALS_AT], rows[0, N_BASES], length, np.int64(read.flag & 16)
    call_single(votes, 0, records.data, place, letters, consensus_tables(93, 93), VoteLimits(1, 0, least))
    bases = "".join(LETTERS[c] for c in votes.codes[0, :length])
    assert bases == expect.get("bases", bases)
    quals = votes.quals[0, :length].tolist()
    assert quals == expect.get("quals", quals)


def _merged(cigar: str) -> str:
    merged: list[list[Any]] = []
    for size, code in re.findall(r"(\d+)(\D)", cigar):
        if merged and merged[-1][1] == code:
            merged[-1][0] += int(size)
        else:
            merged.append([int(size), code])
    return "".join(f"{size}{code}" for size, code in merged)


def _cigar(alignments: Alignments, i: int) -> str:
    operations = alignments.operations[alignments.offsets[i] : alignments.offsets[i + 1]].tolist()
    return "".join(f"{x >> 4}{'MIDN'[x & 15]}" for x in operations)


@pytest.mark.parametrize("case", case_params("majority_alignment"))
def test_majority_alignment(case: Case) -> None:
    cigars = case["input"]["cigars"]
    lengths = [sum(int(n) for n, c in re.findall(r"(\d+)(\D)", cigar) if c in "MIS") for cigar in cigars]
    records = raw(Read("r", 0, 0, 0, 60, c, bases="A" * n) for c, n in zip(cigars, lengths, strict=True))
    rows = rows_of(records)
    alignments = Alignments(np.zeros(16 * len(cigars), np.int64), np.zeros(len(cigars) + 1, np.int64))
    for i, n in enumerate(lengths):
        add_simple(records.data, rows, i, n, alignments, i)
    kept = majority(alignments, np.array(lengths, dtype=np.int64))
    assert np.flatnonzero(kept).tolist() == case["expect"]["kept"]


_AGREEMENT = {"consensus": ADD, "max_qual": GREATER, "pass_through": PASS}
_DISAGREEMENT = {"consensus": BETTER, "mask_both": MASK_BOTH, "mask_lower_qual": MASK_LOWER}


@pytest.mark.req("REQ-CNS-004")
@pytest.mark.parametrize("case", case_params("overlap_pair"))
def test_overlap_pair(case: Case) -> None:
    records = raw([plain_read(case["input"]["r1"]), plain_read(case["input"]["r2"])])
    before = plain_records(records)
    options, expect = case["options"], case["expect"] | case.get("formula", {})
    rules = _AGREEMENT[options["agreement"]] | _DISAGREEMENT[options["disagreement"]] << 2
    compared, changed1, changed2 = correct_pair(records.data, rows_of(records), 0, 1, rules)
    after = plain_records(records)
    if expect.get("processed") is False:
        assert compared == 0
        assert after == before
    assert (compared, changed1, changed2) == (
        expect.get("overlapping", compared), expect.get("r1_changed", changed1), expect.get("r2_changed", changed2),
    )  # fmt: skip
    for k, read in enumerate(after, 1):
        assert read["bases"] == expect.get(f"r{k}_seq", read["bases"])
        assert read["quals"] == expect.get(f"r{k}_qual", read["quals"])
        for at, base, quality in expect.get(f"r{k}_at", []):
            assert base in (None, read["bases"][at])
            assert quality in (None, read["quals"][at])


@pytest.mark.req("REQ-CNS-002")
@pytest.mark.parametrize("case", case_params("duplex_combine"))
def test_duplex_combine(case: Case) -> None:
    ab, ba = case["input"]["ab"], case["input"]["ba"]
    expect = case["expect"] | case.get("formula", {})
    found = [combine_base(LETTERS.index(a), np.int64(qa), LETTERS.index(b), np.int64(qb))
             for a, qa, b, qb in zip(ab["bases"], ab["quals"], ba["bases"], ba["quals"], strict=True)]  # fmt: skip
    assert "".join(LETTERS[code] for code, _, _ in found) == expect["bases"]
    quals = [int(quality) for _, quality, _ in found]
    assert quals == expect.get("quals", quals)
    assert all(quals[at] == quality for at, quality in expect.get("quals_at", []))


@pytest.mark.parametrize("case", case_params("duplex_strand_depth"))
def test_duplex_strand_depth(case: Case) -> None:
    strands = new_strands(3)
    for slot, key in ((0, "ab"), (3, "ba")):
        given = case["input"][key]
        strands.lengths[slot] = len(given["bases"])
        strands.codes[slot] = codes(given["bases"])
        strands.depths[slot], strands.errors[slot] = given["depths"], given["errors"]
    kind = combine(strands, 0, 3, 4)
    found = {BOTH: ("ab", "ba"), ONLY_A: ("ab", None), ONLY_B: ("ba", None)}[int(kind)]
    assert found == (case["expect"]["a_strand"], case["expect"]["b_strand"])


@pytest.mark.parametrize("case", case_params("molecule_of"))
def test_molecule_of(case: Case) -> None:
    records = raw([Read(tags={"MI": case["input"]["mi"]})])
    rows = rows_of(records)
    _, bad = find_molecules(records.data, rows, 1)
    if case["id"] == "duplex-19":
        assert bad == 0  # a strand other than /A and /B is refused (docs/parity.md)
    elif case["expect"].get("error"):
        assert bad == 0
    else:
        assert (bad, case["input"]["mi"][: rows[0, N_ID]]) == (-1, case["expect"]["molecule"])


@pytest.mark.parametrize("case", case_params("duplex_options"))
def test_duplex_options(case: Case) -> None:
    if not case["expect"]["valid"]:
        with pytest.raises(ValueError, match="min_reads"):
            params("duplex", case["input"])
        return
    weaker = three(params("duplex", case["input"]).min_reads)[2]
    assert weaker == case["expect"].get("weaker_strand_min", weaker)


@pytest.mark.req("REQ-CNS-001")
@pytest.mark.parametrize("case", case_params("umi_consensus"))
def test_umi_consensus(case: Case) -> None:
    votes = new_umi_votes(16)
    clear_umis(votes)
    for umi in case["input"]["umis"]:
        add_umi(votes, writable(umi.encode()), 0, len(umi), False)
    size = int(call_umi(votes))
    assert (size < 0) == case["expect"].get("error", False)
    if size >= 0:
        assert votes.text[:size].tobytes().decode() == case["expect"]["umi"]


def _check_tags(found: dict[str, Any], expect: dict[str, Any]) -> None:
    for name, value in expect.items():
        if name in ("aE", "bE", "cE"):
            assert found[name] == pytest.approx(fraction(value), abs=1e-6), name
        else:
            assert found[name] == value, name


def _check_record(found: dict[str, Any], expect: dict[str, Any]) -> None:
    for key in ("end", "flag", "bases", "quals"):
        assert found[key] == expect.get(key, found[key]), key
    assert len(found["bases"]) == expect.get("length", len(found["bases"]))
    for at, quality in expect.get("quals_at", []):
        assert found["quals"][at] == quality
    for at, low, high in expect.get("quals_range", []):
        assert low <= found["quals"][at] <= high
    assert max(found["quals"]) <= expect.get("quals_max", 93)
    assert not set(expect.get("absent_tags", [])) & set(found["tags"])
    _check_tags(found["tags"], expect.get("tags", {}))


def _family(case: Case) -> list[Read]:
    reads = [plain_read(read) for read in case["input"]["reads"]]
    for group in case["input"].get("pair_groups", []):
        for k in range(group["count"]):
            reads += [plain_read(read, f"{read['name']}{k % 9}") for read in group["pair"]]
    return reads


@pytest.mark.parametrize("case", case_params("simplex_family", "duplex_family"))
def test_family(case: Case) -> None:
    if "pair_groups" in case["input"] and numba.config.DISABLE_JIT:
        pytest.skip("106,000 reads take too long uncompiled")
    mode = case["op"].split("_")[0]
    found, metrics = call(_family(case), params(mode, case["options"]))
    expect = case["expect"]
    listed = expect.get("records")
    assert len(found) == expect.get("record_count", len(listed) if listed is not None else len(found))
    for record, wanted in zip(found, listed or [], strict=False):
        _check_record(record, wanted)
    formula = case.get("formula", [])
    for record, wanted in zip(found, formula if isinstance(formula, list) else [formula], strict=False):
        _check_record(record, wanted)
    assert [record["end"] for record in found] == expect.get("ends", [record["end"] for record in found])
    for group in expect.get("same_name", []):
        assert len({found[k]["name"] for k in group}) == 1
    assert metrics.n_in == expect.get("reads_in", metrics.n_in)
    assert sum(metrics.rejected.values()) == expect.get("reads_rejected", sum(metrics.rejected.values()))


def test_votes_of_a_pileup_and_of_reads_agree() -> None:
    """The same evidence through `pileup_call` and through reads gives the same call."""
    tables = consensus_tables(45, 40)
    reads = raw([Read(bases="ACGTA", quals=[10, 20, 30, 37, 5]), Read(bases="ACCTN", quals=[12, 22, 31, 38, 30])])
    rows, strands, letters = rows_of(reads), new_strands(5), LETTERS_OF_NIBBLES.copy()
    clear_votes(strands, 0, 5)
    places = [(row[BASES_AT], row[QUALS_AT], np.int64(5), 5, np.int64(0)) for row in rows]
    for place in places:
        add_raw(strands, 0, reads.data, place, letters, tables, 10)
    n_mixed = find_mixed(strands, 0)
    for place in places:
        add_mixed(strands, 0, n_mixed, reads.data, place, letters, tables, 10)
    call_votes(strands, 0, VoteLimits(1, 2, 10), tables)
    for i, (bases, quals) in enumerate((("AA", (10, 12)), ("CC", (20, 22)), ("GC", (30, 31)), ("TT", (37, 38)))):
        base, quality, _ = pileup_call(codes(bases), np.array(quals, dtype=np.uint8), tables)
        assert (strands.codes[0, i], strands.quals[0, i]) == (base, quality)
    assert (strands.codes[0, 4], strands.quals[0, 4], strands.depths[0, 4]) == (N, 0, 0)
