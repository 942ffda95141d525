"""`ctdna run`: the whole job on one run folder."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.cli.authority import authority_if_named
from ctdna.cli.identity import identity

if TYPE_CHECKING:
    from ctdna.model.manifest import Alignment
    from ctdna.orchestrate.job import JobOutcome


def _say_failures(outcome: "JobOutcome") -> None:
    from ctdna.orchestrate.progress import PLAIN_WORDS

    for failure in outcome.progress.failures:
        who = failure.sample or "whole run"
        print(f"ctdna: {who}, {PLAIN_WORDS[failure.stage]}: {failure.message}", file=sys.stderr)
    if outcome.progress.failures:
        print("ctdna: mend the cause and give the same command again: finished steps are kept", file=sys.stderr)


@click.command("run")
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version of this run.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder for all results.")
@click.option(
    "--sample-sheet", type=click.Path(path_type=Path), help="Sample sheet; SampleSheet.csv of the run folder if absent."
)
@click.option("--profile", default="local", show_default=True, help="Workflow profile: local, slurm, or a folder.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Cores to use; all of this machine's if absent."
)
@options.align()
@identity(required=False)
@click.option("--prepare", "prepare_only", is_flag=True, help="Check and prepare only; print how to start Snakemake.")
def command(
    run_folder: Path,
    kit_name: str,
    output: Path,
    sample_sheet: Path | None,
    profile: str,
    threads: int | None,
    align: "Alignment",
    user: str | None,
    password_file: Path | None,
    prepare_only: bool,
) -> int:
    """Turn a finished sequencer run into one report per sample.

    RUN_FOLDER is the sequencer's run folder, or a folder of FASTQ files. Everything is decided by the kit version. An
    interrupted run resumes when the same command is given again. Finished results are never overwritten.

    A kit in development runs for research use, with or without a ledger. Any other kit needs --user, a technician or
    director of this machine's ledger, and stops where a gate fails: kit retired; lot unknown, expired or of another
    kit; instrument not registered. `ctdna override grant` lets a run pass.

    Leaves with 0 when all is done, 4 when all is done but quality control failed, else with the code of the step that
    failed.
    """
    from ctdna.orchestrate.display import Display
    from ctdna.orchestrate.job import JobRequest, run_job
    from ctdna.orchestrate.prepare import prepare
    from ctdna.orchestrate.workflow import WorkflowOptions, shell_command

    flow = WorkflowOptions(cores=threads or len(os.sched_getaffinity(0)), profile=profile)
    authority = authority_if_named(user, password_file)
    if prepare_only:
        prepare(run_folder, kit_name, output, sample_sheet, align, authority)
        print(shell_command(output, flow))
        return 0
    request = JobRequest(run_folder, kit_name, output, sample_sheet, flow, align, authority)
    outcome = run_job(request, Display(sys.stderr, flow.cores))
    _say_failures(outcome)
    if not outcome.progress.failures:
        from ctdna.cli.summary import print_summary

        print_summary(output)
    return outcome.exit_code
