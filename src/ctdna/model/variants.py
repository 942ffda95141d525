"""What calling answers: the variants and the table of loci."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DETECTED, NOT_DETECTED, NO_CALL = "DETECTED", "NOT_DETECTED", "NO_CALL"
FILTERS = {
    "not_significant": "The molecules do not exceed the background at the level of this locus",
    "low_evidence": "Fewer alternate molecules than the least allowed",
    "strand_bias": "Strands of origin differ between alternate and reference molecules",
    "fragment_end": "Alternate molecules lie at fragment ends, reference molecules do not",
    "oxidation": "G>T or C>A that duplex molecules do not bear out",
    "deamination": "C>T or G>A that duplex molecules do not bear out",
    "background": "Another change that duplex molecules do not bear out, or a place that is noisy in normals",
    "homopolymer": "Indel of one base in a long run of that base",
    "low_complexity": "Indel in a long tandem repeat",
    "misaligned": "Substitution at reads' ends that an indel in the bases beside explains better",
    "low_mapq": "More alternate molecules of low mapping quality than of sufficient",
    "low_base_quality": "More alternate molecules of low base quality than of sufficient",
    "germline": "Possibly germline by its VAF, or a common SNP",
    "part_of_mnv": "Part of a joint change reported as one variant",
    "cluster": "Its molecules carry several other rare changes near by",
    "other_place": "Most alternate molecules fit another place as well, more than the reference's do",
    "panel_of_normals": "Seen in several of the background's normals, and not far above them",
    "chip": "White cells show it too: clonal haematopoiesis",
}
"""Every filter with its description, in the order in which they are written."""
ORIGIN_FILTERS = frozenset({"germline", "chip"})
"""Filters that speak of an allele's origin, not of its presence."""
ORIGINS = ("tumour", "chip", "germline", "unresolved")


class WhiteCells(NamedTuple):
    """What the same subject's white cells show of an allele."""

    n_ref: int
    n_alt: int
    depth: int
    vaf: float
    """Less the background."""
    low: float
    """95 % interval of `vaf`."""
    high: float
    p_value: float


class CalledVariant(NamedTuple):
    """One candidate: what was counted, tested and concluded."""

    contig: str
    pos1: int
    ref: str
    alt: str
    filters: tuple[str, ...]
    """Reasons that hold, in the order of `FILTERS`; empty: a call."""
    target: str
    is_hotspot: bool
    variant_class: str
    """`snv`, `indel` or `mnv`."""
    p_value: float
    q_value: float
    background: float
    """Null rate per molecule."""
    lob: float | None
    """As VAF; None where there is none."""
    lod95: float | None
    parts: tuple[str, ...]
    """Of a joint change: `pos1:ref>alt`."""
    depth: int
    n_ref: int
    n_alt: int
    vaf: float
    """Alternate over informative molecules."""
    vaf_low: float
    """95 % interval of `vaf_estimate`."""
    vaf_high: float
    tiers: tuple[tuple[int, int], ...]
    """(ref, alt) molecules: duplex, simplex3, pair2, single."""
    strands: tuple[int, int, int, int]
    """Ref top, ref bottom, alt top, alt bottom; molecules of unknown strand of origin are left out."""
    vaf_estimate: float = 0.0
    """VAF of greatest likelihood over the classes, less the background."""
    posterior: float = 0.0
    """Probability that the allele is present."""
    origin: str = "unresolved"
    """One of `ORIGINS`."""
    zygosity: str = ""
    """Of a possibly germline allele: `het`, `hom` or `unbalanced`; else empty."""
    white: WhiteCells | None = None
    """None: no white cells were given."""
    state: str = NOT_DETECTED
    reason: str = "."
    """Filters or `no_coverage`, `lod_above_claim`, `off_panel`; `.`: none."""
    is_forced: bool = False
    identifier: str = "."
    """Of a listed allele: its ID in the list."""


class LocusTable(NamedTuple):
    """One row per panel position and alternate base, and one per hotspot allele of another class; sorted."""

    contig: NDArray[np.int32]
    """Index into the contig names."""
    pos1: NDArray[np.int64]
    ref: tuple[str, ...]
    alt: tuple[str, ...]
    target: tuple[str, ...]
    hotspot: tuple[str, ...]
    """The kit's label; `.` elsewhere."""
    tiers: NDArray[np.int64]
    """(rows, 4): all informative molecules by tier."""
    alt_molecules: NDArray[np.int64]
    background: NDArray[np.float64]
    lob: NDArray[np.float64]
    """NaN where there is none."""
    lod95: NDArray[np.float64]
    state: tuple[str, ...]
    reason: tuple[str, ...]
    """`.` where there is none."""
