"""Slow, obvious twins of the kernels of calling."""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.stats import betabinom, binom

from ctdna.model.params.call import CallParams
from tests.builders import Read


def observations(read: Read) -> dict[int, int]:
    """Return the read's base index at each aligned position."""
    found, pos0, at, number = {}, read.pos0, 0, ""
    for letter in read.cigar:
        if letter.isdigit():
            number += letter
            continue
        n, number = int(number), ""
        if letter == "M":
            found |= {pos0 + k: at + k for k in range(n)}
        pos0 += n if letter in "MDN" else 0
        at += n if letter in "MIS" else 0
    return found


def _tier(a: int, b: int) -> int:
    if a > 0 and b > 0:
        return 0
    return {2: 2, 1: 3, 0: 3}.get(max(a, b), 1)


def site_counts(reads: Sequence[Read], params: CallParams) -> dict[tuple[int, str], np.ndarray]:
    """Return (position, base) -> molecules by class, from molecules of plain duplex reads with one MI each."""
    said: dict[tuple[str, int], list[tuple[str, int, int, bool]]] = defaultdict(list)
    for read in reads:
        if read.mapq < params.min_mapq:
            continue
        low = read.pos0 if read.insert_size > 0 else max(observations(read)) + 1 + read.insert_size
        high = low + abs(read.insert_size)
        for pos0, at in observations(read).items():
            quality = read.quals if isinstance(read.quals, int) else read.quals[at]
            if read.bases[at] in "ACGT" and quality >= params.min_base_quality:
                near = min(pos0 - low, high - 1 - pos0) < params.fragment_end_bases
                depths = read.tags["ad"][at], read.tags["bd"][at]
                said[read.tags["MI"], pos0].append((read.bases[at], *depths, near))
    counts: dict[tuple[int, str], np.ndarray] = defaultdict(lambda: np.zeros(8, int))
    for (_, pos0), seen in said.items():
        if len({base for base, *_ in seen}) == 1:
            tier = _tier(max(a for _, a, _, _ in seen), max(b for _, _, b, _ in seen))
            counts[pos0, seen[0][0]][2 * tier + any(near for *_, near in seen)] += 1
    return counts


def null_tail(
    n: Sequence[int], mean: Sequence[float], size: Sequence[float], weights: Sequence[int], score: int
) -> float:
    """Return P(score or more) by listing every combination of counts."""
    total = 0.0
    laws = [betabinom(c, m * s, (1 - m) * s) for c, m, s in zip(n, mean, size, strict=True)]
    tables = [law.pmf(np.arange(c + 1)) for law, c in zip(laws, n, strict=True)]
    for counts in itertools.product(*(range(c + 1) for c in n)):
        if sum(k * w for k, w in zip(counts, weights, strict=True)) >= score:
            total += float(np.prod([table[k] for table, k in zip(tables, counts, strict=True)]))
    return total


def missed(
    n: Sequence[int], mean: Sequence[float], weights: Sequence[int], score: int, least: int, vaf: float
) -> float:
    """Return the chance of a score below `score`, or of fewer than `least` molecules."""
    total = 0.0
    tables = [binom(c, m + vaf * (1 - m)).pmf(np.arange(c + 1)) for c, m in zip(n, mean, strict=True)]
    for counts in itertools.product(*(range(c + 1) for c in n)):
        if sum(k * w for k, w in zip(counts, weights, strict=True)) < score or sum(counts) < least:
            total += float(np.prod([table[k] for table, k in zip(tables, counts, strict=True)]))
    return total
