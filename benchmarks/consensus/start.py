"""How long ctdna takes to start: once after its installation, and ever after."""

import shutil

from benchmarks.consensus import inputs, measure, table
from benchmarks.consensus.bench import Bench
from benchmarks.console import say

RUNS = 5
COLD_RUNS = 1
"""Compiling takes about a minute."""


def _median(bench: Bench, script: str, runs: int, env: dict[str, str], cold: bool = False) -> measure.Cost:
    """Return the median cost of a script; `cold`: without the kernels compiled before."""
    costs = []
    for _ in range(runs):
        if cold:
            shutil.rmtree(env["CTDNA_CACHE"], ignore_errors=True)
        costs.append(measure.measure(script, bench.work / "start.txt", env))
    return measure.middle(costs)


def start(bench: Bench) -> list[table.Row]:
    """Return the rows of starts: compile all kernels, a tiny consensus, help."""
    genome = inputs.demo(bench.work)
    at = inputs.simulated(genome, bench.ctdna, 1000)
    inputs.group(at, bench.ctdna)
    cold = bench.env | {"CTDNA_CACHE": str(bench.work / "cold")}
    tiny = f"{bench.ctdna} consensus --duplex --input {at.grouped} --output {at.folder}/ours.cons.bam"
    measure.measure(f"{bench.ctdna} --help; {tiny}", bench.work / "start.txt", bench.env)
    first = _median(bench, f"{bench.ctdna} warm", COLD_RUNS, cold, cold=True)
    shutil.rmtree(bench.work / "cold", ignore_errors=True)
    figures = [
        ("first start after installation: `ctdna warm`, nothing compiled", None, first, 60.0),
        ("later starts: `ctdna consensus` of few reads", at.size, _median(bench, tiny, RUNS, bench.env), 1.5),
        ("`ctdna --help`", None, _median(bench, f"{bench.ctdna} --help", RUNS, bench.env), 0.3),
    ]
    rows = []
    for what, size, cost, target in figures:
        say(f"{what}: {cost.wall:.2f} s")
        cpu = {"cpu_seconds": round(cost.cpu, 2)}
        rows.append(table.limit("start", what, size, round(cost.wall, 2), table.SECONDS, target, **cpu))
    return rows
