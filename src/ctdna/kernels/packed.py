"""Templates as bytes that stand together, read 1 before read 2, and back to records with their molecule."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.grouping import Indices, copy_without_mi, n_digits, put_mi
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, Offsets, copy_bytes
from ctdna.kernels.templates import Reads, pair_neighbours, scan_reads
from ctdna.model.columns import RawRecords


@lean_kernel
def _put_size(out: Bytes, at: Int, end: Int) -> None:
    for k in range(4):
        out[at + k] = end - at - 4 >> 8 * k & 255


@kernel
def pack_templates(
    data: Bytes, offsets: Offsets, reads: Reads, mates: Indices, out: Bytes, to: Int
) -> tuple[Indices, Int]:
    """Copy the records of templates without their MI to `out`, read 1 before read 2, from `to` on.

    `mates`: rows read 1 and read 2 (-1: none). Returns rows `at`, bytes of both and bytes of read 1; and where the
    copies end.
    """
    n = mates.shape[1]
    places = np.empty((3, n), dtype=np.int64)
    end: Int = np.int64(to)
    for i in range(n):
        places[0, i] = end
        for k in range(2):
            record = mates[k, i]
            if record < 0:
                continue
            at, size = offsets[record], offsets[record + 1] - offsets[record]
            if reads.has_mi[record]:
                start = end
                end = copy_without_mi(data, at, reads.tags_at[record], offsets[record + 1], out, end)
                _put_size(out, start, end)
            else:
                end = copy_bytes(data, at, out, end, size)
            if k == 0:
                places[2, i] = end - places[0, i]
        places[1, i] = end - places[0, i]
    return places, end


@kernel
def molecule_records(
    data: Bytes, places: Indices, order: Indices, molecule: Indices, strand: NDArray[np.uint8]
) -> RawRecords:
    """Return the packed templates `order` as records with MI as their last tag (see `grouping.put_mi`).

    `places` are rows `at`, bytes of both records and bytes of the first; `molecule` and `strand` are parallel to them.
    """
    n_records, room = 0, np.int64(0)
    for i in range(len(order)):
        item = order[i]
        n_own = 2 if places[1, item] > places[2, item] else 1
        n_records += n_own
        mark = 4 + n_digits(molecule[item]) + (2 if strand[item] > 0 else 0)
        room += places[1, item] + n_own * mark
    out, offsets = np.empty(room, dtype=np.uint8), np.empty(n_records + 1, dtype=np.int64)
    to: Int = np.int64(0)
    offsets[0] = 0
    record = 0
    for i in range(len(order)):
        item = order[i]
        at, first_end = places[0, item], places[0, item] + places[2, item]
        end = places[0, item] + places[1, item]
        while at < end:
            stop = first_end if at < first_end else end
            start = to
            copy_bytes(data, at, out, to, stop - at)
            to = put_mi(out, to + stop - at, molecule[item], np.int64(strand[item]))
            _put_size(out, start, to)
            record += 1
            offsets[record] = to
            at = stop
    return RawRecords(out, offsets)


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    data = np.zeros(FIXED_BYTES + 8, dtype=np.uint8)
    data[[0, 12, 37, 38, 39]] = [FIXED_BYTES + 4, 1, 88, 89, 65]
    offsets = np.array([0, FIXED_BYTES + 5], dtype=np.int64)
    reads = scan_reads(data, offsets)
    r1, r2, _, _ = pair_neighbours(data, offsets, reads.flag, reads.n_name)
    places, _ = pack_templates(data, offsets, reads, np.stack((r1, r2)), np.empty(64, dtype=np.uint8), 0)
    molecule_records(data, places, r1, r1, np.zeros(1, dtype=np.uint8))
