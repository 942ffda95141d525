"""Parameters of the call stage."""

from ctdna.model.base import Frozen


class CallParams(Frozen):
    """The kit's rules for calling; every threshold that decides a state stands here."""

    false_positives_per_panel: float
    """Expected false calls over the whole panel; alpha per test is this over the number of tests."""
    hotspot_alpha: float
    """Significance level at the kit's hotspots."""
    min_base_quality: int
    min_mapq: int
    min_alt_molecules: int
    fragment_end_bases: int
    """Bases from a fragment's end counted in the class of their own."""
    claimed_lod: float
    """The kit's claimed VAF; a locus whose LoD95 lies above it is a no call where the variant is not found."""
    evidence_floor: int
    """Candidates with this many molecules are written, with their filters, even if not called."""
    strand_bias_p: float
    germline_vaf: float
    """From this VAF on, an allele is marked as possibly germline."""
    mnv_distance: int
    """Substitutions up to so many bases apart in the same molecules are one variant."""
