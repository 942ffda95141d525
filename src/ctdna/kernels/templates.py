"""Records walked once for grouping: fields and tags, mates that stand together, keys of templates."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_reference
from ctdna.kernels.grouping import (
    BAD_UMI,
    FIRST,
    MI_TAG,
    NO_UMI,
    NOT_PF,
    PAIRED,
    REVERSE,
    SECOND,
    SECONDARY,
    SUPPLEMENTARY,
    UNKNOWN,
    UNMAPPED,
    Indices,
    same_name,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, Offsets, i32, tag_end, u16, u32
from ctdna.kernels.umi import DASH_BIT, HALF_BASES

RX, RG, CB = ord("R") | ord("X") << 8, ord("R") | ord("G") << 8, ord("C") | ord("B") << 8
NO_DASH = 255
N_KEYS = 6
"""Rows of the array that `template_keys` fills."""


class Reads(NamedTuple):
    """What grouping needs of n records; tags of records that are not primary are not looked for."""

    flag: NDArray[np.int32]
    ref_id: NDArray[np.int32]
    five0: NDArray[np.int32]
    """Unclipped position of the first sequenced base, 0-based."""
    mapq: NDArray[np.int32]
    n_name: NDArray[np.int32]
    """Bytes of the name, without the closing NUL."""
    tags_at: NDArray[np.int64]
    texts_at: NDArray[np.int64]
    """Where the texts of RX, RG and CB start: shape (n, 3), -1 where absent."""
    n_texts: NDArray[np.int32]
    """Their lengths."""
    has_mi: NDArray[np.bool_]


@lean_kernel
def _five_prime0(data: Bytes, cigar_at: Int, n_cigar: Int, pos0: Int, is_reverse: Int) -> Int:
    """Return the unclipped 5' position; clips of a CIGAR of clips alone lead."""
    lead, span, trail = np.int64(0), np.int64(0), np.int64(0)
    is_inside = False
    for k in range(n_cigar):
        operation = u32(data, cigar_at + 4 * k)
        code = operation & 15
        if code == 4 or code == 5:
            if is_inside:
                trail += operation >> 4
            else:
                lead += operation >> 4
        else:
            is_inside = True
            trail = np.int64(0)
            if consumes_reference(code):
                span += operation >> 4
    return pos0 + span + trail - 1 if is_reverse else pos0 - lead


@lean_kernel
def _after_text(data: Bytes, at: Int) -> Int:
    """Return where a text that NUL closes ends; short enough to be compiled into its caller."""
    while data[at] != 0:
        at += 1
    return at + 1


@kernel
def scan_reads(data: Bytes, offsets: Offsets) -> Reads:
    """Return what grouping needs of sound records, in one walk of each."""
    n = len(offsets) - 1
    out = Reads(
        np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32),
        np.empty(n, np.int32), np.empty(n, np.int64), np.full((n, 3), -1, np.int64), np.zeros((n, 3), np.int32),
        np.zeros(n, np.bool_),
    )  # fmt: skip
    for i in range(n):
        at = offsets[i]
        n_name, n_cigar, flag = np.int64(data[at + 12]), u16(data, at + 16), u16(data, at + 18)
        cigar_at = at + FIXED_BYTES + n_name
        n_bases = i32(data, at + 20)
        out.flag[i], out.ref_id[i], out.mapq[i], out.n_name[i] = flag, i32(data, at + 4), data[at + 13], n_name - 1
        out.five0[i] = _five_prime0(data, cigar_at, n_cigar, i32(data, at + 8), flag & REVERSE)
        out.tags_at[i] = cigar_at + 4 * n_cigar + (n_bases + 1) // 2 + n_bases
        tag_at: Int = np.int64(out.tags_at[i])
        if flag & (SECONDARY | SUPPLEMENTARY):
            tag_at = offsets[i + 1]
        while tag_at < offsets[i + 1]:
            stop = _after_text(data, tag_at + 3) if data[tag_at + 2] == 90 else tag_end(data, tag_at, offsets[i + 1])
            name = u16(data, tag_at)
            if name == MI_TAG:
                out.has_mi[i] = True
            which = 0 if name == RX else (1 if name == RG else (2 if name == CB else 3))
            if which < 3 and data[tag_at + 2] == 90 and out.texts_at[i, which] < 0:
                out.texts_at[i, which], out.n_texts[i, which] = tag_at + 3, stop - tag_at - 4
            tag_at = stop
    return out


