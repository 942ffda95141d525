"""BAM files in coordinate order with their index, and in the order of read names.

The order depends on the records alone, not on how they arrived. Records are sorted in memory.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import atomic_path
from ctdna.formats.bam import BamHeader, BamWriter, read_records
from ctdna.formats.bgzf import LEVEL
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError

_UNPLACED = 1 << 30
_BAI_MAX = 1 << 29


def coordinate_order(records: RawRecords) -> NDArray[np.int64]:
    """Return the indices of records by contig (unplaced last), position, strand, read name and flag."""
    from ctdna.kernels.order import sort_runs
    from ctdna.kernels.record import record_fields

    fields = record_fields(records.data, records.offsets)
    contig = np.where(fields.ref_id < 0, _UNPLACED, fields.ref_id).astype(np.int64)
    is_reverse = (fields.flag & 16 != 0).astype(np.int64)
    key = contig << 32 | (fields.pos0.astype(np.int64) + 1) << 1 | is_reverse
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


def write_sorted(path: Path, header: BamHeader, records: RawRecords, threads: int = 1, level: int = LEVEL) -> None:
    """Write records in coordinate order, with `SO:coordinate` in the header, and the `.bai` index.

    Raises:
        InputError: a file cannot be written, or a contig is too long for the index.
    """
    ordered = header.with_order("coordinate")
    with BamWriter(path, ordered, threads, level) as writer:
        writer.write(records, coordinate_order(records))
    index_bam(path, ordered)


def sort_and_index(source: Path, target: Path, threads: int = 1, level: int = LEVEL) -> None:
    """Write a BAM file again in coordinate order, with its index.

    Raises:
        InputError: the source is missing or damaged, or the target cannot be written.
    """
    header, records = read_records(source, threads)
    write_sorted(target, header, records, threads, level)
