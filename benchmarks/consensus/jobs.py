"""The commands that are measured: the same job for ctdna and for each peer, as bash scripts."""

from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.consensus.inputs import Inputs
from benchmarks.peers import Peer


class Job(NamedTuple):
    """One comparison: what is done, by whom, with how many threads."""

    what: str
    peer: str
    target: float | None
    """Least ratio of throughput; None where the row only informs."""
    threads: int
    ours: str
    theirs: Mapping[str, str]
    """The peer's script, in one or more forms by name: the fastest counts."""


SORTED_TO_GROUPED = "sorted BAM -> grouped BAM"
ALIGNED_TO_GROUPED = "BAM of the aligner -> grouped BAM"
TO_CONSENSUS = "grouped BAM -> duplex consensus"
WHOLE = "FASTQ -> filtered duplex consensus BAM, realigned"
LONG_WAY = f"{WHOLE}: long way"
_PAIRED = "--strategy paired --edits 1"


def _threads(threads: int) -> str:
    """Return fgumi's option: one thread is its quick path, which is taken where the option is left out."""
    return f"--threads {threads}" if threads > 1 else ""


def sort_for_peer(at: Inputs, peer: Peer) -> str:
    """Return the script that makes `sorted.bam`, in template-coordinate order, which fgumi's grouping wants."""
    return f"{peer.shell} sort --order template-coordinate --input {at.aligned} --output {at.folder}/sorted.bam"


def group_ours(at: Inputs, ctdna: str, threads: int, source: str) -> str:
    """Return our grouping of one BAM of the input's folder."""
    folder = at.folder
    return f"{ctdna} group {_PAIRED} --threads {threads} --output {folder}/ours.grouped.bam --input {folder}/{source}"


def consensus_ours(at: Inputs, ctdna: str, threads: int) -> str:
    """Return our duplex consensus of the grouped BAM."""
    return f"{ctdna} consensus --duplex --input {at.grouped} --output {at.folder}/ours.cons.bam --threads {threads}"


def group_jobs(at: Inputs, ctdna: str, peer: Peer, threads: int) -> list[Job]:
    """Return the comparisons of grouping with fgumi, each side at its own defaults."""
    fgumi, folder = peer.shell, at.folder
    theirs = f"{fgumi} group {_PAIRED} {_threads(threads)} --output {folder}/theirs.grouped.bam --input"
    sort = f"{fgumi} sort --order template-coordinate --input {at.aligned} -@ {threads} --output"
    forms = {
        "file": f"{sort} {folder}/again.bam; {theirs} {folder}/again.bam",
        "pipe": f"{sort} - --compression-level 0 | {theirs} /dev/stdin",
    }
    sorted_ours = group_ours(at, ctdna, threads, "sorted.bam")
    sorted_theirs = {"": f"{theirs} {folder}/sorted.bam"}
    return [
        Job(SORTED_TO_GROUPED, peer.name, 1.0, threads, sorted_ours, sorted_theirs),
        Job(ALIGNED_TO_GROUPED, peer.name, 1.0, threads, group_ours(at, ctdna, threads, "aligned.bam"), forms),
    ]


def consensus_jobs(at: Inputs, ctdna: str, peer: Peer, threads: int) -> list[Job]:
    """Return the comparison of duplex consensus with fgumi, each side at its own defaults."""
    theirs = f"{peer.shell} duplex --min-reads 1 --input {at.grouped} --output {at.folder}/theirs.cons.bam"
    ours = consensus_ours(at, ctdna, threads)
    return [Job(TO_CONSENSUS, peer.name, 1.0, threads, ours, {"": f"{theirs} {_threads(threads)}"})]


def fgbio_jobs(at: Inputs, ctdna: str, peer: Peer, threads: int) -> list[Job]:
    """Return the comparisons with fgbio; its grouping knows one thread only."""
    fgbio, folder = peer.shell, at.folder
    theirs = f"{fgbio} GroupReadsByUmi -s paired -e 1 -i {at.aligned} -o {folder}/fgbio.grouped.bam"
    duplex = f"{fgbio} CallDuplexConsensusReads -M 1 --threads {threads} -i {at.grouped} -o {folder}/fgbio.cons.bam"
    ours = group_ours(at, ctdna, threads, "aligned.bam")
    return [
        Job(ALIGNED_TO_GROUPED, peer.name, None, threads, ours, {"": theirs}),
        Job(TO_CONSENSUS, peer.name, None, threads, consensus_ours(at, ctdna, threads), {"": duplex}),
    ]


def short_way(at: Inputs, ctdna: str, threads: int) -> str:
    """Return our one command, which aligns one read pair of each cluster; its output is `short.bam`."""
    return (
        f"{ctdna} consensus-from-fastq {at.reads} --reference {at.reference} --output {at.folder}/short.bam"
        f" {_PAIRED} --duplex --threads {threads}"
    )


