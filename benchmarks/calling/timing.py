"""Time of `ctdna call` on a panel of 100 kb, and how it grows with the molecules."""

import os
import subprocess
import time
from pathlib import Path

from benchmarks.calling.bench import Bench
from benchmarks.calling.panel import make_panel, real_data
from benchmarks.calling.rows import row
from benchmarks.calling.samples import Sample, Tools, consensus, simulate
from benchmarks.console import say
from benchmarks.results import Row

MOLECULES, READS = 3000, 2.5
"""A site's molecules, and read pairs of a molecule: few, since a caller reads consensus reads."""
PARTS = (0.25, 0.5, 1.0)
SECONDS = 30.0
LINEAR = 1.1
"""Most CPU seconds a molecule at all molecules over those at half of them."""


def _sample(bench: Bench) -> tuple[Sample, Path, Tools, str]:
    panel = make_panel(bench.work, "ctdna-bench-wide", 100, 1000, real_data())
    tools = Tools(bench.tools.ctdna, {"CTDNA_KITS": str(panel.kits)})
    sample = Sample("W1", "plain", bench.work / "wide")
    if not sample.consensus.exists():
        say("a sample of a 100 kb panel")
        simulate(tools, panel, sample, 1, [], MOLECULES, READS)
        consensus(tools, panel, sample)
        sample.r1.unlink()
        sample.r2.unlink()
    return sample, panel.fasta, tools, panel.kit


def _part(sample: Sample, share: float) -> Path:
    """Return a BAM of a share of the molecules."""
    if share == 1.0:
        return sample.consensus
    path = sample.folder / f"part_{share:g}.bam"
    if not path.exists():
        words = ["samtools", "view", "-b", "-s", str(7 + share), "--write-index", "-o", f"{path}##idx##{path}.bai"]
        subprocess.run([*words, str(sample.consensus)], check=True)
    return path


def _molecules(bam: Path) -> int:
    done = subprocess.run(["samtools", "view", "-c", "-f", "64", str(bam)], check=True, capture_output=True, text=True)
    return int(done.stdout)


def timing(bench: Bench) -> list[Row]:
    """Return wall time at all molecules, and the growth of CPU time; the least of three runs, warm."""
    sample, fasta, tools, kit = _sample(bench)
    rows, cpu = [], {}
    for share in PARTS:
        bam = _part(sample, share)
        runs = []
        for _ in range(4):
            before, started = os.times(), time.perf_counter()
            words = ["call", "--kit", kit, "--reference", str(fasta), "--input", str(bam), "--threads", "2"]
            tools.do([*tools.ctdna, *words, "--output", str(sample.folder / "call.vcf.gz")])
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            runs.append((time.perf_counter() - started, spent))
        wall, cpu[share] = min(one for one, _ in runs[1:]), min(one for _, one in runs[1:])
        n = _molecules(bam)
        target = SECONDS if share == 1.0 else None
        met = None if target is None else wall <= target
        what = f"seconds of `ctdna call`, 100 kb, {MOLECULES * share:,.0f} molecules a site"
        rows.append(
            row("time", "plain", what, ours=round(wall, 1), target=target, met=met, n=n, cpu=round(cpu[share], 1))
        )
    growth = (cpu[1.0] - cpu[0.5]) / (2 * (cpu[0.5] - cpu[0.25]))
    what = "seconds of CPU that a molecule adds: upper half over second quarter"
    rows.append(row("time", "plain", what, ours=round(growth, 2), target=LINEAR, met=growth <= LINEAR))
    return rows
