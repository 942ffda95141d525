"""Run ctdna's variant calling side by side with its peers on this machine.

Installs the peers, simulates planted samples and normals under two error processes, trains a background on the normals,
calls, and writes `results.json`, the tables of README.md and the ROC plots. What cannot run is reported with its
reason. A partial run replaces its own parts' results only. Samples, consensus reads and the peers' calls are kept in
the cache and made once; our background and our calls are made anew each time.
"""

from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.calling import plots, rows, table
from benchmarks.calling.bench import Bench, program
from benchmarks.calling.peers import all_peers
from benchmarks.calling.roc import curve
from benchmarks.calling.samples import PROCESSES
from benchmarks.calling.timing import timing
from benchmarks.console import say, some_of, whole_numbers
from benchmarks.peers import default_cache
from benchmarks.results import Row, update

HERE = Path(__file__).resolve().parent
PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    "sensitivity": rows.sensitivity,
    "false": rows.false,
    "peers": rows.peers,
    "vaf": rows.vaf,
    "lod": rows.lod,
    "earlier": rows.earlier,
    "time": timing,
}


def _words(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return tuple(text.split(",")) if text else None


def _rules(_: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, float]:
    try:
        return {name: float(value) if "." in value else int(value) for name, value in (p.split("=") for p in pairs)}
    except ValueError:
        raise click.BadParameter(f"found {', '.join(pairs)}; NAME=NUMBER is wanted", param=option) from None


def _plot(bench: Bench, process: str) -> None:
    """Write the ROC plots of a process: ours, then every peer that ran on all samples."""
    levels = [(f"{rows.NAMES[kind]}, {100 * vaf:g} %", (kind, vaf)) for kind, vaf in rows.TARGETS]

    every = bench.patients[process]
    lines = [plots.Line("ctdna", rows.our_curve(bench, every))]
    for setting, samples in bench.settings(process):
        if len(samples) == len(every):
            lines.append(plots.Line(setting.name, curve(bench.verdict(setting, sample) for sample in samples)))
    n_kb = len(bench.seeds) * bench.panel.n_bases // 1000
    title = f"Found of planted variants against false calls in {n_kb} kb, {table.PROCESS[process]} error process"
    plots.write_roc(HERE, process, title, lines, levels)


@click.command(help=__doc__)
@click.option(
    "--only",
    callback=some_of("parts", tuple(PARTS)),
    help=f"Parts, by comma: {', '.join(PARTS)}.  [default: all]",
)
@click.option(
    "--seeds", default="31,32,33", callback=whole_numbers, show_default=True, help="Planted samples, by comma."
)
@click.option(
    "--processes",
    default="plain,harsh",
    callback=some_of("processes", tuple(PROCESSES)),
    show_default=True,
    help="Error processes.",
)
@click.option("--normals", default=12, show_default=True, help="Normals that train a background.")
@click.option("--held-out", default=2, show_default=True, help="Further normals, in which every call is false.")
@click.option("--rule", multiple=True, callback=_rules, help="A rule of the kit for calling, as NAME=NUMBER.")
@click.option(
    "--peers", "chosen", callback=_words, help="Peers to run, by comma; of others, kept calls are read.  [default: all]"
)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of the peers and inputs; else CTDNA_PEERS.")
@click.option("--ctdna", help="The program to measure.  [default: that of this Python]")
def main(
    only: tuple[str, ...],
    seeds: tuple[int, ...],
    processes: tuple[str, ...],
    normals: int,
    held_out: int,
    rule: dict[str, float],
    chosen: tuple[str, ...] | None,
    cache: Path | None,
    ctdna: str | None,
) -> None:
    """Simulate, call, judge, write."""
    cache = cache or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    peers = all_peers(cache, chosen) if "peers" in only else {}
    for peer in peers.values():
        say(f"{peer.name} {peer.version}: {peer.missing or 'ready'}")
    command = tuple(ctdna.split()) if ctdna else program()
    bench = Bench(cache, command, peers, seeds, processes, normals, held_out, rule, chosen)
    for part in only:
        say(f"part {part}")
        update(HERE, table.PARTS, table.markdown, PARTS[part](bench), [part])
    if "peers" in only:
        for process in processes:
            _plot(bench, process)


if __name__ == "__main__":
    main()
