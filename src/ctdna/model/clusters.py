"""Columns of clusters, as the sequencer's files hold them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TileColumns(NamedTuple):
    """All n clusters of one tile.

    A call is a byte as in BCL files: base in the two low bits (A, C, G, T), Phred quality in the others; 0 is a no
    call, which is written as N with quality 2.
    """

    lane: int
    tile: int
    planes: NDArray[np.uint8]
    """(cycles, n): the calls, cycle by cycle in the order of sequencing."""
    is_passing: NDArray[np.uint8]
    """(n): 1 where the cluster passed the instrument's filter, else 0."""
    x: NDArray[np.int32]
    """(n): as read names write it, 10 * position + 1000."""
    y: NDArray[np.int32]
    """(n): as read names write it."""


class ClusterColumns(NamedTuple):
    """n neighbouring clusters of one tile, cluster by cluster."""

    lane: int
    tile: int
    calls: NDArray[np.uint8]
    """(n, cycles)."""
    is_passing: NDArray[np.uint8]
    x: NDArray[np.int32]
    y: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.calls)
