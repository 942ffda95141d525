"""Parameters of the consensus and filter stages."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ctdna.model.base import Frozen


def _high_to_low(name: str, values: tuple[int, ...]) -> None:
    if list(values) != sorted(values, reverse=True):
        raise ValueError(f"{name} found {' '.join(map(str, values))}, allowed are values from high to low")


def _stronger_first(name: str, values: tuple[float, ...]) -> None:
    if any(not 0 <= value <= 1 for value in values):
        raise ValueError(f"{name} found {' '.join(map(str, values))}, allowed are rates from 0 to 1")
    if values[min(1, len(values) - 1)] > values[-1]:
        raise ValueError(
            f"{name} found {' '.join(map(str, values))}, allowed is a limit of the better strand (second value) "
            "at or below that of the worse one (third)"
        )


def three(values: tuple[int, ...]) -> tuple[int, int, int]:
    """Return 1 to 3 limits as three: both strands together, one strand, the other; a short list repeats its last."""
    return values[0], values[min(1, len(values) - 1)], values[-1]


class ConsensusParams(Frozen):
    """The consensus model; Phred-scaled where named so."""

    mode: Literal["simplex", "duplex"]
    error_rate_pre_umi: int = Field(ge=2, le=93)
    """Phred."""
    error_rate_post_umi: int = Field(ge=2, le=93)
    """Phred."""
    min_input_base_quality: int = Field(ge=0, le=93)
    min_consensus_base_quality: int = Field(ge=0, le=93)
    min_reads: tuple[int, ...] = Field(min_length=1, max_length=3)
    """One number (simplex) or 1 to 3 (duplex: both strands together, stronger strand, weaker strand)."""
    max_reads: int | None = Field(ge=1)
    """Most reads used per strand and family; None: all."""
    trim: bool
    """Trim raw reads' tails by quality first."""
    consensus_call_overlapping_bases: bool
    """Correct overlapping mates before the consensus."""

    @model_validator(mode="after")
    def _check_reads(self) -> Self:
        _high_to_low("min_reads", self.min_reads)
        if self.min_reads[0] < 1 or self.min_reads[-1] < 0:
            raise ValueError("min_reads allowed: at least 1 read, and no negative number")
        if self.mode == "simplex" and len(self.min_reads) > 1:
            found = " ".join(map(str, self.min_reads))
            raise ValueError(f"min_reads found {found}, allowed is one number with the simplex mode")
        if self.max_reads is not None and self.max_reads < three(self.min_reads)[1]:
            raise ValueError(f"max_reads found {self.max_reads}, allowed is min_reads or more")
        return self


class FilterParams(Frozen):
    """Which consensus reads and bases are good enough."""

    min_reads: tuple[int, ...] = Field(min_length=1, max_length=3)
    """One number, or for duplex 1 to 3: both strands together, better strand, worse strand."""
    max_read_error_rate: tuple[float, ...] = Field(min_length=1, max_length=3)
    """As `min_reads`."""
    max_base_error_rate: tuple[float, ...] = Field(min_length=1, max_length=3)
    """As `min_reads`."""
    max_no_call_fraction: float = Field(ge=0)
    """Below 1 a fraction of the read; from 1 on a number of bases."""
    min_base_quality: int | None = Field(ge=0, le=93)
    min_mean_base_quality: float | None = Field(ge=0, le=93)
    """Of the whole read, before masking."""
    require_single_strand_agreement: bool

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        _high_to_low("min_reads", self.min_reads)
        if self.min_reads[-1] < 0:
            raise ValueError("min_reads allowed: no negative number")
        _stronger_first("max_read_error_rate", self.max_read_error_rate)
        _stronger_first("max_base_error_rate", self.max_base_error_rate)
        return self
