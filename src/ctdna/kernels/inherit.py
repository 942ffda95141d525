"""Alignments that consensus reads inherit from the raw reads of their molecule.

The raw reads of one strand and end of a molecule are its cell: 4 * molecule + 2 * strand + end, where strand is 1 for
/B, else 0, and end is 0 for read 1 and 1 for read 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.orient import NIBBLE_COMPLEMENT, Codes, is_in, turn_tag
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, tag_end, u16, u32
from ctdna.kernels.record_build import bin_of, nibble_table, put16, put32
from ctdna.kernels.retag import put_int_tag, put_number
from ctdna.model.columns import RawRecords, RecordFields

Numbers = NDArray[np.int64]
_PROPER, _UNMAPPED, _REVERSE, _MATE_REVERSE, _READ1, _NOT_PRIMARY = 0x2, 0x4, 0x10, 0x20, 0x40, 0x900
_KEPT_FLAGS, _N = 0x2C1, 15
_NM, _MD, _AS, _MC, _MQ = 0x4D4E, 0x444D, 0x5341, 0x434D, 0x514D
_NIBBLE_OF = nibble_table()

CONTIG, FIVE_PRIME, STRAND, LONGEST, MAPQ, N_PLAIN, N_OTHER = range(7)
"""Columns of a cell: contig, 5' position and strand (1: reverse) of its plain reads, bases of the longest, greatest
mapping quality, plain reads, other reads. Plain: properly paired and aligned over the whole read without an indel."""
N_COLUMNS = 7
MIN_MAPQ = 60
"""Mapping quality that no better read could raise."""
END_BASES = 10
"""Two mismatches so near an end of a consensus read could change how it is aligned; one alone never makes the aligner
clip (its penalty for a clip is greater than for a mismatch)."""
MAX_MISMATCHES = 4
INHERITED, NOT_PLAIN, LOW_MAPQ, MISMATCHES, NO_PLACE = range(5)
"""Whether a consensus pair inherits, or why it is aligned again."""


class Places(NamedTuple):
    """Where n consensus reads would lie; contig -1 where they are aligned again."""

    contig: NDArray[np.int64]
    pos0: NDArray[np.int64]
    is_reverse: NDArray[np.bool_]
    why: NDArray[np.uint8]
    """`INHERITED`, or the reason against it, of the read itself."""


@lean_kernel
def _molecule_of(data: Bytes, last: Int) -> tuple[Int, Int]:
    """Return molecule and strand (1: /B, -1: no letter) of a text `12`, `12/A` or `12/B` that ends at `last`."""
    k = np.int64(last)
    strand = np.int64(-1)
    if data[k] == 65 or data[k] == 66:
        strand = np.int64(data[k]) - 65
        k -= 2
    value, scale = np.int64(0), np.int64(1)
    while 48 <= data[k] <= 57:
        value += scale * (np.int64(data[k]) - 48)
        scale *= 10
        k -= 1
    return value, strand


@kernel
def note_cells(data: Bytes, fields: RecordFields, first: Int) -> Numbers:
    """Return the cells of the molecules from number `first` on that grouped records belong to (cells x columns).

    MI is the last tag of each record.
    """
    n = len(fields.flag)
    cell_of = np.empty(n, dtype=np.int64)
    n_cells = np.int64(0)
    for i in range(n):
        molecule, strand = _molecule_of(data, fields.tags_end[i] - 2)
        end = 0 if np.int64(fields.flag[i]) & _READ1 else 1
        cell_of[i] = 4 * (molecule - first) + 2 * max(strand, np.int64(0)) + end
        n_cells = max(n_cells, np.int64(4 * (molecule - first + 1)))
    cells = np.zeros((n_cells, N_COLUMNS), dtype=np.int64)
    for i in range(n):
        flag, c = np.int64(fields.flag[i]), cell_of[i]
        if flag & _NOT_PRIMARY:
            continue
        operation = u32(data, fields.cigar_at[i]) if fields.n_cigar[i] == 1 else np.int64(1)
        if flag & _UNMAPPED or not flag & _PROPER or operation & 15:
            cells[c, N_OTHER] += 1
            continue
        size, contig = operation >> 4, np.int64(fields.ref_id[i])
        is_reverse = 1 if flag & _REVERSE else 0
        five0 = np.int64(fields.pos0[i]) + (size - 1 if is_reverse else 0)
        is_other = cells[c, CONTIG] != contig or cells[c, FIVE_PRIME] != five0 or cells[c, STRAND] != is_reverse
        if cells[c, N_PLAIN] > 0 and is_other:
            cells[c, N_OTHER] += 1
            continue
        cells[c, CONTIG], cells[c, FIVE_PRIME], cells[c, STRAND] = contig, five0, is_reverse
        cells[c, LONGEST] = max(cells[c, LONGEST], size)
        cells[c, MAPQ] = max(cells[c, MAPQ], np.int64(fields.mapq[i]))
        cells[c, N_PLAIN] += 1
    return cells


@lean_kernel
def _best_cell(cells: Numbers, one: Int, other: Int) -> tuple[Int, bool]:
    """Return the cell of the two (-1: none) with the best mapping quality, and whether all reads lie in one place."""
    best: Int = np.int64(-1)
    is_plain = True
    for c in (one, other):
        if c < 0 or cells[c, N_PLAIN] + cells[c, N_OTHER] == 0:
            continue
        is_plain = is_plain and cells[c, N_OTHER] == 0
        if best >= 0:
            for k in range(3):
                is_plain = is_plain and cells[c, k] == cells[best, k]
        if best < 0 or cells[c, MAPQ] > cells[best, MAPQ]:
            best = c
    return best, is_plain


@lean_kernel
def _place(cells: Numbers, one: Int, other: Int, n_bases: Int) -> tuple[Int, Int, Int, Int]:
    """Return contig, position, strand of a read over the cells `one` and `other` (-1: none), and why it has none."""
    best, is_plain = _best_cell(cells, one, other)
    nowhere = np.int64(-1)
    if best < 0:
        return nowhere, nowhere, nowhere, np.int64(NO_PLACE)
    longest = cells[one, LONGEST] if other < 0 else max(cells[one, LONGEST], cells[other, LONGEST])
    if not is_plain or n_bases > longest:
        return nowhere, nowhere, nowhere, np.int64(NOT_PLAIN)
    if cells[best, MAPQ] < MIN_MAPQ:
        return nowhere, nowhere, nowhere, np.int64(LOW_MAPQ)
    five0, strand = cells[best, FIVE_PRIME], cells[best, STRAND]
    return cells[best, CONTIG], five0 - (n_bases - 1 if strand else np.int64(0)), strand, np.int64(INHERITED)


@kernel
def inherited_places(data: Bytes, fields: RecordFields, cells: Numbers, first: Int, is_duplex: Int) -> Places:
    """Return where consensus reads would lie by the cells of their molecules; `first` is the molecule of cell 0.

    Reads are named `<prefix>:<molecule>`, R1 followed by its R2. Duplex: a read stands on the first strand's reads of
    its own end and the second strand's of the other end.
    """
    n = len(fields.flag)
    out = Places(
        np.full(n, -1, np.int64), np.full(n, -1, np.int64), np.zeros(n, np.bool_), np.full(n, NO_PLACE, np.uint8)
    )
    for i in range(n):
        flag = np.int64(fields.flag[i])
        if flag & 1 == 0:
            continue
        molecule, strand = _molecule_of(data, fields.name_at[i] + np.int64(fields.n_name[i]) - 1)
        end = 0 if flag & _READ1 else 1
        base = 4 * (molecule - first)
        one = base + 2 * max(strand, np.int64(0)) + end
        other: Int = np.int64(-1)
        if is_duplex:
            has_first = cells[base, N_PLAIN] + cells[base, N_OTHER] > 0
            one = base + end if has_first else base + 2 + end
            other = base + 2 + 1 - end if has_first else base + 1 - end
        contig, pos0, is_reverse, why = _place(cells, one, other, np.int64(fields.n_bases[i]))
        out.contig[i], out.pos0[i], out.is_reverse[i], out.why[i] = contig, pos0, is_reverse == 1, why
    return out


@lean_kernel
def _base_towards(data: Bytes, at: Int, n: Int, k: Int, is_reverse: bool) -> Int:
    """Return the 4-bit base k of n packed ones in the direction of the reference."""
    j = n - 1 - k if is_reverse else k
    packed = np.int64(data[at + (j >> 1)])
    nibble = packed & 15 if j & 1 else packed >> 4
    return np.int64(NIBBLE_COMPLEMENT[nibble]) if is_reverse else nibble


@lean_kernel
def _has_trouble(data: Bytes, at: Int, n: Int, is_reverse: bool, reference: Bytes, place: Int) -> bool:
    """Return whether mismatches of a read are many, or one lies near an end with another, or with an N."""
    n_different, n_head, n_tail = 0, 0, 0
    has_head, has_tail = False, False
    for k in range(n):
        nibble = np.int64(_base_towards(data, at, n, k, is_reverse))
        if nibble != _N and nibble == np.int64(_NIBBLE_OF[reference[place + k]]):
            continue
        n_different += nibble != _N
        if k < END_BASES:
            n_head += 1
            has_head |= nibble != _N
        if k >= n - END_BASES:
            n_tail += 1
            has_tail |= nibble != _N
    return n_different > MAX_MISMATCHES or (has_head and n_head > 1) or (has_tail and n_tail > 1)


@kernel
def settle_pairs(data: Bytes, fields: RecordFields, places: Places, reference: Bytes, at: Numbers) -> None:
    """Take the place from pairs that cannot inherit; the reason then stands on both reads.

    `at` is where each read's first base would stand in `reference`, -1 where it has no place.
    """
    n = len(at)
    for i in range(n):
        if places.contig[i] >= 0 and _has_trouble(
            data, fields.bases_at[i], np.int64(fields.n_bases[i]), places.is_reverse[i], reference, at[i]
        ):
            places.contig[i], places.why[i] = -1, MISMATCHES
    for i in range(n):
        if np.int64(fields.flag[i]) & 1 == 0 or np.int64(fields.flag[i]) & _READ1 == 0:
            continue
        why = max(np.int64(places.why[i]), np.int64(places.why[i + 1]))
        if why == INHERITED:
            low, high = (i + 1, i) if places.is_reverse[i] else (i, i + 1)
            faces = places.is_reverse[i] != places.is_reverse[i + 1] and places.contig[i] == places.contig[i + 1]
            end = places.pos0[high] + np.int64(fields.n_bases[high])
            if not faces or places.pos0[low] > places.pos0[high] or end <= places.pos0[low]:
                why = np.int64(NOT_PLAIN)
        if why != INHERITED:
            places.contig[i], places.contig[i + 1] = -1, -1
        places.why[i], places.why[i + 1] = why, why


@lean_kernel
def _put_bases(data: Bytes, at: Int, n: Int, is_reverse: bool, out: Bytes, to: Int) -> None:
    """Write n packed bases in the direction of the reference."""
    for k in range(0, n, 2):
        low = np.int64(_base_towards(data, at, n, k + 1, is_reverse)) if k + 1 < n else np.int64(0)
        out[to + (k >> 1)] = np.int64(_base_towards(data, at, n, k, is_reverse)) << 4 | low


@lean_kernel
def _put_edits(out: Bytes, to: Int, bases_at: Int, n: Int, reference: Bytes, place: Int) -> Int:
    """Write NM, MD and AS of the n packed bases at `bases_at` of `out`, aligned as a whole; return where they end.

    The score is that of `bwa mem`: the greatest of any stretch, 1 a match, -4 a mismatch, -1 an N.
    """
    edits, run, best, here = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    put16(out, to + 7, np.int64(_MD))
    out[to + 9] = 90
    at: Int = to + 10
    for k in range(n):
        packed = np.int64(out[bases_at + (k >> 1)])
        nibble = packed & 15 if k & 1 else packed >> 4
        if nibble == np.int64(_NIBBLE_OF[reference[place + k]]) and nibble != _N:
            here, run = here + 1, run + 1
            best = max(best, here)
            continue
        here = max(here - (1 if nibble == _N else 4), np.int64(0))
        edits += 1
        at = put_number(out, at, run)
        out[at] = reference[place + k]
        at, run = at + 1, np.int64(0)
    at = put_number(out, at, run)
    out[at] = 0
    put_int_tag(out, to, np.int64(_NM), edits)
    return put_int_tag(out, at + 1, np.int64(_AS), best)


@lean_kernel
def _put_carried(
    data: Bytes, start: Int, end: Int, is_reverse: bool, out: Bytes, to: Int, turned: tuple[Codes, Codes, Bytes]
) -> Int:
    """Copy a record's tags, the per-base ones turned for a reverse read; return where they end."""
    at: Int = np.int64(start)
    while at < end:
        after = tag_end(data, at, end)
        for k in range(after - at):
            out[to + k] = data[at + k]
        if is_reverse:
            is_complement = is_in(turned[1], u16(data, at))
            if is_complement or is_in(turned[0], u16(data, at)):
                turn_tag(out, to, to + after - at, is_complement, turned[2])
        to, at = to + after - at, after
    return to


