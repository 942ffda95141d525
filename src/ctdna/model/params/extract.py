"""Parameters of the extract stage."""

from ctdna.model.base import Frozen


class ExtractParams(Frozen):
    """How reads are laid out and how UMIs are corrected."""

    read_structures: tuple[str, ...]
    """One read structure a FASTQ file, as `5M2S+T`."""
    umi_max_mismatches: int | None
    """Most mismatches to the nearest UMI of the fixed list; none without a list."""
    umi_min_distance: int | None
    """Least distance between the nearest and the second nearest UMI of the list."""
    adapters: tuple[str, ...]
    """Adapter read through at the 3' end of each read, one a FASTQ file; empty: found by mate overlap alone."""
    min_template_bases: int
    """Shorter templates are rejected."""
