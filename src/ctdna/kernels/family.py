"""One family of raw reads on its way to a vote: who is whose mate, who may vote, and why the others may not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus import (
    Strands,
    VoteLimits,
    add_mixed,
    add_read,
    call_single,
    call_votes,
    clear_votes,
    find_mixed,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.majority import Alignments, add_simple, is_plain, majority
from ctdna.kernels.order_keys import stable_order
from ctdna.kernels.overlap import correct_pair
from ctdna.kernels.prepare import mate_overhang, usable_length
from ctdna.kernels.read_rows import BASES_AT, FLAG, N_BASES, QUALS_AT, Rows, name_hash, same_name
from ctdna.stats.phred import ConsensusTables

Int = int | np.int64
Bytes = NDArray[np.uint8]

USED, TOO_FEW_READS, COLLISION, NO_USABLE_BASE, MINORITY_ALIGNMENT, OVER_MAX_READS, ORPHAN, FRAGMENT, NOT_PRIMARY = (
    range(9)
)
"""What became of a read."""
N_STATUS = 9
NONE = 255
"""Group or slot of a read that takes no part."""
UMI_LENGTHS, UMI_MIXED, CELL_BARCODES = 1, 2, 3
"""Problems that only a family shows; see `Tally.problem`."""


class Settings(NamedTuple):
    """The consensus parameters as whole numbers."""

    is_duplex: Int
    min_total: Int
    """Simplex: least reads. Duplex: least reads of both strands together."""
    min_major: Int
    min_minor: Int
    min_input_quality: Int
    min_consensus_quality: Int
    max_reads: Int
    """Most reads a strand and end; 0: all."""
    is_trimmed: Int
    overlap_rules: Int
    """For `overlap.correct_pair`; -1: mates are left as they are."""
    has_losses: Int
    """1 to write what each consensus read lost as tags."""


class Input(NamedTuple):
    """A batch of records and the tables that read it."""

    data: Bytes
    rows: Rows
    letters: Bytes
    """`consensus.LETTERS_OF_NIBBLES`."""
    settings: Settings
    tables: ConsensusTables


class Family(NamedTuple):
    """Notes on the reads of one family, by their index in it; reused from family to family."""

    status: NDArray[np.uint8]
    group: NDArray[np.uint8]
    """Reads that must share one alignment."""
    slot: NDArray[np.uint8]
    """Vote that the read takes part in."""
    length: NDArray[np.int64]
    """Bases that may vote."""
    past_mate: NDArray[np.int64]
    """Bases cut off because they lie past the mate's end."""
    mate: NDArray[np.int64]
    """Index of the mate in the family, -1 where it is not there."""
    own: NDArray[np.int64]
    other: NDArray[np.int64]
    operations: NDArray[np.int64]


class Tally(NamedTuple):
    """Counts over many families."""

    reads: NDArray[np.int64]
    """By status."""
    molecules: NDArray[np.int64]
    """By status: `USED` where a consensus came out."""
    overlap: NDArray[np.int64]
    """Mate pairs seen, positions compared, bases changed in R1, in R2."""
    unknown_mates: NDArray[np.int64]
    """One entry: reads whose mate's CIGAR is not known."""
    problem: NDArray[np.int64]
    """The first problem and its record; 0 where there is none."""
    sizes: NDArray[np.int32]
    """Molecules x 2: templates (or single reads) of strand A and B; simplex: all in the first."""


class Losses(NamedTuple):
    """What the vote for one consensus read lost of its end's reads."""

    minority: Int
    """Reads of another alignment."""
    over_max: Int
    """Reads beyond the limit."""
    unusable: Int
    """Reads without a base that may vote."""
    past_mate: Int
    """Bases of the voting reads past their mates' ends."""
    tail: Int
    """Bases of the voting reads trimmed from their tails, or without a vote there."""


@kernel
def new_family(n_reads: Int, n_operations: Int, n_longest: Int) -> Family:
    """Return room for a family of so many reads and CIGAR operations, the longest CIGAR of so many."""
    return Family(
        np.zeros(n_reads, np.uint8), np.zeros(n_reads, np.uint8), np.zeros(n_reads, np.uint8),
        np.zeros(n_reads, np.int64), np.zeros(n_reads, np.int64), np.zeros(n_reads, np.int64),
        np.zeros(n_longest, np.int64), np.zeros(n_longest, np.int64), np.zeros(n_operations, np.int64),
    )  # fmt: skip


@kernel
def new_tally(n_molecules: Int) -> Tally:
    """Return counts at 0."""
    return Tally(
        np.zeros(N_STATUS, np.int64), np.zeros(N_STATUS, np.int64), np.zeros(4, np.int64),
        np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros((n_molecules, 2), np.int32),
    )  # fmt: skip


@lean_kernel
def _are_mates(data: Bytes, rows: Rows, a: Int, b: Int) -> bool:
    return (rows[a, FLAG] ^ rows[b, FLAG]) & 192 == 192 and same_name(data, rows, a, b)


