"""Collapsing read pairs, spreading and inheriting alignments the slow, obvious way: plain strings, one at a time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.builders import Read

MAX_CANDIDATES = 8
END_BASES = 10
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
REASONS = ("inherited", "not_plain", "low_mapq", "mismatches", "no_place")
Marks = tuple[frozenset[int], frozenset[int]]
"""Places near a read's ends: those of its first bases, counted from 0, and those of its last, from the last one."""


class Pair(NamedTuple):
    """One read pair before its alignment."""

    umi: str
    reads: tuple[str, str]


class Found(NamedTuple):
    """What became of a pair."""

    representative: int
    is_turned: bool
    marks: tuple[Marks, Marks]
    how: str


def turned(bases: str) -> str:
    """Return the reverse complement."""
    return bases.translate(_COMPLEMENT)[::-1]


def _plain(text: str) -> str:
    """Return the letters, N and anything else as A."""
    return "".join(letter if letter in "CGT" else "A" for letter in text)


def halves(umi: str) -> tuple[str, str]:
    """Return a UMI's halves: at its dash, or else in the middle, the first the longer."""
    if "-" in umi:
        first, second = umi.split("-", 1)
        return first, second
    middle = (len(umi) + 1) // 2
    return umi[:middle], umi[middle:]


def _key(read: str, half: str) -> tuple[str, str, int]:
    return _plain(read[:16]).ljust(16, "A"), _plain(half[:31]), len(half)


def _keys(pair: Pair) -> list[tuple[str, str, int]]:
    return [_key(read, half) for read, half in zip(pair.reads, halves(pair.umi), strict=True)]


def _different(one: str, two: str) -> list[int]:
    return [k for k, (a, b) in enumerate(zip(_plain(one), _plain(two), strict=True)) if a != b]


def near_ends(places: Sequence[int], n: int) -> Marks:
    """Return those of a read's places that lie near its ends."""
    return (
        frozenset(k for k in places if k < END_BASES),
        frozenset(n - 1 - k for k in places if n - 1 - k < END_BASES),
    )


NO_MARKS: tuple[Marks, Marks] = (near_ends([], 0), near_ends([], 0))


def alike(pair: Pair, other: Pair, is_turned: bool) -> tuple[Marks, Marks] | None:
    """Return the marks of both reads if the other pair may stand for this one."""
    marks = []
    for read, its in zip(pair.reads, other.reads[::-1] if is_turned else other.reads, strict=True):
        if len(read) != len(its):
            return None
        places = _different(read, its)
        if len(places) > 1 + int(len(read) * 4 / 100):
            return None
        marks.append(near_ends(places, len(read)))
    return marks[0], marks[1]


def _are_near(one: str, two: str) -> bool:
    """Return whether two halves have one length and at most 2 mismatches in their first 31 bases."""
    return len(one) == len(two) and len(_different(one[:31], two[:31])) <= 2


def collapse(pairs: Sequence[Pair]) -> list[Found]:
    """Return the representative of each pair."""
    found: list[Found] = []
    latest_first: list[int] = []
    for i, pair in enumerate(pairs):
        keys = _keys(pair)
        same = [r for r in latest_first if sorted(_keys(pairs[r])) == sorted(keys)]
        candidates = [(r, _keys(pairs[r]) != keys, "exact") for r in same[:MAX_CANDIDATES]]
        for end in (0, 1):
            ends = [(r, its) for r in latest_first for its in (1, 0) if _keys(pairs[r])[its] == keys[end]]
            far = halves(pair.umi)[1 - end]
            candidates += [
                (r, its != end, "tolerant")
                for r, its in ends[:MAX_CANDIDATES]
                if _are_near(far, halves(pairs[r].umi)[1 - its])
            ]
        one = Found(i, False, NO_MARKS, "different" if same else "new")
        for r, is_turned, how in candidates:
            marks = alike(pair, pairs[r], is_turned)
            if marks is not None:
                one = Found(r, is_turned, marks, how)
                break
        if one.representative == i:
            latest_first.insert(0, i)
        found.append(one)
    return found