@lean_kernel
def _end_of(bits: Int) -> Int:
    """Return what a record is: 0 a first or only read, 1 a second, 2 neither, 3 secondary, 4 supplementary."""
    if bits & SECONDARY:
        return 3
    if bits & SUPPLEMENTARY:
        return 4
    which = bits & (FIRST | SECOND)
    if bits & PAIRED == 0 or which == FIRST:
        return 0
    return 1 if which == SECOND else 2


@kernel
def pair_neighbours(
    data: Bytes, offsets: Offsets, flag: NDArray[np.int32], n_name: NDArray[np.int32]
) -> tuple[Indices, Indices, Indices, Offsets]:
    """Return the templates whose reads stand together, and what is left.

    First and second: read 1 (or the only read) and read 2 (-1 where it is none of a pair) of each; third: reads of
    pairs whose mate does not stand beside them; fourth: secondary records, supplementary records, the first record at
    fault (-1: none) and whether its template has another such read (1) or it is neither first nor second (2).
    """
    n = len(offsets) - 1
    r1, r2, strays = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    counts = np.array([0, 0, -1, 0], dtype=np.int64)
    n_templates, n_strays = 0, 0
    first: Int = np.int64(-1)
    second: Int = np.int64(-1)
    for i in range(n + 1):
        is_new = i == n or i == 0
        if not is_new:
            at, before = offsets[i] + FIXED_BYTES, offsets[i - 1] + FIXED_BYTES
            is_new = not same_name(data, at, n_name[i], before, n_name[i - 1])
        if is_new:
            some = first if first >= 0 else second
            if some >= 0 and (first < 0 or second < 0) and np.int64(flag[some]) & PAIRED:
                strays[n_strays] = some
                n_strays += 1
            elif some >= 0:
                r1[n_templates], r2[n_templates] = first, second
                n_templates += 1
            first, second = np.int64(-1), np.int64(-1)
        if i == n:
            break
        end = _end_of(np.int64(flag[i]))
        if end >= 3:
            counts[end - 3] += 1
            continue
        if end == 2 or (second if end == 1 else first) >= 0:
            counts[2], counts[3] = i, 2 if end == 2 else 1
            break
        if end == 1:
            second = np.int64(i)
        else:
            first = np.int64(i)
    return r1[:n_templates].copy(), r2[:n_templates].copy(), strays[:n_strays].copy(), counts


@lean_kernel
def _alignment_status(flags: tuple[Int, Int], mapqs: tuple[Int, Int], is_inter_contig: Int, limits: Indices) -> Int:
    """Return the status of a template by its alignment (see `grouping.template_status`); flag -1: no such read."""
    n_mapped, worst = 0, np.int64(255)
    for k in range(2):
        bits = np.int64(flags[k])
        if bits < 0:
            continue
        if bits & NOT_PF:
            return 1
        if bits & PAIRED and flags[1 - k] < 0:
            return 2
        if bits & UNMAPPED == 0:
            n_mapped += 1
            worst = min(worst, np.int64(mapqs[k]))
    if n_mapped == 0:
        return 3
    if n_mapped == 2 and limits[1] == 0 and is_inter_contig:
        return 4
    return 5 if worst < limits[0] else 0


