"""Parameters of the demultiplex stage."""

from typing import Annotated, Literal

from pydantic import Field

from ctdna.model.base import Frozen

Mismatches = Annotated[int, Field(ge=0, le=2)]


class DemultiplexParams(Frozen):
    """How clusters are given to samples."""

    decoder: Literal["ctdna", "bcl-convert"]
    barcode_mismatches: Annotated[tuple[Mismatches, ...], Field(min_length=1, max_length=2)]
    """Most mismatches for index 1 (and index 2; one number holds for both)."""
    index2_orientation: Literal["by_instrument", "forward", "reverse_complement"]
    """How the instrument reads index 2, against the sample sheet."""
