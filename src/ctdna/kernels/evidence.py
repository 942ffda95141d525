"""Consensus records to packed reads, and what the reads of one molecule say together.

A molecule is what shares an MI tag (without its `/A` or `/B`), or else a read name. At a slot its reads must agree;
then it counts once, in the best class its reads show.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus_tags import (
    AC,
    AD,
    BC,
    BD,
    CD,
    N_TAGS,
    SCALAR,
    base_code,
    count_splits,
    depth_at,
    find_tags,
    has_strand_bases,
    split_at,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import record_fields, u32
from ctdna.model.columns import RecordFields
from ctdna.model.evidence import Regions, Splits, StoredReads

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Int = int | np.int64

STORED, LOW_MAPQ, MARGIN, OFF_TARGET, NOT_PRIMARY, MARKED, UNMAPPED = 0, 1, 2, 3, 4, 5, 6
"""What becomes of a record: kept; kept, but of low mapping quality; kept, beside a target; left out for a reason."""

STRAND_KNOWN, IS_LOW_MAPQ, IS_SECOND, LIES_TOP, LIES_BOTTOM = 1, 2, 4, 8, 16
IS_END, NO_CELL = 1 << 8, 0xFFFF
DELETED_CODE, DISCORDANT_CODE, NONE_CODE = 5, 6, 7
MAX_SPAN = 1 << 20
"""A read that spans more reference bases is left out."""


@lean_kernel
def hash_bytes(data: Bytes, at: Int, end: Int) -> np.uint64:
    """Return a 62-bit hash of the bytes, from two of 32 bits; no step leaves 63 bits."""
    one, two = np.int64(0x811C9DC5), np.int64(0x9747B28C)
    for k in range(at, end + 4):
        byte = np.int64(data[k]) if k < end else np.int64(0xA5)
        one = ((one ^ byte) * 0x01000193) & 0xFFFFFFFF
        two = ((two + byte + 1) * 0x5BD1E995) & 0xFFFFFFFF
        two ^= two >> 15
    return np.uint64((one & 0x3FFFFFFF) << 32 | two)


@lean_kernel
def molecule_key(data: Bytes, mi_at: Int, name_at: Int, n_name: Int) -> np.uint64:
    """Return the hash of the molecule's MI tag without its strand, else of the read name."""
    if mi_at < 0 or data[mi_at + 2] != 90:
        return hash_bytes(data, name_at, name_at + n_name)
    end = mi_at + 3
    while data[end] != 0:
        end += 1
    if end - mi_at > 5 and data[end - 2] == 47 and (data[end - 1] == 65 or data[end - 1] == 66):
        end -= 2
    return hash_bytes(data, mi_at + 3, end)


@lean_kernel
def reference_length(data: Bytes, cigar_at: Int, n_cigar: Int) -> Int:
    """Return the reference bases that a CIGAR spans."""
    n = np.int64(0)
    for k in range(n_cigar):
        operation = u32(data, cigar_at + 4 * k)
        code = operation & 15
        if code == 0 or code == 2 or code == 3 or code == 7 or code == 8:
            n += operation >> 4
    return n


@lean_kernel
def find_region(regions: Regions, contig: Int, start0: Int, end0: Int) -> Int:
    """Return the first region that overlaps the interval, -1 where none does."""
    low, high = regions.contig_first[contig], regions.contig_first[contig + 1]
    last = high
    while low < high:
        middle = (low + high) // 2
        end = np.int64(regions.start0[middle]) + regions.offsets[middle + 1] - regions.offsets[middle]
        if end <= start0:
            low = middle + 1
        else:
            high = middle
    return low if low < last and np.int64(regions.start0[low]) < end0 else np.int64(-1)


@lean_kernel
def touches_target(regions: Regions, region: Int, start0: Int, end0: Int) -> bool:
    """Return whether any slot of the interval in the region is on a target."""
    shift = regions.offsets[region] - np.int64(regions.start0[region])
    for slot in range(max(start0 + shift, regions.offsets[region]), min(end0 + shift, regions.offsets[region + 1])):
        if regions.target[slot] >= 0:
            return True
    return False


@lean_kernel
def _status(regions: Regions, fields: RecordFields, i: Int, end0: Int, min_mapq: Int) -> tuple[Int, Int]:
    flag = np.int64(fields.flag[i])
    if flag & 4 or fields.ref_id[i] < 0 or fields.pos0[i] < 0 or fields.n_cigar[i] == 0 or fields.n_bases[i] == 0:
        return UNMAPPED, -1
    if flag & 0x900:
        return NOT_PRIMARY, -1
    if flag & 0x600:
        return MARKED, -1
    region = find_region(regions, np.int64(fields.ref_id[i]), np.int64(fields.pos0[i]), end0)
    if region < 0 or end0 - np.int64(fields.pos0[i]) > MAX_SPAN:
        return OFF_TARGET, -1
    if np.int64(fields.mapq[i]) < min_mapq:
        return LOW_MAPQ, region
    return (STORED if touches_target(regions, region, np.int64(fields.pos0[i]), end0) else MARGIN), region