@lean_kernel
def _read_umi(data: Bytes, at: Int, n: Int, table: Bytes, out: Indices) -> None:
    """Fill `out` with the codes of both halves, shape (see `kernels.umi`), status and place of the dash."""
    first, second, n_first, n_second = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    half, n_dashes, worst = 0, 0, 0
    out[4] = NO_DASH
    for k in range(n):
        code = np.int64(table[data[at + k]])
        if code == 5:
            n_dashes += 1
            half = 1
            out[4] = k
            continue
        if half == 0 and n_first == HALF_BASES:
            half = 1
        if (n_second if half else n_first) == HALF_BASES:
            worst = max(worst, 3)
            continue
        if code > 3:
            worst = max(worst, 1 if code == 4 else 2)
            code = np.int64(0)
        if half:
            second, n_second = second << 2 | code, n_second + 1
        else:
            first, n_first = first << 2 | code, n_first + 1
    out[0], out[1], out[2] = first, second, n_first * 64 + n_second + (DASH_BIT if n_dashes > 0 else 0)
    out[3] = 4 if n_dashes > 1 else worst


@lean_kernel
def _umi_status(status: Int, umi: Indices, least: Int) -> Int:
    """Return the status of a template after its UMI on one read was looked at."""
    n_bases = (umi[2] >> 6 & 63) + (umi[2] & 63)
    if n_bases == 0:
        return NO_UMI
    if umi[3] == 1:
        return 6
    if umi[3] > 1:
        return BAD_UMI + np.int64(umi[3])
    if status == 0 and n_bases < least:
        return 7
    return status


@lean_kernel
def _end(flag: Int, ref_id: Int, five0: Int) -> tuple[Int, Int, Int]:
    """Return contig, position and strand of a read's outer end as `grouping.Ends` has them; flag -1: no such read."""
    if flag < 0 or flag & UNMAPPED or ref_id < 0:
        return np.int64(UNKNOWN), np.int64(UNKNOWN), np.int64(0)
    return np.int64(ref_id), np.int64(five0) + (1 << 24), np.int64(1 if flag & REVERSE else 0)


@lean_kernel
def _put_ends(out: Indices, i: Int, one: tuple[Int, Int, Int], two: tuple[Int, Int, Int]) -> None:
    """Fill the place of template i from the ends of read 1 and read 2."""
    is_lower = one[0] < two[0]
    if one[0] == two[0]:
        is_lower = one[1] < two[1] or (one[1] == two[1] and one[2] == 0)
    orientation = 2 * one[2] + two[2]
    if is_lower:
        out[0, i], out[1, i] = one[0] << 32 | two[0], one[1] << 32 | two[1]
        out[2, i] = orientation | orientation << 2 | 1 << 4
    else:
        out[0, i], out[1, i] = two[0] << 32 | one[0], two[1] << 32 | one[1]
        out[2, i] = 2 * two[2] + one[2] | orientation << 2


