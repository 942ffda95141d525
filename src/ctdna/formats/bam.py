"""BAM files as raw records: read whole or in batches, checked at the border, and written.

Records are kept as bytes; `kernels.record` takes their fields apart. Every record that leaves this module is sound
(see `check_records`), so that kernels may trust its lengths.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.bgzf import LEVEL, BgzfWriter, inflate, is_bgzf
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError

_DAMAGED = "the file is damaged or not BAM: make it again"
_BATCH_BYTES = 64 << 20
_HEADROOM = 1 << 16
"""Room for a record that the batch before cut."""
_HEADER_BYTES = 1 << 16
"""Bytes in which a header is looked for first."""


@dataclass(frozen=True)
class BamHeader:
    """A BAM header: its text and its contigs (name, length)."""

    text: str
    contigs: tuple[tuple[str, int], ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the contig lengths."""
        return np.array([length for _, length in self.contigs], dtype=np.int64)

    def lines(self, kind: str) -> list[dict[str, str]]:
        """Return the fields of the header lines of a kind, as `PG`; a line of free text (`CO`) has none."""
        found = [line.split("\t")[1:] for line in self.text.splitlines() if line.split("\t")[0] == f"@{kind}"]
        return [dict(part.split(":", 1) for part in parts if ":" in part) for parts in found]

    def with_order(self, sort: str, group: str | None = None, sub_sort: str | None = None) -> "BamHeader":
        """Return the header with SO (and GO, SS) of its `@HD` line set, and the others dropped."""
        old = self.lines("HD")
        fields = ["@HD", f"VN:{old[0].get('VN', '1.6') if old else '1.6'}", f"SO:{sort}"]
        fields += [f"GO:{group}"] if group else []
        fields += [f"SS:{sub_sort}"] if sub_sort else []
        rest = [line for line in self.text.splitlines() if not line.startswith("@HD")]
        return replace(self, text="\n".join(["\t".join(fields), *rest]) + "\n")

    def with_program(self, identifier: str, name: str, version: str) -> "BamHeader":
        """Return the header with a `@PG` line of ID, PN, VN and PP added; a taken ID gets `.1`, `.2`, ... appended.

        The other `@PG` lines keep only these four fields: command lines hold paths.
        """
        lines = [_clean_program(line) for line in self.text.splitlines()]
        taken = [program.get("ID", "") for program in self.lines("PG")]
        unique, n = identifier, 0
        while unique in taken:
            n += 1
            unique = f"{identifier}.{n}"
        line = f"@PG\tID:{unique}\tPN:{name}\tVN:{version}" + (f"\tPP:{taken[-1]}" if taken else "")
        return replace(self, text="\n".join([*lines, line]) + "\n")

    def with_read_groups(self, lines: tuple[str, ...]) -> "BamHeader":
        """Return the header with these `@RG` lines in place of its own."""
        rest = [line for line in self.text.splitlines() if not line.startswith("@RG")]
        return replace(self, text="\n".join([*rest, *lines]) + "\n")

    @classmethod
    def of_contigs(cls, contigs: tuple[tuple[str, int], ...]) -> "BamHeader":
        """Return an unsorted header of these contigs."""
        lines = ["@HD\tVN:1.6\tSO:unsorted"]
        lines += [f"@SQ\tSN:{name}\tLN:{length}" for name, length in contigs]
        return cls("\n".join(lines) + "\n", contigs)

    def encode(self) -> bytes:
        """Return the header as BAM stores it."""
        text = self.text.encode()
        parts = [b"BAM\1", struct.pack("<i", len(text)), text, struct.pack("<i", len(self.contigs))]
        for name, length in self.contigs:
            parts += [struct.pack("<i", len(name.encode()) + 1), name.encode(), b"\0", struct.pack("<i", length)]
        return b"".join(parts)


def _clean_program(line: str) -> str:
    if not line.startswith("@PG\t"):
        return line
    return "\t".join(part for part in line.split("\t") if part[:3] in ("@PG", "ID:", "PN:", "VN:", "PP:"))


class _IncompleteError(Exception):
    """More bytes are needed to read the header."""


def _int_at(content: bytes, at: int) -> int:
    if at + 4 > len(content):
        raise _IncompleteError
    return int.from_bytes(content[at : at + 4], "little", signed=True)


def _bytes_at(content: bytes, at: int, n: int) -> bytes:
    if n < 0:
        raise ValueError("negative length")
    if at + n > len(content):
        raise _IncompleteError
    return content[at : at + n]


def _parse_header(content: bytes) -> tuple[BamHeader, int]:
    """Return the header and the bytes it takes; ValueError where it cannot be one."""
    if content[:4] != b"BAM\1"[: len(content)]:
        raise ValueError("no BAM magic")
    n_text = _int_at(content, 4)
    text = _bytes_at(content, 8, n_text).rstrip(b"\0").decode()
    at = 8 + n_text
    n_contigs = _int_at(content, at)
    if n_contigs < 0:
        raise ValueError("negative number of contigs")
    at += 4
    contigs = []
    for _ in range(n_contigs):
        n_name = _int_at(content, at)
        name = _bytes_at(content, at + 4, n_name).rstrip(b"\0").decode()
        length = _int_at(content, at + 4 + n_name)
        if length < 0:
            raise ValueError(f"negative length of contig {name}")
        contigs.append((name, length))
        at += 8 + n_name
    return BamHeader(text, tuple(contigs)), at


