"""Record-by-record comparison: which reads form a molecule, what each consensus read says, what the filter leaves."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pysam

Found = dict[str, Any]
LEFT_OUT = frozenset({"RG", "UQ"})
"""The read group is a name; UQ is added to every aligned record by fgumi's filter, and here renewed where it was."""
_SHOWN = 1
"""Examples of each kind of difference."""


class Read(NamedTuple):
    """What is compared of one read."""

    bases: str
    qualities: tuple[int, ...]
    tags: dict[str, object]
    place: tuple[object, ...] = ()
    """Flag, contig, position, CIGAR, mapping quality; empty for consensus reads that are not aligned."""


def records(path: Path) -> Iterator[pysam.AlignedSegment]:
    """Yield all records of a BAM."""
    with pysam.AlignmentFile(str(path), check_sq=False) as stream:
        yield from stream.fetch(until_eof=True)


def partition(path: Path) -> dict[frozenset[str], frozenset[tuple[str, str]]]:
    """Return the molecules of a grouped BAM: their read names, and the names with their strand letter."""
    molecules: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for record in records(path):
        molecule, _, strand = str(record.get_tag("MI")).partition("/")
        molecules[molecule].add((str(record.query_name), strand))
    return {frozenset(name for name, _ in reads): frozenset(reads) for reads in molecules.values()}


def _unmapped_ends(path: Path) -> set[str]:
    """Return the names of templates of which one end is unmapped."""
    return {str(record.query_name) for record in records(path) if record.is_unmapped or record.mate_is_unmapped}


def _half_mapped(path: Path) -> set[str]:
    """Return the molecules of a grouped BAM of which no template has both ends mapped; with and without strand."""
    seen: dict[str, bool] = {}
    for record in records(path):
        molecule = str(record.get_tag("MI"))
        for name in (molecule, molecule.split("/")[0]):
            seen[name] = seen.get(name, True) and (record.is_unmapped or record.mate_is_unmapped)
    return {molecule for molecule, is_half in seen.items() if is_half}


def tell(found: Found, kind: str, example: str) -> None:
    """Count a difference, with the first few as examples."""
    entry = found["different"].setdefault(kind, {"n": 0, "examples": []})
    entry["n"] += 1
    if len(entry["examples"]) < _SHOWN:
        entry["examples"].append(example)


def grouping(ours: Path, theirs: Path) -> Found:
    """Return how many molecules two grouped BAMs share, and the differences by kind."""
    a, b = partition(ours), partition(theirs)
    found: Found = {"ours": len(a), "theirs": len(b), "equal": 0, "different": {}}
    half_mapped = _unmapped_ends(ours)
    names_b = {name for molecule in b for name in molecule}
    names_a = {name for molecule in a for name in molecule}
    for names, reads in a.items():
        shown = f"molecule of read {min(names)}"
        if b.get(names) == reads:
            found["equal"] += 1
        elif names in b:
            is_half = names <= half_mapped
            kind = "strand letter, one end unmapped" if is_half else "strand letter"
            tell(found, kind, shown)
        elif not names & names_b:
            tell(found, "templates only here", shown)
        else:
            tell(found, "other reads in the molecule", shown)
    for names in b.keys() - a.keys():
        if not names & names_a:
            tell(found, "templates only there", f"molecule of read {min(names)}")
    return found


def _read(record: pysam.AlignedSegment, is_aligned: bool) -> Read:
    tags = {
        name: value.tolist() if hasattr(value, "tolist") else value
        for name, value in record.get_tags()
        if name not in LEFT_OUT
    }
    place: tuple[object, ...] = ()
    if is_aligned:
        place = record.flag, record.reference_id, record.reference_start, record.cigarstring, record.mapping_quality
    return Read(str(record.query_sequence), tuple(record.query_qualities or ()), tags, place)


def _number(record: pysam.AlignedSegment) -> int:
    return 2 if record.is_read2 else 1 if record.is_read1 else 0


def consensus_reads(path: Path) -> dict[tuple[Any, ...], Read]:
    """Return the consensus reads of a BAM by molecule and read number."""
    return {(str(record.get_tag("MI")), _number(record)): _read(record, False) for record in records(path)}


def filtered_reads(path: Path) -> dict[tuple[Any, ...], Read]:
    """Return the records of a filtered BAM by molecule, read number, rank and place."""
    found = {}
    for record in records(path):
        rank = record.flag & 0x900
        where = record.reference_id, record.reference_start if rank else 0
        found[str(record.get_tag("MI")), _number(record), rank, *where] = _read(record, True)
    return found


def _of_bases(ours: Read, theirs: Read) -> str:
    """Return the kind of the difference between two reads' bases of one length; empty where there is none."""
    at = [i for i, (a, b) in enumerate(zip(ours.bases, theirs.bases, strict=True)) if a != b]
    if not at:
        return ""
    if all(ours.bases[i] == "N" for i in at):
        return "N here, base there"
    return "base here, N there" if all(theirs.bases[i] == "N" for i in at) else "bases"


def difference(ours: Read, theirs: Read) -> str:
    """Return the kind of the first difference between two reads of one molecule; empty where there is none."""
    if len(ours.bases) != len(theirs.bases):
        return "length"
    if ours.place != theirs.place:
        return "place, CIGAR or flags"
    kind = _of_bases(ours, theirs)
    if kind:
        return kind
    if ours.qualities != theirs.qualities:
        steps = {a - b for a, b in zip(ours.qualities, theirs.qualities, strict=True) if a != b}
        return "qualities by 1" if steps <= {-1, 1} else "qualities"
    if set(ours.tags) != set(theirs.tags):
        return "tags present: " + " ".join(sorted(set(ours.tags) ^ set(theirs.tags)))
    wrong = sorted(name for name, value in ours.tags.items() if not _same(value, theirs.tags[name]))
    return "tags: " + " ".join(wrong) if wrong else ""


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) <= 1e-6 * max(abs(ours), 1e-6)
    return ours == theirs


def _compared(
    read: Callable[[Path], dict[tuple[Any, ...], Read]], ours: Path, theirs: Path, half_mapped: set[str]
) -> Found:
    a, b = read(ours), read(theirs)
    found: Found = {"ours": len(a), "theirs": len(b), "equal": 0, "different": {}}
    for key in sorted(a.keys() | b.keys()):
        shown = f"molecule {key[0]} read {key[1]}"
        if key not in a or key not in b:
            where = "only here" if key in a else "only there"
            tell(found, where + (", one end unmapped" if key[0] in half_mapped else ""), shown)
            continue
        kind = difference(a[key], b[key])
        if kind:
            tell(found, kind, shown)
        else:
            found["equal"] += 1
    return found


def consensus(ours: Path, theirs: Path, grouped: Path) -> Found:
    """Return how many consensus reads of a grouped BAM are equal in bases, qualities and tags, and the differences."""
    return _compared(consensus_reads, ours, theirs, _half_mapped(grouped))


def filtered(ours: Path, theirs: Path) -> Found:
    """Return how many records are equal after the filter, in place, bases, qualities and tags, and the differences."""
    return _compared(filtered_reads, ours, theirs, set())
