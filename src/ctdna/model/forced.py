"""Alleles that must be answered, and the answer for their whole list."""

from typing import NamedTuple

from ctdna.model.base import Frozen


class ListedAllele(NamedTuple):
    """An allele of a list, its bases checked against the reference."""

    contig: str
    pos1: int
    ref: str
    alt: str
    label: str
    """Its ID in the list; `forced` where it has none."""


class LeftOut(Frozen):
    """An allele that the answer for the list does not use."""

    contig: str
    pos1: int
    ref: str
    alt: str
    label: str
    reason: str
    """`off_panel`, `no_coverage`, `noisy`, `panel_of_normals`, `homopolymer`, `low_complexity`, `germline`, `chip`,
    `outlier`."""


class ForcedSummary(Frozen):
    """Whether anything of the whole list is there, under one VAF that all its alleles share."""

    sample: str
    n_listed: int
    n_used: int
    left_out: tuple[LeftOut, ...]
    molecules: int
    """Informative molecules over all alleles used."""
    alt_molecules: int
    p_value: float
    alpha: float
    """The level that `p_value` is held to."""
    is_detected: bool
    """At or below the level, with enough molecules."""
    vaf: float | None
    """Shared VAF, less the background; None without molecules."""
    vaf_low: float | None
    """95 % interval."""
    vaf_high: float | None
    lob: float | None
    lod95: float | None
    """Shared VAF that would be detected 95 times in 100."""
    lod95_ppm: float | None
