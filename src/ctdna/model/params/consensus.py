"""Parameters of the consensus and filter stages."""

from typing import Literal

from ctdna.model.base import Frozen


class ConsensusParams(Frozen):
    """The consensus model; Phred-scaled where named so."""

    mode: Literal["simplex", "duplex"]
    error_rate_pre_umi: int
    """Phred."""
    error_rate_post_umi: int
    """Phred."""
    min_input_base_quality: int
    min_consensus_base_quality: int
    min_reads: tuple[int, ...]
    """One number (simplex) or 1 to 3 (duplex: both strands together, stronger strand, weaker strand)."""
    max_reads: int | None
    """Most reads used per strand and family; None: all."""
    trim: bool
    """Trim raw reads' tails by quality first."""
    consensus_call_overlapping_bases: bool
    """Correct overlapping mates before the consensus."""


class FilterParams(Frozen):
    """Which consensus reads and bases are good enough."""

    min_reads: tuple[int, ...]
    max_read_error_rate: tuple[float, ...]
    max_base_error_rate: tuple[float, ...]
    max_no_call_fraction: float
    min_base_quality: int | None
    min_mean_base_quality: float | None
    require_single_strand_agreement: bool
