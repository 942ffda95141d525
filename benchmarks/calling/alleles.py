"""Variants of a VCF held against the truth: by normalised allele, or by the sequence that some calls make together."""

import gzip
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from benchmarks.calling.variants import normalised

NEAR = 10
"""Bases around a planted change that is no SNV, within which a call that does not make it whole is not held against
the caller, nor counted for it."""
_MOST_PARTS, _MOST_CANDIDATES = 4, 9
Key = tuple[str, int, str, str]


class Record(NamedTuple):
    """One alternate allele of a VCF, with the columns it came from."""

    contig: str
    pos1: int
    ref: str
    alt: str
    qual: float
    filters: str
    info: dict[str, str]
    sample: dict[str, str]
    i_alt: int
    """Index of the allele among the record's alternates."""


class Call(NamedTuple):
    """One alternate allele that a caller states."""

    key: Key
    """Contig, 1-based position, reference and alternate bases, normalised."""
    score: float
    """Higher is surer; of the caller's own making."""
    is_called: bool
    """Whether the caller, as its authors recommend, calls it."""
    vaf: float
    support: float = 0.0
    """Reads or molecules of the alternate: a second way to rank calls."""
    low: float = 0.0
    high: float = 1.0
    """95 % interval of the VAF, where the caller states one."""

    @property
    def kind(self) -> str:
        """Return the class: `snv`, `mnv` or `indel`."""
        _, _, ref, alt = self.key
        if len(ref) != len(alt):
            return "indel"
        return "snv" if len(ref) == 1 else "mnv"


class Found(NamedTuple):
    """A planted variant and how it was found."""

    key: Key
    kind: str
    planted: float
    """VAF as planted."""
    carried: float
    """VAF among the molecules that were sequenced."""
    parts: tuple[Call, ...]
    """The calls that make it; none where it does not stand in the VCF."""

    @property
    def is_called(self) -> bool:
        """Return whether the caller calls every part."""
        return bool(self.parts) and all(part.is_called for part in self.parts)


class Verdict(NamedTuple):
    """One VCF against the truth of its sample."""

    found: list[Found]
    false: list[Call]
    """All calls that are neither true, nor germline, nor a part of a planted change."""


def read_vcf(path: Path) -> Iterator[Record]:
    """Yield each alternate allele of a VCF with one sample (symbolic alleles are passed over)."""
    open_ = gzip.open if path.suffix in (".gz", ".bgz") else open
    with open_(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("#"):
                continue
            row = line.rstrip("\n").split("\t")
            info = dict(part.partition("=")[::2] for part in row[7].split(";"))
            sample = dict(zip(row[8].split(":"), row[9].split(":"), strict=False)) if len(row) > 9 else {}
            qual = float(row[5]) if row[5] != "." else 0.0
            for i_alt, alt in enumerate(row[4].split(",")):
                if set(alt) <= set("ACGT") and set(row[3]) <= set("ACGT"):
                    yield Record(row[0], int(row[1]), row[3], alt, qual, row[6], info, sample, i_alt)


def key_of(sequences: dict[str, str], contig: str, pos1: int, ref: str, alt: str) -> Key:
    """Return an allele's normalised form."""
    return (contig, *normalised(sequences[contig], pos1, ref, alt))


def changed(text: str, first: int, last: int, keys: Sequence[Key]) -> str | None:
    """Return the bases `first` to `last` (0-based, half-open) with alleles put in; None where they overlap."""
    bases, end = text[first:last], last
    for _, pos1, ref, alt in sorted(keys, key=lambda key: -key[1]):
        at = pos1 - 1 - first
        if at < 0 or pos1 - 1 + len(ref) > end:
            return None
        bases = bases[:at] + alt + bases[at + len(ref) :]
        end = pos1 if len(ref) != len(alt) and ref[0] == alt[0] else pos1 - 1
    return bases


def joined(text: str, truth: Key, calls: Sequence[Call]) -> tuple[Call, ...]:
    """Return the fewest calls that together make a planted allele's sequence; none where no few do."""
    first, last = max(0, truth[1] - 1 - 40), min(len(text), truth[1] + len(truth[2]) + 80)
    wanted = changed(text, first, last, [truth])
    low, high = truth[1] - NEAR, truth[1] + len(truth[2]) + NEAR
    near = [one for one in calls if one.key[0] == truth[0] and low <= one.key[1] <= high]
    near = sorted(near, key=lambda one: -one.score)[:_MOST_CANDIDATES]
    for n in range(2, _MOST_PARTS + 1):
        for some in combinations(near, n):
            if changed(text, first, last, [one.key for one in some]) == wanted:
                return some
    return ()


def _carriers(truth: Key, calls: Sequence[Call]) -> list[Call]:
    """Return calls of several bases of which one is a planted SNV."""
    contig, pos1, _, alt = truth
    found = []
    for call in calls:
        at = pos1 - call.key[1]
        if call.kind == "mnv" and call.key[0] == contig and 0 <= at < len(call.key[3]) and call.key[3][at] == alt:
            found.append(call)
    return found


def _match(text: str, truth: Key, kind: str, by_key: dict[Key, Call], calls: Sequence[Call]) -> tuple[Call, ...]:
    if truth in by_key:
        return (by_key[truth],)
    if kind == "snv":
        return tuple(sorted(_carriers(truth, calls), key=lambda one: -one.score)[:1])
    return joined(text, truth, calls)


def judge(
    sequences: dict[str, str],
    planted: Sequence[tuple[Key, str, float, float]],
    germline: Sequence[Key],
    calls: Sequence[Call],
) -> Verdict:
    """Return which planted variants (allele, class, VAF planted, VAF carried) were found, and which calls are false."""
    by_key: dict[Key, Call] = {}
    for call in sorted(calls, key=lambda one: one.score):
        by_key[call.key] = call
    unique = list(by_key.values())
    found, used = [], set(germline)
    for key, kind, vaf, carried in planted:
        parts = _match(sequences[key[0]], key, kind, by_key, unique)
        used |= {one.key for one in parts}
        found.append(Found(key, kind, vaf, carried, parts))
    spans = [(key[0], key[1] - NEAR, key[1] + len(key[2]) + NEAR) for key, kind, *_ in planted if kind != "snv"]
    false = [one for one in unique if one.key not in used and not _within(one.key, spans)]
    return Verdict(found, false)


def _within(key: Key, spans: Sequence[tuple[str, int, int]]) -> bool:
    return any(key[0] == contig and low <= key[1] <= high for contig, low, high in spans)
