"""Assembly of BAM tags: per record the tags as BAM stores them, one after the other."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.record import Bytes, Offsets, tag_code
from ctdna.kernels.record_build import put16, put32

Mask = NDArray[np.bool_]
_TEXT, _INT, _FLOAT, _SHORTS = 90, 105, 102, 66


@kernel
def _text_sizes(offsets: Offsets, is_present: Mask, sizes: Offsets) -> None:
    for i in range(len(sizes)):
        if is_present[i]:
            sizes[i] += 4 + offsets[i + 1] - offsets[i]


@kernel
def _put_texts(out: Bytes, cursor: Offsets, tag: np.uint16, data: Bytes, offsets: Offsets, is_present: Mask) -> None:
    for i in range(len(cursor)):
        if is_present[i]:
            at, n = cursor[i], offsets[i + 1] - offsets[i]
            put16(out, at, np.int64(tag))
            out[at + 2] = _TEXT
            out[at + 3 : at + 3 + n] = data[offsets[i] : offsets[i + 1]]
            out[at + 3 + n] = 0
            cursor[i] = at + 4 + n


@kernel
def _number_sizes(is_present: Mask, sizes: Offsets) -> None:
    for i in range(len(sizes)):
        if is_present[i]:
            sizes[i] += 7


@kernel
def _put_numbers(
    out: Bytes, cursor: Offsets, tag: np.uint16, kind: np.uint8, bits: NDArray[np.int32], is_present: Mask
) -> None:
    for i in range(len(cursor)):
        if is_present[i]:
            at = cursor[i]
            put16(out, at, np.int64(tag))
            out[at + 2] = kind
            put32(out, at + 3, np.int64(bits[i]))
            cursor[i] = at + 7


@kernel
def _short_sizes(offsets: Offsets, is_present: Mask, sizes: Offsets) -> None:
    for i in range(len(sizes)):
        if is_present[i]:
            sizes[i] += 8 + 2 * (offsets[i + 1] - offsets[i])


@kernel
def _put_shorts(
    out: Bytes, cursor: Offsets, tag: np.uint16, data: NDArray[np.int16], offsets: Offsets, is_present: Mask
) -> None:
    for i in range(len(cursor)):
        if is_present[i]:
            at, n = cursor[i], offsets[i + 1] - offsets[i]
            put16(out, at, np.int64(tag))
            out[at + 2] = _SHORTS
            out[at + 3] = 115
            put32(out, at + 4, n)
            for k in range(n):
                put16(out, at + 8 + 2 * k, np.int64(data[offsets[i] + k]))
            cursor[i] = at + 8 + 2 * n


class TagsBuilder:
    """Tags of n records, added one tag at a time for all records, in the order in which they shall stand."""

    def __init__(self, n: int) -> None:
        """Start with no tags on n records."""
        self._n = n
        self._sizes = np.zeros(n, dtype=np.int64)
        self._texts: dict[int, tuple[str, Bytes, Offsets, Mask]] = {}
        self._numbers: dict[int, tuple[str, int, NDArray[np.int32], Mask]] = {}
        self._shorts: dict[int, tuple[str, NDArray[np.int16], Offsets, Mask]] = {}
        self._count = 0

    def _mask(self, is_present: Mask | None) -> Mask:
        return np.ones(self._n, dtype=np.bool_) if is_present is None else np.ascontiguousarray(is_present)

    def _place(self) -> int:
        self._count += 1
        return self._count - 1

    def add_text(self, tag: str, data: Bytes, offsets: Offsets, is_present: Mask | None = None) -> None:
        """Add a `Z` tag of ragged text; records where `is_present` is False get none."""
        mask = self._mask(is_present)
        _text_sizes(offsets, mask, self._sizes)
        self._texts[self._place()] = (tag, data, offsets, mask)

    def add_int(self, tag: str, values: NDArray[np.int32], is_present: Mask | None = None) -> None:
        """Add an `i` tag."""
        mask = self._mask(is_present)
        _number_sizes(mask, self._sizes)
        self._numbers[self._place()] = (tag, _INT, np.ascontiguousarray(values, dtype=np.int32), mask)

    def add_float(self, tag: str, values: NDArray[np.float32], is_present: Mask | None = None) -> None:
        """Add an `f` tag."""
        mask = self._mask(is_present)
        _number_sizes(mask, self._sizes)
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
        self._numbers[self._place()] = (tag, _FLOAT, bits, mask)

    def add_shorts(self, tag: str, data: NDArray[np.int16], offsets: Offsets, is_present: Mask | None = None) -> None:
        """Add a `B:s` tag of ragged 16-bit numbers."""
        mask = self._mask(is_present)
        _short_sizes(offsets, mask, self._sizes)
        self._shorts[self._place()] = (tag, data, offsets, mask)

    def build(self) -> tuple[Bytes, Offsets]:
        """Return the tags' bytes and n + 1 offsets, as `NewRecords` and `replace_tags` take them."""
        offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(self._sizes)))
        out = np.empty(int(offsets[-1]), dtype=np.uint8)
        cursor = offsets[:-1].copy()
        for place in range(self._count):
            if place in self._texts:
                tag, text, text_offsets, mask = self._texts[place]
                _put_texts(out, cursor, tag_code(tag), text, text_offsets, mask)
            elif place in self._numbers:
                tag, kind, bits, mask = self._numbers[place]
                _put_numbers(out, cursor, tag_code(tag), np.uint8(kind), bits, mask)
            else:
                tag, shorts, short_offsets, mask = self._shorts[place]
                _put_shorts(out, cursor, tag_code(tag), shorts, short_offsets, mask)
        return out, offsets


def warm() -> None:
    """Compile every kernel of this module on one tiny record."""
    tags = TagsBuilder(1)
    tags.add_text("RX", np.array([65], dtype=np.uint8), np.array([0, 1], dtype=np.int64))
    tags.add_int("cD", np.zeros(1, dtype=np.int32))
    tags.add_float("cE", np.zeros(1, dtype=np.float32))
    tags.add_shorts("cd", np.zeros(1, dtype=np.int16), np.array([0, 1], dtype=np.int64))
    tags.build()
