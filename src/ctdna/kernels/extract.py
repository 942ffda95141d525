"""Reads divided by their structure, and FASTQ of templates with the UMIs as tags put together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets
from ctdna.model.columns import FastqColumns

Lengths = NDArray[np.int32]
Segments = NDArray[np.int64]

TEMPLATE, UMI = ord("T"), ord("M")
FITS, TOO_SHORT, TOO_LONG = 0, 1, 2


class Divided(NamedTuple):
    """n reads divided by one read structure."""

    status: NDArray[np.uint8]
    """0 the read fits; 1 it is too short; 2 it is longer than a structure without `+`."""
    template_at: NDArray[np.int64]
    """Offset of the template's first base in the reads' bases."""
    n_template: NDArray[np.int32]
    """Bases of the template."""
    umis: NDArray[np.uint8]
    """UMI bases in ASCII, segments of one read joined, read after read."""
    umi_quals: NDArray[np.uint8]
    """Phred qualities, parallel to `umis`."""
    umi_offsets: NDArray[np.int64]
    """n + 1 offsets into `umis`; a read that does not fit has none."""


@kernel
def _umi_offsets(offsets: Offsets, totals: Segments, status: NDArray[np.uint8]) -> Offsets:
    """Fill the status of each read and return the offsets of their UMIs."""
    out = np.zeros(len(offsets), dtype=np.int64)
    for i in range(len(status)):
        n_left = offsets[i + 1] - offsets[i] - totals[0]
        if n_left < 0:
            status[i] = TOO_SHORT
        elif n_left > 0 and totals[2] == 0:
            status[i] = TOO_LONG
        n_umi = totals[1] + (n_left if totals[2] == UMI else 0)
        out[i + 1] = out[i] + (n_umi if status[i] == FITS else 0)
    return out


@kernel
def divide(bases: Bytes, quals: Bytes, offsets: Offsets, segments: Segments, totals: Segments) -> Divided:
    """Return the template's place and the UMI of each read.

    `segments` holds a row a segment: the letter of its kind, and its length or -1 for `+`. `totals`: bases of all
    segments of fixed length, of those that are UMI, and the letter of the one of free length or 0.
    """
    n = len(offsets) - 1
    status = np.zeros(n, dtype=np.uint8)
    umi_offsets = _umi_offsets(offsets, totals, status)
    out = Divided(
        status, offsets[:-1].copy(), np.zeros(n, np.int32),
        np.empty(umi_offsets[n], np.uint8), np.empty(umi_offsets[n], np.uint8), umi_offsets,
    )  # fmt: skip
    for i in range(n):
        at, to = offsets[i], umi_offsets[i]
        n_left = offsets[i + 1] - at - totals[0]
        for k in range(len(segments) if status[i] == FITS else 0):
            length = segments[k, 1] if segments[k, 1] >= 0 else n_left
            if segments[k, 0] == TEMPLATE:
                out.template_at[i] = at
                out.n_template[i] = length
            elif segments[k, 0] == UMI:
                out.umis[to : to + length] = bases[at : at + length]
                out.umi_quals[to : to + length] = quals[at : at + length]
                to += length
            at += length
    return out


@kernel
def fails_filter(texts: Bytes, offsets: Offsets) -> NDArray[np.bool_]:
    """Return which reads the sequencer marks as not passing its filter: comments such as `1:Y:0:ACGT`."""
    out = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for i in range(len(out)):
        at = offsets[i]
        if offsets[i + 1] - at >= 4:
            out[i] = 49 <= texts[at] <= 57 and texts[at + 1] == 58 and texts[at + 2] == 89 and texts[at + 3] == 58
    return out


@kernel
def holds_n(umis: Bytes, offsets: Offsets) -> NDArray[np.bool_]:
    """Return which UMIs hold an N."""
    out = np.zeros(len(offsets) - 1, dtype=np.bool_)
    for i in range(len(out)):
        for k in range(offsets[i], offsets[i + 1]):
            if umis[k] == 78:
                out[i] = True
    return out


@kernel
def replace_umis(umis: Bytes, offsets: Offsets, fixed: NDArray[np.uint8], index: NDArray[np.int32]) -> Bytes:
    """Return the UMIs with those of the list in place of each; `index` -1 leaves one as it is."""
    out = umis.copy()
    for i in range(len(index)):
        if index[i] >= 0:
            out[offsets[i] : offsets[i + 1]] = fixed[index[i]]
    return out


@kernel
def join_halves(
    first: Bytes,
    first_offsets: Offsets,
    second: Bytes,
    second_offsets: Offsets,
    keep: NDArray[np.int64],
    glue: Int,
    shift: Int,
) -> tuple[Bytes, Offsets]:
    """Return first and second of each kept item, joined by the letter `glue`, with `shift` added to each byte of both.

    Without items in `second` (its offsets are empty) the first stands alone.
    """
    n = len(keep)
    is_paired = len(second_offsets) > 0
    offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        size = first_offsets[keep[i] + 1] - first_offsets[keep[i]]
        if is_paired:
            size += 1 + second_offsets[keep[i] + 1] - second_offsets[keep[i]]
        offsets[i + 1] = offsets[i] + size
    out = np.empty(offsets[n], dtype=np.uint8)
    for i in range(n):
        to = offsets[i]
        for k in range(first_offsets[keep[i]], first_offsets[keep[i] + 1]):
            out[to] = np.int64(first[k]) + shift
            to += 1
        if is_paired:
            out[to] = glue
            to += 1
            for k in range(second_offsets[keep[i]], second_offsets[keep[i] + 1]):
                out[to] = np.int64(second[k]) + shift
                to += 1
    return out, offsets


@kernel
def _put(out: Bytes, to: Int, text: Bytes, start: Int, end: Int) -> Int:
    out[to : to + end - start] = text[start:end]
    return to + end - start


@kernel
def comments(
    heads: Bytes,
    umis: Bytes,
    quals: Bytes,
    offsets: Offsets,
    originals: Bytes,
    is_changed: NDArray[np.bool_],
) -> tuple[Bytes, Offsets]:
    """Return the FASTQ comments `RX:Z:...`, `QX:Z:...` and, where changed, `OX:Z:...`, tab-separated.

    `heads` are the 5 bytes of `RX:Z:`, `QX:Z:` and `OX:Z:`; the three texts share `offsets`.
    """
    n = len(offsets) - 1
    out_offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        size = offsets[i + 1] - offsets[i]
        out_offsets[i + 1] = out_offsets[i] + 2 * (size + 5) + 1 + (size + 6 if is_changed[i] else 0)
    out = np.empty(out_offsets[n], dtype=np.uint8)
    for i in range(n):
        to = _put(out, out_offsets[i], heads, np.int64(0), np.int64(5))
        to = _put(out, to, umis, offsets[i], offsets[i + 1])
        out[to] = 9
        to = _put(out, to + 1, heads, np.int64(5), np.int64(10))
        to = _put(out, to, quals, offsets[i], offsets[i + 1])
        if is_changed[i]:
            out[to] = 9
            to = _put(out, to + 1, heads, np.int64(10), np.int64(15))
            _put(out, to, originals, offsets[i], offsets[i + 1])
    return out, out_offsets


@lean_kernel
def _name_end(names: Bytes, start: Int, end: Int) -> Int:
    """Return where a read's name ends without `/1` or `/2`."""
    is_marked = end - start > 2 and names[end - 2] == 47 and (names[end - 1] == 49 or names[end - 1] == 50)
    return end - 2 if is_marked else end


