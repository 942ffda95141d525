"""Run ctdna's grouping and consensus side by side with fgumi and fgbio on this machine.

Installs the peers, simulates reads, measures every job in turn, compares the outputs record by record, and writes
`results.json`, `parity.json` and the table of README.md. A peer that cannot be installed is reported and left out.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import compare
import inputs
import jobs
import measure
import peers
import table

LONG = 1_000_000
"""Larger inputs are measured once, and the whole job on them with the most threads only."""
HERE = Path(__file__).resolve().parent
CTDNA = str(Path(sys.executable).parent / "ctdna")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _measured(job: jobs.Job, at: inputs.Inputs, pairs: int, repeats: int) -> list[dict[str, Any]]:
    """Return the results' entries of one job."""
    scripts = {"ours": job.ours, "theirs": job.theirs} | ({"level 6": job.theirs_level_6} if job.theirs_level_6 else {})
    costs = measure.interleaved(scripts, repeats, at.folder / "log.txt", measure.environment(at.folder.parents[1]))
    cost = {name: measure.middle(some) for name, some in costs.items()}
    rows = [table.row(job, pairs, cost["ours"], cost["theirs"])]
    if job.theirs_level_6:
        same = job._replace(what=job.what + jobs.LEVEL_6)
        rows.append(table.row(same, pairs, cost["ours"], cost["level 6"]))
    for one in rows:
        times = f"{one['ours_seconds']} : {one['theirs_seconds']} s"
        _say(f"{one['what']}, {job.threads} threads, {pairs} pairs: {times}")
    return rows


def _compared(folder: Path, theirs: str) -> dict[str, Any]:
    """Return what is equal in the outputs, found in another process.

    The peak memory of a measured process is never below that of its parent, so that this process must stay small.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        paths = [(folder / f"ours.{what}.bam", folder / f"{theirs}.{what}.bam") for what in ("cons", "grouped")]
        reads, shown = pool.submit(compare.consensus, *paths[0]).result()
        molecules = pool.submit(compare.grouping, *paths[1]).result()
    return {"grouping": molecules, "consensus": reads, "differing": shown}


def _size(
    size: int, work: Path, found: list[peers.Peer], repeats: int, threads: tuple[int, ...]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the measurements and the comparison of outputs of one size."""
    at = inputs.prepare(work, CTDNA, size)
    pairs = inputs.pairs_of(at)
    rows: list[dict[str, Any]] = []
    parity: dict[str, Any] = {}
    for peer in found:
        if peer.name == "fgumi":
            measure.measure(jobs.sort_for_peer(at, peer), at.folder / "log.txt")
        make = jobs.fgumi_jobs if peer.name == "fgumi" else jobs.fgbio_jobs
        for n in threads:
            for job in make(at, CTDNA, peer, n):
                is_long = job.what == jobs.WHOLE or size > LONG
                if size <= LONG or job.what != jobs.WHOLE or n == max(threads):
                    rows += _measured(job, at, pairs, 1 if is_long else repeats)
        parity[peer.name] = _compared(at.folder, "theirs" if peer.name == "fgumi" else "fgbio")
    return rows, parity


def _missing(absent: list[peers.Peer]) -> list[dict[str, Any]]:
    rows = []
    for peer in absent:
        _say(f"{peer.name} {peer.version} is left out: {peer.missing}")
        target = 10.0 if peer.name == "fgbio" else 1.0
        for what in (jobs.ALIGNED_TO_GROUPED, jobs.TO_CONSENSUS, jobs.WHOLE):
            rows.append(table.skipped(what, peer.name, target, peer.missing))
    return rows


@click.command(help=__doc__)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the peers and inputs; else CTDNA_PEERS.")
@click.option("--sizes", default="100000,400000,1600000", show_default=True, help="Read pairs, by comma.")
@click.option("--threads", default="1,2", show_default=True, help="Threads, by comma.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each short job, in turn; the median counts.")
def main(cache: Path | None, sizes: str, threads: str, repeats: int) -> None:
    """Measure, compare, write."""
    cache = cache or peers.default_cache()
    known = [peers.fgumi(cache), peers.fgbio(cache)]
    cache.mkdir(parents=True, exist_ok=True)
    measure.measure(f"{CTDNA} warm", cache / "warm.log", measure.environment(cache))
    found = [peer for peer in known if not peer.missing]
    missing = _missing([peer for peer in known if peer.missing])
    rows: list[dict[str, Any]] = []
    parity: dict[str, Any] = {}
    for size in (int(text) for text in sizes.split(",")):
        some, same = _size(size, cache / "bench", found, repeats, tuple(int(n) for n in threads.split(",")))
        rows += some
        parity[str(size)] = same
        rows.sort(key=lambda one: (one["peer"], one["what"], one["threads"], one["size"]))
        table.write(HERE, rows + missing, table.markdown(rows + missing))
        (HERE / "parity.json").write_text(json.dumps(parity, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
