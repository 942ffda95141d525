"""Run ctdna's grouping and consensus side by side with fgumi and fgbio on this machine.

Installs the peers, makes reads, measures every part, compares outputs record by record, and writes `results.json`, the
tables of README.md, `parity.json` and the tables of docs/parity.md. What cannot run is reported with its reason. A
partial run replaces its own parts' results only. `memory` and `stages-memory` take long (16 million read pairs) and run
only when named.
"""

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.consensus import measure, parity, peers, speed, table
from benchmarks.consensus.bench import Bench, program
from benchmarks.consensus.memory import memory, stages_memory
from benchmarks.consensus.start import start
from benchmarks.consensus.ways import ways
from benchmarks.console import say, some_of, whole_numbers
from benchmarks.peers import Peer, default_cache, fgumi
from benchmarks.results import Row, update

HERE = Path(__file__).resolve().parent
PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    "start": start,
    "group": speed.group,
    "consensus": speed.consensus,
    "whole": speed.whole,
    "ways": ways,
    "memory": memory,
    "stages-memory": stages_memory,
}
"""The parts that give rows; `parity` gives a page."""
PARITY = "parity"
LONG = ("memory", "stages-memory")
USUAL = (*(part for part in PARTS if part not in LONG), PARITY)


def _peers(cache: Path, parts: tuple[str, ...]) -> dict[str, Peer]:
    """Return the peers that these parts want, installed unless that was done before."""
    wanted = [fgumi, peers.fgbio] if {"group", "consensus", "whole", PARITY} & set(parts) else []
    wanted += [peers.umi_tools, peers.umierrorcorrect] if PARITY in parts else []
    found = [get(cache) for get in wanted]
    for peer in found:
        say(f"{peer.name} {peer.version}: {peer.missing or 'ready'}")
    return {peer.name: peer for peer in found}


@click.command(help=__doc__)
@click.option(
    "--only",
    callback=some_of("parts", (*PARTS, PARITY), USUAL),
    help=f"Parts, by comma: {', '.join([*PARTS, PARITY])}.  [default: all but memory and stages-memory]",
)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the peers and inputs; else CTDNA_PEERS.")
@click.option("--ctdna", default=program(), help="The program to measure.  [default: that of this Python]")
@click.option("--sizes", default="100000,400000,1600000", callback=whole_numbers, show_default=True, help="Read pairs.")
@click.option(
    "--memory-sizes",
    default="1000000,4000000,16000000",
    callback=whole_numbers,
    show_default=True,
    help="Those of memory.",
)
@click.option("--threads", default="1,2", callback=whole_numbers, show_default=True, help="Threads, by comma.")
@click.option("--repeats", default=3, show_default=True, help="Runs of each short job, in turn; the median counts.")
def main(
    only: tuple[str, ...],
    cache: Path | None,
    ctdna: str,
    sizes: tuple[int, ...],
    memory_sizes: tuple[int, ...],
    threads: tuple[int, ...],
    repeats: int,
) -> None:
    """Measure, compare, write."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(cache, ctdna, sizes, memory_sizes, threads, repeats, _peers(cache, only))
    bench.work.mkdir(exist_ok=True)
    measure.measure(f"{ctdna} warm", cache / "warm.log", bench.env)
    for part in only:
        say(f"part {part}")
        if part == PARITY:
            parity.parity(bench)
        else:
            update(HERE, table.PARTS, table.markdown, PARTS[part](bench), [part])


if __name__ == "__main__":
    main()
