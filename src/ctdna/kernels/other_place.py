"""Other places at which the aligner can lay a read (tag XA: `contig,±position,CIGAR,NM;` for each), and how well."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets

_COMMA, _SEMICOLON, _S, _H, _ZERO = 44, 59, 83, 72, 48


@lean_kernel
def _misfit(data: Bytes, at: Int) -> tuple[Int, Int]:
    """Return edits and clipped bases of the place written from an offset on, and the offset past it."""
    field, number, total = 0, np.int64(0), np.int64(0)
    while data[at] != 0 and data[at] != _SEMICOLON:
        letter = np.int64(data[at])
        if letter == _COMMA:
            field += 1
            number = np.int64(0)
        elif field >= 2 and _ZERO <= letter < _ZERO + 10:
            number = 10 * number + letter - _ZERO
        elif field == 2:
            total += number if letter in (_S, _H) else 0
            number = np.int64(0)
        at += 1
    return total + number, at + (1 if data[at] == _SEMICOLON else 0)


@kernel
def fits_elsewhere(data: Bytes, xa_at: Offsets, misfits: Offsets) -> NDArray[np.bool_]:
    """Return whether some other place fits each read as well as its own, or better: by edits and clipped bases.

    The aligner names places that are nearly as good, and more of them the worse the read fits its own, so that an
    allele's reads would have more than the reference's.

    Arguments:
        xa_at: where the text of XA begins.
        misfits: edits and clipped bases of the read itself; -1 where they are not known: then any other place counts.
    """
    out = np.zeros(len(xa_at), dtype=np.bool_)
    for i in range(len(xa_at)):
        at = xa_at[i]
        while data[at] != 0:
            misfit, at = _misfit(data, at)
            out[i] |= misfits[i] < 0 or misfit <= misfits[i]
    return out


def warm() -> None:
    """Compile every kernel of this module on one place."""
    text = np.frombuffer(b"c,+1,5S2M,0;\x00", np.uint8).copy()
    fits_elsewhere(text, np.zeros(1, np.int64), np.zeros(1, np.int64))
