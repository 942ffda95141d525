"""The commands that are measured: the same job for ctdna and for each peer, as bash scripts."""

from typing import NamedTuple

from inputs import STRUCTURES, Inputs
from peers import Peer


class Job(NamedTuple):
    """One comparison: what is done, by whom, with how many threads."""

    what: str
    peer: str
    target: float
    threads: int
    ours: str
    theirs: str
    theirs_level_6: str = ""
    """The peer again, deflating as hard as ctdna does; empty where its outputs are not deflated otherwise."""


SORTED_TO_GROUPED = "template-coordinate BAM -> grouped BAM"
ALIGNED_TO_GROUPED = "BAM of the aligner -> grouped BAM"
TO_CONSENSUS = "grouped BAM -> duplex consensus"
WHOLE = "FASTQ -> filtered duplex consensus, realigned"
LEVEL_6 = ", both at deflate level 6"


def sort_for_peer(at: Inputs, peer: Peer) -> str:
    """Return the script that makes `sorted.bam`, which fgumi's grouping wants."""
    command = " ".join(peer.command)
    return f"{command} sort --order template-coordinate --input {at.aligned} --output {at.folder}/sorted.bam"


def fgumi_jobs(at: Inputs, ctdna: str, peer: Peer, threads: int) -> list[Job]:
    """Return every comparison with fgumi."""
    fgumi, folder = " ".join(peer.command), at.folder
    group = f"{ctdna} group --strategy paired --edits 1 --threads {threads} --output {folder}/ours.grouped.bam --input"
    group_theirs = f"{fgumi} group --strategy paired --edits 1 --threads {threads} --output {folder}/theirs.grouped.bam"
    consensus = f"{ctdna} consensus --duplex --input {at.grouped} --output {folder}/ours.cons.bam --threads {threads}"
    duplex = f"{fgumi} duplex --input {at.grouped} --output {folder}/theirs.cons.bam --min-reads 1 --threads {threads}"
    resort = f"{fgumi} sort --order template-coordinate --input {at.aligned} --output {folder}/again.bam -@ {threads}"
    group_sorted = f"{group_theirs} --input {folder}/sorted.bam"
    deflate = "--compression-level 6"
    return [
        Job(
            SORTED_TO_GROUPED,
            peer.name,
            1.0,
            threads,
            f"{group} {folder}/sorted.bam",
            group_sorted,
            f"{group_sorted} {deflate}",
        ),
        Job(
            ALIGNED_TO_GROUPED,
            peer.name,
            1.0,
            threads,
            f"{group} {at.aligned}",
            f"{resort}; {group_theirs} --input {folder}/again.bam",
        ),
        Job(TO_CONSENSUS, peer.name, 1.0, threads, consensus, duplex, f"{duplex} {deflate}"),
        Job(WHOLE, peer.name, 3.0, threads, whole_ours(at, ctdna, threads), whole_fgumi(at, fgumi, threads)),
    ]


def fgbio_jobs(at: Inputs, ctdna: str, peer: Peer, threads: int) -> list[Job]:
    """Return the comparisons with fgbio; its grouping knows one thread only."""
    fgbio, folder = " ".join(f"'{part}'" if "*" in part else part for part in peer.command), at.folder
    group = f"{ctdna} group --strategy paired --edits 1 --threads {threads} --output {folder}/ours.grouped.bam --input"
    consensus = f"{ctdna} consensus --duplex --input {at.grouped} --output {folder}/ours.cons.bam --threads {threads}"
    theirs = f"{fgbio} GroupReadsByUmi -s paired -e 1 -i {at.aligned} -o {folder}/fgbio.grouped.bam"
    duplex = f"{fgbio} CallDuplexConsensusReads -M 1 --threads {threads} -i {at.grouped} -o {folder}/fgbio.cons.bam"
    jobs = [
        (ALIGNED_TO_GROUPED, 10.0, f"{group} {at.aligned}", theirs),
        (TO_CONSENSUS, 10.0, consensus, duplex),
    ]
    return [Job(what, peer.name, target, threads, ours, script) for what, target, ours, script in jobs]


def whole_ours(at: Inputs, ctdna: str, threads: int) -> str:
    """Return our stages from FASTQ to filtered consensus, one after the other, as `ctdna run` does them."""
    w, ref, t = f"{at.folder}/w", at.reference, f"--threads {threads}"
    return "\n".join(
        [
            f"{ctdna} extract --r1 {at.r1} --r2 {at.r2} --read-structures {STRUCTURES}"
            f" --output-r1 {w}1.fastq.gz --output-r2 {w}2.fastq.gz {t}",
            f"{ctdna} align --r1 {w}1.fastq.gz --r2 {w}2.fastq.gz --reference {ref} --output {w}.bam {t}",
            f"{ctdna} group --strategy paired --edits 1 --input {w}.bam --output {w}.grouped.bam {t}",
            f"{ctdna} consensus --duplex --input {w}.grouped.bam --output {w}.cons.bam {t}",
            f"{ctdna} realign --input {w}.cons.bam --reference {ref} --output {w}.realigned.bam {t}",
            f"{ctdna} filter --input {w}.realigned.bam --reference {ref} --output {w}.ours.bam {t}",
        ]
    )


def whole_fgumi(at: Inputs, fgumi: str, threads: int) -> str:
    """Return fgumi's best-practice pipeline for duplex reads, with bwa mem and its thresholds set to our defaults."""
    v, ref, t = f"{at.folder}/v", at.reference, f"--threads {threads}"
    aligner = f"bwa mem -t {threads} -p -K 150000000 -Y {ref} -"
    zipper = f"{fgumi} zipper --reference {ref} --compression-level 1"
    return "\n".join(
        [
            f"{fgumi} extract --inputs {at.r1} {at.r2} --read-structures {STRUCTURES} --sample S --library S"
            f" --output {v}.bam {t} --compression-level 1",
            f"{fgumi} fastq --input {v}.bam | {aligner} | {zipper} --unmapped {v}.bam --output {v}.aligned.bam",
            f"{fgumi} sort --order template-coordinate --input {v}.aligned.bam --output {v}.sorted.bam -@ {threads}",
            f"{fgumi} group --strategy paired --edits 1 --input {v}.sorted.bam --output {v}.grouped.bam {t}",
            f"{fgumi} duplex --min-reads 1 --input {v}.grouped.bam --output {v}.cons.bam {t}",
            f"{fgumi} fastq --input {v}.cons.bam | {aligner} | {zipper} --unmapped {v}.cons.bam --output {v}.real.bam",
            f"{fgumi} filter --input {v}.real.bam --ref {ref} --min-reads 1 --reverse-per-base-tags true"
            f" --output {v}.filtered.bam {t}",
            f"{fgumi} sort --order coordinate --input {v}.filtered.bam --output {v}.theirs.bam -@ {threads}"
            " --write-index true",
        ]
    )
