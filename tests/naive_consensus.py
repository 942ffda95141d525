"""The consensus model written plainly: exact decimals, one base at a time. A twin for the kernels."""

import re
from decimal import Decimal, localcontext
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

from ctdna.model.params.consensus import ConsensusParams
from tests.builders import Read

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
Operations = list[tuple[int, str]]


class Source(NamedTuple):
    """A raw read ready to vote, in sequencing direction."""

    read: Read
    bases: str
    quals: list[int]
    cigar: Operations


class Called(NamedTuple):
    """A single-strand consensus."""

    bases: str
    quals: list[int]
    depths: list[int]
    errors: list[int]
    sources: list[Source]


def probability(quality: int) -> Decimal:
    return Decimal(10) ** (Decimal(-quality) / 10)


def two_trials(x: Decimal, y: Decimal) -> Decimal:
    if abs(x.ln() - y.ln()) >= 6:
        return max(x, y)
    return x * (1 - y) + y * (1 - x) + x * y * 2 / 3


def phred(p: Decimal) -> int:
    return min(93, int((-10 * p.log10() + Decimal("0.001")).to_integral_value("ROUND_FLOOR")))


@cache
def pileup(observations: tuple[tuple[str, int], ...], pre: int, post: int) -> tuple[str, int]:
    """Return base and quality of sorted observations, by the formula with 40 digits."""
    with localcontext() as context:
        context.prec = 40
        likelihood = dict.fromkeys("ACGT", Decimal(1))
        for base, quality in observations:
            error = two_trials(probability(quality), probability(post))
            for candidate in "ACGT":
                likelihood[candidate] *= 1 - error if candidate == base else error / 3
        ranked = sorted("ACGT", key=lambda b: likelihood[b], reverse=True)
        first, second = likelihood[ranked[0]], likelihood[ranked[1]]
        if first - second <= first * Decimal("1e-30"):
            return "N", 2
        others = sum(likelihood[b] for b in ranked[1:])
        return ranked[0], max(2, phred(two_trials(probability(pre), others / (first + others))))


def single_quality(quality: int, pre: int, post: int) -> int:
    return phred(two_trials(probability(quality), probability(min(pre, post))))


def operations(cigar: str) -> Operations:
    return [(int(n), code) for n, code in re.findall(r"(\d+)([MIDNSHP=X])", cigar)]


def reference_positions(read: Read) -> list[int | None]:
    """Return the reference position of each base, None where inserted or clipped."""
    found: list[int | None] = []
    at = read.pos0
    for n, code in operations(read.cigar):
        if code in "M=X":
            found += range(at, at + n)
        elif code in "IS":
            found += [None] * n
        if code in "MDN=X":
            at += n
    return found


def _last_at(read: Read, position: int, is_reverse: bool) -> int:
    """Return how many bases of the read lie past a reference position, in its sequencing direction."""
    places = reference_positions(read)
    if is_reverse:
        at_or_behind = [k for k, p in enumerate(places) if p is not None and p >= position]
        return min(at_or_behind)
    at_or_before = [k for k, p in enumerate(places) if p is not None and p <= position]
    return len(places) - 1 - max(at_or_before)


def overhang(read: Read, mate: Read | None) -> int:
    """Return the bases at the read's 3' end past its mate's end, for mates that face each other on one contig."""
    if mate is None or (read.flag | mate.flag) & 4 or read.contig != mate.contig or (read.flag ^ mate.flag) & 16 == 0:
        return 0
    own = [p for p in reference_positions(read) if p is not None]
    other = [p for p in reference_positions(mate) if p is not None]
    is_reverse = bool(read.flag & 16)
    forward, backward = (other, own) if is_reverse else (own, other)
    if forward[0] > backward[-1]:
        return 0
    low, high = max(own[0], other[0]), min(own[-1], other[-1])
    if low > high:
        if (is_reverse and own[0] < other[0]) or (not is_reverse and own[0] > other[0]):
            return 0
        return max(0, _disjoint(read, mate, own, other, is_reverse))
    place = low if is_reverse else high
    return max(0, _last_at(read, place, is_reverse) - _last_at(mate, place, is_reverse))


