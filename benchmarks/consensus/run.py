"""Run ctdna's grouping and consensus side by side with fgumi and fgbio on this machine.

Installs the peers, makes reads, measures every part, compares outputs record by record, and writes `results.json`, the
tables of README.md, `parity.json` and the tables of docs/parity.md. What cannot run is reported with its reason. A
partial run replaces its own parts' results only. `memory` and `stages-memory` take long (16 million read pairs) and run
only when named.
"""

from collections.abc import Callable
from pathlib import Path

import click
import measure
import parity
import peers
import speed
import table
from bench import Bench, program, say
from memory import memory, stages_memory
from start import start
from ways import ways

HERE = Path(__file__).resolve().parent
PARTS: dict[str, Callable[[Bench], list[table.Row]]] = {
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


def _numbers(_: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"found {text}; whole numbers by comma are wanted", param=option) from None


def _parts(_: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
    chosen = text.split(",") if text else list(USUAL)
    unknown = sorted(set(chosen) - {*PARTS, PARITY})
    if unknown:
        raise click.BadParameter(f"found {', '.join(unknown)}; parts are {', '.join([*PARTS, PARITY])}", param=option)
    return tuple(chosen)


def _peers(cache: Path, parts: tuple[str, ...]) -> dict[str, peers.Peer]:
    """Return the peers that these parts want, installed unless that was done before."""
    wanted = [peers.fgumi, peers.fgbio] if {"group", "consensus", "whole", PARITY} & set(parts) else []
    wanted += [peers.umi_tools, peers.umierrorcorrect] if PARITY in parts else []
    found = [get(cache) for get in wanted]
    for peer in found:
        say(f"{peer.name} {peer.version}: {peer.missing or 'ready'}")
    return {peer.name: peer for peer in found}


@click.command(help=__doc__)
@click.option(
    "--only",
    callback=_parts,
    help=f"Parts, by comma: {', '.join([*PARTS, PARITY])}.  [default: all but memory and stages-memory]",
)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the peers and inputs; else CTDNA_PEERS.")
@click.option("--ctdna", default=program(), help="The program to measure.  [default: that of this Python]")
@click.option("--sizes", default="100000,400000,1600000", callback=_numbers, show_default=True, help="Read pairs.")
@click.option(
    "--memory-sizes", default="1000000,4000000,16000000", callback=_numbers, show_default=True, help="Those of memory."
)
@click.option("--threads", default="1,2", callback=_numbers, show_default=True, help="Threads, by comma.")
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
    cache = cache or peers.default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(cache, ctdna, sizes, memory_sizes, threads, repeats, _peers(cache, only))
    bench.work.mkdir(exist_ok=True)
    measure.measure(f"{ctdna} warm", cache / "warm.log", bench.env)
    for part in only:
        say(f"part {part}")
        if part == PARITY:
            parity.parity(bench)
        else:
            table.update(HERE, PARTS[part](bench), [part])


if __name__ == "__main__":
    main()