@kernel
def place_records(
    data: Bytes, fields: RecordFields, regions: Regions, min_mapq: Int, min_strand_quality: Int
) -> tuple[NDArray[np.uint64], Bytes, NDArray[np.int32], NDArray[np.int32], Int]:
    """Return each record's molecule key, status, region and number of split bases, and the first record whose per-base
    tags are not as long as its bases.

    The last is -1 where all are sound.
    """
    n = len(fields.pos0)
    keys, status = np.empty(n, np.uint64), np.empty(n, np.uint8)
    region_of, n_splits = np.empty(n, np.int32), np.zeros(n, np.int32)
    found = np.empty(N_TAGS, np.int64)
    wrong = np.int64(-1)
    for i in range(n):
        find_tags(data, fields.tags_at[i], fields.tags_end[i], found)
        keys[i] = molecule_key(data, found[0], fields.name_at[i], np.int64(fields.n_name[i]))
        end0 = np.int64(fields.pos0[i]) + reference_length(data, fields.cigar_at[i], np.int64(fields.n_cigar[i]))
        status[i], region_of[i] = _status(regions, fields, i, end0, min_mapq)
        if region_of[i] < 0:
            continue
        has_strands = has_strand_bases(data, fields.tags_end[i], found, np.int64(fields.n_bases[i]))
        is_wrong = has_strands < 0
        for at in found[AD : CD + 1]:
            is_wrong |= at >= 0 and (data[at + 2] != 66 or u32(data, at + 4) != fields.n_bases[i])
        wrong = np.int64(i) if is_wrong and wrong < 0 else wrong
        if has_strands == 1 and not is_wrong:
            n_splits[i] = count_splits(data, found, np.int64(fields.n_bases[i]), min_strand_quality)
    return keys, status, region_of, n_splits, wrong


@lean_kernel
def _fragment(data: Bytes, fields: RecordFields, i: Int, end0: Int) -> tuple[Int, Int]:
    first = u32(data, fields.cigar_at[i])
    last = u32(data, fields.cigar_at[i] + 4 * (np.int64(fields.n_cigar[i]) - 1))
    low, high = np.int64(fields.pos0[i]), end0
    low -= (first >> 4) if (first & 15) >= 4 and (first & 15) <= 5 else np.int64(0)
    high += (last >> 4) if (last & 15) >= 4 and (last & 15) <= 5 else np.int64(0)
    size, reverse = np.int64(fields.insert_size[i]), np.int64(fields.flag[i]) & 16
    if size > 0 and not reverse:
        high = np.int64(fields.pos0[i]) + size
    elif size < 0 and reverse:
        low = end0 + size
    return low, high


@lean_kernel
def _is_bottom(flag: Int) -> bool:
    """Return whether a read's orientation, as one of a pair, says that its (first) strand is the bottom one."""
    is_reverse = (flag & 16) != 0
    return not is_reverse if flag & 1 and flag & 128 else is_reverse


@lean_kernel
def _strand_flags(data: Bytes, mi_at: Int, flag: Int) -> Int:
    """Return the flags of a single-strand read: MI `/A` or `/B` says its strand, else the pair's orientation does."""
    if mi_at >= 0 and data[mi_at + 2] == 90:
        end = mi_at + 3
        while data[end] != 0:
            end += 1
        if end - mi_at > 5 and data[end - 2] == 47 and (data[end - 1] == 65 or data[end - 1] == 66):
            return STRAND_KNOWN | (LIES_BOTTOM if data[end - 1] == 66 else LIES_TOP)
    return LIES_BOTTOM if _is_bottom(flag) else LIES_TOP


@lean_kernel
def _agreeing(data: Bytes, found: Ints, k: Int, base: Int, depths: tuple[Int, Int]) -> tuple[Int, Int]:
    """Return the depths of both strands at base k, 0 of one that shows another base than the read.

    Where strands differ the surer one's base is the read's: it is evidence of one strand.
    """
    one = base_code(np.int64(data[found[AC] + 3 + k]))
    other = base_code(np.int64(data[found[BC] + 3 + k]))
    if base > 3 or one == other:
        return depths
    return (depths[0] if one == base else np.int64(0)), (depths[1] if other == base else np.int64(0))