@kernel
def inherited_records(
    records: RawRecords,
    fields: RecordFields,
    places: Places,
    reference: Bytes,
    at: Numbers,
    turned: tuple[Codes, Codes, Bytes],
) -> RawRecords:
    """Return the reads that inherit as aligned records with NM, MD, AS, their own tags, MC and MQ.

    R1 is followed by its R2. `at` is where each read's first base stands in `reference`. `turned` are the tags reversed
    and the tags reverse-complemented on reverse reads, and the table of complements.
    """
    n = len(at)
    n_kept, room = np.int64(0), np.int64(0)
    for i in range(n):
        if places.why[i] == INHERITED:
            n_kept += 1
            room += records.offsets[i + 1] - records.offsets[i] + 64 + 2 * np.int64(fields.n_bases[i])
    out, offsets = np.empty(room, np.uint8), np.zeros(n_kept + 1, np.int64)
    data, j = records.data, 0
    to: Int = np.int64(0)
    for i in range(n):
        if places.why[i] != INHERITED:
            continue
        start, size, is_reverse = records.offsets[i], np.int64(fields.n_bases[i]), places.is_reverse[i]
        flag = np.int64(fields.flag[i]) & _KEPT_FLAGS
        mate = i + 1 if flag & _READ1 else i - 1
        n_head = FIXED_BYTES + np.int64(fields.n_name[i]) + 1
        for k in range(n_head):
            out[to + k] = data[start + k]
        span = places.pos0[mate] + np.int64(fields.n_bases[mate]) - places.pos0[i]
        if is_reverse:
            span = places.pos0[mate] - places.pos0[i] - size
        put32(out, to + 4, places.contig[i])
        put32(out, to + 8, places.pos0[i])
        out[to + 13] = MIN_MAPQ
        put16(out, to + 14, bin_of(places.pos0[i], places.pos0[i] + size))
        put16(out, to + 16, np.int64(1))
        put16(out, to + 18, flag | _PROPER | (_REVERSE if is_reverse else _MATE_REVERSE))
        put32(out, to + 24, places.contig[mate])
        put32(out, to + 28, places.pos0[mate])
        put32(out, to + 32, span)
        put32(out, to + n_head, size << 4)
        bases_at = to + n_head + 4
        _put_bases(data, fields.bases_at[i], size, is_reverse, out, bases_at)
        end: Int = bases_at + (size + 1) // 2
        for k in range(size):
            out[end + k] = data[fields.quals_at[i] + (size - 1 - k if is_reverse else k)]
        end = _put_edits(out, end + size, bases_at, size, reference, at[i])
        end = _put_carried(data, fields.tags_at[i], fields.tags_end[i], is_reverse, out, end, turned)
        put16(out, end, np.int64(_MC))
        out[end + 2] = 90
        end = put_number(out, end + 3, np.int64(fields.n_bases[mate]))
        out[end], out[end + 1] = 77, 0
        end = put_int_tag(out, end + 2, np.int64(_MQ), np.int64(MIN_MAPQ))
        put32(out, to, end - to - 4)
        to = end
        j += 1
        offsets[j] = to
    return RawRecords(out[:to].copy(), offsets)


def warm() -> None:
    """Compile every kernel of this module on one unmapped record without tags."""
    from ctdna.kernels.record import record_fields

    head = np.zeros(38, dtype=np.uint8)
    head[[0, 12, 36]] = [34, 2, 48]
    offsets, codes = np.array([0, 38], dtype=np.int64), np.zeros(0, dtype=np.uint16)
    fields = record_fields(head, offsets)
    cells = note_cells(head, fields, 0)
    places, zero = inherited_places(head, fields, cells, 0, 1), np.zeros(1, dtype=np.int64)
    settle_pairs(head, fields, places, head, zero)
    inherited_records(RawRecords(head, offsets), fields, places, head, zero, (codes, codes, head))