def _disjoint(read: Read, mate: Read, own: list[int], other: list[int], is_reverse: bool) -> int:
    def clip(cigar: str, k: int) -> int:
        ops = [op for op in operations(cigar) if op[1] != "H"]
        return ops[k][0] if ops[k][1] == "S" else 0

    if is_reverse:
        return clip(read.cigar, 0) - (own[0] - (other[0] - clip(mate.cigar, 0)))
    return clip(read.cigar, -1) - (other[-1] + clip(mate.cigar, -1) - own[-1])


def simplified(ops: Operations, n_used: int, n_bases: int) -> Operations:
    cut: Operations = []
    left = n_used
    for n, code in ops:
        if left == 0 and n_used < n_bases:
            break
        size = min(n, left) if code in "MIS=X" else n
        left -= size if code in "MIS=X" else 0
        cut.append((size, "M" if code in "SH=X" else code))
    return [(sum(n for n, _ in run), code) for code, run in ((c, list(r)) for c, r in groupby(cut, lambda op: op[1]))]


def prepared(read: Read, params: ConsensusParams, n_past: int) -> Source | None:
    """Return the part of a read that votes, None where no base is left."""
    quals = [read.quals] * len(read.bases) if isinstance(read.quals, int) else list(read.quals)
    bases, ops = read.bases, operations(read.cigar)
    if read.flag & 16:
        bases, quals, ops = bases[::-1].translate(_COMPLEMENT), quals[::-1], ops[::-1]
    length = len(bases) - n_past
    if params.trim:
        sums = [sum(params.min_input_base_quality - q for q in quals[k:]) for k in range(len(quals))]
        point, best = len(quals), 0
        for k in reversed(range(len(quals))):
            if sums[k] < 0:
                break
            if sums[k] > best:
                point, best = k, sums[k]
        length = min(length, point)
    masked = [(b, q) if q >= params.min_input_base_quality else ("N", 2) for b, q in zip(bases, quals, strict=True)]
    while length > 0 and masked[length - 1][0] == "N":
        length -= 1
    if length <= 0:
        return None
    masked = masked[:length]
    return Source(read, "".join(b for b, _ in masked), [q for _, q in masked], simplified(ops, length, len(bases)))


def is_prefix(a: Operations, b: Operations) -> bool:
    if len(a) > len(b):
        return False
    return all(
        x == y or (k == len(a) - 1 and x[1] == y[1] and x[0] <= y[0])
        for k, (x, y) in enumerate(zip(a, b, strict=False))
    )


def majority(sources: list[Source]) -> list[Source]:
    if len(sources) < 2:
        return sources
    ordered = sorted(sources, key=lambda s: -len(s.bases))
    groups: list[tuple[Operations, list[int]]] = []
    for k, source in enumerate(ordered):
        found = [members for rep, members in groups if is_prefix(source.cigar, rep)]
        for members in found:
            members.append(k)
        if not found:
            groups.append((source.cigar, [k]))
    _, best = min(groups, key=lambda g: (-len(g[1]), [(n, "MID".index(c)) for n, c in g[0]]))
    return [ordered[k] for k in best]


def consensus(sources: list[Source], params: ConsensusParams, min_reads: int) -> Called | None:
    if len(sources) < max(min_reads, 1):
        return None
    pre, post, least = params.error_rate_pre_umi, params.error_rate_post_umi, params.min_consensus_base_quality
    length = sorted((len(s.bases) for s in sources), reverse=True)[max(min_reads, 1) - 1]
    calls = []
    for i in range(length):
        seen = tuple(sorted((s.bases[i], s.quals[i]) for s in sources if len(s.bases) > i and s.bases[i] != "N"))
        if len(sources) == 1:
            base, quality = (seen[0][0], single_quality(seen[0][1], pre, post)) if seen else ("N", 2)
            raw = base
        else:
            raw, quality = pileup(seen, pre, post)
            base = raw
            if len(seen) < min_reads:
                base, quality = "N", 0
        if quality < least and not (len(sources) > 1 and len(seen) < min_reads):
            base, quality = "N", 2
        errors = sum(b != raw for b, _ in seen)
        calls.append((base, quality, len(seen), errors))
    bases, quals, depths, errors_all = zip(*calls, strict=True)
    return Called("".join(bases), list(quals), list(depths), list(errors_all), sources)