@lean_kernel
def _pack_cells(
    data: Bytes, fields: RecordFields, i: Int, found: Ints, sides: tuple[bool, bool], min_quality: Int, out: Bytes
) -> None:
    """Fill the cells of a record. `sides`: it is of strand B alone; it has the bases of both strands."""
    is_duplex = found[AD] >= 0 or found[SCALAR] >= 0
    for k in range(np.int64(fields.n_bases[i])):
        pair = np.int64(data[fields.bases_at[i] + (k >> 1)])
        nibble = (pair >> 4) if k & 1 == 0 else (pair & 15)
        base = 0 if nibble == 1 else (1 if nibble == 2 else (2 if nibble == 4 else (3 if nibble == 8 else 4)))
        quality = np.int64(data[fields.quals_at[i] + k])
        low = 8 if quality < min_quality or data[fields.quals_at[i]] == 255 else 0
        a: Int = 0
        b: Int = 0
        if is_duplex:
            a, b = depth_at(data, found[AD], found[SCALAR], k), depth_at(data, found[BD], found[SCALAR + 1], k)
            if sides[1] and a > 0 and b > 0:
                a, b = _agreeing(data, found, k, np.int64(base), (a, b))
        else:
            is_told = found[CD] >= 0 or found[SCALAR + 2] >= 0
            a = depth_at(data, found[CD], found[SCALAR + 2], k) if is_told else np.int64(1)
            if sides[0]:
                a, b = b, a
        deep_a, deep_b = np.int64(min(max(a, 0), 3)), np.int64(min(max(b, 0), 3))
        out[k] = base | low | deep_a << 4 | deep_b << 6


@lean_kernel
def _put_splits(
    data: Bytes, found: Ints, flag: Int, j: Int, n_bases: Int, n: Int, min_quality: Int, splits: Splits
) -> Int:
    top = np.int64(0) if _is_bottom(flag) else np.int64(16)
    for k in range(n_bases):
        if data[found[AC] + 3 + k] != data[found[BC] + 3 + k]:
            code = split_at(data, found, k, min_quality)
            if code >= 0:
                splits.read[n], splits.base[n], splits.code[n] = j, k, code | top
                n += 1
    return n


@kernel
def store_records(
    data: Bytes, fields: RecordFields, regions: Regions, chosen: Ints, out: StoredReads, min_quality: Int,
    min_strand_quality: Int, splits: Splits,
) -> None:  # fmt: skip
    """Fill the packed reads of the chosen records, and their split bases.

    `out` has key, region, flags, offsets and sizes set already, `splits` has as many rows as `place_records` counted.
    """
    found = np.empty(N_TAGS, np.int64)
    n_splits: Int = np.int64(0)
    for j in range(len(chosen)):
        i = chosen[j]
        find_tags(data, fields.tags_at[i], fields.tags_end[i], found)
        n_cigar = np.int64(fields.n_cigar[i])
        for k in range(n_cigar):
            out.cigars[out.cigar_at[j] + k] = u32(data, fields.cigar_at[i] + 4 * k)
        end0 = np.int64(fields.pos0[i]) + reference_length(data, fields.cigar_at[i], n_cigar)
        shift = regions.offsets[out.region[j]] - np.int64(regions.start0[out.region[j]])
        out.slot[j], out.end_slot[j] = np.int64(fields.pos0[i]) + shift, end0 + shift
        low, high = _fragment(data, fields, i, end0)
        out.fragment_low[j], out.fragment_high[j] = low + shift, high + shift
        flag = np.int64(fields.flag[i])
        is_duplex = found[AD] >= 0 or found[SCALAR] >= 0
        strand = np.int64(0) if is_duplex else _strand_flags(data, found[0], flag)
        out.flags[j] |= strand | (IS_SECOND if flag & 128 else 0)
        is_b = strand & STRAND_KNOWN != 0 and strand & LIES_BOTTOM != 0
        cells = out.cells[out.cell_at[j] : out.cell_at[j] + out.n_cells[j]]
        has_both = has_strand_bases(data, fields.tags_end[i], found, np.int64(len(cells))) == 1
        _pack_cells(data, fields, i, found, (is_b, has_both), min_quality, cells)
        if n_splits < len(splits.read) and has_both:
            n_splits = _put_splits(data, found, flag, j, len(cells), n_splits, min_strand_quality, splits)


@lean_kernel
def lay_out(reads: StoredReads, i: Int, end_bases: Int, out: NDArray[np.uint16]) -> None:
    """Fill `out`, one cell a reference position of read i, with its packed base and whether it is a fragment end."""
    at, k = np.int64(0), reads.cell_at[i]
    for c in range(np.int64(reads.n_cigar[i])):
        operation = np.int64(reads.cigars[reads.cigar_at[i] + c])
        code, n = operation & 15, operation >> 4
        if code == 0 or code == 7 or code == 8 or code == 2:
            for _ in range(n):
                slot = reads.slot[i] + at
                near = min(slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - slot)
                around = max(reads.cell_at[i], min(k, reads.cell_at[i] + reads.n_cells[i] - 1))
                cell = np.int64(reads.cells[around])
                if code == 2:
                    cell = (cell & 0xF0) | DELETED_CODE
                else:
                    k += 1
                out[at] = cell | (IS_END if near < end_bases else 0)
                at += 1
        elif code == 3:
            out[at : at + n] = NO_CELL
            at += n
        elif code == 1 or code == 4:
            k += n


