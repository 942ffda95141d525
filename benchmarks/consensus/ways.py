"""The part that compares the short way with the long way."""

from benchmarks.consensus import inputs, jobs, measure, short_and_long, table
from benchmarks.consensus.bench import Bench, elsewhere
from benchmarks.consensus.inputs import Inputs
from benchmarks.consensus.speed import LONG
from benchmarks.console import say

SAME_CONSENSUS = "molecules with identical consensus, short way vs long way"
SAME_IN_ALL = "the same, mapping quality, proper-pair flag and the aligner's tags too"
TARGET = 0.9995


def _rows(bench: Bench, at: Inputs) -> list[table.Row]:
    """Return the rows of one input: run both ways, compare their outputs."""
    threads = max(bench.threads)
    for way in (jobs.short_way, jobs.long_way):
        measure.measure(way(at, bench.ctdna, threads), at.folder / "log.txt", bench.env)
    found = elsewhere(short_and_long.compare, at.folder / "short.bam", at.folder / "long.bam")
    n = found["molecules"]
    more = {"reads": at.name, "reference": at.genome}
    first = table.share(
        "ways", SAME_CONSENSUS, at.size, found["same_consensus"], n, TARGET, **more, different=found["different"]
    )
    say(f"{at.name}, {at.size} pairs: {found['same_consensus']} of {n} molecules have the same consensus")
    return [first, table.share("ways", SAME_IN_ALL, at.size, found["same_in_all"], n, None, **more)]


def ways(bench: Bench) -> list[table.Row]:
    """Return the rows of every simulated input, and of real duplex reads where they are there."""
    why = bench.no_short_way()
    if why:
        return [table.skipped("ways", SAME_CONSENSUS, None, TARGET, why, table.SHARE)]
    sizes = [size for size in sorted(bench.sizes) if size <= LONG]
    found = [inputs.simulated(genome, bench.ctdna, size) for genome in bench.genomes() for size in sizes]
    real = inputs.nfcore(bench.work)
    rows: list[table.Row] = []
    for at in [*found, *([real] if real else [])]:
        try:
            rows += _rows(bench, at)
        except measure.FailedRunError as failed:
            row = table.failed("ways", SAME_CONSENSUS, None, TARGET, at.size, failed, table.SHARE)
            rows.append({**row, "reference": at.genome})
    if real is None:
        why = f"{inputs.REAL_DATA} does not name the folder of real data"
        rows.append(table.skipped("ways", f"{SAME_CONSENSUS}, real reads", None, TARGET, why, table.SHARE))
    return rows
