"""Short way against long way: the same molecules, the same consensus? Each difference by its kind.

Molecule numbers are not relied on. A molecule is known by the outer ends of both its reads and its UMI; what is left
over is matched by UMI and bases, and then by UMI alone within reach.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pysam

from benchmarks.consensus.compare import records

ALIGNERS_TAGS = frozenset({"NM", "MD", "UQ", "AS", "XS", "SA", "XA", "pa", "MC", "MQ"})
PER_BASE = frozenset({"cd", "ce", "ad", "ae", "bd", "be", "aq", "bq", "ac", "bc"})
NUMBERS = frozenset({"MI", "RG"})
PROPER = 0x2
"""The flag by which the aligner says that the insert has a usual size, which it estimates from the reads it gets."""
REACH = 1000
"""Most bases between the places of one molecule in the two outputs."""
_SHOWN = 3


class Read(NamedTuple):
    """One primary consensus read."""

    end: tuple[int, int, bool]
    """Contig, unclipped 5' position and strand."""
    bases: str
    qualities: bytes
    alignment: tuple[Any, ...]
    """Flag, contig, position, CIGAR, and the mate's place."""
    mapq: int
    consensus_tags: tuple[Any, ...]
    aligners_tags: tuple[Any, ...]


class Molecule(NamedTuple):
    """The consensus reads of one molecule, R1 first."""

    umi: str
    reads: tuple[Read, ...]

    @property
    def ends(self) -> Hashable:
        """Return the outer ends, lower first."""
        return tuple(sorted(read.end for read in self.reads))


def _five_prime(record: pysam.AlignedSegment) -> tuple[int, int, bool]:
    if record.is_unmapped:
        return -1, -1, False
    cigar = record.cigartuples or []
    turned = cigar[::-1] if record.is_reverse else cigar
    clipped = 0
    for code, size in turned:
        if code not in (4, 5):
            break
        clipped += size
    if record.is_reverse:
        return record.reference_id, int(record.reference_end or 0) - 1 + clipped, True
    return record.reference_id, record.reference_start - clipped, False


def _plain(value: Any) -> Any:
    return tuple(value) if hasattr(value, "tolist") else round(value, 7) if isinstance(value, float) else value


def _read(record: pysam.AlignedSegment) -> Read:
    tags = [(name, _plain(value)) for name, value in record.get_tags() if name not in NUMBERS]
    mate = record.next_reference_id, record.next_reference_start, record.template_length
    return Read(
        _five_prime(record),
        str(record.query_sequence),
        bytes(record.query_qualities or b""),
        (record.flag, record.reference_id, record.reference_start, record.cigarstring, *mate),
        record.mapping_quality,
        tuple(sorted(tag for tag in tags if tag[0] not in ALIGNERS_TAGS)),
        tuple(sorted(tag for tag in tags if tag[0] in ALIGNERS_TAGS)),
    )


def molecules(path: Path) -> list[Molecule]:
    """Return the molecules of a filtered BAM by their primary reads."""
    reads: dict[str, list[tuple[bool, Read]]] = defaultdict(list)
    umis: dict[str, str] = {}
    for record in records(path):
        if not record.flag & 0x900:
            name = str(record.query_name)
            reads[name].append((record.is_read2, _read(record)))
            umis[name] = str(record.get_tag("RX")) if record.has_tag("RX") else ""
    return [
        Molecule(umis[name], tuple(read for _, read in sorted(found, key=lambda one: one[0])))
        for name, found in reads.items()
    ]


def _of_tags(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> str:
    a, b = dict(ours), dict(theirs)
    return " ".join(sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name)))


def _of_mates(short: tuple[Any, ...], long: tuple[Any, ...]) -> list[str]:
    """Return how flags and mates differ where place and CIGAR do not."""
    kinds = []
    if short[0] ^ long[0]:
        kinds.append("proper-pair flag" if short[0] ^ long[0] == PROPER else "flags")
    return kinds + (["mate's place"] if short[4:] != long[4:] else [])


