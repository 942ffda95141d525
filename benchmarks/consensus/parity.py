"""The peers' outputs beside ours, record by record: grouping, consensus and filter, on simulated and real reads."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.consensus import compare, inputs, jobs, measure, python_peers
from benchmarks.consensus.bench import Bench, elsewhere
from benchmarks.consensus.inputs import Inputs
from benchmarks.consensus.speed import LONG
from benchmarks.console import say
from benchmarks.results import between

BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "parity.md"
Entry = dict[str, Any]


class Options(NamedTuple):
    """One way to call consensus or to filter, in both programs' words."""

    name: str
    ours: str
    theirs: str


DUPLEX = (
    Options("duplex, defaults", "--duplex", "duplex --min-reads 1"),
    Options("duplex, at least 2, 1, 1 reads", "--duplex --min-reads 2 1 1", "duplex --min-reads 2,1,1"),
    Options(
        "duplex, trimmed, input quality 20",
        "--duplex --trim --min-input-base-quality 20",
        "duplex --min-reads 1 --trim true --min-input-base-quality 20",
    ),
    Options(
        "duplex, at least 3 reads, consensus quality 30, mates not settled",
        "--duplex --min-reads 3 --min-consensus-base-quality 30 --no-consensus-call-overlapping-bases",
        "duplex --min-reads 3 --min-consensus-base-quality 30 --consensus-call-overlapping-bases false",
    ),
)
SIMPLEX = (
    Options("simplex, defaults", "--simplex", "simplex --min-reads 1"),
    Options(
        "simplex, at least 2 reads, input quality 20, mates not settled",
        "--simplex --min-reads 2 --min-input-base-quality 20 --no-consensus-call-overlapping-bases",
        "simplex --min-reads 2 --min-input-base-quality 20 --consensus-call-overlapping-bases false",
    ),
)
FILTERS = (
    Options("filter, defaults", "--min-reads 1", "--min-reads 1"),
    Options(
        "filter, strict",
        "--min-reads 3 --max-read-error-rate 0.01 --max-base-error-rate 0.05 --min-base-quality 40"
        " --max-no-call-fraction 0.1 --min-mean-base-quality 35",
        "--min-reads 3 --max-read-error-rate 0.01 --max-base-error-rate 0.05 --min-base-quality 40"
        " --max-no-call-fraction 0.1 --min-mean-base-quality 35",
    ),
)
DUPLEX_FILTER = Options(
    "filter, strict, strands agree",
    "--min-reads 3 2 1 --require-single-strand-agreement --min-base-quality 30",
    "--min-reads 3,2,1 --require-single-strand-agreement true --min-base-quality 30",
)


class Sample(NamedTuple):
    """Reads to compare on, and the grouping strategies that fit them."""

    reads: Inputs
    strategies: tuple[str, ...]
    is_full: bool
    """All options of the callers and of the filter, or the defaults only."""


def _samples(bench: Bench) -> Iterator[Sample]:
    for genome in bench.genomes():
        for k, size in enumerate(sorted(size for size in bench.sizes if size <= LONG)):
            yield Sample(inputs.simulated(genome, bench.ctdna, size), ("paired", "adjacency"), k == 0)
    every = ("identity", "edit", "adjacency")
    for real, strategies in (
        (inputs.nfcore, (*every, "paired")),
        (inputs.mageri, every),
        (inputs.simsen, every),
    ):
        found = real(bench.work)
        if found is not None:
            yield Sample(found, strategies, True)


class Pair(NamedTuple):
    """A sample's folder, and how both programs are started."""

    bench: Bench
    at: Inputs
    fgumi: str

    def run(self, script: str) -> None:
        """Run a script."""
        measure.measure(script, self.at.folder / "log.txt", self.bench.env)

    def file(self, name: str) -> Path:
        """Return the path of an output of the comparison."""
        return self.at.folder / f"parity.{name}.bam"

    def entry(self, what: str, options: str, found: compare.Found) -> Entry:
        """Return one comparison with fgumi."""
        return _entry(self.at, "fgumi", what, options, found)


def _entry(at: Inputs, peer: str, what: str, options: str, found: compare.Found) -> Entry:
    n_different = sum(entry["n"] for entry in found["different"].values())
    say(f"{at.name}, {at.size} pairs, {peer}, {what}, {options}: {found['equal']} equal, {n_different} different")
    return {"reads": at.name, "size": at.size, "peer": peer, "what": what, "options": options, **found}


def _grouping(pair: Pair, strategy: str) -> Entry:
    """Group by both; the comparison. The grouped files stay as `parity.ours` and `parity.theirs`."""
    how = f"--strategy {strategy}" + ("" if strategy == "identity" else " --edits 1")
    pair.run(f"{pair.bench.ctdna} group {how} --input {pair.at.aligned} --output {pair.file('ours')}")
    theirs = how + (" --edits 0" if strategy == "identity" else "")
    pair.run(f"{pair.fgumi} group {theirs} --input {pair.at.folder}/sorted.bam --output {pair.file('theirs')}")
    return pair.entry("grouping", strategy, elsewhere(compare.grouping, pair.file("ours"), pair.file("theirs")))


