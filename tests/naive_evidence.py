"""Slow, obvious twins of the kernels of calling."""

import itertools
from collections import Counter, defaultdict
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


def _depths(read: Read, at: int) -> tuple[int, int]:
    """Return how often each strand was read, where it shows the read's base."""
    tags, base = read.tags, read.bases[at]
    depths = tags["ad"][at], tags["bd"][at]
    if "ac" not in tags or min(depths) == 0 or tags["ac"][at] == tags["bc"][at] or base == "N":
        return depths
    return tuple(depth if tags[name][at] == base else 0 for depth, name in zip(depths, ("ac", "bc"), strict=True))  # type: ignore[return-value]


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
                depths = _depths(read, at)
                said[read.tags["MI"], pos0].append((read.bases[at], *depths, near))
    counts: dict[tuple[int, str], np.ndarray] = defaultdict(lambda: np.zeros(8, int))
    for (_, pos0), seen in said.items():
        if len({base for base, *_ in seen}) == 1:
            tier = _tier(max(a for _, a, _, _ in seen), max(b for _, _, b, _ in seen))
            counts[pos0, seen[0][0]][2 * tier + any(near for *_, near in seen)] += 1
    return counts


def _strands(read: Read, at: int) -> tuple[str, str] | None:
    """Return the bases of both strands, as (top, bottom), where both were read twice and are of Q30 or better."""
    tags = read.tags
    quals = [ord(tags[name][at]) - 33 for name in ("aq", "bq")]
    bases = tags["ac"][at], tags["bc"][at]
    if min(quals) < 30 or min(tags["ad"][at], tags["bd"][at]) < 2 or set(bases) - set("ACGT"):
        return None
    is_reverse, is_second = bool(read.flag & 16), bool(read.flag & 128)
    return bases if is_reverse == is_second else (bases[1], bases[0])


Said = dict[tuple[str, int], list[tuple[str, str] | None]]
Plain = dict[tuple[str, int], list[tuple[str, int, int]]]


def _said(reads: Sequence[Read], target: tuple[int, int], params: CallParams) -> tuple[Said, Plain]:
    """Return by molecule and position what its reads say: strands that differ, None where they agree; usable bases."""
    said: Said = defaultdict(list)
    plain: Plain = defaultdict(list)
    for read in reads:
        over = {p: at for p, at in observations(read).items() if target[0] <= p < target[1]}
        for pos0, at in (over if read.mapq >= params.min_mapq else {}).items():
            strands = _strands(read, at)
            quality = read.quals if isinstance(read.quals, int) else read.quals[at]
            depths = _depths(read, at)
            is_usable = read.bases[at] in "ACGT" and quality >= params.min_base_quality
            if is_usable:
                plain[read.tags["MI"], pos0].append((read.bases[at], *depths))
            if strands is not None and strands[0] != strands[1]:
                said[read.tags["MI"], pos0].append(strands)
            elif is_usable and min(depths) >= 2:
                said[read.tags["MI"], pos0].append(None)
    return said, plain


def lesions(reads: Sequence[Read], reference: str, target: tuple[int, int], params: CallParams) -> Counter[str]:
    """Return molecules by `G>T top` and so on, `both`, and by `base G` the bases of strands that were looked at."""
    found: Counter[str] = Counter()
    said, plain = _said(reads, target, params)
    other = dict(zip("ACGT", "TGCA", strict=True))
    for (_, pos0), seen in plain.items():
        depths = [max(one[k] for one in seen) for k in (1, 2)]
        if len({base for base, *_ in seen}) == 1 and min(depths) >= 2:
            found.update([f"base {reference[pos0]}", f"base {other[reference[pos0]]}"])
    for (_, pos0), seen_strands in said.items():
        if len(set(seen_strands)) > 1 or seen_strands[0] is None:
            continue
        (top, bottom), base = seen_strands[0], reference[pos0]
        if base not in (top, bottom):
            found["both"] += 1
            continue
        change = f"{base}>{top} top" if bottom == base else f"{other[base]}>{other[bottom]} bottom"
        found.update([change, f"base {base}", f"base {other[base]}"])
    return found


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
