"""Families of raw reads to consensus records, simplex or duplex."""

import struct

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels import family as fam
from ctdna.kernels.consensus import LETTERS_OF_NIBBLES, NO_CALL_QUALITY, N, Strands, VoteLimits, new_strands
from ctdna.kernels.consensus_write import (
    Identity,
    Output,
    close_record,
    new_output,
    open_record,
    put_depths,
    put_per_base,
    record_bound,
)
from ctdna.kernels.duplex import BOTH, NEITHER, ONLY_B, combine
from ctdna.kernels.family import (
    Family,
    Input,
    Tally,
    cap_reads,
    correct_overlaps,
    count_open,
    keep_majority,
    match_mates,
    measure,
    new_family,
    new_tally,
    reject_open,
    vote,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.molecule_keys import find_molecules
from ctdna.kernels.molecule_write import identity, put_duplex, put_losses, put_umi
from ctdna.kernels.read_rows import (
    FLAG,
    MC_AT,
    MI_AT,
    N_BASES,
    N_CB,
    N_CIGAR,
    N_ID,
    N_RX,
    TAGS_END,
    read_rows,
)
from ctdna.kernels.umi_vote import UmiVotes, new_umi_votes
from ctdna.stats.phred import consensus_tables

Int = int | np.int64
Bytes = NDArray[np.uint8]
COLLISION, FRAGMENT, NONE = fam.COLLISION, fam.FRAGMENT, fam.NONE
NOT_PRIMARY, ORPHAN, TOO_FEW_READS, USED = fam.NOT_PRIMARY, fam.ORPHAN, fam.TOO_FEW_READS, fam.USED
AB_R1, AB_R2, BA_R1, BA_R2, DUPLEX_R1, DUPLEX_R2 = range(6)


@lean_kernel
def _begin(source: Input, first: Int, n: Int, family: Family, tally: Tally) -> None:
    rows, group, slot, status = source.rows, family.group, family.slot, family.status
    for k in range(n):
        group[k], slot[k] = NONE, NONE
        status[k] = NOT_PRIMARY if rows[first + k, FLAG] & 2304 else USED
    match_mates(source, first, n, family)
    if source.settings.overlap_rules >= 0:
        correct_overlaps(source, first, n, family, tally)


@lean_kernel
def _end(family: Family, n: Int, is_called: bool, tally: Tally) -> None:
    """Count what became of the reads and of the molecule: its reason is the lowest of its reads' reasons."""
    status, reads = family.status, tally.reads
    reason = np.int64(NOT_PRIMARY)
    for k in range(n):
        reads[status[k]] += 1
        reason = min(reason, np.int64(status[k]))
    tally.molecules[USED if is_called else reason] += 1


@lean_kernel
def _vote_limits(source: Input, min_reads: Int) -> VoteLimits:
    settings = source.settings
    return VoteLimits(np.int64(min_reads), settings.min_consensus_quality, settings.min_input_quality)


@lean_kernel
def _call_end(source: Input, first: Int, n: Int, family: Family, strands: Strands, slot: Int, tally: Tally) -> bool:
    """Make the simplex consensus of one end (fragment, R1 or R2) in its slot; return whether there is one."""
    least = source.settings.min_total
    if count_open(family, n, slot) < least:
        reject_open(family, n, slot, np.int64(TOO_FEW_READS))
        return False
    measure(source, first, n, family, slot, tally)
    keep_majority(source, first, n, family, slot)
    n_open = count_open(family, n, slot)
    if n_open == 0 or n_open < least:
        reject_open(family, n, slot, np.int64(TOO_FEW_READS))
        return False
    cap_reads(source, first, n, family, slot)
    return bool(vote(source, first, n, family, strands, slot, _vote_limits(source, least)) > 0)


@lean_kernel
def _put_simplex(
    out: Output, source: Input, first: Int, n: Int, family: Family, strands: Strands, slot: Int, who: Identity,
    umis: UmiVotes, tally: Tally,
) -> None:  # fmt: skip
    """Write the consensus of one end; slot 0 is a fragment's, 1 and 2 are R1 and R2."""
    open_record(out, source.data, who, np.int64((4, 77, 141)[slot]), strands, slot)
    put_umi(out, source, first, n, family, (slot, np.int64(-1)), umis, tally)
    put_depths(out, np.int64(99), strands, slot)
    put_per_base(out, np.int64(99), strands, slot)
    put_losses(out, source, first, n, family, slot)
    close_record(out)


@lean_kernel
def call_simplex(
    source: Input, first: Int, n: Int, family: Family, strands: Strands, out: Output, umis: UmiVotes, tally: Tally
) -> None:
    """Write the consensus of one family without regard to strand: a fragment's, then R1 and R2 of its pairs."""
    _begin(source, first, n, family, tally)
    rows, group, slots = source.rows, family.group, family.slot
    for k in range(n):
        flag = rows[first + k, FLAG]
        group[k] = 0 if flag & 1 == 0 else (1 if flag & 64 else 2)
        slots[k] = group[k]
    who = identity(source, first, n, tally)
    one, two = np.int64(1), np.int64(2)
    is_single = _call_end(source, first, n, family, strands, np.int64(0), tally)
    is_first = _call_end(source, first, n, family, strands, one, tally)
    is_second = _call_end(source, first, n, family, strands, two, tally)
    if is_first != is_second:
        reject_open(family, n, one if is_first else two, np.int64(ORPHAN))
    is_pair = is_first and is_second
    for slot in range(3):
        if is_single if slot == 0 else is_pair:
            _put_simplex(out, source, first, n, family, strands, np.int64(slot), who, umis, tally)
    _end(family, n, is_single or is_pair, tally)


@lean_kernel
def _assign_strands(source: Input, first: Int, n: Int, family: Family) -> tuple[Int, Int]:
    """Give paired reads their slots and groups, reject the others; return the R1 of the first and second strand.

    The first strand is /A where it has paired reads, or else /B.
    """
    data, rows, status, slots, groups = source.data, source.rows, family.status, family.slot, family.group
    has_a = False
    for k in range(n):
        i = first + k
        if status[k] == USED and rows[i, FLAG] & 1 == 0:
            status[k] = FRAGMENT
        has_a |= status[k] == USED and data[rows[i, MI_AT] + rows[i, N_ID] + 1] == 65
    n_first, n_second = np.int64(0), np.int64(0)
    for k in range(n):
        if status[k] != USED:
            continue
        i = first + k
        is_b = data[rows[i, MI_AT] + rows[i, N_ID] + 1] == 66
        is_second = 1 if is_b and has_a else 0
        is_r1 = rows[i, FLAG] & 64 != 0
        slots[k] = 2 * is_second + (0 if is_r1 else 1)
        groups[k] = is_second if is_r1 else 1 - is_second
        if is_r1:
            n_first, n_second = n_first + 1 - is_second, n_second + is_second
    return n_first, n_second


@lean_kernel
def _is_enough(source: Input, one: Int, other: Int) -> bool:
    settings, major, minor = source.settings, max(one, other), min(one, other)
    return bool(major + minor >= settings.min_total and major >= settings.min_major and minor >= settings.min_minor)


@lean_kernel
def _is_one_strand(source: Input, first: Int, n: Int, family: Family, group: Int) -> bool:
    """Return whether the open reads of a group all lie on the same strand of the reference."""
    rows, groups, status = source.rows, family.group, family.status
    seen = np.int64(-1)
    for k in range(n):
        if groups[k] == group and status[k] == USED:
            strand = rows[first + k, FLAG] & 16
            if seen >= 0 and strand != seen:
                return False
            seen = strand
    return True


@lean_kernel
def _depth(strands: Strands, slot: Int) -> Int:
    depths = strands.depths
    most = np.int64(0)
    for i in range(strands.lengths[slot]):
        most = max(most, np.int64(depths[slot, i]))
    return most


@lean_kernel
def _combine_end(source: Input, strands: Strands, a: Int, b: Int, target: Int) -> tuple[Int, Int, Int]:
    """Make a duplex read; return the slots of its first and second strand (-1: none), and 0, or why there is none."""
    kind = combine(strands, a, b, target)
    if kind == NEITHER:
        return np.int64(-1), np.int64(-1), np.int64(ORPHAN)
    one = np.int64(b if kind == ONLY_B else a)
    other = np.int64(b if kind == BOTH else -1)
    codes, quals, least = strands.codes, strands.quals, source.settings.min_consensus_quality
    for i in range(strands.lengths[target]):
        if codes[target, i] != N and quals[target, i] < least:
            codes[target, i], quals[target, i] = N, NO_CALL_QUALITY
    is_enough = _is_enough(source, _depth(strands, one), _depth(strands, other) if other >= 0 else np.int64(0))
    return one, other, np.int64(0 if is_enough else TOO_FEW_READS)


@lean_kernel
def _duplex_reason(
    source: Input, first: Int, n: Int, family: Family, strands: Strands, tally: Tally, molecule: Int
) -> Int:
    """Vote on the four strand and end slots; return 0, or why the molecule has no consensus."""
    n_first, n_second = _assign_strands(source, first, n, family)
    tally.sizes[molecule, 0], tally.sizes[molecule, 1] = n_first, n_second
    if not _is_enough(source, n_first, n_second):
        return np.int64(TOO_FEW_READS)
    zero, one = np.int64(0), np.int64(1)
    if not _is_one_strand(source, first, n, family, zero) or not _is_one_strand(source, first, n, family, one):
        return np.int64(COLLISION)
    for group in range(2):
        measure(source, first, n, family, np.int64(group), tally)
        keep_majority(source, first, n, family, np.int64(group))
    limits = VoteLimits(np.int64(1), np.int64(2), source.settings.min_input_quality)
    for slot in range(4):
        cap_reads(source, first, n, family, np.int64(slot))
        vote(source, first, n, family, strands, np.int64(slot), limits)
    return np.int64(0)


@lean_kernel
def call_duplex(
    source: Input, first: Int, n: Int, family: Family, strands: Strands, out: Output, umis: UmiVotes, tally: Tally,
    molecule: Int,
) -> None:  # fmt: skip
    """Write the duplex consensus pair of one molecule, or note why it has none."""
    _begin(source, first, n, family, tally)
    reason = _duplex_reason(source, first, n, family, strands, tally, molecule)
    r1, r2 = np.int64(DUPLEX_R1), np.int64(DUPLEX_R2)
    one1: Int = np.int64(-1)
    one2: Int = np.int64(-1)
    other1: Int = np.int64(-1)
    other2: Int = np.int64(-1)
    if reason == 0:
        one1, other1, reason1 = _combine_end(source, strands, np.int64(AB_R1), np.int64(BA_R2), r1)
        one2, other2, reason2 = _combine_end(source, strands, np.int64(AB_R2), np.int64(BA_R1), r2)
        reason = max(reason1, reason2)
    if reason != 0:
        reject_open(family, n, np.int64(0), reason)
        reject_open(family, n, np.int64(1), reason)
        _end(family, n, reason == 0, tally)
        return
    who = identity(source, first, n, tally)
    open_record(out, source.data, who, np.int64(77), strands, r1)
    put_umi(out, source, first, n, family, (np.int64(AB_R1), np.int64(BA_R2)), umis, tally)
    put_duplex(out, strands, one1, other1, r1)
    put_losses(out, source, first, n, family, np.int64(0))
    close_record(out)
    open_record(out, source.data, who, np.int64(141), strands, r2)
    put_umi(out, source, first, n, family, (np.int64(AB_R2), np.int64(BA_R1)), umis, tally)
    put_duplex(out, strands, one2, other2, r2)
    put_losses(out, source, first, n, family, np.int64(1))
    close_record(out)
    _end(family, n, reason == 0, tally)


@kernel
def _sizes(source: Input, starts: NDArray[np.int64], low: Int, high: Int, n_prefix: Int) -> NDArray[np.int64]:
    """Return the largest family (reads, operations), longest read, CIGAR and UMI, and a bound of the output."""
    rows = source.rows
    most = np.zeros(6, np.int64)
    for m in range(low, high):
        longest, n_tags, n_ops = np.int64(0), np.int64(0), np.int64(0)
        for i in range(starts[m], starts[m + 1]):
            longest = max(longest, rows[i, N_BASES])
            n_tags = max(n_tags, rows[i, N_RX] + rows[i, N_CB])
            n_ops += rows[i, N_CIGAR]
            most[3] = max(most[3], rows[i, N_CIGAR])
            if rows[i, MC_AT] >= 0:
                most[3] = max(most[3], (rows[i, TAGS_END] - rows[i, MC_AT]) >> 1)
        most[0] = max(most[0], starts[m + 1] - starts[m])
        most[1] = max(most[1], n_ops)
        most[2], most[4] = max(most[2], longest), max(most[4], n_tags)
        most[5] += 3 * record_bound(longest, n_prefix + 2 + rows[starts[m], N_ID], n_tags)
    return most


@kernel
def call_families(
    source: Input, starts: NDArray[np.int64], low: Int, high: Int, prefix: Bytes, read_group: Bytes
) -> tuple[Bytes, Int, Tally]:
    """Return the consensus records of families low to high - 1 as bytes, their number, and the counts.

    Mates' overlaps are corrected within `source.data` itself.
    """
    most = _sizes(source, starts, low, high, len(prefix) + len(read_group))
    family = new_family(most[0], most[1], most[3])
    strands, umis = new_strands(most[2]), new_umi_votes(most[4])
    out, tally = new_output(most[5], most[2], prefix, read_group), new_tally(high - low)
    for m in range(low, high):
        first, n = starts[m], starts[m + 1] - starts[m]
        if source.settings.is_duplex:
            call_duplex(source, first, n, family, strands, out, umis, tally, m - low)
        else:
            call_simplex(source, first, n, family, strands, out, umis, tally)
            n_templates = np.int64(0)
            for k in range(n):
                n_templates += family.group[k] < 2 and family.status[k] != NOT_PRIMARY
            tally.sizes[m - low, 0] = n_templates
    return out.data[: out.state[0]].copy(), out.state[1], tally


def _tiny_records() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return two overlapping mate pairs of one molecule, with an indel, a UMI and a cell barcode."""
    parts = []
    for pair, size in ((b"p", 3), (b"q", 4)):
        for flag, mate_flag in ((99, 147), (147, 99)):
            operations = struct.pack("<4I", 1 << 4 | 4, size << 4, 1 << 4 | 1, (6 - size) << 4)
            body = struct.pack("<iiBBHHHiiii", 0, 5, 2, 60, 0, 4, flag, 8, 0, 5, mate_flag)
            body += pair + b"\0" + operations + bytes([0x12, 0x48] * 2) + bytes([30] * 8)
            body += b"MIZ1/A\0RXZA-C\0CBZA\0MCZ8M\0"
            parts.append(struct.pack("<i", len(body)) + body)
    offsets = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return np.frombuffer(b"".join(parts), dtype=np.uint8).copy(), offsets


def warm() -> None:
    """Compile the kernels of the consensus, of this module and of those it calls."""
    data, offsets = _tiny_records()
    rows = read_rows(data, offsets)
    starts, _ = find_molecules(data, rows, 1)
    text = np.full(1, 65, dtype=np.uint8)
    settings = fam.Settings(1, 1, 1, 0, 10, 2, 1, 1, 0, 1)
    source = Input(data, rows, LETTERS_OF_NIBBLES.copy(), settings, consensus_tables(45, 40))
    call_families(source, starts, 0, len(starts) - 1, text, text)