def corrected(r1: Read, r2: Read) -> tuple[Read, Read]:
    """Return both mates with the bases settled that both align."""
    if (r1.flag | r2.flag) & 4 or r1.contig != r2.contig:
        return r1, r2
    bases1, bases2 = list(r1.bases), list(r2.bases)
    quals1, quals2 = list(r1.quals), list(r2.quals)  # type: ignore[arg-type]
    index2 = {p: k for k, p in enumerate(reference_positions(r2)) if p is not None}
    for k1, p in enumerate(reference_positions(r1)):
        if p is None or p not in index2:
            continue
        k2 = index2[p]
        b1, b2, q1, q2 = bases1[k1], bases2[k2], quals1[k1], quals2[k2]
        if "N" in (b1, b2):
            continue
        if b1 == b2:
            quals1[k1] = quals2[k2] = min(93, q1 + q2)
        elif q1 == q2:
            bases1[k1] = bases2[k2] = "N"
            quals1[k1] = quals2[k2] = 2
        else:
            bases1[k1] = bases2[k2] = b1 if q1 > q2 else b2
            quals1[k1] = quals2[k2] = max(2, abs(q1 - q2))
    return r1._replace(bases="".join(bases1), quals=quals1), r2._replace(bases="".join(bases2), quals=quals2)


def _templates(reads: list[Read], params: ConsensusParams) -> list[tuple[Read, Read | None]]:
    """Return each read with its mate, their overlaps settled if so asked."""
    by_name: dict[str, dict[int, Read]] = {}
    for read in reads:
        by_name.setdefault(read.name, {})[read.flag & 192] = read
    found: dict[tuple[str, int], tuple[Read, Read | None]] = {}
    for name, ends in by_name.items():
        if set(ends) == {64, 128}:
            r1, r2 = ends[64], ends[128]
            if params.consensus_call_overlapping_bases:
                r1, r2 = corrected(r1, r2)
            found[name, 64], found[name, 128] = (r1, r2), (r2, r1)
        else:
            found.update({(name, end): (read, None) for end, read in ends.items()})
    return [found[read.name, read.flag & 192] for read in reads]


def simplex(reads: list[Read], params: ConsensusParams) -> dict[int, Called]:
    """Return the consensus of a family by end: 0 fragment, 1, 2."""
    found: dict[int, Called] = {}
    templates = _templates(reads, params)
    for end, flag in ((0, 0), (1, 64), (2, 128)):
        mine = [(r, m) for r, m in templates if r.flag & 192 == flag]
        if not mine or len(mine) < params.min_reads[0]:
            continue
        sources = [prepared(r, params, overhang(r, m)) for r, m in mine]
        called = consensus(majority([s for s in sources if s]), params, params.min_reads[0])
        if called:
            found[end] = called
    if (1 in found) != (2 in found):
        found.pop(1, None), found.pop(2, None)
    return found


def _joined(a: Called | None, b: Called | None) -> dict[str, Any] | None:
    n = min(len(s.bases) for s in (a, b) if s) if a or b else 0
    a = a if a and any(a.depths[:n]) else None
    b = b if b and any(b.depths[:n]) else None
    if not a or not b:
        only = a or b
        return only and {"bases": only.bases, "quals": only.quals, "errors": only.errors, "a": only, "b": None}
    bases, quals, errors = "", [], []
    for x, qx, y, qy, k in zip(a.bases, a.quals, b.bases, b.quals, range(n), strict=False):
        raw, quality = (x, qx + qy) if x == y else (x, qx - qy) if qx > qy else (y, qy - qx) if qy > qx else (x, 2)
        is_masked = "N" in (x, y) or quality <= 2
        bases += "N" if is_masked else raw
        quals.append(2 if is_masked else min(93, quality))
        votes = [s.bases[k] for s in a.sources + b.sources if len(s.bases) > k]
        errors.append(sum(raw != "N" and v not in ("N", raw) for v in votes))
    return {"bases": bases, "quals": quals, "errors": errors, "a": a, "b": b}


