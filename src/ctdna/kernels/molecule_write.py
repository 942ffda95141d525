"""What the reads of a molecule say of it beside their bases: its name, its UMI, its strands' depths, its losses."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus import Strands
from ctdna.kernels.consensus_write import (
    RX,
    Identity,
    Output,
    put_depths,
    put_int,
    put_per_base,
    put_rate,
    put_strand_read,
    put_text,
)
from ctdna.kernels.family import CELL_BARCODES, UMI_LENGTHS, UMI_MIXED, USED, Family, Input, Tally, losses_of
from ctdna.kernels.jit import lean_kernel
from ctdna.kernels.read_rows import CB_AT, MI_AT, N_CB, N_ID, N_RX, RX_AT, Rows
from ctdna.kernels.umi_vote import OTHER_LENGTH, UmiVotes, add_umi, call_umi, clear_umis

Int = int | np.int64
Bytes = NDArray[np.uint8]


@lean_kernel
def _note(tally: Tally, problem: Int, record: Int) -> None:
    if tally.problem[0] == 0:
        tally.problem[0], tally.problem[1] = problem, record


@lean_kernel
def _same_barcode(data: Bytes, rows: Rows, a: Int, b: Int) -> bool:
    n, j = rows[a, N_CB], np.int64(0)
    if n != rows[b, N_CB]:
        return False
    while j < n and data[rows[a, CB_AT] + j] == data[rows[b, CB_AT] + j]:
        j += 1
    return bool(j == n)


@lean_kernel
def identity(source: Input, first: Int, n: Int, tally: Tally) -> Identity:
    """Return molecule and cell barcode of a family; a second barcode is a problem."""
    data, rows = source.data, source.rows
    found: Int = np.int64(-1)
    for i in range(first, first + n):
        if rows[i, N_CB] == 0:
            continue
        if found < 0:
            found = np.int64(i)
        elif not _same_barcode(data, rows, np.int64(i), found):
            _note(tally, np.int64(CELL_BARCODES), np.int64(i))
    at, n_cb = (rows[found, CB_AT], rows[found, N_CB]) if found >= 0 else (np.int64(-1), np.int64(0))
    return Identity(rows[first, MI_AT], rows[first, N_ID], at, n_cb)


@lean_kernel
def put_umi(
    out: Output, source: Input, first: Int, n: Int, family: Family, slots: tuple[Int, Int], umis: UmiVotes, tally: Tally
) -> None:
    """Write RX: the consensus of the UMIs of the reads that voted in either slot, those of the second turned round."""
    data, rows, own_slots, status = source.data, source.rows, family.slot, family.status
    clear_umis(umis)
    last: Int = np.int64(first)
    for turn in range(2):
        for k in range(n):
            i = first + k
            if own_slots[k] == slots[turn] and status[k] == USED and rows[i, RX_AT] >= 0:
                add_umi(umis, data, rows[i, RX_AT], rows[i, N_RX], turn == 1)
                last = i
    size = call_umi(umis)
    if size >= 0:
        put_text(out, np.int64(RX), umis.text, np.int64(0), size)
    elif size < -1:
        _note(tally, np.int64(UMI_LENGTHS if size == OTHER_LENGTH else UMI_MIXED), np.int64(last))


@lean_kernel
def put_losses(out: Output, source: Input, first: Int, n: Int, family: Family, group: Int) -> None:
    """Write the tags lm, lc, lu, lp and lt of a consensus read, where they are asked for."""
    if source.settings.has_losses == 0:
        return
    lost, letter = losses_of(source, first, n, family, group), np.int64(108)
    put_int(out, letter | 109 << 8, np.int64(lost.minority))
    put_int(out, letter | 99 << 8, np.int64(lost.over_max))
    put_int(out, letter | 117 << 8, np.int64(lost.unusable))
    put_int(out, letter | 112 << 8, np.int64(lost.past_mate))
    put_int(out, letter | 116 << 8, np.int64(lost.tail))


@lean_kernel
def put_duplex(out: Output, strands: Strands, one: Int, other: Int, target: Int) -> None:
    """Write the tags of a duplex read in slot `target`, of both strands together and of each (`other` -1: absent)."""
    c, a, b = np.int64(99), np.int64(97), np.int64(98)
    none = np.int64(0)
    put_depths(out, c, strands, target)
    put_depths(out, a, strands, one)
    if other >= 0:
        put_depths(out, b, strands, other)
    else:
        put_int(out, b | 68 << 8, none)
        put_int(out, b | 77 << 8, none)
        put_rate(out, b | 69 << 8, none, none)
    put_per_base(out, a, strands, one)
    put_strand_read(out, a, strands, one)
    if other >= 0:
        put_per_base(out, b, strands, other)
        put_strand_read(out, b, strands, other)
