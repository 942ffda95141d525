"""The columns of calling: panel regions, stored consensus reads, molecules per locus, alleles.

Positions inside calling are slots: the panel's regions (targets with a margin, merged) laid one after the other. Slot
`offsets[r] + pos0 - start0[r]` is position `pos0` of region r.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TIERS = ("duplex", "simplex3", "pair2", "single")
"""Tiers of a molecule at a base, best first."""
N_CLASSES = 8
"""Evidence classes: `tier * 2 + is_end`; is_end: within the fragment-end distance."""
BASES = "ACGT"
HAS_OTHER_PLACE = 32
"""Of `StoredReads.flags`."""


class Targets(NamedTuple):
    """The panel's intervals, in the order of contig and start."""

    contig: NDArray[np.int32]
    """Contig index in the BAM header."""
    start0: NDArray[np.int32]
    end0: NDArray[np.int32]
    """Half-open."""
    names: tuple[str, ...]


class Regions(NamedTuple):
    """Targets with a margin, merged where near: the ground that reads are laid on."""

    contig_first: NDArray[np.int64]
    """Number of contigs + 1: regions of contig c are `contig_first[c]` to `contig_first[c + 1]`."""
    contig: NDArray[np.int32]
    start0: NDArray[np.int32]
    offsets: NDArray[np.int64]
    """n + 1 offsets into the slots."""
    reference: NDArray[np.uint8]
    """Per slot: A 0, C 1, G 2, T 3, other 4."""
    target: NDArray[np.int32]
    """Per slot: index of its target, -1 outside."""


class Panel(NamedTuple):
    """Regions with the names that outputs need."""

    regions: Regions
    contigs: tuple[str, ...]
    """Names of the contigs in the BAM header."""
    targets: Targets

    def place(self, slot: int) -> tuple[int, int]:
        """Return the contig index and 0-based position of a slot."""
        region = int(np.searchsorted(self.regions.offsets, slot, side="right")) - 1
        return int(self.regions.contig[region]), int(self.regions.start0[region] + slot - self.regions.offsets[region])

    def slot(self, contig: str, pos0: int) -> int:
        """Return the slot of a position, -1 where no region holds it."""
        if contig not in self.contigs:
            return -1
        i_contig = self.contigs.index(contig)
        regions = self.regions
        for region in range(int(regions.contig_first[i_contig]), int(regions.contig_first[i_contig + 1])):
            slot = int(regions.offsets[region] + pos0 - regions.start0[region])
            if regions.offsets[region] <= slot < regions.offsets[region + 1]:
                return slot
        return -1

    def text(self, slot: int, n: int) -> str:
        """Return n reference bases from a slot on, N where unknown."""
        return "".join("ACGTN"[code] for code in self.regions.reference[slot : slot + n])


class StoredReads(NamedTuple):
    """Consensus reads near targets, packed to one byte a base; reads of one molecule stand together."""

    key: NDArray[np.uint64]
    """Hash of the molecule's name."""
    region: NDArray[np.int32]
    slot: NDArray[np.int64]
    """Slot of the first aligned base; may lie before its region."""
    end_slot: NDArray[np.int64]
    """Slot past the last aligned base; may lie past its region."""
    fragment_low: NDArray[np.int64]
    """Slot of the fragment's first base."""
    fragment_high: NDArray[np.int64]
    """Slot past the fragment's last base."""
    flags: NDArray[np.uint8]
    """1: the cells' strands A and B are top and bottom; 2: low mapping quality; 4: second of pair; 8 and 16: the read's
    orientation says top, bottom; 32: another place (XA) fits it as well."""
    cigar_at: NDArray[np.int64]
    n_cigar: NDArray[np.int32]
    cell_at: NDArray[np.int64]
    n_cells: NDArray[np.int32]
    cigars: NDArray[np.uint32]
    """All CIGAR operations, `length << 4 | code`."""
    cells: NDArray[np.uint8]
    """Per read base: base (3 bits; 4 unknown), low quality (1 bit), depth of strand A and of B (2 bits each, at most
    3)."""


class Splits(NamedTuple):
    """Read bases at which the molecule's two strands, each read twice or more, say different bases."""

    read: NDArray[np.int64]
    """Index into the stored reads."""
    base: NDArray[np.int32]
    """Index into the read's bases."""
    code: NDArray[np.uint8]
    """Base of strand A (2 bits), of strand B (2 bits), whether A is the top strand (1 bit); bases as the reference is
    written."""


class Lesions(NamedTuple):
    """Molecules on target whose one strand shows another base than the reference, where the other strand shows it."""

    seen: NDArray[np.int64]
    """(2 strands of origin: top, bottom; 4 reference bases; 4 bases seen): bases as the changed strand is written."""
    strand_bases: NDArray[np.int64]
    """(4,) what could have been changed: bases of strands, as they are written, of molecules read twice on either."""
    both_changed: int
    """Molecules of which neither strand shows the reference base."""


class SiteCounts(NamedTuple):
    """Molecules per slot."""

    classes: NDArray[np.int32]
    """(slots, 4 bases, 8 classes)."""
    strands: NDArray[np.int32]
    """(slots, 4 bases, 2): with reads from the top strand, from the bottom strand."""
    low_quality: NDArray[np.int32]
    """(slots, 4): molecules whose every read here has that base below the quality limit."""
    low_mapq: NDArray[np.int32]
    """(slots, 4): molecules seen only in reads below the mapping quality limit."""
    deleted: NDArray[np.int32]
    """(slots,): molecules with the position deleted."""
    discordant: NDArray[np.int32]
    """(slots,): molecules whose mates disagree; they count nowhere else."""
    is_counted: NDArray[np.uint8]
    """Per molecule: counted at least once on a target."""
    read_twice: NDArray[np.int32]
    """(slots,): molecules with a base, either strand of which was read twice or more."""


class IndelEvents(NamedTuple):
    """Insertions and deletions in reads' CIGARs, left-aligned."""

    read: NDArray[np.int64]
    slot: NDArray[np.int64]
    """First deleted base, or the base that the insertion stands before."""
    n_deleted: NDArray[np.int32]
    inserted_at: NDArray[np.int64]
    n_inserted: NDArray[np.int32]
    evidence_class: NDArray[np.int32]
    """Of the read base before the event."""
    first_part: NDArray[np.int64]
    """Of an event that takes neighbouring ones together: the first of them, -1 for a plain one."""
    inserted: NDArray[np.uint8]
    """Codes of all inserted bases."""


class Allele(NamedTuple):
    """An alternate allele in VCF's form, by slot."""

    slot: int
    ref: str
    alt: str

    @property
    def variant_class(self) -> str:
        """Return `snv`, `mnv` (equal lengths) or `indel`."""
        if len(self.ref) != len(self.alt):
            return "indel"
        return "snv" if len(self.ref) == 1 else "mnv"


class AlleleCounts(NamedTuple):
    """Molecules that decide about one allele."""

    alt: NDArray[np.int32]
    """(8,) by class."""
    ref: NDArray[np.int32]
    """(8,) molecules with the reference allele."""
    other: NDArray[np.int32]
    """(8,) molecules with anything else; they belong to the depth."""
    strands: NDArray[np.int32]
    """(2, 2): ref top, ref bottom, alt top, alt bottom."""
    low_quality: int
    """Alternate molecules left out for base quality."""
    low_mapq: int
    """Alternate molecules left out for mapping quality."""

    @property
    def depth(self) -> NDArray[np.int32]:
        """Return all informative molecules by class."""
        return self.alt + self.ref + self.other
