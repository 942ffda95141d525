"""Parameters of the demultiplex stage."""

from typing import Literal

from ctdna.model.base import Frozen


class DemultiplexParams(Frozen):
    """How clusters are given to samples."""

    decoder: Literal["ctdna", "bcl-convert"]
    barcode_mismatches: tuple[int, ...]
    """Most mismatches for index 1 (and index 2)."""
    index2_orientation: Literal["by_instrument", "forward", "reverse_complement"]
