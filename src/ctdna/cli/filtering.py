"""Filtering within a ceiling of memory: batches of whole templates, whatever the order of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.cli import options
from ctdna.cli.template_batches import TemplateBatches
from ctdna.formats.bam import BamHeader
from ctdna.formats.bam_sort import SortedWriter
from ctdna.formats.bgzf import LEVEL
from ctdna.formats.external_sort import MOST_CHUNK_BYTES, ExternalSort, add_records
from ctdna.formats.fasta import Reference
from ctdna.formats.spill import DuplicateCheck, Source
from ctdna.kernels.record import FIXED_BYTES, read_bytes, same_name_as_previous
from ctdna.kernels.templates import name_fingerprints
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.consensus import FilterParams
from ctdna.stages.filter import (
    Filtered,
    add_metrics,
    filter_records,
    is_aligned,
    kept_indices,
    kept_records,
    kept_unaligned,
    stretches,
)
from ctdna.stages.reference_fit import ReadsFit
from ctdna.stages.stretches import Stretches, laid


class NamesApartError(Exception):
    """Records of one name do not stand together."""


class Arrived(NamedTuple):
    """Records of whole templates."""

    records: RawRecords
    numbers: NDArray[np.int64]
    """Which records of the file they are."""


def _names(records: RawRecords) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    at = records.offsets[:-1] + FIXED_BYTES
    return at, records.data[at - FIXED_BYTES + 12].astype(np.int32) - np.int32(1)


def as_they_come(batches: Iterator[RawRecords], names: DuplicateCheck) -> Iterator[Arrived]:
    """Yield records in their order, those of one name together.

    Raises:
        NamesApartError: once all were yielded: records of one name did not stand together.
        InputError: the temporary file cannot be written or read.
    """
    cutter, first = TemplateBatches(), 0

    def arrived(records: RawRecords) -> Arrived:
        nonlocal first
        at, n_name = _names(records)
        is_new = ~same_name_as_previous(records.data, at, n_name)
        names.add(name_fingerprints(records.data, at[is_new], n_name[is_new]))
        first += len(records)
        return Arrived(records, np.arange(first - len(records), first, dtype=np.int64))

    for batch in batches:
        yield from map(arrived, cutter.add(batch))
    yield from map(arrived, cutter.rest())
    if len(names.duplicates()):
        raise NamesApartError


def by_name(batches: Iterator[RawRecords], sort: ExternalSort, chunk_bytes: int) -> Iterator[Arrived]:
    """Yield records so that those of one name come together, in no particular order.

    Raises:
        InputError: the temporary files cannot be written or read.
    """
    n = 0
    for batch in batches:
        at, n_name = _names(batch)
        numbers = np.arange(n, n + len(batch), dtype=np.int64)
        add_records(sort, batch, np.stack((name_fingerprints(batch.data, at, n_name), numbers)))
        n += len(batch)
    for rows, source in sort.chunks(chunk_bytes):
        data, places = source.fetch(rows[1], rows[2])
        offsets = np.concatenate(([0], np.cumsum(rows[2]))).astype(np.int64)
        yield Arrived(RawRecords(read_bytes(data, places, offsets), offsets), rows[3])


@contextmanager
def arrivals(
    batches: Iterator[RawRecords], folder: Path, memory: int, are_names_together: bool
) -> Iterator[Iterator[Arrived]]:
    """Yield the records of whole templates; their temporary files go with the block."""
    if are_names_together:
        with DuplicateCheck(folder, memory) as names:
            yield as_they_come(batches, names)
    else:
        with ExternalSort(folder, memory, 1, 4, "records of one name") as sort:
            yield by_name(batches, sort, max(min(memory // 8, MOST_CHUNK_BYTES), 1))


class ArrivalWriter(SortedWriter):
    """A BAM file of records in the order of their numbers, given in any."""

    def __init__(self, path: Path, header: BamHeader, memory: int, threads: int, level: int = LEVEL) -> None:
        """Take the final path, the header, and the bytes that may be held."""
        super().__init__(path, header, memory, memory, "records of one number", threads, level)

    def ordered(self, rows: NDArray[np.int64], source: Source) -> Iterator[RawRecords]:
        """Yield the records in the order of their numbers, which differ."""
        data, places = source.fetch(rows[1], rows[2])
        offsets = np.concatenate(([0], np.cumsum(rows[2]))).astype(np.int64)
        yield RawRecords(read_bytes(data, places, offsets), offsets)

    def write(self, records: RawRecords, numbers: NDArray[np.int64]) -> None:
        """Add records with their numbers."""
        self.add(records, numbers.reshape(1, -1))


def fetched(reference: Reference, header: BamHeader, found: Stretches) -> list[NDArray[np.uint8]]:
    """Return the reference's upper-case letters of each stretch; contigs are counted as the header has them."""
    names = [name for name, _ in header.contigs]
    places = zip(*(column.tolist() for column in found), strict=True)
    return [reference.fetch(names[contig], start0, end0) for contig, start0, end0 in places]


class Filtering:
    """Batches of whole templates filtered, and their counts."""

    def __init__(
        self, source: Path, header: BamHeader, reference: Reference | None, params: FilterParams, sample: str
    ) -> None:
        """Take the input's path and header, the reference where the reads are aligned, parameters and sample."""
        self._source, self._header, self._reference = source, header, reference
        self._params, self._sample = params, sample
        self._fit = ReadsFit()
        self._counts: StageMetrics | None = None
        self._is_checked = False

    def kept(self, arrived: Arrived, is_reversed: bool) -> Arrived:
        """Return the records that are good enough.

        Raises:
            InputError: as `stages.filter.filter_records`; the reads are aligned and there is no reference, or it is
                not theirs.
        """
        records = arrived.records
        with options.located(self._source):
            filtered, counts = filter_records(records, self._params, is_reversed, self._sample)
        self._counts = add_metrics(self._counts, counts)
        numbers = arrived.numbers[kept_indices(filtered)]
        if not is_aligned(records):
            return Arrived(kept_unaligned(records, filtered), numbers)
        if self._reference is None:
            raise InputError(None, "--reference", "none is given, but the reads are aligned", "give their reference")
        return Arrived(self._retagged(records, filtered, self._reference), numbers)

    def _retagged(self, records: RawRecords, filtered: Filtered, reference: Reference) -> RawRecords:
        """Return the kept records, their tags renewed against the reference."""
        with options.located(self._source):
            found, of_record = stretches(records, filtered, self._header.lengths)
        self._check_contigs(reference)
        bases = fetched(reference, self._header, found)
        return kept_records(records, filtered, laid(found, of_record, bases), self._fit)

    def _check_contigs(self, reference: Reference) -> None:
        if self._is_checked:
            return
        known = dict(reference.contigs)
        for name, length in self._header.contigs:
            if known.get(name) != length:
                what = f"found {known.get(name, 'none')}, the BAM's header says {length} bases"
                hint = "give the reference the reads were aligned to"
                raise InputError(reference.path, f"contig {name}", what, hint)
        self._is_checked = True

    def metrics(self) -> StageMetrics:
        """Return the counts of all batches.

        Raises:
            InputError: the reads differ so much from the reference that it is not theirs.
        """
        if self._reference is not None:
            with options.located(self._reference.path):
                self._fit.check()
        if self._counts is None:
            nothing = RawRecords(np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64))
            self._counts = filter_records(nothing, self._params, False, self._sample)[1]
        return self._counts