def _header_in(path: Path, content: NDArray[np.uint8]) -> tuple[BamHeader, int] | None:
    """Return the header that content begins with and the bytes it takes; None where it is incomplete."""
    size = _HEADER_BYTES
    while True:
        try:
            return _parse_header(content[:size].tobytes())
        except _IncompleteError:
            if size >= len(content):
                return None
            size *= 8
        except ValueError as error:
            raise InputError(path, "header", f"not a BAM header: {error}", _DAMAGED) from error


def _open(
    path: Path, threads: int, batch_bytes: int
) -> tuple[BamHeader, NDArray[np.uint8], Iterator[NDArray[np.uint8]]]:
    """Return the header, the content after it as far as read, and the batches that follow, each with headroom."""
    if not is_bgzf(path):
        raise InputError(path, "", "not a BAM file (no BGZF block at its start)", "give a BAM file")
    batches = inflate(path, threads, batch_bytes, headroom=_HEADROOM)
    content = np.empty(0, dtype=np.uint8)
    for batch in batches:
        content = _after(content, batch)
        found = _header_in(path, content)
        if found:
            return found[0], content[found[1] :], batches
    raise InputError(path, "header", "the BAM header is incomplete", _DAMAGED)


def _after(rest: NDArray[np.uint8], batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is left of the content before and the batch in one piece; short rests are put into its headroom."""
    if len(rest) > _HEADROOM:
        return np.concatenate((rest, batch[_HEADROOM:]))
    start = _HEADROOM - len(rest)
    batch[start:_HEADROOM] = rest
    return batch[start:]


def read_header(path: Path) -> BamHeader:
    """Return the header of a BAM file.

    Raises:
        InputError: the file is missing, is not BAM, or is damaged within the header.
    """
    return _open(path, 1, 1 << 16)[0]


def _checked(path: Path, content: NDArray[np.uint8], lengths: NDArray[np.int64], n_before: int) -> RawRecords:
    from ctdna.kernels.record import FLAWS, check_records, scan_records

    offsets, status = scan_records(content)
    bad, flaw = check_records(content, offsets, lengths)
    if bad < 0 and status:
        bad, flaw = len(offsets) - 1, 1
    if bad >= 0:
        raise InputError(path, f"record {n_before + int(bad) + 1}", f"malformed: {FLAWS[int(flaw)]}", _DAMAGED)
    return RawRecords(content[: offsets[-1]], offsets)


def _batches(
    path: Path, lengths: NDArray[np.int64], rest: NDArray[np.uint8], batches: Iterator[NDArray[np.uint8]]
) -> Iterator[RawRecords]:
    n_before = 0
    content: NDArray[np.uint8] | None = rest
    while content is not None:
        records = _checked(path, content, lengths, n_before)
        n_before += len(records)
        if len(records):
            yield records
        rest = content[records.offsets[-1] :]
        batch = next(batches, None)
        content = None if batch is None else _after(rest, batch)
    if len(rest):
        raise InputError(path, f"record {n_before + 1}", "the file ends within a record", _DAMAGED)


def iter_records(
    path: Path, threads: int = 1, batch_bytes: int = _BATCH_BYTES
) -> tuple[BamHeader, Iterator[RawRecords]]:
    """Return the header and an iterator of the records, in batches of about `batch_bytes` that end between records.

    Raises:
        InputError: the file is missing, not BAM, truncated or damaged; also while iterating.
    """
    header, rest, batches = _open(path, threads, batch_bytes)
    return header, _batches(path, header.lengths, rest, batches)


def read_records(path: Path, threads: int = 1) -> tuple[BamHeader, RawRecords]:
    """Return the header and all records of a BAM file.

    Raises:
        InputError: the file is missing, not BAM, truncated or damaged.
    """
    header, batches = iter_records(path, threads)
    parts = list(batches)
    if len(parts) == 1:
        return header, parts[0]
    starts = np.cumsum([0, *(len(part.data) for part in parts)])
    offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts, strict=False)]
    data = np.concatenate([np.empty(0, dtype=np.uint8), *(part.data for part in parts)])
    return header, RawRecords(data, np.concatenate([*offsets, starts[-1:]]).astype(np.int64))


class BamWriter:
    """A BAM file that appears under its name when the `with` block ends well, and not at all otherwise."""

    def __init__(self, path: Path, header: BamHeader, threads: int = 1, level: int = LEVEL) -> None:
        """Take the final path and the header; the bytes do not depend on `threads`."""
        self._blocks = BgzfWriter(path, threads, level)
        self._header = header

    def __enter__(self) -> Self:
        self._blocks.__enter__()
        self._blocks.write(self._header.encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.__exit__(kind, error, trace)

    def write(self, records: RawRecords, order: NDArray[np.int64] | None = None) -> None:
        """Add all records, or those of these indices in this order."""
        from ctdna.kernels.record import take_records

        if order is not None:
            records = take_records(records.data, records.offsets, order)
        self._blocks.write(records.data[records.offsets[0] : records.offsets[-1]])
