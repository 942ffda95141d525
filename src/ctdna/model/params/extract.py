"""Parameters of the extract stage."""

from ctdna.model.base import Frozen


class ExtractParams(Frozen):
    """How reads are laid out, how UMIs are corrected and how adapter read-through is found."""

    read_structures: tuple[str, ...]
    """One read structure a FASTQ file, as `5M2S+T`; each holds exactly one `T`."""
    umi_max_mismatches: int | None
    """Most mismatches to the nearest UMI of the fixed list; none without a list."""
    umi_min_distance: int | None
    """Least difference in mismatches between the nearest and the second nearest UMI; none without a list."""
    adapters: tuple[str, ...]
    """Adapter read through at the 3' end of each read, one a FASTQ file; empty: found by mate overlap alone."""
    min_template_bases: int
    """Shorter templates are rejected."""
    overlap_min_bases: int
    """Mates that overlap by at least so many bases show where the insert ends."""
    adapter_min_bases: int
    """Fewest bases of a given adapter that are recognised at a read's end."""
    max_mismatch_rate: float
    """Most mismatches a base of the overlap, or of the adapter, that still count as the same sequence."""
