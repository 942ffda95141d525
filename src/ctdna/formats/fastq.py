"""FASTQ files, plain, gzipped or bgzipped, as columns in batches; written bgzipped."""

import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError
from numpy.typing import NDArray

from ctdna.formats.bgzf import LEVEL, BgzfWriter, inflate, is_bgzf, open_input
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError

BATCH_READS = 100_000
_CHUNK_BYTES = 4 << 20
_GZIP_ERRORS: tuple[type[Exception], ...] = (OSError, zlib.error, cast(type[Exception], IsalError))
_DAMAGED = "the file is damaged: copy or make it again"


def _gzip_chunks(path: Path) -> Iterator[NDArray[np.uint8]]:
    with open_input(path) as raw, igzip.open(raw, "rb") as stream:  # type: ignore[no-untyped-call]
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                yield np.frombuffer(chunk, dtype=np.uint8)
        except EOFError as error:
            raise InputError(
                path, "", "the file is truncated (gzip ends too early)", "copy or make it again"
            ) from error
        except _GZIP_ERRORS as error:
            raise InputError(path, "", f"gzip does not inflate: {error}", _DAMAGED) from error


def _plain_chunks(path: Path) -> Iterator[NDArray[np.uint8]]:
    with open_input(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield np.frombuffer(chunk, dtype=np.uint8)


def _chunks(path: Path, threads: int) -> Iterator[NDArray[np.uint8]]:
    with open_input(path) as stream:
        magic = stream.read(2)
    if magic != b"\x1f\x8b":
        return _plain_chunks(path)
    if is_bgzf(path):
        return inflate(path, threads, _CHUNK_BYTES, needs_marker=False)
    return _gzip_chunks(path)


def _parse(path: Path, text: NDArray[np.uint8], n: int, n_before: int) -> tuple[FastqColumns, int]:
    from ctdna.kernels.fastq import FLAWS, parse_fastq

    reads, used, bad, flaw = parse_fastq(text, n)
    if bad >= 0:
        raise InputError(
            path, f"record {n_before + int(bad) + 1}", FLAWS[int(flaw)], "give a FASTQ file of 4-line records"
        )
    return reads, int(used)


def iter_fastq(path: Path, threads: int = 1, batch_reads: int = BATCH_READS) -> Iterator[FastqColumns]:
    """Yield the reads of a FASTQ file, `batch_reads` at a time, the rest in the last batch; an empty file yields none.

    The compression is told by the file's first bytes, not its name. Lower-case bases become upper case, `.` becomes N,
    a carriage return at a line's end is dropped.

    Raises:
        InputError: the file cannot be read, is truncated or damaged, or a record is malformed (its number is named).
    """
    from ctdna.kernels.fastq import count_lines

    text = np.empty(0, dtype=np.uint8)
    n_lines = n_before = 0
    for chunk in _chunks(path, threads):
        n_rest = len(text)
        text = np.concatenate((text, chunk))
        n_lines += int(count_lines(text[n_rest:]))
        while n_lines >= 4 * batch_reads:
            reads, used = _parse(path, text, batch_reads, n_before)
            yield reads
            text = text[used:]
            n_lines -= 4 * batch_reads
            n_before += batch_reads
    if len(text) and text[-1] != ord("\n"):
        text = np.append(text, np.uint8(ord("\n")))
        n_lines += 1
    reads, used = _parse(path, text, n_lines // 4, n_before)
    if text[used:].tobytes().strip():
        where = f"record {n_before + len(reads) + 1}"
        raise InputError(path, where, f"the file ends after {n_lines % 4} of the record's 4 lines", _DAMAGED)
    if len(reads):
        yield reads


def iter_pairs(
    r1: Path, r2: Path, threads: int = 1, batch_reads: int = BATCH_READS
) -> Iterator[tuple[FastqColumns, FastqColumns]]:
    """Yield the reads of a pair of FASTQ files side by side, `batch_reads` at a time.

    Raises:
        InputError: as `iter_fastq`; or the files differ in their number of reads, or a pair's names differ.
    """
    from ctdna.kernels.fastq import first_unpaired

    n = 0
    batches = zip_longest(iter_fastq(r1, threads, batch_reads), iter_fastq(r2, threads, batch_reads))
    for one, two in batches:
        n1, n2 = (0 if reads is None else len(reads) for reads in (one, two))
        if n1 != n2:
            shorter, other = (r1, r2) if n1 < n2 else (r2, r1)
            what = f"ends after {n + min(n1, n2)} reads, but {other} goes on"
            raise InputError(shorter, "", what, "give the R1 and R2 of one run, both whole")
        bad = int(first_unpaired(one.names, one.name_offsets, two.names, two.name_offsets))
        if bad >= 0:
            what = f"read {_name(one, bad)} stands beside {_name(two, bad)} of {r2}"
            raise InputError(r1, f"record {n + bad + 1}", what, "R1 and R2 must hold the same reads in the same order")
        n += n1
        yield one, two


def first_name(path: Path) -> str | None:
    """Return the name of a file's first read, without `@`, up to the first white space; None where it has no read.

    Raises:
        InputError: as `iter_fastq`, of the file's beginning.
    """
    reads = next(iter_fastq(path, batch_reads=1), None)
    return None if reads is None else _name(reads, 0)


def _name(reads: FastqColumns, i: int) -> str:
    return reads.names[reads.name_offsets[i] : reads.name_offsets[i + 1]].tobytes().decode("ascii", "replace")


class FastqWriter:
    """A bgzipped FASTQ file that appears under its name when the `with` block ends well, and not at all otherwise."""

    def __init__(self, path: Path, threads: int = 1, level: int = LEVEL) -> None:
        """Take the final path; the bytes do not depend on `threads`."""
        self._blocks = BgzfWriter(path, threads, level)

    def __enter__(self) -> Self:
        self._blocks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocks.__exit__(kind, error, trace)

    def write(self, reads: FastqColumns) -> None:
        """Add reads."""
        from ctdna.kernels.fastq import format_fastq

        self._blocks.write(format_fastq(reads))