def _enough(one: int, other: int, params: ConsensusParams) -> bool:
    limits = [*params.min_reads, *[params.min_reads[-1]] * 2][:3]
    major, minor = max(one, other), min(one, other)
    return major + minor >= limits[0] and major >= limits[1] and minor >= limits[2]


def duplex(reads: list[Read], params: ConsensusParams) -> list[dict[str, Any]]:
    """Return the duplex reads R1 and R2 of one molecule, or nothing."""
    templates = [(r, m) for r, m in _templates(reads, params) if r.flag & 1]
    has_a = any(r.tags["MI"].endswith("/A") for r, _ in templates)

    def pick(is_first_strand: bool, flag: int) -> list[tuple[Read, Read | None]]:
        letter = "/A" if is_first_strand == has_a else "/B"
        return [(r, m) for r, m in templates if r.tags["MI"].endswith(letter) and r.flag & 192 == flag]

    sides = (pick(True, 64), pick(False, 128)), (pick(True, 128), pick(False, 64))
    if not _enough(len(sides[0][0]), len(sides[1][1]), params):
        return []
    if any(len({r.flag & 16 for r, _ in one + other}) > 1 for one, other in sides):
        return []
    found = []
    for one, other in sides:
        sources = [prepared(r, params, overhang(r, m)) for r, m in one + other]
        kept = majority([s for s in sources if s])
        names = {(r.name, r.flag) for r, _ in one}
        flat = params.model_copy(update={"min_consensus_base_quality": 2})
        a = consensus([s for s in kept if (s.read.name, s.read.flag) in names], flat, 1)
        b = consensus([s for s in kept if (s.read.name, s.read.flag) not in names], flat, 1)
        joined = _joined(a, b)
        if joined is None:
            return []
        depths = [max(s.depths[: len(joined["bases"])]) if s else 0 for s in (joined["a"], joined["b"])]
        if not _enough(depths[0], depths[1], params):
            return []
        found.append(joined)
    return found


def lost(pairs: list[tuple[Read, Read | None]], params: ConsensusParams) -> dict[str, int]:
    """Return the tags of what the vote of these reads (with their mates) lost."""
    sources = [prepared(read, params, overhang(read, mate)) for read, mate in pairs]
    kept = majority([source for source in sources if source])
    names = {(source.read.name, source.read.flag) for source in kept}
    past = {(read.name, read.flag): overhang(read, mate) for read, mate in pairs}
    used = [read for read, _ in pairs if (read.name, read.flag) in names]
    n_past = sum(past[read.name, read.flag] for read in used)
    n_left = sum(len(source.bases) for source in kept)
    return {
        "lm": sum(source is not None for source in sources) - len(kept),
        "lc": 0,
        "lu": sum(source is None for source in sources),
        "lp": n_past,
        "lt": sum(len(read.bases) for read in used) - n_past - n_left,
    }


def losses(reads: list[Read], params: ConsensusParams, end: int) -> dict[str, int]:
    """Return the loss tags of the consensus of one end (0 fragment, 1, 2), simplex or duplex."""
    templates = _templates(reads, params)
    if params.mode == "simplex":
        return lost([(r, m) for r, m in templates if r.flag & 192 == (0, 64, 128)[end]], params)
    has_a = any(r.tags["MI"].endswith("/A") for r, _ in templates)
    same, other = ("/A", "/B") if has_a else ("/B", "/A")
    flags = {same: (64, 128)[end - 1], other: (128, 64)[end - 1]}
    return lost([(r, m) for r, m in templates if r.flag & 192 == flags[r.tags["MI"][-2:]]], params)