@kernel
def take_templates(
    reads: FastqColumns,
    template_at: Offsets,
    n_template: Lengths,
    keep: NDArray[np.int64],
    texts: Bytes,
    text_offsets: Offsets,
) -> FastqColumns:
    """Return the templates of the kept reads with these comments; names lose a closing `/1` or `/2`."""
    n = len(keep)
    names = np.zeros(n + 1, dtype=np.int64)
    offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        start, end = reads.name_offsets[keep[i]], reads.name_offsets[keep[i] + 1]
        names[i + 1] = names[i] + _name_end(reads.names, start, end) - start
        offsets[i + 1] = offsets[i] + np.int64(n_template[keep[i]])
    out = FastqColumns(
        np.empty(names[n], np.uint8), names, texts, text_offsets,
        np.empty(offsets[n], np.uint8), np.empty(offsets[n], np.uint8), offsets,
    )  # fmt: skip
    for i in range(n):
        start, at = reads.name_offsets[keep[i]], template_at[keep[i]]
        out.names[names[i] : names[i + 1]] = reads.names[start : start + names[i + 1] - names[i]]
        size = offsets[i + 1] - offsets[i]
        out.bases[offsets[i] : offsets[i + 1]] = reads.bases[at : at + size]
        out.quals[offsets[i] : offsets[i + 1]] = reads.quals[at : at + size]
    return out


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    bases, offsets = np.frombuffer(b"ACGTACGT", dtype=np.uint8).copy(), np.array([0, 8], dtype=np.int64)
    segments = np.array([[UMI, 2], [TEMPLATE, -1]], dtype=np.int64)
    found = divide(bases, bases, offsets, segments, np.array([2, 2, TEMPLATE], dtype=np.int64))
    whole, places = np.ones(1, dtype=np.bool_), found.template_at
    fails_filter(bases, offsets)
    holds_n(found.umis, found.umi_offsets)
    replace_umis(found.umis, found.umi_offsets, bases[:2].reshape(1, 2).copy(), np.zeros(1, dtype=np.int32))
    keep = np.zeros(1, dtype=np.int64)
    text, text_offsets = join_halves(found.umis, found.umi_offsets, bases, offsets, keep, 45, 0)
    heads = np.zeros(15, dtype=np.uint8)
    texts, ends = comments(heads, text, text, text_offsets, text, whole)
    reads = FastqColumns(bases, offsets, bases, offsets, bases, bases, offsets)
    take_templates(reads, places, found.n_template, keep, texts, ends)
