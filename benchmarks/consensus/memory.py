"""Peak memory of ctdna itself, without the aligner, as the input grows: is it flat?"""

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.consensus import inputs, many_reads, measure, table
from benchmarks.consensus.bench import SHORT_WAY, Bench, elsewhere
from benchmarks.consensus.inputs import Inputs
from benchmarks.console import say

CEILING_MIB = 2048.0
GROWTH = 1.1
"""Most growth from the smallest input to any larger one."""
Runs = Callable[[Bench, Inputs, list[str]], dict[str, measure.Cost]]
"""Runs commands on an input, with the option that names threads; gives the cost of each."""
_PAIRED = ["--strategy", "paired", "--edits", "1"]


def _made(bench: Bench, size: int) -> Inputs:
    """Return reads of about `size` pairs, made anew."""
    genome = inputs.demo(bench.work)
    folder = bench.work / f"memory_{size}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    r1, r2 = folder / "R1.fastq.gz", folder / "R2.fastq.gz"
    pairs = elsewhere(many_reads.write_pairs, genome.fasta, r1, r2, size)
    return Inputs("many reads", pairs, genome.name, folder, genome.fasta, r1, r2, inputs.STRUCTURES)


def _consensus_from_fastq(bench: Bench, at: Inputs, threads: list[str]) -> measure.Cost:
    words = [bench.ctdna, SHORT_WAY, *at.reads.split(), "--reference", str(at.reference), *_PAIRED, "--duplex"]
    cost = measure.alone([*words, "--output", str(at.folder / "short.bam"), *threads], at.folder / "log.txt", bench.env)
    (at.folder / "short.bam").unlink()
    return cost


def _stages(bench: Bench, at: Inputs, threads: list[str]) -> dict[str, measure.Cost]:
    """Return the costs of group, consensus and filter, one after the other; a file goes when it is used up."""
    costs: dict[str, measure.Cost] = {}
    reference = ["--reference", str(at.reference)]
    inputs.align(at, bench.ctdna)
    _drop(at, "R1.fastq.gz", "R2.fastq.gz", "extract_R1.fastq.gz", "extract_R2.fastq.gz")
    source = at.aligned
    for stage, more in (
        ("group", _PAIRED),
        ("consensus", ["--duplex"]),
        ("realign", reference),
        ("filter", reference),
    ):
        made = at.folder / f"{stage}.bam"
        words = [bench.ctdna, stage, "--input", str(source), "--output", str(made), *more, *threads]
        costs[stage] = measure.alone(words, at.folder / "log.txt", bench.env)
        _drop(at, source.name)
        source = made
    return costs


def _drop(at: Inputs, *names: str) -> None:
    for name in names:
        Path(at.folder / name).unlink()


def _short_way(bench: Bench, at: Inputs, threads: list[str]) -> dict[str, measure.Cost]:
    return {SHORT_WAY: _consensus_from_fastq(bench, at, threads)}


def _sized(bench: Bench, size: int, run: Runs) -> tuple[int, dict[str, measure.Cost]]:
    """Return the read pairs of one size, and the cost of each command on them."""
    at = _made(bench, size)
    try:
        costs = run(bench, at, ["--threads", str(max(bench.threads))])
    finally:
        shutil.rmtree(at.folder)
    for command, cost in costs.items():
        say(f"{command}, {at.size} pairs: {cost.peak_mib:.0f} MiB, {cost.wall:.0f} s")
    return at.size, costs


def _free_gib(folder: Path) -> float:
    return shutil.disk_usage(folder).free / 2**30


GIB_PER_MILLION = 1.6
"""Disk that a million read pairs take at most while they are worked on."""


def memory(bench: Bench) -> list[table.Row]:
    """Return the rows of the short way's peak memory by size."""
    why = bench.no_short_way()
    if why:
        return [table.skipped("memory", f"peak memory of {SHORT_WAY}", None, CEILING_MIB, why, table.MIB)]
    return _rows(bench, "memory", _short_way)


def stages_memory(bench: Bench) -> list[table.Row]:
    """Return the rows of peak memory of group, consensus and filter by size."""
    rows = _rows(bench, "stages-memory", _stages)
    order = [f"peak memory of {command}" for command in ("group", "consensus", "filter")]
    return sorted(rows, key=lambda row: (order.index(row["what"]) if row["what"] in order else 9, row["size"] or 0))


def _rows(bench: Bench, part: str, run: Runs) -> list[table.Row]:
    rows: list[table.Row] = []
    bench.work.mkdir(parents=True, exist_ok=True)
    smallest: dict[str, float] = {}
    for size in sorted(bench.memory_sizes):
        wanted = size / 1e6 * GIB_PER_MILLION
        if _free_gib(bench.work) < wanted:
            reason = f"{size:,} read pairs want {wanted:.0f} GiB of disk, {_free_gib(bench.work):.0f} are free"
            rows.append(table.skipped(part, "peak memory", None, CEILING_MIB, reason, table.MIB))
            continue
        try:
            pairs, costs = _sized(bench, size, run)
        except measure.FailedRunError as failed:
            rows.append(table.failed(part, "peak memory", None, CEILING_MIB, size, failed, table.MIB))
            continue
        rows += [
            _row(bench, part, command, pairs, cost, smallest) for command, cost in costs.items() if command != "realign"
        ]
    return rows


def _row(
    bench: Bench, part: str, command: str, pairs: int, cost: measure.Cost, smallest: dict[str, float]
) -> table.Row:
    peak = round(cost.peak_mib)
    growth = peak / smallest.setdefault(command, peak)
    row = table.limit(part, f"peak memory of {command}", pairs, peak, table.MIB, CEILING_MIB)
    row |= {"ratio": round(growth, 3), "target_ratio": GROWTH, "ours_seconds_of_run": round(cost.wall, 1)}
    row |= {"threads": max(bench.threads), "reference": "demo kit, 49 kb"}
    row["met"] = peak <= CEILING_MIB and growth <= GROWTH
    return row
