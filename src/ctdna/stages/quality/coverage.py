"""Depth of unique molecules over the panel, from the locus table of the call stage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.qc import TargetDepth


class PanelTarget(NamedTuple):
    """One target of the panel, half-open."""

    name: str
    contig: str
    start0: int
    end0: int


class PanelDepth(NamedTuple):
    """Unique molecules at each panel position; a position without any row of the locus table has depth 0."""

    depth: NDArray[np.int64]
    """All informative molecules, targets one after the other."""
    duplex: NDArray[np.int64]
    """Those seen on both strands."""
    offsets: NDArray[np.int64]
    """n_targets + 1 offsets into both."""


def panel_depth(targets: tuple[PanelTarget, ...], depths: dict[tuple[str, int], tuple[int, int]]) -> PanelDepth:
    """Return the depth at every panel position from (contig, 1-based position) -> (depth, duplex)."""
    offsets = np.concatenate([[0], np.cumsum([target.end0 - target.start0 for target in targets])]).astype(np.int64)
    pairs = [
        depths.get((target.contig, pos0 + 1), (0, 0))
        for target in targets
        for pos0 in range(target.start0, target.end0)
    ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return PanelDepth(np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]), offsets)


def target_depths(targets: tuple[PanelTarget, ...], panel: PanelDepth) -> tuple[TargetDepth, ...]:
    """Return mean, least and mean duplex depth of each target, in the panel's order."""
    rows = []
    for i_target, target in enumerate(targets):
        span = slice(panel.offsets[i_target], panel.offsets[i_target + 1])
        depth, duplex = panel.depth[span], panel.duplex[span]
        rows.append(
            TargetDepth(
                target=target.name,
                contig=target.contig,
                start0=target.start0,
                end0=target.end0,
                mean=float(depth.mean()) if len(depth) else 0.0,
                min=int(depth.min()) if len(depth) else 0,
                duplex_mean=float(duplex.mean()) if len(duplex) else 0.0,
            )
        )
    return tuple(rows)


def fold_80(depth: NDArray[np.int64]) -> float | None:
    """Return mean depth over the 20th percentile of depth (Picard's FOLD_80_BASE_PENALTY); None where that is 0.

    The percentile is taken over all panel positions, linearly interpolated. 1 is perfectly even.
    """
    if not len(depth):
        return None
    low = float(np.percentile(depth, 20))
    return float(depth.mean()) / low if low > 0 else None
