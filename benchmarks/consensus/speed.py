"""The parts that measure time beside the peers: grouping, consensus, and the whole job from FASTQ."""

from collections.abc import Callable

from benchmarks.consensus import inputs, jobs, measure, table
from benchmarks.consensus.bench import Bench
from benchmarks.consensus.inputs import Inputs
from benchmarks.console import say

LONG = 1_000_000
"""Larger inputs are measured once; the long way is left out."""
WHOLE_TARGETS = {"fgumi": 3.0, "fgbio": 10.0}


def _measured(bench: Bench, part: str, job: jobs.Job, at: Inputs, repeats: int) -> table.Row:
    """Return the row of one job: both sides run in turn, the median counts, of the peer's forms the fastest."""
    scripts = {"ours": job.ours} | {f"theirs {form}": script for form, script in job.theirs.items()}
    costs = measure.interleaved(scripts, repeats, at.folder / "log.txt", bench.env)
    cost = {name: measure.middle(some) for name, some in costs.items()}
    form = min(job.theirs, key=lambda name: cost[f"theirs {name}"].wall)
    row = table.timed(part, at.genome, job, at.size, cost["ours"], cost[f"theirs {form}"], form)
    times = f"{row['ours_seconds']} : {row['theirs_seconds']} s"
    say(f"{job.what}, {at.genome}, {job.threads} threads, {at.size} pairs: {times}")
    return row


def _measured_or_told(bench: Bench, part: str, job: jobs.Job, at: Inputs, repeats: int) -> table.Row:
    """Return the row of one job, or why it could not be measured."""
    try:
        return _measured(bench, part, job, at, repeats)
    except measure.FailedRunError as failed:
        return table.failed(part, job.what, job.peer, job.target, at.size, failed)


def _missing(bench: Bench, part: str, what: tuple[str, ...], targets: dict[str, float | None]) -> list[table.Row]:
    """Return a row for each job of each peer that cannot run."""
    rows = []
    for name, target in targets.items():
        peer = bench.peers[name]
        if peer.missing:
            say(f"{name} {peer.version} is left out: {peer.missing}")
            rows += [table.skipped(part, one, name, target, peer.missing) for one in what]
    return rows


def _apart(
    bench: Bench, part: str, what: tuple[str, ...], make: Callable[..., list[jobs.Job]], wanted: str
) -> list[table.Row]:
    """Return the rows of jobs that start from a BAM, on the demo kit's reference."""
    rows: list[table.Row] = []
    genome = inputs.demo(bench.work)
    for size in bench.sizes:
        at = inputs.simulated(genome, bench.ctdna, size)
        inputs.group(at, bench.ctdna)
        repeats = 1 if size > LONG else bench.repeats
        fgumi, fgbio = bench.peers["fgumi"], bench.peers["fgbio"]
        if not fgumi.missing:
            measure.measure(jobs.sort_for_peer(at, fgumi), at.folder / "log.txt")
        for n in bench.threads:
            made = [] if fgumi.missing else make(at, bench.ctdna, fgumi, n)
            if not fgbio.missing:
                made += [job for job in jobs.fgbio_jobs(at, bench.ctdna, fgbio, n) if job.what == wanted]
            rows += [_measured_or_told(bench, part, job, at, repeats) for job in made]
    rows.sort(key=lambda row: (row["peer"], row["what"], row.get("threads", 0), row["size"]))
    missing = _missing(bench, part, what, {"fgumi": 1.0}) + _missing(bench, part, (wanted,), {"fgbio": None})
    return rows + missing


def group(bench: Bench) -> list[table.Row]:
    """Return the rows of grouping."""
    what = (jobs.SORTED_TO_GROUPED, jobs.ALIGNED_TO_GROUPED)
    return _apart(bench, "group", what, jobs.group_jobs, jobs.ALIGNED_TO_GROUPED)


def consensus(bench: Bench) -> list[table.Row]:
    """Return the rows of duplex consensus."""
    return _apart(bench, "consensus", (jobs.TO_CONSENSUS,), jobs.consensus_jobs, jobs.TO_CONSENSUS)


def _theirs(bench: Bench, at: Inputs, threads: int, forms: dict[str, str]) -> dict[tuple[str, str], str]:
    """Return the peers' scripts of the whole job by peer and form; `forms` names the only form of a peer to run."""
    found: dict[tuple[str, str], str] = {}
    for name, make in (("fgumi", jobs.whole_fgumi), ("fgbio", jobs.whole_fgbio)):
        if not bench.peers[name].missing:
            scripts = make(at, bench.peers[name], threads)
            found |= {(name, form): text for form, text in scripts.items() if form == forms.get(name, form)}
    return found


def _whole_of(bench: Bench, at: Inputs, repeats: int, forms: dict[str, str]) -> list[table.Row]:
    """Return the rows of one input: each way of ours beside each peer; notes each peer's faster form in `forms`."""
    threads = max(bench.threads)
    ways = {} if bench.no_short_way() else {jobs.WHOLE: jobs.short_way(at, bench.ctdna, threads)}
    if at.size <= LONG:
        ways[jobs.LONG_WAY] = jobs.long_way(at, bench.ctdna, threads)
    theirs = _theirs(bench, at, threads, forms)
    scripts = ways | {" ".join(key): text for key, text in theirs.items()}
    costs = measure.interleaved(scripts, repeats, at.folder / "log.txt", bench.env)
    cost = {name: measure.middle(some) for name, some in costs.items()}
    rows = []
    for name in sorted({peer for peer, _ in theirs}):
        peers_forms = [form for peer, form in theirs if peer == name]
        forms[name] = min(peers_forms, key=lambda form: cost[f"{name} {form}"].wall)
        for what in ways:
            target = WHOLE_TARGETS[name] if what == jobs.WHOLE else None
            job = jobs.Job(what, name, target, threads, "", {})
            rows.append(
                table.timed("whole", at.genome, job, at.size, cost[what], cost[f"{name} {forms[name]}"], forms[name])
            )
            say(f"{what}, {at.genome}, {at.size} pairs: {rows[-1]['ours_seconds']} : {rows[-1]['theirs_seconds']} s")
    return rows


def whole(bench: Bench) -> list[table.Row]:
    """Return the rows of the whole job, with the most threads, on every reference.

    The smallest size is repeated, and settles which form of a peer's pipeline is the faster on this machine.
    """
    rows: list[table.Row] = []
    for genome in bench.genomes():
        forms: dict[str, str] = {}
        for k, size in enumerate(sorted(bench.sizes)):
            at = inputs.simulated(genome, bench.ctdna, size)
            try:
                rows += _whole_of(bench, at, 1 if k else bench.repeats, forms)
            except measure.FailedRunError as failed:
                row = table.failed("whole", jobs.WHOLE, "fgumi", WHOLE_TARGETS["fgumi"], at.size, failed)
                rows.append({**row, "reference": at.genome})
    rows.sort(key=lambda row: (row["what"], row["peer"], row["reference"], row["size"]))
    if bench.no_short_way():
        rows.append(table.skipped("whole", jobs.WHOLE, "fgumi", 3.0, bench.no_short_way()))
    return rows + _missing(bench, "whole", (jobs.WHOLE,), dict(WHOLE_TARGETS))