def is_doubtful(read: str, its: str, reference: str | None) -> bool:
    """Return whether a read might be aligned otherwise than its representative's read `its`.

    `reference` are the bases that `its` lies on, in its own direction; None where it is not aligned as a whole. Where
    both differ from each other and `its` from the reference, the read counts as like the reference.
    """
    own = near_ends(_different(read, its), len(read))
    if reference is None:
        return bool(own[0] or own[1])
    mismatches = near_ends([k for k in range(len(its)) if not its[k] == reference[k] != "N"], len(its))
    return any(mine and len(mine ^ theirs) >= 2 for mine, theirs in zip(own, mismatches, strict=True))


def member(name: str, pair: Pair, quals: tuple[list[int], list[int]], ends: tuple[Read, Read]) -> list[Read]:
    """Return the records of a pair; `ends` are the alignments that its read 1 and read 2 are given."""
    made = []
    for end, (bases, of, its) in enumerate(zip(pair.reads, quals, ends, strict=True)):
        flag = its.flag & ~0xC0 | (0x80 if end else 0x40)
        is_reverse = flag & 0x10
        made.append(
            its._replace(
                name=name, flag=flag, bases=turned(bases) if is_reverse else bases,
                quals=of[::-1] if is_reverse else of, tags={"RX": pair.umi},
            )
        )  # fmt: skip
    return made


def edits(bases: str, reference: str) -> dict[str, Any]:
    """Return NM, MD and AS of bases aligned as a whole."""
    runs = [0]
    letters = []
    score = best = 0
    for base, letter in zip(bases, reference, strict=True):
        if base == letter != "N":
            runs[-1] += 1
            score += 1
            best = max(best, score)
        else:
            letters.append(letter)
            runs.append(0)
            score = max(0, score - (1 if base == "N" else 4))
    text = "".join(f"{run}{letter}" for run, letter in zip(runs, [*letters, ""], strict=True))
    return {"NM": len(letters), "MD": text, "AS": best}


def _place(raw: Sequence[Read], n_bases: int) -> tuple[int, int, bool] | str:
    """Return where a consensus read over these raw reads lies, or why it is aligned again."""
    if not raw:
        return "no_place"
    places = set()
    for read in raw:
        n = len(read.bases)
        if read.flag & 0x4 or not read.flag & 0x2 or read.cigar != f"{n}M":
            return "not_plain"
        is_reverse = bool(read.flag & 0x10)
        places.add((read.contig, read.pos0 + n - 1 if is_reverse else read.pos0, is_reverse))
    if len(places) > 1 or n_bases > max(len(read.bases) for read in raw):
        return "not_plain"
    if max(read.mapq for read in raw) < 60:
        return "low_mapq"
    contig, five0, is_reverse = places.pop()
    return contig, five0 - n_bases + 1 if is_reverse else five0, is_reverse


def _of_molecule(grouped: Sequence[Read], name: str, end: int, is_duplex: bool) -> list[Read]:
    """Return the primary raw reads that a consensus read stands on."""
    label = name.rpartition(":")[2]
    number = label.split("/")[0]
    chosen = []
    labels = [str(read.tags["MI"]) for read in grouped]
    first = "A" if any(text == f"{number}/A" for text in labels) else "B"
    for read, text in zip(grouped, labels, strict=True):
        its_end = 0 if read.flag & 0x40 else 1
        if is_duplex:
            is_one = text.split("/")[0] == number and its_end == (end if text.endswith(first) else 1 - end)
        else:
            is_one = text == label and its_end == end
        if is_one and not read.flag & 0x900:
            chosen.append(read)
    return chosen


