"""Parameters of the call stage."""

from ctdna.model.base import Frozen


class CallParams(Frozen):
    """The kit's rules for calling; every threshold that decides a state stands here."""

    false_positives_per_panel: float
    """Expected false calls over the whole panel: what all its tests attain at their levels (`stages.levels`)."""
    substitution_share: float
    """Of the false calls allowed, the substitutions' share; the rest is for all other changes."""
    hotspot_alpha: float
    """Significance level at the kit's hotspots, where it is higher."""
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
    mnv_rate_share: float
    """Null rate of a joint change over that of its rarest part: errors of one molecule seldom come together."""
    homopolymer_bases: int
    """An indel of one base in a run of at least so many is marked."""
    low_complexity_copies: int
    """An indel of two to six bases in a tandem repeat of at least so many copies is marked."""
    misaligned_bases: int
    """Indels of up to so many bases are tried in place of a substitution near reads' ends; 0: none."""
    misaligned_share: float
    """From this share of alternate molecules that fit such an indel better on, the substitution is marked."""
    low_quality_share: float
    """Filters low_mapq and low_base_quality: more than this share of the alternate molecules fell to that limit."""
    germline_balance: float
    """A VAF whose interval comes so near to 0.5 or 1 is that of an inherited allele."""
    cluster_window: int
    """Other changes of the same molecules are looked for up to so many bases away."""
    cluster_changes: int
    """A molecule with so many other rare changes there is doubtful."""
    cluster_share: float
    """From this share of doubtful alternate molecules on, the allele is marked."""
    cluster_max_vaf: float
    """Alleles from this VAF on are no rare changes, and are not marked themselves."""
    normals_min_donors: int
    """An allele seen in so many of the background's donors is marked."""
    normals_min_share: float
    """And in at least this share of the donors."""
    normals_excess: float
    """A VAF of so many times the normals' own rate is not marked."""
    white_germline_vaf: float
    """From this VAF in white cells on, an allele is inherited."""
    white_chip_vaf: float
    """Below this VAF in white cells, an allele that they show is of their clone; between the two it stays open."""
    white_alpha: float
    """White cells show an allele from this p-value on."""
    prior_hotspot: float
    """Probability, before its molecules are looked at, that a hotspot allele is present."""
    prior_elsewhere: float
    """The same of any other allele."""
    prior_least_vaf: float
    """The posterior weighs VAFs from this one to 1, equally on their logarithm."""
    forced_alpha: float
    """Significance level of each listed allele (`--force`)."""
    forced_max_background: float
    """Listed alleles whose null rate is higher are left out of the answer for the whole list."""
    mrd_alpha: float
    """Significance level of the whole list."""
    mrd_min_molecules: int
    """Fewer alternate molecules over the whole list are never a detection."""
    mrd_vaf: float
    """VAF that the test of the whole list is weighted for."""
    mrd_outlier_p: float
    """A listed allele less likely than this beside all others is left out; divided by their number."""
    mrd_outlier_min_alleles: int
    """In shorter lists no allele is an outlier: the others say too little."""
