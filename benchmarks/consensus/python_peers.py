"""The grouping of UMI-tools and of UMIErrorCorrect beside ours."""

import csv
import re
from collections import Counter, defaultdict
from pathlib import Path

import pysam

from benchmarks.consensus import compare, inputs, measure
from benchmarks.consensus.bench import Bench, elsewhere
from benchmarks.consensus.inputs import Inputs
from benchmarks.peers import Peer

METHODS = {"identity": "unique", "edit": "cluster", "adjacency": "directional"}
"""Our strategies, and UMI-tools' names of the same."""


def _group_ours(bench: Bench, at: Inputs, folder: Path, strategy: str) -> Path:
    made = folder / "ours.bam"
    how = f"--strategy {strategy}" + ("" if strategy == "identity" else " --edits 1")
    script = f"{bench.ctdna} group {how} --input {at.aligned} --output {made}"
    measure.measure(script, folder / "log.txt", bench.env)
    return made


def _grouped_templates(ours: Path, target: Path, named_by_umi: bool) -> None:
    """Write our grouped reads in coordinate order, with index; the UMI at the end of the name where wanted.

    Both sides so group the very same templates, those that passed our checks.
    """
    unsorted = target.with_suffix(".unsorted.bam")
    with (
        pysam.AlignmentFile(str(ours)) as source,
        pysam.AlignmentFile(str(unsorted), "wb", template=source) as out,
    ):
        for record in source.fetch(until_eof=True):
            if named_by_umi:
                record.query_name = f"{record.query_name}:{record.get_tag('RX')}"
            out.write(record)
    pysam.sort("-o", str(target), str(unsorted))
    pysam.index(str(target))
    unsorted.unlink()


def _compared(ours: Path, theirs: dict[str, set[str]]) -> compare.Found:
    """Return how many molecules of ours are molecules there, by read names; the others by kind."""
    a = set(compare.partition(ours))
    b = {frozenset(names) for names in theirs.values()}
    home = {name: molecule for molecule in b for name in molecule}
    found: compare.Found = {"ours": len(a), "theirs": len(b), "equal": len(a & b), "different": {}}
    for molecule in sorted(a - b, key=min):
        there = {home[name] for name in molecule if name in home}
        if not there:
            kind = "templates only here"
        elif len(there) > 1:
            kind = "one molecule here, several there"
        else:
            kind = "one molecule there, several here"
        compare.tell(found, kind, f"molecule of read {min(molecule)}")
    return found


def umi_tools(bench: Bench, at: Inputs, folder: Path, peer: Peer, strategy: str) -> compare.Found:
    """Return the comparison with `umi_tools group`."""
    ours = _group_ours(bench, at, folder, strategy)
    source, table = folder / "sorted.bam", folder / "groups.tsv"
    elsewhere(_grouped_templates, ours, source, False)
    ends = "--paired --chimeric-pairs=use --unpaired-reads=use" if at.r2 else ""
    script = (
        f"{peer.shell} group --stdin {source} --extract-umi-method=tag --umi-tag=RX {ends}"
        f" --method={METHODS[strategy]} --edit-distance-threshold=1 --group-out={table} --log {folder}/umi_tools.log"
    )
    measure.measure(script, folder / "log.txt", bench.env)
    theirs: dict[str, set[str]] = defaultdict(set)
    with table.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            theirs[row["unique_id"]].add(row["read_id"])
    return elsewhere(_compared, ours, dict(theirs))


def _families(ours: Path) -> Counter[str]:
    """Return the reads of each family of two or more of ours, by its most common UMI, over all places."""
    umis: dict[str, Counter[str]] = defaultdict(Counter)
    for record in compare.records(ours):
        umis[str(record.get_tag("MI"))][str(record.get_tag("RX"))] += 1
    found: Counter[str] = Counter()
    for counts in umis.values():
        if counts.total() > 1:
            found[min(counts, key=lambda umi: (-counts[umi], umi))] += counts.total()
    return found


def _their_families(consensus: Path) -> Counter[str]:
    """Return the reads of each family by the UMI in the name of its consensus read, over all places."""
    found: Counter[str] = Counter()
    for record in compare.records(consensus):
        name = re.fullmatch(r"Consensus_read_\d+_([ACGTN]+)(?:_[a-z]+)?_Count=(\d+)", str(record.query_name))
        if name:
            found[name[1]] += int(name[2])
    return found


def _same_families(ours: Path, theirs: Path) -> compare.Found:
    """Return how many families of two or more reads are equal in UMI and reads; the others by kind."""
    a, b = _families(ours), _their_families(theirs)
    found: compare.Found = {"ours": len(a), "theirs": len(b), "equal": 0, "different": {}}
    for umi in sorted(a | b):
        if a[umi] == b[umi]:
            found["equal"] += 1
        elif a[umi] and b[umi]:
            compare.tell(found, "reads of the family", f"UMI {umi}: {a[umi]} here, {b[umi]} there")
        else:
            where = "family only here" if a[umi] else "family only there"
            compare.tell(found, where, f"UMI {umi}: {a[umi] or b[umi]} reads")
    return found


def umierrorcorrect(bench: Bench, at: Inputs, folder: Path, peer: Peer) -> compare.Found:
    """Return the comparison with UMIErrorCorrect's families, which it names by UMI and read count."""
    ours = _group_ours(bench, at, folder, "adjacency")
    source, made = folder / "named.bam", folder / "umierrorcorrect"
    elsewhere(_grouped_templates, ours, source, True)
    bed = inputs.targets(folder, at)
    script = f"{peer.shell} -o {made} -b {source} -bed {bed} -r {at.reference} -t 1"
    measure.measure(script, folder / "log.txt", bench.env)
    return elsewhere(_same_families, ours, made / "named_consensus_reads.bam")
