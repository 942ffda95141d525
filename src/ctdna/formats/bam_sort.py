"""BAM files in coordinate order with their index, and in the order of read names.

The order depends on the records alone, not on how they arrived. `CoordinateSorter` keeps to a ceiling of memory.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import atomic_path
from ctdna.formats.bam import BamHeader, BamWriter, iter_records
from ctdna.formats.bgzf import LEVEL
from ctdna.formats.external_sort import (
    MOST_CHUNK_BYTES,
    MOST_RUN_BYTES,
    ExternalSort,
    add_records,
)
from ctdna.formats.spill import Source, read_name_order, spans
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.errors import InputError

_UNPLACED = 1 << 30
_BAI_MAX = 1 << 29


def _coordinate_keys(fields: RecordFields) -> NDArray[np.int64]:
    """Return contig (unplaced last), position and strand of records as one number each."""
    contig = np.where(fields.ref_id < 0, _UNPLACED, fields.ref_id).astype(np.int64)
    is_reverse = (fields.flag & 16 != 0).astype(np.int64)
    key: NDArray[np.int64] = contig << 32 | (fields.pos0.astype(np.int64) + 1) << 1 | is_reverse
    return key


def coordinate_order(records: RawRecords) -> NDArray[np.int64]:
    """Return the indices of records by contig (unplaced last), position, strand, read name and flag."""
    from ctdna.kernels.order import sort_runs
    from ctdna.kernels.record import record_fields

    fields = record_fields(records.data, records.offsets)
    key = _coordinate_keys(fields)
    order = np.argsort(key, kind="stable").astype(np.int64)
    changes = np.flatnonzero(np.diff(key[order])) + 1
    bounds = np.concatenate(([0], changes, [len(order)])).astype(np.int64)
    return sort_runs(records.data, fields.name_at, fields.n_name, fields.flag.astype(np.int64), order, bounds)


def name_order(records: RawRecords) -> NDArray[np.int64]:
    """Return the indices of records by read name (bytes); of one name R1 first, and primary alignments first."""
    from ctdna.kernels.order import sort_runs
    from ctdna.kernels.record import record_fields

    fields = record_fields(records.data, records.offsets)
    flag = fields.flag.astype(np.int64)
    rank = (flag & 0x80) << 24 | (flag & 0x900) << 16 | flag
    bounds = np.array([0, len(records)], dtype=np.int64)
    order = np.arange(len(records), dtype=np.int64)
    return sort_runs(records.data, fields.name_at, fields.n_name, rank, order, bounds)


def index_bam(path: Path, header: BamHeader) -> Path:
    """Write the `.bai` index of a BAM file in coordinate order, whole or not at all; return its path.

    Raises:
        InputError: a contig is too long for this kind of index, or the file cannot be written.
    """
    from ctdna.formats.htslib import SamtoolsError, pysam

    for name, length in header.contigs:
        if length > _BAI_MAX:
            what = f"{length} bases, but a .bai index holds contigs of at most {_BAI_MAX}"
            raise InputError(path, f"contig {name}", what, "use a reference of shorter contigs")
    index = path.with_name(path.name + ".bai")
    with atomic_path(index) as temporary:
        try:
            pysam.index("-b", "-o", str(temporary), str(path))
        except SamtoolsError as error:
            hint = "see whether the disk is full and the file is whole"
            raise InputError(index, "", f"cannot be made: {error}", hint) from error
    return index


class SortedWriter(ABC):
    """A BAM file of records in an order of keys, given in any, within a ceiling of memory.

    It appears when the `with` block ends well, and not at all otherwise; its bytes do not depend on the memory.
    """

    def __init__(
        self, path: Path, header: BamHeader, memory: int, sort_memory: int, crowd: str, threads: int, level: int
    ) -> None:
        """Take the final path, the header, the bytes that may be held, those of the sort, and what one key's items are.

        Temporary files stand beside the path.
        """
        self._chunk_bytes = max(min(memory // 8, MOST_CHUNK_BYTES), 1)
        self._sort = ExternalSort(path.parent, sort_memory, 1, 3, crowd)
        self._writer = BamWriter(path, header, threads, level)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._sort)
            stack.enter_context(self._writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for rows, source in self._sort.chunks(self._chunk_bytes):
                for records in self.ordered(rows, source):
                    self._writer.write(records)

    @abstractmethod
    def ordered(self, rows: NDArray[np.int64], source: Source) -> Iterator[RawRecords]:
        """Yield the records of rows key, place and size, which are in the order of their keys."""

    def add(self, records: RawRecords, keys: NDArray[np.int64]) -> None:
        """Add records with their keys (one row).

        Raises:
            InputError: the temporary file cannot be written.
        """
        add_records(self._sort, records, keys)


class CoordinateSorter(SortedWriter):
    """A BAM file in coordinate order and its `.bai`, which appears with it; `SO:coordinate` is set in the header."""

    def __init__(self, path: Path, header: BamHeader, memory: int, threads: int = 1, level: int = LEVEL) -> None:
        """Take the final path, the header, the bytes that may be held; temporary files stand beside the path."""
        self._path, self._header = path, header.with_order("coordinate")
        crowd = "records that start at one place"
        super().__init__(path, self._header, memory, memory // 4 * 3, crowd, threads, level)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            index_bam(self._path, self._header)

    def write(self, records: RawRecords) -> None:
        """Add records.

        Raises:
            InputError: the temporary file cannot be written.
        """
        from ctdna.kernels.record import record_fields

        fields = record_fields(records.data, records.offsets)
        self.add(records, _coordinate_keys(fields).reshape(1, -1))

    def ordered(self, rows: NDArray[np.int64], source: Source) -> Iterator[RawRecords]:
        """Yield the records in order of name and flag as well; a key larger than a chunk in several parts."""
        if rows[2].sum() <= self._chunk_bytes:
            yield _in_order(rows, source)
        else:
            yield from self._one_place(rows, source)

    def _one_place(self, rows: NDArray[np.int64], source: Source) -> Iterator[RawRecords]:
        """Yield the records of one key, which are more than a chunk."""
        from ctdna.kernels.record import read_bytes

        at, size = np.take(rows[1:], read_name_order(source, rows[1], rows[2], self._chunk_bytes), axis=1)
        for start, stop in spans(size, self._chunk_bytes):
            data, places = source.fetch(at[start:stop], size[start:stop])
            offsets = np.concatenate(([0], np.cumsum(size[start:stop]))).astype(np.int64)
            yield RawRecords(read_bytes(data, places, offsets), offsets)


def _in_order(rows: NDArray[np.int64], source: Source) -> RawRecords:
    """Return records that are ordered by their key, ordered by name and flag as well."""
    from ctdna.kernels.grouping import runs
    from ctdna.kernels.order import sort_runs
    from ctdna.kernels.record import FIXED_BYTES, read_bytes

    data, at = source.fetch(rows[1], rows[2])
    flag = data[at + 18].astype(np.int64) | data[at + 19].astype(np.int64) << 8
    n_name = data[at + 12].astype(np.int32) - np.int32(1)
    everything = np.arange(len(at), dtype=np.int64)
    order = sort_runs(data, at + FIXED_BYTES, n_name, flag, everything, runs(rows[:1].copy()))
    offsets = np.concatenate(([0], np.cumsum(rows[2][order]))).astype(np.int64)
    return RawRecords(read_bytes(data, at[order], offsets), offsets)


def write_sorted(path: Path, header: BamHeader, records: RawRecords, threads: int = 1, level: int = LEVEL) -> None:
    """Write records in coordinate order, with `SO:coordinate` in the header, and the `.bai` index.

    Raises:
        InputError: a file cannot be written, or a contig is too long for the index.
    """
    with CoordinateSorter(path, header, 2 * MOST_RUN_BYTES, threads, level) as sorter:
        sorter.write(records)


def sort_and_index(source: Path, target: Path, threads: int = 1, level: int = LEVEL) -> None:
    """Write a BAM file again in coordinate order, with its index.

    Raises:
        InputError: the source is missing or damaged, or the target cannot be written.
    """
    header, batches = iter_records(source, threads)
    with CoordinateSorter(target, header, 2 * MOST_RUN_BYTES, threads, level) as sorter:
        for records in batches:
            sorter.write(records)
