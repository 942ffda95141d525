"""`ctdna replay`: archived runs again under another kit or build, and whether the results are the same."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ctdna.model.equivalence import Equivalence
    from ctdna.model.manifest import Alignment
    from ctdna.orchestrate.replay import Replayed, Start
    from ctdna.validation.equivalence import Limits

_SHARE = click.FloatRange(0, 1)


def _limits(given: dict[str, float | None]) -> "Limits":
    """Return the limits of the table of rules, with those that options give in their place."""
    from ctdna.validation.equivalence import Limits
    from ctdna.validation.rules import load_rules

    rules = load_rules()
    own = {name: value for name, value in given.items() if value is not None}
    values = rules.table.acceptance.model_copy(update=own)
    return Limits(values, tuple(sorted(own)), rules.source)


def _say(report: "Equivalence", output: Path) -> int:
    from ctdna.model.errors import EXIT_DONE, EXIT_QC

    for check in report.checks:
        click.echo(f"{check.name}\t{check.outcome}\t{check.found}\t{check.allowed}")
    click.echo(f"verdict\t{report.verdict}\t{report.reason}")
    click.echo(f"differences\t{len(report.differences)}\t{output / 'equivalence.json'}")
    return EXIT_DONE if report.verdict == "equivalent" else EXIT_QC


def _check(runs: tuple[Path, ...], kit_name: str | None, is_compare: bool, rerun: Mapping[str, object]) -> None:
    from ctdna.model.errors import InputError

    needless = [name for name, value in rerun.items() if value is not None]
    if is_compare and (len(runs) != 2 or kit_name is not None or needless):
        what = "takes two output folders, OLD and NEW, and runs nothing again"
        raise InputError(None, "--compare", what, "leave out the kit and the options of a rerun")
    if not is_compare and (kit_name is None or not runs):
        raise InputError(None, "replay", "needs --kit and the folders of finished runs", "see ctdna replay --help")


@click.command("replay")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="RUN_DIR...")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", help="The candidate.")
@click.option("--build", type=click.Path(path_type=Path), help="Another installation's `ctdna`; this one if absent.")
@click.option("--compare", is_flag=True, help="Compare two finished output folders OLD and NEW; run nothing again.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A clean place for all that is made.")
@click.option(
    "--align",
    type=click.Choice(("once", "all")),
    default=None,
    help="Which reads the aligner gets; as each archived run if absent.",
)
@click.option("--from-fastq", is_flag=True, help="Start from the FASTQ files that each archived run has kept.")
@click.option("--archive", type=click.Path(path_type=Path), help="Folder of run folders that left their old place.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Cores to use; all of this machine's if absent."
)
@click.option("--min-ppa", type=_SHARE, default=None, help="Least positive agreement.")
@click.option("--min-ppa-low", type=_SHARE, default=None, help="Least lower end of the interval of positive agreement.")
@click.option("--min-npa", type=_SHARE, default=None, help="Least negative agreement.")
@click.option("--min-npa-low", type=_SHARE, default=None, help="Least lower end of the interval of negative agreement.")
@click.option(
    "--max-vaf-bias", type=click.FloatRange(min=0), default=None, help="Largest mean relative difference of VAF."
)
def command(
    runs: tuple[Path, ...],
    kit_name: str | None,
    build: Path | None,
    compare: bool,
    output: Path,
    align: "Alignment | None",
    from_fastq: bool,
    archive: Path | None,
    threads: int | None,
    **limits: float | None,
) -> int:
    """Run archived runs again under a candidate kit or build, and say whether the results are the same.

    RUN_DIR are output folders of finished runs; they are read, never written. Each is run again from its archived
    input into DIR/runs, then every sample is compared: state, VAF and molecules of each allele, figures and verdicts
    of quality control. Writes equivalence.json (signed where this machine is a site), .html and .pdf. A replay that
    was stopped goes on when the same command is given again.

    Limits of acceptance stand in config/impact/rules.yaml; options replace them and are named in the report. Leaves
    with 0 where the results are equivalent, with 4 where they are not or where it is not shown.
    """
    from ctdna.kit.load import load_kit
    from ctdna.orchestrate.replay import ReplayRequest, check_place, replay, stand_beside
    from ctdna.orchestrate.replay import compare as compare_all
    from ctdna.validation.equivalence_files import own_site_key, write_equivalence

    rerun = {"build": build, "align": align, "archive": archive, "threads": threads, "fastq": from_fastq or None}
    _check(runs, kit_name, compare, rerun)
    check_place(output, runs)
    chosen, key = _limits(limits), own_site_key()
    found: tuple[Replayed, ...]
    if compare:
        found = (stand_beside(*runs),)
    else:
        cores = threads or len(os.sched_getaffinity(0))
        start: Start = "fastq" if from_fastq else "input"
        request = ReplayRequest(runs, load_kit(kit_name or ""), output, build, align, archive, start, cores)
        found = replay(request, lambda line: print(line, file=sys.stderr))
    report = compare_all(found, chosen)
    write_equivalence(output, report, key)
    return _say(report, output)
