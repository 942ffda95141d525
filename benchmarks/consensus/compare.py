"""Record-by-record comparison: which reads form a molecule, and what each consensus read says."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import pysam


class Read(NamedTuple):
    """What is compared of one consensus read."""

    bases: str
    qualities: tuple[int, ...]
    tags: dict[str, object]


def _records(path: Path) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path), check_sq=False) as stream:
        return list(stream.fetch(until_eof=True))


def partition(path: Path) -> set[frozenset[tuple[str, str]]]:
    """Return the molecules of a grouped BAM: read names with their strand letter (A and B may be exchanged)."""
    molecules: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for record in _records(path):
        molecule, _, strand = str(record.get_tag("MI")).partition("/")
        molecules[molecule].add((str(record.query_name), strand))
    return {frozenset(reads) for reads in molecules.values()}


def grouping(ours: Path, theirs: Path) -> dict[str, int]:
    """Return counts of molecules and templates that two grouped BAMs share."""
    a, b = partition(ours), partition(theirs)
    names_a = {name for molecule in a for name, _ in molecule}
    names_b = {name for molecule in b for name, _ in molecule}
    plain_a, plain_b = ({frozenset(name for name, _ in molecule) for molecule in side} for side in (a, b))
    return {
        "molecules_ours": len(a),
        "molecules_theirs": len(b),
        "molecules_same_reads": len(plain_a & plain_b),
        "molecules_same_reads_and_strands": len(a & b),
        "templates_ours": len(names_a),
        "templates_theirs": len(names_b),
        "templates_only_ours": len(names_a - names_b),
        "templates_only_theirs": len(names_b - names_a),
    }


def consensus_reads(path: Path) -> dict[tuple[str, int], Read]:
    """Return the consensus reads of a BAM by molecule and read number."""
    reads = {}
    for record in _records(path):
        tags = {
            name: value.tolist() if hasattr(value, "tolist") else value
            for name, value in record.get_tags()
            if name != "RG"
        }
        number = 2 if record.is_read2 else 1
        qualities = tuple(record.query_qualities or ())
        reads[str(tags["MI"]), number] = Read(str(record.query_sequence), qualities, tags)
    return reads


def _kind(ours: Read, theirs: Read) -> str:
    """Return the kind of the first difference between two reads of one molecule; empty where there is none."""
    if len(ours.bases) != len(theirs.bases):
        return "length"
    if ours.bases != theirs.bases:
        at = [i for i, (a, b) in enumerate(zip(ours.bases, theirs.bases, strict=True)) if a != b]
        if all(ours.bases[i] == "N" for i in at):
            return "N here, base there"
        return "base here, N there" if all(theirs.bases[i] == "N" for i in at) else "bases"
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


def consensus(ours: Path, theirs: Path) -> tuple[dict[str, int], list[str]]:
    """Return counts of equal and differing consensus reads by kind, and the first few that differ."""
    a, b = consensus_reads(ours), consensus_reads(theirs)
    kinds: Counter[str] = Counter()
    shown: list[str] = []
    for key in sorted(a.keys() & b.keys()):
        kind = _kind(a[key], b[key])
        kinds[kind or "equal"] += 1
        if kind and kinds[kind] <= 3:
            shown.append(f"{kind}: molecule {key[0]} read {key[1]}")
    counts = {"reads_ours": len(a), "reads_theirs": len(b)}
    counts |= {"only_ours": len(a.keys() - b.keys()), "only_theirs": len(b.keys() - a.keys())}
    return counts | dict(sorted(kinds.items())), shown
