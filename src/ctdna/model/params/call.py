"""Parameters of the call stage."""

from ctdna.model.base import Frozen


class CallParams(Frozen):
    """The kit's rules for calling; every threshold that decides a state stands here."""

    false_positives_per_panel: float
    """Expected false calls over the whole panel; alpha per test is this over the number of tests."""
    hotspot_alpha: float
    """Significance level at the kit's hotspots."""
    min_base_quality: int
    """Consensus bases below this Phred quality are not counted."""
    min_mapq: int
    """Consensus reads below this mapping quality are not counted."""
    min_alt_molecules: int
    """Fewer molecules are never a call, however significant."""
    fragment_end_bases: int
    """Bases from a fragment's end counted in the class of their own."""
    claimed_lod: float
    """The kit's claimed VAF; a locus whose LoD95 lies above it is a no call where the variant is not found."""
    evidence_floor: int
    """Candidates with this many molecules are written, with their filters, even if not called."""
    strand_bias_p: float
    """Below this p-value of Fisher's exact test, strands of origin differ between alternate and reference."""
    artefact_p: float
    """Below this p-value, the tiers or places of the alternate molecules fit damage rather than a variant."""
    germline_vaf: float
    """From this VAF on, an allele is marked as possibly germline."""
    germline_snp_vaf: float
    """From this VAF on, an allele of the kit's common SNPs is marked as possibly germline."""
    mnv_distance: int
    """Changes up to so many bases apart in the same molecules are one variant."""
    mnv_min_share: float
    """Least share of either change's molecules that must carry both, for the two to be one variant."""
    homopolymer_bases: int
    """An indel of one base in a run of at least so many is marked."""
    low_complexity_copies: int
    """An indel of two to six bases in a tandem repeat of at least so many copies is marked."""
