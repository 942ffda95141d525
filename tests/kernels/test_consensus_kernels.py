"""The short ways of the vote against the long ones, compiled and uncompiled."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.kernels.consensus import (
    LETTERS_OF_NIBBLES,
    N,
    VoteLimits,
    add_mixed,
    add_read,
    call_votes,
    clear_votes,
    count_of,
    find_mixed,
    lanes_quality,
    lead_quality,
    new_strands,
)
from ctdna.kernels.overlap import ADD, BETTER, GREATER, MASK_BOTH, MASK_LOWER, PASS, correct_pair
from ctdna.kernels.prepare import mate_overhang
from ctdna.kernels.read_rows import BASES_AT, FLAG, N_BASES, N_NAME, QUALS_AT, name_hash, same_name
from ctdna.kernels.umi_vote import add_umi, call_umi, clear_umis, new_umi_votes
from ctdna.stats.phred import consensus_tables
from tests import naive_consensus as naive
from tests.builders import Read, writable
from tests.consensus_cases import LETTERS, plain_records, raw, rows_of

pytestmark = pytest.mark.timeout(180)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
RATES = (2, 5, 10, 30, 40, 45, 50, 75, 93)


def _long_way(ahead: int, pre: int) -> int:
    """Return the quality of evidence for one base by its odds, as mixed columns take it."""
    tables = consensus_tables(pre, 40)
    if ahead >= tables.sure[0]:
        return int(tables.ceiling[0])
    lanes = np.zeros((1, 4), np.int64)
    lanes[0, 0] = ahead
    return int(lanes_quality(lanes, 0, 0, tables))


@pytest.mark.parametrize("pre", RATES)
def test_the_table_of_leads_at_each_of_its_steps(pre: int) -> None:
    """The table and the odds agree on both sides of every change, so that they agree everywhere between."""
    tables = consensus_tables(pre, 40)
    for lead in tables.leads[:-1].tolist():
        for ahead in range(max(lead - 2, 1), lead + 3):
            assert lead_quality(ahead, tables) == _long_way(ahead, pre), ahead


@QUICK
@given(st.integers(1, 45 << 36), st.sampled_from(RATES))
def test_the_table_of_leads_anywhere(ahead: int, pre: int) -> None:
    assert lead_quality(ahead, consensus_tables(pre, 40)) == _long_way(ahead, pre)


@QUICK
@given(
    st.lists(
        st.tuples(st.text("ACGTNR", min_size=1, max_size=7), st.lists(st.integers(0, 93), min_size=7, max_size=7)),
        min_size=2,
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from([0, 10, 20]),
)
def test_a_vote_as_the_twin(reads: list[tuple[str, list[int]]], is_reverse: bool, least: int) -> None:
    tables, letters, n = consensus_tables(45, 40), LETTERS_OF_NIBBLES.copy(), 7
    records = raw([Read(bases=bases, quals=quals[: len(bases)]) for bases, quals in reads])
    rows, strands = rows_of(records), new_strands(n)
    places = [
        (row[BASES_AT], row[QUALS_AT], row[N_BASES], int(row[N_BASES]), np.int64(16 * is_reverse)) for row in rows
    ]
    clear_votes(strands, 1, n)
    for place in places:
        add_read(strands, 1, records.data, place, letters, tables, least)
    n_mixed = find_mixed(strands, 1)
    for place in places:
        add_mixed(strands, 1, n_mixed, records.data, place, letters, tables, least)
    call_votes(strands, 1, VoteLimits(1, 2, least), tables)
    complement = str.maketrans("ACGT", "TGCA")
    for i in range(n):
        column = []
        for bases, all_quals in reads:
            quals = all_quals[: len(bases)]
            text = bases[::-1].translate(complement) if is_reverse else bases
            order = quals[::-1] if is_reverse else quals
            if i < len(text) and text[i] in "ACGT" and order[i] >= least:
                column.append((text[i], order[i]))
        base, quality = naive.pileup(tuple(sorted(column)), 45, 40) if column else ("N", 0)
        found = LETTERS[strands.codes[1, i]], int(strands.quals[1, i])
        assert found == (base, quality if column else 0)
        assert strands.depths[1, i] == len(column)
        assert strands.errors[1, i] == sum(other != base for other, _ in column)
        assert [count_of(strands, 1, i, code) for code in range(N)] == [
            sum(other == letter for other, _ in column) for letter in "ACGT"
        ]


CIGARS = ("12M", "12=", "3S9M", "9M3S", "5M2I5M", "5M2D7M", "4M1I3M1D4M")


@pytest.mark.req("REQ-CNS-004")
@QUICK
@given(st.data(), st.sampled_from([ADD, GREATER, PASS]), st.sampled_from([BETTER, MASK_BOTH, MASK_LOWER]))
def test_overlaps_as_the_twin(data: st.DataObject, agreement: int, disagreement: int) -> None:
    ends = [
        Read(
            "r", flag, 0, data.draw(st.integers(0, 14)), 60, data.draw(st.sampled_from(CIGARS)), 0, 0, 0,
            data.draw(st.text("ACN", min_size=12, max_size=12)),
            data.draw(st.lists(st.integers(0, 93), min_size=12, max_size=12)),
        )
        for flag in (99, 147)
    ]  # fmt: skip
    records = raw(ends)
    compared, changed1, changed2 = correct_pair(records.data, rows_of(records), 0, 1, agreement | disagreement << 2)
    after = [(record["bases"], record["quals"]) for record in plain_records(records)]
    if (agreement, disagreement) == (ADD, BETTER):
        assert after == [(read.bases, list(read.quals)) for read in naive.corrected(*ends)]  # type: ignore[arg-type]
    places = [{p for p in naive.reference_positions(read) if p is not None} for read in ends]
    known = [dict(zip(naive.reference_positions(read), read.bases, strict=True)) for read in ends]
    both = [p for p in places[0] & places[1] if "N" not in (known[0][p], known[1][p])]
    assert compared == len(both)
    for n_changed, before, (bases, _) in zip((changed1, changed2), ends, after, strict=True):
        assert n_changed == sum(a != b and b != "N" for a, b in zip(before.bases, bases, strict=True))


@QUICK
@given(st.data())
def test_overhangs_as_the_twin(data: st.DataObject) -> None:
    first, second = data.draw(st.sampled_from([(99, 147), (83, 163)]))
    cigar = st.sampled_from(CIGARS)
    r1 = Read("r", first, 0, data.draw(st.integers(0, 20)), 60, data.draw(cigar), 0, 0, 0, "A" * 12, 30)
    r2 = Read("r", second, 0, data.draw(st.integers(0, 20)), 60, data.draw(cigar), 0, 0, 0, "A" * 12, 30)
    r1, r2 = r1._replace(mate_pos0=r2.pos0), r2._replace(mate_pos0=r1.pos0)
    records, rooms = raw([r1, r2]), (np.zeros(8, np.int64), np.zeros(8, np.int64))
    rows = rows_of(records)
    found = [int(mate_overhang(records.data, rows, i, 1 - i, *rooms)) for i in (0, 1)]
    assert found == [naive.overhang(r1, r2), naive.overhang(r2, r1)]


@QUICK
@given(st.lists(st.tuples(st.text("ACGTNacn-", min_size=5, max_size=5), st.booleans()), min_size=1, max_size=5))
def test_umi_votes_as_the_twin(umis: list[tuple[str, bool]]) -> None:
    votes = new_umi_votes(8)
    clear_umis(votes)
    texts = []
    for umi, is_swapped in umis:
        add_umi(votes, writable(umi.encode()), 0, len(umi), is_swapped)
        texts.append("-".join(umi.split("-")[::-1]) if is_swapped else umi)
    size = int(call_umi(votes))
    columns = ["".join(letters) for letters in zip(*texts, strict=True)]
    if any("-" in column and set(column) != {"-"} for column in columns):
        assert size == -3
        return
    wanted = ""
    for column in columns:
        counts = sorted(((column.upper().count(base), base) for base in "ACGT"), reverse=True)
        voted = "N" if counts[0][0] == counts[1][0] else counts[0][1]
        wanted += column if len(column) == 1 else "-" if column[0] == "-" else voted
    assert votes.text[:size].tobytes().decode() == wanted


@QUICK
@given(st.lists(st.text("ab:1", min_size=1, max_size=11), min_size=2, max_size=2))
def test_names(names: list[str]) -> None:
    records = raw([Read(name, 0, bases="ACG", quals=30) for name in names])
    rows = rows_of(records)
    assert rows[:, N_NAME].tolist() == [len(name) for name in names]
    assert rows[:, FLAG].tolist() == [0, 0]
    assert same_name(records.data, rows, 0, 1) == (names[0] == names[1])
    value = 1
    for letter in names[0].encode():
        value = (value * 1103515245 + letter + 12345) % 2147483647
    assert name_hash(records.data, rows, 0) == value * 48271 % 2147483647
