"""How each caller is run, and how its VCF is read: what it calls, and how sure it is."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.calling.alleles import Call, Record, key_of, read_vcf
from benchmarks.peers import Peer

OURS = "ctdna"
CONSENSUS, DUPLEX, RAW = "consensus", "duplex", "raw reads"
_JUDGED = {"PASS", "not_significant", "low_evidence"}
"""Filters that say how sure a call of ours is; a record with another filter is none of our calls."""
_QUAL = 20.0
"""Phred quality from which freebayes' and bcftools' authors take a variant as one."""
_TINY = 1e-320


class Score(NamedTuple):
    """How a caller stands to one allele."""

    own: float
    """Its own measure; higher is surer."""
    is_called: bool
    vaf: float
    support: float
    """Reads or molecules of the alternate."""


class Job(NamedTuple):
    """What a script works on and makes."""

    reference: Path
    bed: Path
    bam: Path
    """Aligned reads, in coordinate order."""
    fastq: tuple[Path, Path]
    vcf: Path
    """Blocked gzip."""


class Setting(NamedTuple):
    """One caller on one kind of reads."""

    caller: str
    reads: str
    """`CONSENSUS` (ours), `DUPLEX` (fgumi's) or `RAW`."""
    script: Callable[[Peer, Job], str] | None
    """None: ours, whose calls `Bench.ours` makes."""
    score: Callable[[Record], Score | None]
    """None: no call of this caller."""

    @property
    def name(self) -> str:
        """Return the name in tables."""
        return f"{self.caller}, {self.reads}"

    @property
    def file(self) -> str:
        """Return the name of files."""
        return f"{self.caller}.{self.reads.replace(' ', '_')}".lower()


def _listed(text: str, at: int) -> float:
    parts = text.split(",")
    return float(parts[at]) if at < len(parts) and parts[at] not in (".", "") else 0.0


def freebayes(peer: Peer, job: Job) -> str:
    """Return freebayes for pooled continuous VAFs, down to two observations."""
    return (
        f"{peer.shell} -f {job.reference} -t {job.bed} --pooled-continuous --min-alternate-fraction 0.0003"
        f" --min-alternate-count 2 --min-mapping-quality 20 --min-base-quality 20 --use-best-n-alleles 8 {job.bam}"
        f" | bgzip -c > {job.vcf}"
    )


def of_freebayes(record: Record) -> Score:
    """Return quality and observations."""
    seen, depth = _listed(record.sample.get("AO", ""), record.i_alt), _listed(record.sample.get("DP", ""), 0)
    return Score(record.qual, record.qual >= _QUAL, seen / max(depth, 1), seen)


def bcftools(peer: Peer, job: Job) -> str:
    """Return bcftools without its limits of depth and of indel shares, every alternate of two reads kept."""
    run = peer.shell
    return (
        f"{run} mpileup -f {job.reference} -R {job.bed} -d 1000000 -L 1000000 -q 20 -Q 20 -B -m 2 -F 0.0005"
        f" -a FORMAT/AD,FORMAT/DP -Ou {job.bam} | {run} call -m -A --prior 0.1 -Ou"
        f" | {run} norm -m -any -f {job.reference} -Ou - | {run} view -i 'FORMAT/AD[0:1]>=2' -Oz -o {job.vcf} -"
    )


def of_bcftools(record: Record) -> Score:
    """Return quality and reads of the alternate."""
    alt, depth = _listed(record.sample.get("AD", ""), record.i_alt + 1), _listed(record.sample.get("DP", ""), 0)
    is_called = record.qual >= _QUAL and "1" in record.sample.get("GT", "")
    return Score(record.qual, is_called, alt / max(depth, 1), alt)


def mutect2(peer: Peer, job: Job) -> str:
    """Return Mutect2 without downsampling, with the low thresholds of its mode for low VAFs, and its filters."""
    base = job.vcf.with_suffix("").with_suffix("")
    low = "--initial-tumor-lod 0 --tumor-lod-to-emit 0 --pruning-lod-threshold -4 --max-reads-per-alignment-start 0"
    return "\n".join(
        [
            f"{peer.shell} Mutect2 -R {job.reference} -L {job.bed} -I {job.bam} -O {base}.all.vcf.gz {low}"
            f" --min-base-quality-score 20 --f1r2-tar-gz {base}.f1r2.tar.gz --native-pair-hmm-threads 2",
            f"{peer.shell} LearnReadOrientationModel -I {base}.f1r2.tar.gz -O {base}.model.tar.gz",
            f"{peer.shell} FilterMutectCalls -R {job.reference} -V {base}.all.vcf.gz -O {job.vcf}"
            f" --ob-priors {base}.model.tar.gz",
        ]
    )


def of_mutect2(record: Record) -> Score:
    """Return TLOD and depth of the alternate; PASS is called."""
    alt = _listed(record.sample.get("AD", ""), record.i_alt + 1)
    vaf = _listed(record.sample.get("AF", ""), record.i_alt)
    return Score(_listed(record.info.get("TLOD", ""), record.i_alt), record.filters == "PASS", vaf, alt)


def umierrorcorrect(peer: Peer, job: Job) -> str:
    """Return UMIErrorCorrect from FASTQ on, at its defaults: families of three reads, its beta-binomial."""
    folder, (r1, r2) = job.vcf.with_suffix("").with_suffix(""), job.fastq
    return "\n".join(
        [
            f"rm -rf {folder}; mkdir -p {folder}",
            f"{peer.shell} -o {folder} -r1 {r1} -r2 {r2} -r {job.reference} -bed {job.bed} -s sample -ul 5 -sl 2"
            " -mode paired -dual -t 2",
            f"bgzip -c {folder}/sample.vcf > {job.vcf}",
        ]
    )


def of_umierrorcorrect(record: Record) -> Score:
    """Return its quality and the consensus reads of the alternate."""
    alt, vaf = _listed(record.info.get("AD", ""), record.i_alt), _listed(record.info.get("AF", ""), record.i_alt)
    return Score(record.qual, record.filters == "PASS", vaf, alt)


def vardict(peer: Peer, job: Job) -> str:
    """Return VarDict down to two reads, with its test of strand bias and its conversion to VCF."""
    return (
        f"{peer.shell} -G {job.reference} -N sample -b {job.bam} -f 0.0003 -r 2 -q 20 -Q 20 -th 2"
        f" -c 1 -S 2 -E 3 -g 4 {job.bed} | teststrandbias.R"
        f" | var2vcf_valid.pl -N sample -A -E -f 0.0003 | bgzip -c > {job.vcf}"
    )


def of_vardict(record: Record) -> Score:
    """Return its quality and reads of the alternate; PASS is called."""
    seen, vaf = _listed(record.sample.get("VD", ""), 0), _listed(record.sample.get("AF", ""), 0)
    return Score(record.qual, record.filters == "PASS", vaf, seen)


def lofreq(peer: Peer, job: Job) -> str:
    """Return LoFreq at its defaults, with the qualities of indels that its guide asks for."""
    base, run = job.vcf.with_suffix("").with_suffix(""), peer.shell
    return "\n".join(
        [
            f"{run} indelqual --dindel -f {job.reference} -o {base}.bam {job.bam}",
            f"samtools index {base}.bam",
            f"{run} call -f {job.reference} -l {job.bed} --call-indels --force-overwrite -o {base}.vcf {base}.bam",
            f"bgzip -c {base}.vcf > {job.vcf}",
            f"rm {base}.bam {base}.bam.bai",
        ]
    )


def of_lofreq(record: Record) -> Score:
    """Return its quality and reads of the alternate, on both strands; what it writes it calls."""
    seen = _listed(record.info.get("DP4", ""), 2) + _listed(record.info.get("DP4", ""), 3)
    is_called = record.filters in ("PASS", ".")
    return Score(record.qual, is_called, _listed(record.info.get("AF", ""), record.i_alt), seen)


_SCENARIO = """samples:
  s:
    resolution: 0.0001
    universe: "[0.0,1.0]"
events:
  low: "s:]0.0,0.3]"
  germline: "s:]0.3,1.0]"
"""


def varlociraptor(peer: Peer, job: Job) -> str:
    """Return varlociraptor's own scenario of low VAFs on freebayes' candidates, at 5 % false discoveries."""
    base = job.vcf.with_suffix("").with_suffix("")
    candidates = job.vcf.parent / f"freebayes.{base.name.split('.')[1]}.vcf.gz"
    run = peer.shell
    return "\n".join(
        [
            f"cat > {base}.yaml <<'E'\n{_SCENARIO}E",
            f"bcftools norm -m -any -f {job.reference} {candidates} -Ob -o {base}.bcf",
            f"{run} estimate alignment-properties {job.reference} --bams {job.bam} > {base}.json",
            f"{run} preprocess variants {job.reference} --candidates {base}.bcf --bam {job.bam} --max-depth 10000"
            f" --alignment-properties {base}.json --output {base}.obs.bcf",
            f"{run} call variants generic --scenario {base}.yaml --obs s={base}.obs.bcf > {base}.calls.bcf",
            f"bcftools view -Oz -o {job.vcf} {base}.calls.bcf",
        ]
    )


def of_varlociraptor(record: Record) -> Score:
    """Return the posterior of a low VAF on the Phred scale of its complement."""
    ln = -_listed(record.info.get("PROB_LOW", ""), 0) * math.log(10) / 10
    other = 1.0 - math.exp(ln)
    score = -10 * math.log10(max(other, _TINY))
    depth, vaf = _listed(record.sample.get("DP", ""), 0), _listed(record.sample.get("AF", ""), 0)
    return Score(score, other <= 0.05, vaf, depth * vaf)


def of_ours(record: Record) -> Score | None:
    """Return -log10 p and molecules; PASS is called."""
    if not set(record.filters.split(";")) <= _JUDGED:
        return None
    own = -math.log10(max(float(record.info["PV"]), _TINY))
    return Score(own, record.filters == "PASS", float(record.sample["VAF"]), _listed(record.sample["AD"], 1))


OUR_SETTING = Setting(OURS, CONSENSUS, None, of_ours)
SETTINGS = (
    *(
        Setting(caller, reads, script, score)
        for caller, script, score in (
            ("freebayes", freebayes, of_freebayes),
            ("bcftools", bcftools, of_bcftools),
            ("Mutect2", mutect2, of_mutect2),
            ("varlociraptor", varlociraptor, of_varlociraptor),
            ("VarDict", vardict, of_vardict),
            ("LoFreq", lofreq, of_lofreq),
        )
        for reads in (CONSENSUS, DUPLEX)
    ),
    Setting("UMIErrorCorrect", RAW, umierrorcorrect, of_umierrorcorrect),
)


def read_calls(
    setting: Setting, vcf: Path, sequences: dict[str, str], targets: Sequence[tuple[str, int, int]]
) -> list[Call]:
    """Return the calls on target."""
    found = []
    for record in read_vcf(vcf):
        score = setting.score(record)
        key = key_of(sequences, record.contig, record.pos1, record.ref, record.alt)
        if score is None or not any(key[0] == c and start < key[1] <= end for c, start, end in targets):
            continue
        low, high = (float(v) for v in record.sample.get("AFCI", "0,1").split(","))
        found.append(Call(key, score.own, score.is_called, score.vaf, score.support, low, high))
    return found
