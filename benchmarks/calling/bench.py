"""What all parts share: where things lie, the samples, and every caller's calls, each made once."""

import copy
import csv
import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from benchmarks.calling.alleles import Call, Key, Verdict, judge, key_of
from benchmarks.calling.callers import CONSENSUS, DUPLEX, OUR_SETTING, RAW, SETTINGS, Job, Setting, read_calls
from benchmarks.calling.panel import Panel, make_panel, real_data, with_background
from benchmarks.calling.samples import Sample, Tools, normal, patient, read_planted
from benchmarks.console import say
from benchmarks.peers import Peer

N_TARGETS, TARGET_BASES = 15, 1000
TRAINING_SHARE, HELD_OUT_SHARE = 0.35, 1.0
FIRST_HELD_OUT = 501


class FailedRunError(RuntimeError):
    """A script of a peer ended with an error."""


def run_script(script: str, log: Path, timeout: float | None = None) -> float:
    """Return the seconds of CPU that a bash script took.

    Raises:
        FailedRunError: it ended with an error, or took too long.
    """
    before = os.times()
    with log.open("wb") as stream:
        words = ["bash", "-euo", "pipefail", "-c", script]
        try:
            done = subprocess.run(words, stdout=stream, stderr=stream, check=False, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise FailedRunError(f"took more than {timeout:.0f} seconds") from error
    after = os.times()
    if done.returncode:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        raise FailedRunError(f"exit {done.returncode}: {lines[-1][:200]}")
    return after.children_user + after.children_system - before.children_user - before.children_system


class Bench:
    """One run of the benchmark."""

    def __init__(
        self,
        cache: Path,
        ctdna: tuple[str, ...],
        peers: dict[str, Peer],
        seeds: tuple[int, ...],
        processes: tuple[str, ...],
        n_normals: int,
        n_held_out: int,
        changes: dict[str, float],
        chosen: tuple[str, ...] | None = None,
    ) -> None:
        self.work = cache / "calling"
        self.peers, self.seeds, self.processes = peers, seeds, processes
        self.n_normals, self.n_held_out = n_normals, n_held_out
        self.chosen = chosen
        """Peers that may be run; of the others, calls that are kept are read. None: all."""
        self.panel = make_panel(self.work, "ctdna-bench", N_TARGETS, TARGET_BASES, real_data(), changes)
        self.tools = Tools(ctdna, {"CTDNA_KITS": str(self.panel.kits)})
        self._verdicts: dict[tuple[str, str, str], Verdict] = {}
        self.failed: dict[tuple[str, str], str] = {}
        """Reason by process and setting."""

    @cached_property
    def patients(self) -> dict[str, list[Sample]]:
        """Return the planted samples by process."""
        return {
            process: [patient(self.tools, self.panel, self.work, process, seed) for seed in self.seeds]
            for process in self.processes
        }

    @cached_property
    def held_out(self) -> dict[str, list[Sample]]:
        """Return the normals that no background is trained on, by process."""
        numbers = range(FIRST_HELD_OUT, FIRST_HELD_OUT + self.n_held_out)
        return {process: self._normals(process, numbers, HELD_OUT_SHARE) for process in self.processes}

    def _normals(self, process: str, numbers: range, share: float) -> list[Sample]:
        return [normal(self.tools, self.panel, self.work, process, number, share) for number in numbers]

    @cached_property
    def trained(self) -> dict[str, Panel]:
        """Return the panel of each process, with a kit that holds a background trained anew on its normals."""
        found = {}
        for process in self.processes:
            bams = [str(one.consensus) for one in self._normals(process, range(1, self.n_normals + 1), TRAINING_SHARE)]
            output = self.work / process / "background.gz"
            say(f"background of {process}: {len(bams)} normals")
            words = ["background", "--kit", self.panel.kit, "--reference", str(self.panel.fasta), "--threads", "2"]
            self.tools.do([*self.tools.ctdna, *words, "--output", str(output), "--normals", *bams])
            found[process] = with_background(self.panel, output, self.work / process)
        return found

    @cached_property
    def ours(self) -> dict[tuple[str, str], Path]:
        """Return our VCFs by process and sample, made anew: planted samples and held-out normals."""
        found = {}
        for process in self.processes:
            for sample in [*self.patients[process], *self.held_out[process]]:
                say(f"ctdna call: {process} {sample.name}")
                output = sample.folder / "ctdna.vcf.gz"
                panel = self.trained[process]
                tools = self.tools._replace(env={"CTDNA_KITS": str(panel.kits)})
                words = ["call", "--kit", panel.kit, "--reference", str(panel.fasta), "--threads", "2"]
                tools.do([*tools.ctdna, *words, "--input", str(sample.consensus), "--output", str(output)])
                found[process, sample.name] = output
        return found

    def theirs(self, setting: Setting, sample: Sample) -> Path:
        """Return a peer's VCF of a sample, made unless it is there.

        Raises:
            FailedRunError: it ended with an error.
        """
        vcf = sample.folder / f"{setting.file}.vcf.gz"
        if not vcf.exists():
            needs = ["fgumi", setting.caller] if setting.reads == DUPLEX else [setting.caller]
            missing = "; ".join(dict.fromkeys(self.peers[name].missing for name in needs if self.peers[name].missing))
            if missing:
                raise FailedRunError(missing)
            bam = {CONSENSUS: sample.consensus, DUPLEX: sample.folder / "fgumi.bam", RAW: sample.r1}[setting.reads]
            if setting.reads == DUPLEX:
                make_duplex(self.peers["fgumi"], self.panel, sample, bam)
            made = sample.folder / f"making.{setting.file}.vcf.gz"
            job = Job(self.panel.fasta, self.panel.bed, bam, (sample.r1, sample.r2), made)
            say(f"{setting.name}: {sample.process} {sample.name}")
            assert setting.script
            script = setting.script(self.peers[setting.caller], job)
            run_script(script, sample.folder / f"{setting.file}.log")
            made.rename(vcf)
        return vcf

    def truth(self, sample: Sample) -> tuple[list[tuple[Key, str, float, float]], list[Key]]:
        """Return planted alleles with class, VAF planted and VAF of the sequenced molecules; and germline alleles."""
        with sample.truth.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        keys = [key_of(self.panel.sequences, r["contig"], int(r["pos1"]), r["ref"], r["alt"]) for r in rows]
        shares = [int(r["sequenced_carrying"]) / max(1, int(r["sequenced_covering"])) for r in rows]
        carried = dict(zip(keys, shares, strict=True))
        planted = []
        for one in read_planted(sample.planted):
            key = key_of(self.panel.sequences, one.contig, one.pos1, one.ref, one.alt)
            planted.append((key, one.kind, one.vaf, carried[key]))
        germline = [key for key, row in zip(keys, rows, strict=True) if row["kind"].startswith("germline")]
        return planted, germline

    def sequenced(self, sample: Sample) -> dict[Key, int]:
        """Return how many sequenced molecules carry each allele."""
        with sample.truth.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        keys = [key_of(self.panel.sequences, r["contig"], int(r["pos1"]), r["ref"], r["alt"]) for r in rows]
        return {key: int(row["sequenced_carrying"]) for key, row in zip(keys, rows, strict=True)}

    def on(self, seeds: tuple[int, ...]) -> "Bench":
        """Return the benchmark on other planted samples and no held-out normals, with the same backgrounds."""
        other = copy.copy(self)
        other.trained = self.trained
        other.seeds, other.n_held_out, other._verdicts = seeds, 0, {}
        for made in ("patients", "held_out", "ours"):
            other.__dict__.pop(made, None)
        return other

    def calls(self, setting: Setting, sample: Sample) -> list[Call]:
        """Return a caller's calls on a sample."""
        ours = setting is OUR_SETTING
        vcf = self.ours[sample.process, sample.name] if ours else self.theirs(setting, sample)
        return read_calls(setting, vcf, self.panel.sequences, self.panel.targets)

    def verdict(self, setting: Setting, sample: Sample) -> Verdict:
        """Return a caller's calls on a sample held against the truth."""
        address = setting.name, sample.process, sample.name
        if address not in self._verdicts:
            self._verdicts[address] = judge(self.panel.sequences, *self.truth(sample), self.calls(setting, sample))
        return self._verdicts[address]

    def settings(self, process: str) -> list[tuple[Setting, list[Sample]]]:
        """Return the peers' settings with the samples they ran on; `failed` has the reasons of those with none."""
        found = []
        for setting in SETTINGS:
            samples, missing = [], ""
            for sample in self.patients[process]:
                try:
                    self.theirs(setting, sample)
                    samples.append(sample)
                except FailedRunError as error:
                    missing = str(error)
            if samples:
                found.append((setting, samples))
            else:
                self.failed[process, setting.name] = missing
        return found


def make_duplex(peer: Peer, panel: Panel, sample: Sample, bam: Path) -> None:
    """Make fgumi's duplex consensus reads unless they are there: the pipeline of its guide, both strands demanded.

    Raises:
        FailedRunError: a step ended with an error.
    """
    if bam.exists():
        return
    say(f"fgumi: {sample.process} {sample.name}")
    v, ref, fgumi = f"{sample.folder}/v", panel.fasta, peer.shell
    aligner = f"bwa mem -t 2 -p -K 150000000 -Y {ref} -"
    zipper = f"{fgumi} zipper --reference {ref}"
    turned = "--tags-to-reverse Consensus --tags-to-revcomp Consensus"
    script = [
        f"{fgumi} extract --inputs {sample.r1} {sample.r2} --read-structures 5M2S+T 5M2S+T --sample {sample.name}"
        f" --library {sample.name} --output {v}.bam",
        f"{fgumi} fastq --input {v}.bam | {aligner} | {zipper} --unmapped {v}.bam"
        f" | {fgumi} sort --order template-coordinate --output {v}.sorted.bam --input /dev/stdin",
        f"{fgumi} group --strategy paired --edits 1 --input {v}.sorted.bam --compression-level 0 --output -"
        f" | {fgumi} duplex --min-reads 1 --output {v}.cons.bam --input /dev/stdin",
        f"{fgumi} fastq --input {v}.cons.bam | {aligner} | {zipper} {turned} --unmapped {v}.cons.bam"
        f" | {fgumi} filter --ref {ref} --min-reads 2,1,1 --compression-level 0 --input /dev/stdin --output -"
        f" | samtools sort --write-index -o {v}.made.bam##idx##{v}.made.bam.bai -",
        f"mv {v}.made.bam.bai {bam}.bai; mv {v}.made.bam {bam}; rm {v}.bam {v}.sorted.bam {v}.cons.bam",
    ]
    run_script("\n".join(script), sample.folder / "fgumi.log")


def program() -> tuple[str, ...]:
    """Return how the ctdna of this Python is started."""
    return (sys.executable, "-m", "ctdna")
