"""Whether reads were aligned to the reference that is given, and not to another one of the same names and lengths."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.record import NIBBLES, ragged_offsets, read_bases
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.errors import InputError
from ctdna.model.evidence import BASES, Panel, SiteCounts

MOST_DIFFERING = 0.5
"""Reads differ from their own reference at a few of a hundred bases, from another sequence at three of four."""
LEAST_COMPARED = 50
"""Fewer bases say nothing."""
_MOST_READS = 1000


def _check(n_compared: int, n_differing: int) -> None:
    if n_compared >= LEAST_COMPARED and n_differing > MOST_DIFFERING * n_compared:
        what = f"{n_differing} of {n_compared} bases differ from the reads that are aligned to it"
        raise InputError(None, "", what, "give the reference that the reads were aligned to")


def check_panel_fit(panel: Panel, counts: SiteCounts) -> None:
    """Check that the base most molecules show is the reference's at half of the covered positions or more.

    Raises:
        InputError: it is not; nothing is said of fewer than `LEAST_COMPARED` positions.
    """
    by_base = counts.classes.sum(axis=2)
    is_seen = (by_base.sum(axis=1) > 0) & (panel.regions.reference < len(BASES))
    major = by_base[is_seen].argmax(axis=1)
    _check(int(is_seen.sum()), int((major != panel.regions.reference[is_seen]).sum()))


class ReadsFit:
    """The comparison of the first reads with the reference, added up over batches."""

    def __init__(self) -> None:
        """Start without reads."""
        self._n_reads = self._n_compared = self._n_differing = 0

    def add(
        self, records: RawRecords, fields: RecordFields, place: NDArray[np.int64], reference: NDArray[np.uint8]
    ) -> None:
        """Compare reads without indels and clips with the reference.

        `place` holds for each record the index of its first aligned base in `reference` (upper-case letters), -1: none.
        """
        chosen = np.flatnonzero((place >= 0) & (fields.n_cigar == 1))[: _MOST_READS - self._n_reads]
        n_bases = np.ascontiguousarray(fields.n_bases[chosen])
        offsets = ragged_offsets(n_bases)
        bases = read_bases(records.data, np.ascontiguousarray(fields.bases_at[chosen]), offsets, NIBBLES)
        at = np.repeat(place[chosen] - offsets[:-1], n_bases) + np.arange(offsets[-1])
        is_known = (bases != ord("N")) & (reference[at] != ord("N"))
        self._n_reads += len(chosen)
        self._n_compared += int(is_known.sum())
        self._n_differing += int((bases != reference[at])[is_known].sum())

    def check(self) -> None:
        """Check that the reads agree with the reference at half of their bases or more.

        Raises:
            InputError: they do not; nothing is said of fewer than `LEAST_COMPARED` bases.
        """
        _check(self._n_compared, self._n_differing)