def _consensus(pair: Pair, options: Options) -> Entry:
    """Call consensus by both from our grouped file; ours stays as `parity.cons`."""
    pair.run(f"{pair.bench.ctdna} consensus {options.ours} --input {pair.file('ours')} --output {pair.file('cons')}")
    pair.run(f"{pair.fgumi} {options.theirs} --input {pair.file('ours')} --output {pair.file('peer')}")
    found = elsewhere(compare.consensus, pair.file("cons"), pair.file("peer"), pair.file("ours"))
    return pair.entry("consensus", options.name, found)


def _filter(pair: Pair, options: Options) -> Entry:
    """Filter the realigned consensus `parity.real` by both."""
    ref, real = f"{pair.at.reference}", pair.file("real")
    ours, theirs = pair.file("thin"), pair.file("peer")
    pair.run(f"{pair.bench.ctdna} filter {options.ours} --reference {ref} --input {real} --output {ours}")
    pair.run(f"{pair.fgumi} filter {options.theirs} --ref {ref} --input {real} --output {theirs}")
    return pair.entry("filter", options.name, elsewhere(compare.filtered, ours, theirs))


def _options(strategy: str, is_full: bool) -> tuple[tuple[Options, ...], tuple[Options, ...]]:
    """Return the options of the callers, the defaults first, and of the filter."""
    if strategy == "paired":
        return (DUPLEX, (*FILTERS, DUPLEX_FILTER)) if is_full else (DUPLEX[:1], FILTERS)
    return SIMPLEX if is_full else SIMPLEX[:1], FILTERS


def _with_fgumi(bench: Bench, sample: Sample) -> list[Entry]:
    peer = bench.peers["fgumi"]
    pair = Pair(bench, sample.reads, peer.shell)
    inputs.align(pair.at, bench.ctdna)
    pair.run(jobs.sort_for_peer(pair.at, peer))
    found = []
    for strategy in sample.strategies:
        found.append(_grouping(pair, strategy))
        if strategy not in ("paired", "adjacency"):
            continue
        callers, filters = _options(strategy, sample.is_full)
        found += [_consensus(pair, options) for options in reversed(callers)]
        words = f"--input {pair.file('cons')} --reference {pair.at.reference} --output {pair.file('real')}"
        pair.run(f"{bench.ctdna} realign {words}")
        found += [_filter(pair, options._replace(name=f"{callers[0].name}; {options.name}")) for options in filters]
    for path in pair.at.folder.glob("parity.*"):
        path.unlink()
    return found


def _with_python_peers(bench: Bench, sample: Sample) -> list[Entry]:
    """Return the comparisons with UMI-tools, on real reads (it takes long), and with UMIErrorCorrect."""
    at, found = sample.reads, []
    folder = at.folder / "python_peers"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    inputs.align(at, bench.ctdna)
    umi_tools, umierrorcorrect = bench.peers["umi_tools"], bench.peers["umierrorcorrect"]
    if not umi_tools.missing:
        for strategy in python_peers.METHODS:
            answer = python_peers.umi_tools(bench, at, folder, umi_tools, strategy)
            found.append(_entry(at, "UMI-tools", "grouping", strategy, answer))
    if not umierrorcorrect.missing and at.r2 is None:
        answer = python_peers.umierrorcorrect(bench, at, folder, umierrorcorrect)
        found.append(_entry(at, "UMIErrorCorrect", "grouping", "adjacency", answer))
    shutil.rmtree(folder)
    return found


def parity(bench: Bench) -> None:
    """Compare on every sample; write `parity.json` and the tables of docs/parity.md."""
    found: list[Entry] = []
    for sample in _samples(bench):
        if not bench.peers["fgumi"].missing:
            found += _with_fgumi(bench, sample)
        if not sample.reads.name.startswith("simulated"):
            found += _with_python_peers(bench, sample)
    (Path(__file__).parent / "parity.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = between(PAGE.read_text(encoding="utf-8"), markdown(found), BEGIN, END)
    PAGE.write_text(text, encoding="utf-8")


def _differences(entry: Entry) -> str:
    return "; ".join(f"{one['n']:,} {kind}" for kind, one in entry["different"].items()) or "-"


def markdown(found: list[Entry]) -> str:
    """Return a table of all comparisons, and one of an example for each kind of difference."""
    lines = []
    for what, unit in (("grouping", "molecules"), ("consensus", "consensus reads"), ("filter", "records")):
        own = [entry for entry in found if entry["what"] == what]
        lines += [f"**{what.capitalize()}**, {unit}:", ""]
        lines += [
            "| reads | pairs | peer | options | here | there | equal | different |",
            "|---|--:|---|---|--:|--:|--:|---|",
        ]
        for one in own:
            figures = " | ".join(f"{one[key]:,}" for key in ("ours", "theirs", "equal"))
            head = f"| {one['reads']} | {one['size']:,} | {one['peer']} | {one['options']}"
            lines.append(f"{head} | {figures} | {_differences(one)} |")
        lines.append("")
    lines += ["**One example of each kind**:", "", "| what | peer | kind | in all | example |", "|---|---|---|--:|---|"]
    kinds: dict[tuple[str, str, str], tuple[int, str]] = {}
    for entry in found:
        for kind, one in entry["different"].items():
            key = entry["what"], entry["peer"], kind
            n, shown = kinds.get(key, (0, f"{entry['reads']}, {entry['size']:,} pairs: {one['examples'][0]}"))
            kinds[key] = n + one["n"], shown
    lines += [f"| {' | '.join(key)} | {n:,} | {shown} |" for key, (n, shown) in sorted(kinds.items())]
    return "\n".join(lines)
