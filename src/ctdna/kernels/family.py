"""One family of raw reads on its way to a vote: who is whose mate, who may vote, and why the others may not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus import Strands, VoteLimits, add_read, call_single, call_votes, clear_votes
from ctdna.kernels.jit import kernel
from ctdna.kernels.majority import Alignments, add_simple, is_plain, majority
from ctdna.kernels.order_keys import stable_order
from ctdna.kernels.overlap import correct_pair
from ctdna.kernels.prepare import ReadTags, mate_overhang, usable_length
from ctdna.model.columns import RecordFields
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


class Input(NamedTuple):
    """A batch of records and the tables that read it."""

    data: Bytes
    fields: RecordFields
    tags: ReadTags
    n_id: NDArray[np.int32]
    """Bytes of each record's MI that name the molecule."""
    codes: Bytes
    """Base codes of 4-bit bases."""
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


@kernel
def new_family(n_reads: Int, n_operations: Int, n_longest: Int) -> Family:
    """Return room for a family of so many reads and CIGAR operations, the longest CIGAR of so many."""
    return Family(
        np.zeros(n_reads, np.uint8), np.zeros(n_reads, np.uint8), np.zeros(n_reads, np.uint8),
        np.zeros(n_reads, np.int64), np.zeros(n_reads, np.int64),
        np.zeros(n_longest, np.int64), np.zeros(n_longest, np.int64), np.zeros(n_operations, np.int64),
    )  # fmt: skip


@kernel
def new_tally(n_molecules: Int) -> Tally:
    """Return counts at 0."""
    return Tally(
        np.zeros(N_STATUS, np.int64), np.zeros(N_STATUS, np.int64), np.zeros(4, np.int64),
        np.zeros(1, np.int64), np.zeros(2, np.int64), np.zeros((n_molecules, 2), np.int32),
    )  # fmt: skip


@kernel
def same_name(data: Bytes, fields: RecordFields, a: Int, b: Int) -> bool:
    """Return whether two records carry one read name."""
    n, k = np.int64(fields.n_name[a]), np.int64(0)
    if n != fields.n_name[b]:
        return False
    while k < n and data[fields.name_at[a] + k] == data[fields.name_at[b] + k]:
        k += 1
    return bool(k == n)


@kernel
def name_hash(data: Bytes, fields: RecordFields, i: Int) -> Int:
    """Return a number below 2**31 - 1 that scatters read names evenly."""
    value = np.int64(1)
    for k in range(fields.n_name[i]):
        value = (value * 1103515245 + np.int64(data[fields.name_at[i] + k]) + 12345) % 2147483647
    return value * 48271 % 2147483647


@kernel
def _are_mates(source: Input, a: Int, b: Int) -> bool:
    ends = (np.int64(source.fields.flag[a]) ^ np.int64(source.fields.flag[b])) & 192
    return ends == 192 and same_name(source.data, source.fields, a, b)


@kernel
def _match_scattered(source: Input, first: Int, n: Int, family: Family) -> None:
    """Match mates that do not stand side by side, by a hash of their names."""
    loose = np.empty(n, np.int64)
    n_loose = 0
    for k in range(n):
        if family.mate[k] < 0 and family.status[k] == USED and np.int64(source.fields.flag[first + k]) & 1:
            loose[n_loose] = k
            n_loose += 1
    keys = np.empty(n_loose, np.int64)
    for j in range(n_loose):
        keys[j] = name_hash(source.data, source.fields, first + loose[j])
    order = stable_order(keys)
    for x in range(n_loose):
        a = loose[order[x]]
        y = x + 1
        while family.mate[a] < 0 and y < n_loose and keys[order[y]] == keys[order[x]]:
            b = loose[order[y]]
            if family.mate[b] < 0 and _are_mates(source, first + a, first + b):
                family.mate[a], family.mate[b] = b, a
            y += 1


@kernel
def match_mates(source: Input, first: Int, n: Int, family: Family) -> None:
    """Note for each primary paired read of the family the index of its mate."""
    n_open = 0
    for k in range(n):
        family.mate[k] = -1
    for k in range(n):
        flag = np.int64(source.fields.flag[first + k])
        if family.status[k] != USED or flag & 1 == 0 or family.mate[k] >= 0:
            continue
        if k + 1 < n and family.status[k + 1] == USED and _are_mates(source, first + k, first + k + 1):
            family.mate[k], family.mate[k + 1] = k + 1, k
        else:
            n_open += 1
    if n_open > 1:
        _match_scattered(source, first, n, family)


@kernel
def correct_overlaps(source: Input, first: Int, n: Int, family: Family, tally: Tally) -> None:
    """Correct in place the bases that both mates of a template cover, for every template of the family."""
    for k in range(n):
        mate = family.mate[k]
        if mate >= 0 and np.int64(source.fields.flag[first + k]) & 64:
            seen, changed1, changed2 = correct_pair(
                source.data, source.fields, first + k, first + mate, source.settings.overlap_rules
            )
            tally.overlap[0] += 1
            tally.overlap[1] += seen
            tally.overlap[2] += changed1
            tally.overlap[3] += changed2