@kernel
def _match_scattered(source: Input, first: Int, n: Int, family: Family) -> None:
    """Match mates that do not stand side by side, by a hash of their names."""
    data, rows, mate = source.data, source.rows, family.mate
    loose = np.empty(n, np.int64)
    n_loose = 0
    for k in range(n):
        if mate[k] < 0 and family.status[k] == USED and rows[first + k, FLAG] & 1:
            loose[n_loose] = k
            n_loose += 1
    keys = np.empty(n_loose, np.int64)
    for j in range(n_loose):
        keys[j] = name_hash(data, rows, first + loose[j])
    order = stable_order(keys)
    for x in range(n_loose):
        a = loose[order[x]]
        y = x + 1
        while mate[a] < 0 and y < n_loose and keys[order[y]] == keys[order[x]]:
            b = loose[order[y]]
            if mate[b] < 0 and _are_mates(data, rows, first + a, first + b):
                mate[a], mate[b] = b, a
            y += 1


@lean_kernel
def match_mates(source: Input, first: Int, n: Int, family: Family) -> None:
    """Note for each primary paired read of the family the index of its mate."""
    data, rows, mate, status = source.data, source.rows, family.mate, family.status
    n_open = 0
    for k in range(n):
        mate[k] = -1
    for k in range(n):
        if status[k] != USED or rows[first + k, FLAG] & 1 == 0 or mate[k] >= 0:
            continue
        if k + 1 < n and status[k + 1] == USED and _are_mates(data, rows, first + k, first + k + 1):
            mate[k], mate[k + 1] = k + 1, k
        else:
            n_open += 1
    if n_open > 1:
        _match_scattered(source, first, n, family)


@lean_kernel
def correct_overlaps(source: Input, first: Int, n: Int, family: Family, tally: Tally) -> None:
    """Correct in place the bases that both mates of a template cover, for every template of the family."""
    data, rows, mates, overlap = source.data, source.rows, family.mate, tally.overlap
    rules = source.settings.overlap_rules
    for k in range(n):
        mate = mates[k]
        if mate >= 0 and rows[first + k, FLAG] & 64:
            seen, changed1, changed2 = correct_pair(data, rows, first + k, first + mate, rules)
            overlap[0] += 1
            overlap[1] += seen
            overlap[2] += changed1
            overlap[3] += changed2


@lean_kernel
def count_open(family: Family, n: Int, group: Int) -> Int:
    """Return the reads of a group that may still vote."""
    groups, status = family.group, family.status
    total = np.int64(0)
    for k in range(n):
        if groups[k] == group and status[k] == USED:
            total += 1
    return total


@lean_kernel
def reject_open(family: Family, n: Int, group: Int, reason: Int) -> None:
    """Give every read of a group that may still vote a reason why not."""
    groups, status = family.group, family.status
    for k in range(n):
        if groups[k] == group and status[k] == USED:
            status[k] = reason


@lean_kernel
def losses_of(source: Input, first: Int, n: Int, family: Family, group: Int) -> Losses:
    """Return what became of the reads of a group after the vote."""
    rows, groups, status = source.rows, family.group, family.status
    minority, over_max, unusable, past, tail = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for k in range(n):
        if groups[k] != group:
            continue
        minority += status[k] == MINORITY_ALIGNMENT
        over_max += status[k] == OVER_MAX_READS
        unusable += status[k] == NO_USABLE_BASE
        if status[k] == USED:
            past += family.past_mate[k]
            tail += rows[first + k, N_BASES] - family.past_mate[k] - family.length[k]
    return Losses(minority, over_max, unusable, past, tail)


@lean_kernel
def measure(source: Input, first: Int, n: Int, family: Family, group: Int, tally: Tally) -> None:
    """Note how many bases of each read of a group may vote; reject those with none."""
    data, rows, letters = source.data, source.rows, source.letters
    limits = (source.settings.min_input_quality, source.settings.is_trimmed)
    groups, status, mates, length, past_mate = family.group, family.status, family.mate, family.length, family.past_mate
    own, other = family.own, family.other
    for k in range(n):
        if groups[k] != group or status[k] != USED:
            continue
        mate = first + mates[k] if mates[k] >= 0 else np.int64(-1)
        overhang = mate_overhang(data, rows, first + k, mate, own, other)
        if overhang < 0:
            tally.unknown_mates[0] += 1
            overhang = np.int64(0)
        past_mate[k] = overhang
        length[k] = usable_length(data, rows, first + k, overhang, limits, letters)
        if length[k] == 0:
            status[k] = NO_USABLE_BASE


@lean_kernel
def keep_majority(source: Input, first: Int, n: Int, family: Family, group: Int) -> None:
    """Reject the reads of a group whose alignment is not the most common one."""
    data, rows, groups, status = source.data, source.rows, family.group, family.status
    n_open, all_plain = np.int64(0), True
    for k in range(n):
        if groups[k] == group and status[k] == USED:
            n_open += 1
            all_plain = all_plain and is_plain(data, rows, first + k)
    if n_open > 1 and not all_plain:
        _reject_minority(data, rows, first, n, family, group, n_open)