def _has_trouble(bases: str, reference: str) -> bool:
    n = len(bases)
    unlike = [k for k in range(n) if bases[k] != reference[k]]
    ends = [[k for k in unlike if k < END_BASES], [k for k in unlike if k >= n - END_BASES]]
    wrong = [k for k in unlike if bases[k] != "N"]
    return len(wrong) > 4 or any(len(zone) > 1 and any(k in wrong for k in zone) for zone in ends)


def _aligned_tags(tags: dict[str, Any], is_reverse: bool) -> dict[str, Any]:
    if not is_reverse:
        return tags
    changed = dict(tags)
    for name in ("cd", "ce", "ad", "ae", "bd", "be", "aq", "bq"):
        if name in tags:
            changed[name] = tags[name][::-1]
    for name in ("ac", "bc"):
        if name in tags:
            changed[name] = turned(tags[name])
    return changed


def _face(places: list[tuple[int, int, bool]]) -> bool:
    low, high = sorted(places, key=lambda place: place[2])
    return low[0] == high[0] and not low[2] and high[2] and low[1] <= high[1]


def inherit(
    grouped: Sequence[Read], called: Sequence[Read], contigs: Sequence[str], is_duplex: bool
) -> tuple[list[Read], list[str]]:
    """Return the consensus reads that inherit, aligned, and for each of `called` what became of it.

    `called` are R1 then R2 of each pair, and unpaired reads.
    """
    placed: list[Read] = []
    why: list[str] = []
    i = 0
    while i < len(called):
        if not called[i].flag & 1:
            why.append("no_place")
            i += 1
            continue
        pair = called[i : i + 2]
        found = _pair(grouped, pair, contigs, is_duplex)
        if isinstance(found, str):
            why += [found, found]
        else:
            placed += _records(pair, found, contigs)
            why += ["inherited", "inherited"]
        i += 2
    return placed, why


def _pair(
    grouped: Sequence[Read], pair: Sequence[Read], contigs: Sequence[str], is_duplex: bool
) -> list[tuple[int, int, bool]] | str:
    places: list[tuple[int, int, bool]] = []
    reasons = ["inherited"]
    for end, read in enumerate(pair):
        found = _place(_of_molecule(grouped, read.name, end, is_duplex), len(read.bases))
        if isinstance(found, str):
            reasons.append(found)
            continue
        contig, pos0, is_reverse = found
        if pos0 < 0 or pos0 + len(read.bases) > len(contigs[contig]):
            reasons.append("not_plain")
            continue
        bases = turned(read.bases) if is_reverse else read.bases
        if _has_trouble(bases, contigs[contig][pos0 : pos0 + len(bases)]):
            reasons.append("mismatches")
        places.append(found)
    worst = max(reasons, key=REASONS.index)
    if worst != "inherited":
        return worst
    return places if _face(places) else "not_plain"


def _records(pair: Sequence[Read], places: list[tuple[int, int, bool]], contigs: Sequence[str]) -> list[Read]:
    sizes = [len(read.bases) for read in pair]
    start = next(pos0 for _, pos0, is_reverse in places if not is_reverse)
    end = next(pos0 + n for (_, pos0, is_reverse), n in zip(places, sizes, strict=True) if is_reverse)
    made = []
    for which, read in enumerate(pair):
        contig, pos0, is_reverse = places[which]
        mate_contig, mate_pos0, _ = places[1 - which]
        bases = turned(read.bases) if is_reverse else read.bases
        quals = [read.quals] * len(bases) if isinstance(read.quals, int) else list(read.quals)
        span = (start - end) if is_reverse else (end - start)
        mates = {"MC": f"{sizes[1 - which]}M", "MQ": 60}
        made.append(
            Read(
                read.name, read.flag & 0x2C1 | (0x12 if is_reverse else 0x22), contig, pos0, 60, f"{len(bases)}M",
                mate_contig, mate_pos0, span, bases, quals[::-1] if is_reverse else quals,
                edits(bases, contigs[contig][pos0 : pos0 + len(bases)])
                | _aligned_tags(read.tags, is_reverse) | mates,
            )
        )  # fmt: skip
    return made