@kernel
def count_open(family: Family, n: Int, group: Int) -> Int:
    """Return the reads of a group that may still vote."""
    total = np.int64(0)
    for k in range(n):
        if family.group[k] == group and family.status[k] == USED:
            total += 1
    return total


@kernel
def reject_open(family: Family, n: Int, group: Int, reason: Int) -> None:
    """Give every read of a group that may still vote a reason why not."""
    for k in range(n):
        if family.group[k] == group and family.status[k] == USED:
            family.status[k] = reason


@kernel
def measure(source: Input, first: Int, n: Int, family: Family, group: Int, tally: Tally) -> None:
    """Note how many bases of each read of a group may vote; reject those with none."""
    limits = (source.settings.min_input_quality, source.settings.is_trimmed)
    for k in range(n):
        if family.group[k] != group or family.status[k] != USED:
            continue
        i = first + k
        mate = family.mate[k]
        overhang = mate_overhang(
            source.data, source.fields, i, first + mate if mate >= 0 else np.int64(-1), source.tags.mc_at[i],
            family.own, family.other,
        )  # fmt: skip
        if overhang < 0:
            tally.unknown_mates[0] += 1
            overhang = np.int64(0)
        family.length[k] = usable_length(source.data, source.fields, i, overhang, limits, source.codes)
        if family.length[k] == 0:
            family.status[k] = NO_USABLE_BASE


@kernel
def keep_majority(source: Input, first: Int, n: Int, family: Family, group: Int) -> None:
    """Reject the reads of a group whose alignment is not the most common one."""
    n_open, all_plain = np.int64(0), True
    for k in range(n):
        if family.group[k] == group and family.status[k] == USED:
            n_open += 1
            all_plain = all_plain and is_plain(source.data, source.fields, first + k)
    if n_open < 2 or all_plain:
        return
    chosen = np.empty(n_open, np.int64)
    lengths = np.empty(n_open, np.int64)
    alignments = Alignments(family.operations, np.zeros(n_open + 1, np.int64))
    j = 0
    for k in range(n):
        if family.group[k] == group and family.status[k] == USED:
            chosen[j], lengths[j] = k, family.length[k]
            add_simple(source.data, source.fields, first + k, family.length[k], alignments, np.int64(j))
            j += 1
    kept = majority(alignments, lengths)
    for j in range(n_open):
        if not kept[j]:
            family.status[chosen[j]] = MINORITY_ALIGNMENT


@kernel
def cap_reads(source: Input, first: Int, n: Int, family: Family, slot: Int) -> None:
    """Reject the reads of a slot beyond the limit: those whose names hash highest, so that mates go together."""
    chosen = np.empty(n, np.int64)
    n_open = 0
    for k in range(n):
        if family.slot[k] == slot and family.status[k] == USED:
            chosen[n_open] = k
            n_open += 1
    if source.settings.max_reads == 0 or n_open <= source.settings.max_reads:
        return
    keys = np.empty(n_open, np.int64)
    for j in range(n_open):
        keys[j] = name_hash(source.data, source.fields, first + chosen[j])
    order = stable_order(keys)
    for rank in range(source.settings.max_reads, n_open):
        family.status[chosen[order[rank]]] = OVER_MAX_READS


@kernel
def _consensus_length(family: Family, n: Int, slot: Int, n_votes: Int, min_reads: Int) -> Int:
    """Return the length that `min_reads` of the voting reads reach."""
    longest = np.int64(0)
    for k in range(n):
        if family.slot[k] == slot and family.status[k] == USED:
            longest = max(longest, family.length[k])
    if min_reads <= 1:
        return longest
    lengths = np.empty(n_votes, np.int64)
    j = 0
    for k in range(n):
        if family.slot[k] == slot and family.status[k] == USED:
            lengths[j] = family.length[k]
            j += 1
    return np.int64(lengths[stable_order(lengths)[n_votes - min_reads]])


@kernel
def vote(source: Input, first: Int, n: Int, family: Family, strands: Strands, slot: Int, limits: VoteLimits) -> Int:
    """Call a slot from the reads that vote in it; return their number. Without reads the slot's length is 0."""
    n_votes = np.int64(0)
    for k in range(n):
        if family.slot[k] == slot and family.status[k] == USED:
            n_votes += 1
    strands.lengths[slot] = 0
    if n_votes == 0:
        return n_votes
    if n_votes > 1:
        clear_votes(strands, slot, _consensus_length(family, n, slot, n_votes, limits.min_reads))
    for k in range(n):
        if family.slot[k] != slot or family.status[k] != USED:
            continue
        i = first + k
        is_reverse = np.int64(source.fields.flag[i]) & 16
        place = (
            source.fields.bases_at[i], source.fields.quals_at[i], np.int64(source.fields.n_bases[i]),
            family.length[k], is_reverse,
        )  # fmt: skip
        if n_votes == 1:
            call_single(strands, slot, source.data, place, source.codes, source.tables, limits)
        else:
            add_read(strands, slot, source.data, place, source.codes, source.tables, limits.min_input_quality)
    if n_votes > 1:
        call_votes(strands, slot, limits, source.tables)
    return n_votes
