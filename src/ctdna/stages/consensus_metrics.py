"""What consensus calling counts."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.family import N_STATUS, Tally
from ctdna.model.evidence import TIERS
from ctdna.model.metrics import StageMetrics
from ctdna.stages.tiers import tier_counts

REASONS = (
    "used",
    "too_few_reads",
    "collision",
    "no_usable_base",
    "minority_alignment",
    "over_max_reads",
    "no_consensus_of_mate",
    "fragment",
    "not_primary",
)
"""Names of the kernels' read statuses; the first is no rejection."""


def _histogram(sizes: NDArray[np.int32]) -> dict[int, int]:
    counts = np.bincount(sizes)
    return {int(size): int(counts[size]) for size in np.flatnonzero(counts) if size > 0}


class ConsensusCounts:
    """Sums the counts of many batches."""

    def __init__(self, mode: str) -> None:
        """Begin at zero; `mode` is `simplex` or `duplex`."""
        self._is_duplex = mode == "duplex"
        self._reads = np.zeros(N_STATUS, dtype=np.int64)
        self._molecules = np.zeros(N_STATUS, dtype=np.int64)
        self._overlap = np.zeros(4, dtype=np.int64)
        self._unknown_mates = 0
        self._n_records = 0
        self._tiers = dict.fromkeys(TIERS, 0)
        self._histograms: dict[str, dict[int, int]] = {}

    def add(self, tally: Tally, n_records: int) -> None:
        """Add one batch's counts and the consensus reads it gave."""
        self._reads += tally.reads
        self._molecules += tally.molecules
        self._overlap += tally.overlap
        self._unknown_mates += int(tally.unknown_mates[0])
        self._n_records += n_records
        sizes = tally.sizes.astype(np.int64)
        for tier, n in tier_counts(sizes[:, 0], sizes[:, 1]).items():
            self._tiers[tier] += n
        self._add_sizes("family_size", tally.sizes.sum(axis=1))
        if self._is_duplex:
            self._add_sizes("strand_family_size", tally.sizes.ravel())

    def _add_sizes(self, name: str, sizes: NDArray[np.int32]) -> None:
        total = self._histograms.setdefault(name, {})
        for size, count in _histogram(sizes).items():
            total[size] = total.get(size, 0) + count

    def metrics(self, sample: str) -> StageMetrics:
        """Return the stage's metrics: reads balance, and molecules do among the counts."""
        molecules = {f"molecules_rejected_{REASONS[k]}": int(self._molecules[k]) for k in range(1, N_STATUS)}
        counts = {
            "molecules_in": int(self._molecules.sum()),
            "molecules_out": int(self._molecules[0]),
            **molecules,
            **{f"molecules_in_{tier}": n for tier, n in self._tiers.items()},
            "consensus_reads": self._n_records,
            "mate_pairs": int(self._overlap[0]),
            "overlapping_bases": int(self._overlap[1]),
            "overlapping_bases_changed": int(self._overlap[2] + self._overlap[3]),
            "mate_cigar_unknown": self._unknown_mates,
        }
        if self._is_duplex:
            counts["molecules_with_both_strands"] = self._tiers["duplex"]
        return StageMetrics(
            stage="consensus",
            sample=sample,
            unit="reads",
            n_in=int(self._reads.sum()),
            n_out=int(self._reads[0]),
            rejected={REASONS[k]: int(self._reads[k]) for k in range(1, N_STATUS)},
            counts=counts,
            histograms=self._histograms,
        )