@lean_kernel
def join_cells(cells: NDArray[np.uint16], flags: Bytes, n: Int) -> Int:
    """Return what n reads of one molecule say together at one slot, packed.

    Bits 0-2: base, or 5 deleted, 6 discordant, 7 nothing usable; 3: fragment end; 4-5 and 6-7: depths of the strands;
    8: the depths' strands are top and bottom; 9 and 10: a read's orientation says top, bottom. Where nothing is usable,
    bits 9-11 hold base + 1 seen at low quality and bits 12-14 base + 1 seen at low mapping quality.
    """
    base, a, b = np.int64(NONE_CODE), np.int64(0), np.int64(0)
    end, known, weak, astray = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for k in range(n):
        cell = np.int64(cells[k])
        code = cell & 7
        if cell == NO_CELL or code == 4:
            continue
        if np.int64(flags[k]) & IS_LOW_MAPQ:
            astray = code + 1 if code < 4 else astray
        elif code < 4 and cell & 8:
            weak = code + 1
        elif base != NONE_CODE and base != code:
            return DISCORDANT_CODE
        else:
            base, end = code, end | (1 if cell & IS_END else 0)
            a, b = max(a, (cell >> 4) & 3), max(b, (cell >> 6) & 3)
            known |= np.int64(flags[k]) & (STRAND_KNOWN | LIES_TOP | LIES_BOTTOM)
    if base == NONE_CODE:
        return base | weak << 9 | astray << 12
    return base | end << 3 | a << 4 | b << 6 | (known & STRAND_KNOWN) << 8 | (known & (LIES_TOP | LIES_BOTTOM)) << 6


@lean_kernel
def class_of(call: Int) -> Int:
    """Return the evidence class (`tier * 2 + is_end`) of a joined cell."""
    a, b = (call >> 4) & 3, (call >> 6) & 3
    depth = max(a, b)
    tier = 0 if a > 0 and b > 0 else (1 if depth >= 3 else (2 if depth == 2 else 3))
    return tier * 2 + ((call >> 3) & 1)


@lean_kernel
def strands_of(call: Int) -> tuple[Int, Int]:
    """Return whether a joined cell holds reads from the top and from the bottom strand; neither where unknown."""
    a, b = (call >> 4) & 3, (call >> 6) & 3
    if (a > 0 and b > 0) or call & 256:
        return (1 if a > 0 else 0), (1 if b > 0 else 0)
    side = (call >> 9) & 3
    return (1 if side == 1 else 0), (1 if side == 2 else 0)


def empty_splits(n: int) -> Splits:
    """Return n rows to fill."""
    return Splits(np.zeros(n, np.int64), np.zeros(n, np.int32), np.zeros(n, np.uint8))


def tiny_reads() -> tuple[StoredReads, Ints, Regions]:
    """Return one read of two matched bases on a region of eight slots, its molecule and the region; for `warm`."""
    one = np.zeros(1, np.int64)
    numbers = np.ones(1, np.int32)
    reads = StoredReads(
        np.zeros(1, np.uint64), np.zeros(1, np.int32), one + 3, one + 5, one + 3, one + 5, np.ones(1, np.uint8),
        one.copy(), numbers, one.copy(), numbers * 2, np.array([2 << 4], np.uint32), np.full(2, 16, np.uint8),
    )  # fmt: skip
    reference = np.zeros(8, np.uint8)
    offsets, target = np.array([0, 8], np.int64), np.zeros(8, np.int32)
    regions = Regions(offsets[:2] // 8, np.zeros(1, np.int32), np.zeros(1, np.int32), offsets, reference, target)
    return reads, np.array([0, 1], np.int64), regions


def warm() -> None:
    """Compile every kernel of this module on one tiny record and one tiny read."""
    reads, _, regions = tiny_reads()
    raw = np.zeros(44, dtype=np.uint8)
    raw[[0, 12, 16, 20, 37]] = [40, 1, 1, 2, 32]
    fields = record_fields(raw, np.array([0, 44], np.int64))
    place_records(raw, fields, regions, 0, 30)
    store_records(raw, fields, regions, np.zeros(1, np.int64), reads, 20, 30, empty_splits(0))
    reads, _, _ = tiny_reads()
    laid = np.empty(2, np.uint16)
    lay_out(reads, np.int64(0), 2, laid)
    call = join_cells(laid, reads.flags, np.int64(1))
    class_of(call)
    strands_of(call)