def _of_reads(short: Read, long: Read) -> list[str]:
    """Return every kind in which two reads of one molecule differ."""
    kinds = []
    if short.alignment[1:3] != long.alignment[1:3]:
        kinds.append("other place")
    if short.alignment[3] != long.alignment[3]:
        kinds.append("other CIGAR")
    if not kinds:
        kinds += _of_mates(short.alignment, long.alignment)
    if short.bases != long.bases:
        kinds.append("bases" if len(short.bases) == len(long.bases) else "length")
    if short.qualities != long.qualities and len(short.bases) == len(long.bases):
        kinds.append("qualities")
    if short.mapq != long.mapq:
        kinds.append("mapping quality")
    wrong = _of_tags(short.consensus_tags, long.consensus_tags)
    if wrong:
        kinds.append("consensus tags: " + ("per base" if set(wrong.split()) <= PER_BASE else wrong))
    wrong = _of_tags(short.aligners_tags, long.aligners_tags)
    return kinds + ([f"aligner's tags: {wrong}"] if wrong else [])


def kinds_of(short: Molecule, long: Molecule) -> list[str]:
    """Return every kind in which a molecule differs between the two ways; none where all is equal."""
    if len(short.reads) != len(long.reads):
        return ["number of reads"]
    found = {kind for a, b in zip(short.reads, long.reads, strict=True) for kind in _of_reads(a, b)}
    return sorted(found | ({"UMI"} if short.umi != long.umi else set()))


def of_alignment_only(kinds: Iterable[str]) -> bool:
    """Return whether the consensus is equal in bases, qualities, depths, UMI, place and CIGAR.

    What the aligner thinks of its own alignment is left out.
    """
    return all(kind in ("mapping quality", "proper-pair flag") or kind.startswith("aligner's tags") for kind in kinds)


def _match(
    short: list[Molecule], long: list[Molecule], key: Callable[[Molecule], Hashable]
) -> tuple[list[tuple[Molecule, Molecule]], list[Molecule], list[Molecule]]:
    """Return the pairs of equal keys, and what is left on both sides; equal keys are paired in sorted order."""
    waiting: dict[Hashable, list[Molecule]] = defaultdict(list)
    for molecule in sorted(long, reverse=True):
        waiting[key(molecule)].append(molecule)
    pairs, rest = [], []
    for molecule in sorted(short):
        others = waiting.get(key(molecule))
        if others:
            pairs.append((molecule, others.pop()))
        else:
            rest.append(molecule)
    return pairs, rest, [molecule for others in waiting.values() for molecule in others]


def _nearby(molecule: Molecule) -> Hashable:
    contig, place, _ = min(read.end for read in molecule.reads)
    return molecule.umi, contig, place // REACH


_KEYS: tuple[Callable[[Molecule], Hashable], ...] = (
    lambda molecule: molecule,
    lambda molecule: (molecule.ends, molecule.umi),
    lambda molecule: (molecule.umi, tuple(read.bases for read in molecule.reads)),
    lambda molecule: molecule.ends,
    _nearby,
)
"""How molecules are matched, the surest way first."""


def compare(short: Path, long: Path) -> dict[str, Any]:
    """Return counts of molecules that are equal in all, equal in their consensus, and that differ, by kind."""
    a, b = molecules(short), molecules(long)
    found: dict[str, Any] = {"short": len(a), "long": len(b)}
    pairs = []
    for key in _KEYS:
        some, a, b = _match(a, b, key)
        pairs += some
    n_same, n_consensus = 0, 0
    kinds: Counter[str] = Counter({"only the short way": len(a), "only the long way": len(b)})
    examples: dict[str, list[str]] = defaultdict(list)
    for kind, molecules_left in (("only the short way", a), ("only the long way", b)):
        examples[kind] = [_told(molecule) for molecule in molecules_left[:_SHOWN]]
    for one, other in pairs:
        differing = kinds_of(one, other)
        n_same += not differing
        n_consensus += of_alignment_only(differing)
        if differing:
            kind = ", ".join(differing)
            kinds[kind] += 1
            if len(examples[kind]) < _SHOWN:
                examples[kind].append(_told(one))
    found |= {"molecules": len(pairs) + len(a) + len(b), "same_in_all": n_same, "same_consensus": n_consensus}
    found["different"] = {
        kind: {"n": n, "examples": examples[kind]} for kind, n in sorted(kinds.items(), key=lambda one: -one[1]) if n
    }
    return found


def _told(molecule: Molecule) -> str:
    """Return UMI and outer ends of a molecule for a reader: contigs by number, positions from 1."""
    ends = " ".join(f"{contig}:{place + 1}{'-' if turned else '+'}" for contig, place, turned in sorted(
        read.end for read in molecule.reads))  # fmt: skip
    return f"{molecule.umi} {ends}"
