"""FASTQ text to columns and back."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets
from ctdna.model.columns import FastqColumns

FLAWS = (
    "",
    "the first line of a record must start with @",
    "the third line of a record must start with + (one line of bases, one of qualities)",
    "the bases and the qualities differ in length",
    "a quality letter is outside ! to ~",
    "a base is none of A C G T N",
    "the read has no name",
)
"""What is wrong with a record, by the code that `parse_fastq` returns."""


@kernel
def count_lines(text: Bytes) -> Int:
    """Return the line feeds in a text."""
    n = 0
    for i in range(len(text)):
        if text[i] == 10:
            n += 1
    return n


_BLOCK = 32
"""Bytes that are searched for a line feed in one step of the processor."""


@lean_kernel
def _line_end(text: Bytes, at: Int) -> Int:
    rest = text[at:]
    k = 0
    while k <= len(rest) - _BLOCK:
        is_found = np.uint8(0)
        for j in range(k, k + _BLOCK):
            is_found |= np.uint8(rest[j] == 10)
        if is_found:
            break
        k += _BLOCK
    while rest[k] != 10:
        k += 1
    return at + k


@lean_kernel
def _trimmed(text: Bytes, at: Int, end: Int) -> Int:
    return end - 1 if end > at and text[end - 1] == 13 else end


@kernel
def _lines(text: Bytes, n: Int) -> tuple[NDArray[np.int64], Int]:
    """Return start and end (without CR LF) of header, bases and qualities of n records, and the flaw of the last."""
    out = np.empty((n + 1, 6), dtype=np.int64)
    at: Int = np.int64(0)
    for i in range(n):
        for line in range(4):
            end = _line_end(text, at)
            stop = _trimmed(text, at, end)
            if line == 0 and (stop == at or text[at] != 64):
                return out[: i + 1], np.int64(1)
            if line == 2 and (stop == at or text[at] != 43):
                return out[: i + 1], np.int64(2)
            if line != 2:
                slot = line if line < 2 else 2
                out[i, 2 * slot], out[i, 2 * slot + 1] = at, stop
            at = end + 1
        if out[i, 3] - out[i, 2] != out[i, 5] - out[i, 4]:
            return out[: i + 1], np.int64(3)
    out[n, 0] = at
    return out, np.int64(0)


@lean_kernel
def _name_end(text: Bytes, at: Int, end: Int) -> Int:
    k = at
    while k < end and text[k] != 32 and text[k] != 9:
        k += 1
    return k


@kernel
def _offsets_of(text: Bytes, lines: NDArray[np.int64], n: Int) -> tuple[Offsets, Offsets, Offsets]:
    names = np.zeros(n + 1, dtype=np.int64)
    comments = np.zeros(n + 1, dtype=np.int64)
    reads = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        name_end = _name_end(text, lines[i, 0] + 1, lines[i, 1])
        names[i + 1] = names[i] + name_end - lines[i, 0] - 1
        comments[i + 1] = comments[i] + max(np.int64(0), lines[i, 1] - name_end - 1)
        reads[i + 1] = reads[i] + lines[i, 3] - lines[i, 2]
    return names, comments, reads


def _base_table() -> NDArray[np.uint8]:
    table = np.zeros(256, dtype=np.uint8)
    for letter in "ACGTN":
        table[[ord(letter), ord(letter.lower())]] = ord(letter)
    table[ord(".")] = ord("N")
    return table


_BASE_OF = _base_table()


@lean_kernel
def _fill_bases(source: Bytes, out: Bytes) -> bool:
    """Copy bases, in upper case; return whether all are bases. Slices, counted from 0, are copied many at a time."""
    has_other = np.uint8(0)
    for k in range(len(out)):
        base = source[k]
        has_other |= np.uint8((base != 65) & (base != 67) & (base != 71) & (base != 84) & (base != 78))
        out[k] = base
    if has_other:
        for k in range(len(out)):
            out[k] = _BASE_OF[source[k]]
            if out[k] == 0:
                return False
    return True


@lean_kernel
def _fill_quals(source: Bytes, out: Bytes) -> bool:
    """Copy qualities as numbers; return whether all are in range."""
    has_other = np.uint8(0)
    for k in range(len(out)):
        letter = source[k]
        has_other |= np.uint8((letter < 33) | (letter > 126))
        out[k] = (np.int64(letter) - 33) & 255
    return bool(has_other == 0)


@lean_kernel
def _fill_read(text: Bytes, line: NDArray[np.int64], bases: Bytes, quals: Bytes, to: Int) -> Int:
    end = to + line[3] - line[2]
    if not _fill_bases(text[line[2] : line[3]], bases[to:end]):
        return np.int64(5)
    return np.int64(0 if _fill_quals(text[line[4] : line[5]], quals[to:end]) else 4)


@kernel
def parse_fastq(text: Bytes, n: Int) -> tuple[FastqColumns, Int, Int, Int]:
    """Return the first n records of a text that holds at least 4 n whole lines, the bytes they take, index, flaw.

    Index and flaw (see `FLAWS`) are of the first malformed record; (-1, 0) if all are sound. A carriage return at a
    line's end is dropped; lower-case bases become upper case, `.` becomes N.
    """
    lines, flaw = _lines(text, n)
    bad = len(lines) - 1 if flaw != 0 else -1
    n_good = len(lines) - 1
    names, comments, reads = _offsets_of(text, lines, n_good)
    out = FastqColumns(
        np.empty(names[n_good], np.uint8), names, np.empty(comments[n_good], np.uint8), comments,
        np.empty(reads[n_good], np.uint8), np.empty(reads[n_good], np.uint8), reads,
    )  # fmt: skip
    for i in range(n_good):
        read_flaw = _fill_read(text, lines[i], out.bases, out.quals, reads[i])
        if names[i + 1] == names[i]:
            read_flaw = np.int64(6)
        if read_flaw != 0:
            return out, np.int64(0), np.int64(i), read_flaw
        start = lines[i, 0] + 1
        size = names[i + 1] - names[i]
        out.names[names[i] : names[i + 1]] = text[start : start + size]
        start += size + 1
        out.comments[comments[i] : comments[i + 1]] = text[start : start + comments[i + 1] - comments[i]]
    return out, (lines[n_good, 0] if flaw == 0 else np.int64(0)), np.int64(bad), flaw


@kernel
def format_fastq(reads: FastqColumns) -> Bytes:
    """Return the FASTQ text of reads; a comment follows the name after one space."""
    n = len(reads.offsets) - 1
    total = len(reads.names) + len(reads.comments) + 2 * len(reads.bases) + 6 * n
    for i in range(n):
        total += reads.comment_offsets[i + 1] > reads.comment_offsets[i]
    out = np.empty(total, dtype=np.uint8)
    at: Int = np.int64(0)
    for i in range(n):
        out[at] = 64
        at += 1
        at = _append(out, at, reads.names[reads.name_offsets[i] : reads.name_offsets[i + 1]])
        if reads.comment_offsets[i + 1] > reads.comment_offsets[i]:
            out[at] = 32
            at = _append(out, at + 1, reads.comments[reads.comment_offsets[i] : reads.comment_offsets[i + 1]])
        out[at] = 10
        at = _append(out, at + 1, reads.bases[reads.offsets[i] : reads.offsets[i + 1]])
        out[at], out[at + 1], out[at + 2] = 10, 43, 10
        at += 3
        at = _append_quals(out, at, reads.quals[reads.offsets[i] : reads.offsets[i + 1]])
        out[at] = 10
        at += 1
    return out


@kernel
def _append(out: Bytes, at: Int, item: Bytes) -> Int:
    out[at : at + len(item)] = item
    return at + len(item)


@lean_kernel
def _append_quals(out: Bytes, at: Int, quals: Bytes) -> Int:
    target = out[at : at + len(quals)]
    for k in range(len(quals)):
        target[k] = np.int64(quals[k]) + 33
    return at + len(quals)


@lean_kernel
def _bare_end(names: Bytes, start: Int, end: Int, mate: Int) -> Int:
    return end - 2 if end - start > 2 and names[end - 2] == 47 and names[end - 1] == mate else end


@kernel
def first_unpaired(names1: Bytes, offsets1: Offsets, names2: Bytes, offsets2: Offsets) -> Int:
    """Return the index of the first pair of reads whose names differ, -1 if none; a closing `/1`, `/2` is dropped."""
    for i in range(len(offsets1) - 1):
        start1, start2 = offsets1[i], offsets2[i]
        end1 = _bare_end(names1, start1, offsets1[i + 1], 49)
        end2 = _bare_end(names2, start2, offsets2[i + 1], 50)
        k = np.int64(0)
        while k < end1 - start1 and k < end2 - start2 and names1[start1 + k] == names2[start2 + k]:
            k += 1
        if k != end1 - start1 or k != end2 - start2:
            return np.int64(i)
    return np.int64(-1)


@kernel
def are_tags(comments: Bytes, offsets: Offsets) -> NDArray[np.bool_]:
    """Return for each comment whether all its parts (between tabs) look like SAM tags, `RX:Z:ACG`; none is fine."""
    out = np.ones(len(offsets) - 1, dtype=np.bool_)
    for i in range(len(out)):
        start = offsets[i]
        while start < offsets[i + 1]:
            end = start
            while end < offsets[i + 1] and comments[end] != 9:
                end += 1
            if end - start < 5 or comments[start + 2] != 58 or comments[start + 4] != 58:
                out[i] = False
            start = end + 1
    return out


@kernel
def keep_comments(reads: FastqColumns, is_kept: NDArray[np.bool_]) -> FastqColumns:
    """Return the reads with the comments of those where `is_kept` is False emptied."""
    n = len(is_kept)
    offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        size = reads.comment_offsets[i + 1] - reads.comment_offsets[i]
        offsets[i + 1] = offsets[i] + (size if is_kept[i] else 0)
    comments = np.empty(offsets[n], dtype=np.uint8)
    for i in range(n):
        if is_kept[i]:
            comments[offsets[i] : offsets[i + 1]] = reads.comments[
                reads.comment_offsets[i] : reads.comment_offsets[i + 1]
            ]
    return FastqColumns(reads.names, reads.name_offsets, comments, offsets, reads.bases, reads.quals, reads.offsets)


@kernel
def _interleave(one: Bytes, offsets1: Offsets, two: Bytes, offsets2: Offsets) -> tuple[Bytes, Offsets]:
    n = len(offsets1) - 1
    offsets = np.zeros(2 * n + 1, dtype=np.int64)
    out = np.empty(offsets1[n] - offsets1[0] + offsets2[n] - offsets2[0], dtype=np.uint8)
    for i in range(n):
        offsets[2 * i + 1] = offsets[2 * i] + offsets1[i + 1] - offsets1[i]
        offsets[2 * i + 2] = offsets[2 * i + 1] + offsets2[i + 1] - offsets2[i]
        out[offsets[2 * i] : offsets[2 * i + 1]] = one[offsets1[i] : offsets1[i + 1]]
        out[offsets[2 * i + 1] : offsets[2 * i + 2]] = two[offsets2[i] : offsets2[i + 1]]
    return out, offsets


def interleave(one: FastqColumns, two: FastqColumns) -> FastqColumns:
    """Return the reads of two files in turn: one's first, two's first, one's second, ..."""
    names, name_offsets = _interleave(one.names, one.name_offsets, two.names, two.name_offsets)
    comments, comment_offsets = _interleave(one.comments, one.comment_offsets, two.comments, two.comment_offsets)
    bases, offsets = _interleave(one.bases, one.offsets, two.bases, two.offsets)
    quals, _ = _interleave(one.quals, one.offsets, two.quals, two.offsets)
    return FastqColumns(names, name_offsets, comments, comment_offsets, bases, quals, offsets)


def warm() -> None:
    """Compile every kernel of this module on one read."""
    text = np.frombuffer(b"@r c\nA\n+\n!\n", dtype=np.uint8).copy()
    reads, _, _, _ = parse_fastq(text, int(count_lines(text)) // 4)
    format_fastq(reads)
    first_unpaired(reads.names, reads.name_offsets, reads.names, reads.name_offsets)
    interleave(reads, keep_comments(reads, are_tags(reads.comments, reads.comment_offsets)))
