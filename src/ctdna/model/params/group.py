"""Parameters of the group stage."""

from typing import Literal

from ctdna.model.base import Frozen

Strategy = Literal["identity", "edit", "adjacency", "paired"]


class GroupParams(Frozen):
    """How reads of one template are told from reads of another."""

    strategy: Strategy
    edits: int
    """Most mismatches between UMIs of one family."""
    min_mapq: int
    """Templates with a read below this mapping quality are rejected."""
    min_umi_length: int | None
    """Shortest UMI; longer ones are cut to it. None: all must have one length."""