@kernel
def _reject_minority(data: Bytes, rows: Rows, first: Int, n: Int, family: Family, group: Int, n_open: Int) -> None:
    groups, status, length = family.group, family.status, family.length
    chosen = np.empty(n_open, np.int64)
    lengths = np.empty(n_open, np.int64)
    alignments = Alignments(family.operations, np.zeros(n_open + 1, np.int64))
    j = 0
    for k in range(n):
        if groups[k] == group and status[k] == USED:
            chosen[j], lengths[j] = k, length[k]
            add_simple(data, rows, first + k, length[k], alignments, np.int64(j))
            j += 1
    kept = majority(alignments, lengths)
    for j in range(n_open):
        if not kept[j]:
            status[chosen[j]] = MINORITY_ALIGNMENT


@lean_kernel
def count_voting(family: Family, n: Int, slot: Int) -> Int:
    """Return the reads that vote in a slot."""
    slots, status = family.slot, family.status
    total = np.int64(0)
    for k in range(n):
        if slots[k] == slot and status[k] == USED:
            total += 1
    return total


@lean_kernel
def cap_reads(source: Input, first: Int, n: Int, family: Family, slot: Int) -> None:
    """Reject the reads of a slot beyond the limit: those whose names hash highest, so that mates go together."""
    most = source.settings.max_reads
    if most > 0:
        n_open = count_voting(family, n, slot)
        if n_open > most:
            _reject_surplus(source.data, source.rows, first, n, family, slot, n_open, most)


@kernel
def _reject_surplus(
    data: Bytes, rows: Rows, first: Int, n: Int, family: Family, slot: Int, n_open: Int, most: Int
) -> None:
    slots, status = family.slot, family.status
    chosen, keys = np.empty(n_open, np.int64), np.empty(n_open, np.int64)
    j = 0
    for k in range(n):
        if slots[k] == slot and status[k] == USED:
            chosen[j], keys[j] = k, name_hash(data, rows, first + k)
            j += 1
    order = stable_order(keys)
    for rank in range(most, n_open):
        status[chosen[order[rank]]] = OVER_MAX_READS


@kernel
def _length_reached(family: Family, n: Int, slot: Int, n_votes: Int, min_reads: Int) -> Int:
    """Return the length that `min_reads` of the `n_votes` voting reads reach."""
    slots, status, length = family.slot, family.status, family.length
    lengths = np.empty(n_votes, np.int64)
    j = 0
    for k in range(n):
        if slots[k] == slot and status[k] == USED:
            lengths[j] = length[k]
            j += 1
    return np.int64(lengths[stable_order(lengths)[n_votes - min_reads]])


@lean_kernel
def _longest(family: Family, n: Int, slot: Int) -> Int:
    slots, status, length = family.slot, family.status, family.length
    longest = np.int64(0)
    for k in range(n):
        if slots[k] == slot and status[k] == USED:
            longest = max(longest, length[k])
    return longest


@lean_kernel
def _place(rows: Rows, i: Int, n_used: Int) -> tuple[Int, Int, Int, Int, Int]:
    """Return what a vote needs of read i: see `consensus.add_read`."""
    return rows[i, BASES_AT], rows[i, QUALS_AT], rows[i, N_BASES], n_used, rows[i, FLAG] & 16


@lean_kernel
def _vote_all(
    source: Input, first: Int, n: Int, family: Family, strands: Strands, slot: Int, limits: VoteLimits
) -> None:
    """Call a slot from the two or more reads that vote in it; its length is set."""
    data, rows, letters, tables, least = (
        source.data,
        source.rows,
        source.letters,
        source.tables,
        limits.min_input_quality,
    )
    slots, status, length = family.slot, family.status, family.length
    for k in range(n):
        if slots[k] == slot and status[k] == USED:
            add_read(strands, slot, data, _place(rows, first + k, length[k]), letters, tables, least)
    n_mixed = find_mixed(strands, slot)
    if n_mixed > 0:
        for k in range(n):
            if slots[k] == slot and status[k] == USED:
                add_mixed(strands, slot, n_mixed, data, _place(rows, first + k, length[k]), letters, tables, least)
    call_votes(strands, slot, limits, tables)


@lean_kernel
def vote(source: Input, first: Int, n: Int, family: Family, strands: Strands, slot: Int, limits: VoteLimits) -> Int:
    """Call a slot from the reads that vote in it; return their number. Without reads the slot's length is 0."""
    slots, status, least = family.slot, family.status, limits.min_reads
    n_votes = count_voting(family, n, slot)
    strands.lengths[slot] = 0
    if n_votes == 1:
        k = np.int64(0)
        while slots[k] != slot or status[k] != USED:
            k += 1
        place = _place(source.rows, first + k, family.length[k])
        call_single(strands, slot, source.data, place, source.letters, source.tables, limits)
    elif n_votes > 1:
        is_any = least <= 1
        size = _longest(family, n, slot) if is_any else _length_reached(family, n, slot, n_votes, least)
        clear_votes(strands, slot, size)
        _vote_all(source, first, n, family, strands, slot, limits)
    return n_votes
