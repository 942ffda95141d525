"""Inherit: consensus reads take the alignment of their molecule's raw reads where aligning again could not change it.

A pair inherits if all its raw reads lie in one place without clips and indels, with a mapping quality that could not be
higher, and the consensus has few mismatches and no two near an end. All other consensus reads are aligned again.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.inherit import (
    INHERITED,
    N_COLUMNS,
    NOT_PLAIN,
    Places,
    inherited_places,
    inherited_records,
    note_cells,
    settle_pairs,
)
from ctdna.kernels.orient import COMPLEMENT
from ctdna.kernels.record import record_fields, tag_code, take_records
from ctdna.model.columns import RawRecords
from ctdna.stages.realign import COMPLEMENTED_TAGS, REVERSED_TAGS
from ctdna.stages.stretches import Stretches, joined, laid

REASONS = ("inherited", "not_plain", "low_mapq", "mismatches", "no_place")
"""Names of the kernels' codes: the first is no reason to align again."""
_TURNED = (
    np.array([tag_code(name) for name in REVERSED_TAGS], dtype=np.uint16),
    np.array([tag_code(name) for name in COMPLEMENTED_TAGS], dtype=np.uint16),
    COMPLEMENT,
)


class Candidates(NamedTuple):
    """Consensus reads and where they would lie."""

    records: RawRecords
    places: Places
    stretches: Stretches
    of_read: NDArray[np.int64]
    """Stretch of each read with a place; -1 without one."""


def molecule_number(name: bytes) -> int:
    """Return the molecule's number in a consensus read's name, `<prefix>:<number>` perhaps with `/A` or `/B`."""
    return int(name.rpartition(b":")[2].split(b"/")[0])


class Cells:
    """What is known of the alignments of the molecules that are being called."""

    def __init__(self) -> None:
        """Start before the first molecule."""
        self._first = 0
        self._cells = np.zeros((0, N_COLUMNS), dtype=np.int64)

    def add(self, grouped: RawRecords) -> None:
        """Note a batch of grouped records; their molecules follow on those noted before, without a gap."""
        if not len(grouped):
            return
        fields = record_fields(grouped.data, grouped.offsets)
        more = note_cells(grouped.data, fields, self._first + len(self._cells) // 4)
        self._cells = np.concatenate((self._cells, more))

    def candidates(self, called: RawRecords, lengths: NDArray[np.int64], is_duplex: bool) -> Candidates:
        """Return consensus reads with the places they would inherit; molecules before theirs are forgotten.

        `lengths` are the contigs' lengths; a read that would hang over its contig's end has no place.
        """
        fields = record_fields(called.data, called.offsets)
        if len(called):
            at = int(fields.name_at[0])
            self._forget(molecule_number(called.data[at : at + int(fields.n_name[0])].tobytes()))
        places = inherited_places(called.data, fields, self._cells, self._first, int(is_duplex))
        ends = places.pos0 + fields.n_bases
        limit = np.append(lengths, 0)[places.contig]
        is_over = (places.contig >= 0) & ((places.pos0 < 0) | (ends > limit))
        places.contig[is_over], places.why[is_over] = -1, NOT_PLAIN
        found, of_read = joined(places.contig, places.pos0, ends)
        return Candidates(called, places, found, of_read)

    def _forget(self, molecule: int) -> None:
        """Forget the molecules before this number: they were called already, or gave no consensus."""
        n_gone = molecule - self._first
        if n_gone > 0:
            self._cells = self._cells[4 * n_gone :].copy()
            self._first = molecule


def inherit(found: Candidates, bases: list[NDArray[np.uint8]]) -> tuple[RawRecords, RawRecords, NDArray[np.int64]]:
    """Return the pairs that inherit, aligned; the records to align again, as they were; and reads by `REASONS`.

    `bases` are the reference's upper-case letters of each stretch.
    """
    letters, starts, start0 = laid(found.stretches, found.of_read, bases)
    at = np.where(starts >= 0, starts + found.places.pos0 - start0, -1)
    data, offsets = found.records
    fields = record_fields(data, offsets)
    settle_pairs(data, fields, found.places, letters, at)
    placed = inherited_records(found.records, fields, found.places, letters, at, _TURNED)
    rest = take_records(data, offsets, np.flatnonzero(found.places.why != INHERITED))
    return placed, rest, np.bincount(found.places.why, minlength=len(REASONS)).astype(np.int64)
