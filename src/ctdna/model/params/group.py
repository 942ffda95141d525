"""Parameters of the group stage."""

from typing import Literal

from ctdna.model.base import Frozen

Strategy = Literal["identity", "edit", "adjacency", "paired"]


class GroupParams(Frozen):
    """How reads of one template are told from reads of another."""

    strategy: Strategy
    edits: int
    """Most mismatches between UMIs of one family; 0 for identity."""
    min_mapq: int
    """Templates with a mapped read below this mapping quality are rejected."""
    min_umi_length: int | None
    """Shorter UMIs are rejected, and the UMIs at one place are compared over the length of the shortest of them.
    None: all must have one length. Not with the paired strategy."""
    allow_inter_contig: bool
    """Keep templates whose ends lie on two contigs."""
    allow_mixed_umi_lengths: bool = False
    """Take UMIs of any lengths; those of different lengths, or with halves of different lengths, never match."""