def long_way(at: Inputs, ctdna: str, threads: int) -> str:
    """Return our stages one after the other, which align every read; the last output is `long.bam`."""
    w, ref, t = f"{at.folder}/w", at.reference, f"--threads {threads}"
    return "\n".join(
        [
            f"{ctdna} extract {at.reads} --output-r1 {w}1.fastq.gz --output-r2 {w}2.fastq.gz {t}",
            f"{ctdna} align --r1 {w}1.fastq.gz --r2 {w}2.fastq.gz --reference {ref} --output {w}.bam {t}",
            f"{ctdna} group {_PAIRED} --input {w}.bam --output {w}.grouped.bam {t}",
            f"{ctdna} consensus --duplex --input {w}.grouped.bam --output {w}.cons.bam {t}",
            f"{ctdna} realign --input {w}.cons.bam --reference {ref} --output {w}.realigned.bam {t}",
            f"{ctdna} filter --input {w}.realigned.bam --reference {ref} --output {at.folder}/long.bam {t}",
        ]
    )


def whole_fgumi(at: Inputs, peer: Peer, threads: int) -> dict[str, str]:
    """Return fgumi's pipeline of its guide for duplex reads, with bwa mem and the thresholds of our defaults.

    `files` is the guide's version for development, a file after each step; `pipes` is its version for production, with
    pipes wherever a step can read a stream, uncompressed.
    """
    v, ref, t, fgumi = f"{at.folder}/v", at.reference, _threads(threads), peer.shell
    extract = (
        f"{fgumi} extract --inputs {at.r1} {at.r2} --read-structures {' '.join(at.structures)} --sample S --library S"
        f" --output {v}.bam {t}"
    )
    aligner = f"bwa mem -t {threads} -p -K 150000000 -Y {ref} -"
    zipper = f"{fgumi} zipper --reference {ref} {t}"
    turned = "--tags-to-reverse Consensus --tags-to-revcomp Consensus"
    first = f"{fgumi} fastq --input {v}.bam | {aligner} | {zipper} --unmapped {v}.bam"
    second = f"{fgumi} fastq --input {v}.cons.bam | {aligner} | {zipper} {turned} --unmapped {v}.cons.bam"
    group = f"{fgumi} group {_PAIRED} {t} --input {v}.sorted.bam"
    duplex = f"{fgumi} duplex --min-reads 1 {t} --output {v}.cons.bam"
    thin = f"{fgumi} filter --ref {ref} --min-reads 1"
    by_template = f"{fgumi} sort --order template-coordinate -@ {threads} --output {v}.sorted.bam"
    by_place = f"{fgumi} sort --order coordinate -@ {threads} --write-index true --output {at.folder}/theirs.bam"
    files = [
        extract,
        f"{first} --output {v}.aligned.bam --compression-level 1",
        f"{by_template} --input {v}.aligned.bam",
        f"{group} --output {v}.grouped.bam",
        f"{duplex} --input {v}.grouped.bam",
        f"{second} --output {v}.real.bam --compression-level 1",
        f"{thin} {t} --input {v}.real.bam --output {v}.filtered.bam",
        f"{by_place} --input {v}.filtered.bam",
    ]
    pipes = [
        extract,
        f"{first} | {by_template} --input /dev/stdin",
        f"{group} --compression-level 0 --output - | {duplex} --input /dev/stdin",
        f"{second} | {thin} --compression-level 0 --input /dev/stdin --output - | {by_place} --input /dev/stdin",
    ]
    return {"files": "\n".join(files), "pipes": "\n".join(pipes)}


def whole_fgbio(at: Inputs, peer: Peer, threads: int) -> dict[str, str]:
    """Return fgbio's pipeline of its guide for duplex reads, with bwa mem and the thresholds of our defaults."""
    b, ref, fgbio = f"{at.folder}/b", at.reference, peer.shell
    aligner = f"bwa mem -t {threads} -p -K 150000000 -Y {ref} -"
    turned = "--tags-to-reverse Consensus --tags-to-revcomp Consensus"
    reads = f"-i {at.r1} {at.r2} -r {' '.join(at.structures)}"
    steps = [
        f"{fgbio} FastqToBam {reads} --sample S --library S -o {b}.bam",
        f"samtools fastq {b}.bam | {aligner} | {fgbio} ZipperBams -u {b}.bam -r {ref} -o {b}.aligned.bam",
        f"{fgbio} GroupReadsByUmi -s paired -e 1 -i {b}.aligned.bam -o {b}.grouped.bam",
        f"{fgbio} CallDuplexConsensusReads -M 1 --threads {threads} -i {b}.grouped.bam -o {b}.cons.bam",
        f"samtools fastq {b}.cons.bam | {aligner}"
        f" | {fgbio} ZipperBams -u {b}.cons.bam -r {ref} {turned} -o {b}.real.bam",
        f"{fgbio} FilterConsensusReads -r {ref} -M 1 -i {b}.real.bam -o {b}.filtered.bam",
        f"samtools sort -@ {threads} --write-index -o {at.folder}/fgbio.bam {b}.filtered.bam",
    ]
    return {"": "\n".join(steps)}