@kernel
def template_keys(
    data: Bytes, reads: Reads, r1: Indices, r2: Indices, limits: Indices, table: Bytes
) -> tuple[NDArray[np.uint8], Indices]:
    """Return the status of each template (see `grouping.template_status`) and its keys, one row each.

    Rows: contigs and positions (see `grouping.Ends`); marks: strands, orientation << 2, is_r1_lower << 4; the UMI's
    first and second code; its shape, characters << 16 and place of the dash << 32 (`NO_DASH`: none). `limits`: least
    mapping quality, 1 if templates on two contigs are fine, least bases of a UMI.
    """
    n = len(r1)
    status = np.zeros(n, dtype=np.uint8)
    keys = np.empty((N_KEYS, n), dtype=np.int64)
    umi, other = np.empty(5, dtype=np.int64), np.empty(5, dtype=np.int64)
    flag, ref_id, five0, mapq, at, n_chars = (
        reads.flag,
        reads.ref_id,
        reads.five0,
        reads.mapq,
        reads.texts_at,
        reads.n_texts,
    )
    for i in range(n):
        one, two = r1[i], r2[i]
        flags = (np.int64(flag[one]) if one >= 0 else np.int64(-1), np.int64(flag[two]) if two >= 0 else np.int64(-1))
        is_inter_contig = np.int64(ref_id[one] != ref_id[two])
        mapqs = (np.int64(mapq[one]), np.int64(mapq[two]))
        found: Int = np.int64(_alignment_status(flags, mapqs, is_inter_contig, limits))
        if found == 0:
            start, n_own = at[one, 0], n_chars[one, 0]
            _read_umi(data, start, n_own, table, umi)
            found = _umi_status(found, umi, limits[2])
            if two >= 0 and found < NO_UMI and not same_name(data, start, n_own, at[two, 0], n_chars[two, 0]):
                _read_umi(data, at[two, 0], n_chars[two, 0], table, other)
                found = _umi_status(found, other, limits[2])
            end_two = _end(flags[1], np.int64(ref_id[two]), np.int64(five0[two]))
            _put_ends(keys, i, _end(flags[0], np.int64(ref_id[one]), np.int64(five0[one])), end_two)
            keys[3, i], keys[4, i] = umi[0], umi[1]
            keys[5, i] = umi[2] | np.int64(n_own) << 16 | umi[4] << 32
        status[i] = found
    return status, keys


@kernel
def cut_umis(keys: Indices, n_chars: NDArray[np.int32]) -> Indices:
    """Return first code, second code and shape of UMIs cut to their first `n_chars` characters.

    `keys` holds first code, second code and the third row as `template_keys` returns it.
    """
    out = np.empty((3, keys.shape[1]), dtype=np.int64)
    for i in range(keys.shape[1]):
        n, dash, shape = np.int64(n_chars[i]), keys[2, i] >> 32, keys[2, i] & 0xFFFF
        has_dash = dash < n
        n_first, n_second = shape >> 6 & 63, shape & 63
        n_bases = n - 1 if has_dash else n
        keep_first = min(n_bases, n_first)
        keep_second = n_bases - keep_first
        out[0, i] = keys[0, i] >> 2 * (n_first - keep_first)
        out[1, i] = keys[1, i] >> 2 * (n_second - keep_second)
        out[2, i] = keep_first * 64 + keep_second + (DASH_BIT if has_dash else 0)
    return out


@kernel
def name_fingerprints(data: Bytes, name_at: Offsets, n_name: NDArray[np.int32]) -> Indices:
    """Return a number of 64 bits of each name: two sums of 32 bits over its bytes, the first FNV-1a, bits mixed."""
    out = np.empty(len(name_at), dtype=np.int64)
    for i in range(len(name_at)):
        one, two = np.int64(2166136261), np.int64(0)
        for k in range(n_name[i]):
            byte = np.int64(data[name_at[i] + k])
            one = (one ^ byte) * 16777619 & 0xFFFFFFFF
            two = (two + byte + 1) * 0x2C9277B5 & 0xFFFFFFFF
        one = (one ^ one >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
        two = (two ^ two >> 16) * 0x297A2D39 & 0xFFFFFFFF
        out[i] = one ^ one >> 12 | (two ^ two >> 15) << 32
    return out


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    data = np.zeros(FIXED_BYTES + 8, dtype=np.uint8)
    data[[0, 12, 37, 38, 39]] = [FIXED_BYTES + 4, 1, 88, 89, 65]
    offsets = np.array([0, FIXED_BYTES + 5], dtype=np.int64)
    reads = scan_reads(data, offsets)
    r1, r2, _, _ = pair_neighbours(data, offsets, reads.flag, reads.n_name)
    template_keys(data, reads, r1, r2, np.zeros(3, dtype=np.int64), np.zeros(256, dtype=np.uint8))
    cut_umis(np.zeros((3, 1), dtype=np.int64), np.zeros(1, dtype=np.int32))
    name_fingerprints(data, offsets[:1].copy(), reads.n_name)
