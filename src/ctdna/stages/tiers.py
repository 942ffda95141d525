"""How well molecules are supported: counts by tier, of reads before the vote and of consensus reads after it."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.record import find_tag, kind_code, tag_code
from ctdna.kernels.tags import int_values
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.evidence import TIERS

_WHOLE = kind_code("i")


def tier_counts(first: NDArray[np.int64], second: NDArray[np.int64]) -> dict[str, int]:
    """Return the molecules by tier, from the reads of either strand.

    Both strands: duplex. Else by the reads of the one strand: simplex3 from 3 on, pair2, single.
    """
    is_duplex = (first > 0) & (second > 0)
    reads = np.maximum(first, second)[~is_duplex]
    counts = (is_duplex.sum(), (reads >= 3).sum(), (reads == 2).sum(), (reads < 2).sum())
    return {tier: int(n) for tier, n in zip(TIERS, counts, strict=True)}


def consensus_tiers(records: RawRecords, fields: RecordFields, chosen: NDArray[np.int64]) -> dict[str, int]:
    """Return the chosen consensus reads by tier at their deepest base: `aD`, `bD` of duplex reads, else `cD`."""

    def depth(name: str) -> NDArray[np.int64]:
        at = find_tag(records.data, fields.tags_at[chosen], fields.tags_end[chosen], tag_code(name), _WHOLE)
        return int_values(records.data, at, 0)

    first, second = depth("aD"), depth("bD")
    return tier_counts(np.where((first == 0) & (second == 0), depth("cD"), first), second)
