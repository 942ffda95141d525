"""`ctdna watch`: run folders are run as they complete."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.cli.authority import authority_if_named
from ctdna.cli.identity import identity

if TYPE_CHECKING:
    from ctdna.kit.authority import Authority
    from ctdna.model.manifest import Alignment
    from ctdna.orchestrate.watch import Attempt
    from ctdna.orchestrate.workflow import WorkflowOptions


def _attempt(
    run: Path, kit: str, output: Path, flow: "WorkflowOptions", align: "Alignment", authority: "Authority | None"
) -> "Attempt":
    from ctdna.model.errors import CtdnaError
    from ctdna.orchestrate.display import Display
    from ctdna.orchestrate.job import JobRequest, run_job
    from ctdna.orchestrate.watch import Attempt

    try:
        request = JobRequest(run, kit, output / run.name, None, flow, align, authority)
        outcome = run_job(request, Display(sys.stderr, flow.cores))
    except CtdnaError as error:
        return Attempt(error.exit_code, str(error))
    message = outcome.progress.failures[0].message if outcome.progress.failures else ""
    return Attempt(outcome.exit_code, message)


@click.command("watch")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version of these runs.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Results go to OUTPUT/<run folder>.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Run what is ready now, then leave.")
@click.option("--rerun", metavar="RUN", multiple=True, help="Run this finished or failed run folder again.")
@click.option("--profile", default="local", show_default=True, help="Workflow profile: local, slurm, or a folder.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Cores to use; all of this machine's if absent."
)
@options.align()
@identity(required=False)
def command(
    folder: Path,
    kit_name: str,
    output: Path,
    interval: float,
    once: bool,
    rerun: tuple[str, ...],
    profile: str,
    threads: int | None,
    align: "Alignment",
    user: str | None,
    password_file: Path | None,
) -> int:
    """Wait for run folders in FOLDER to complete and run them, first in, first out.

    A run is ready when the sequencer's completion marker (RTAComplete.txt or CopyComplete.txt) is there and nothing
    changed between two looks. Its sample sheet is checked as soon as it arrives. A failure that may pass (a missing
    program, a killed step) is tried three times more; a wrong sample sheet is not. Finished and failed runs are left
    alone until --rerun names them; their earlier results are kept aside. Stop with Ctrl-C; a restarted watch goes on
    where it stood. A kit that is not in development needs --user, as `ctdna run` does; a run that a gate stops is given
    up until --rerun names it.
    """
    from ctdna.kit.load import load_kit
    from ctdna.model.errors import InputError
    from ctdna.orchestrate.gates import check_person
    from ctdna.orchestrate.queue import find_runs, release
    from ctdna.orchestrate.watch import Watch
    from ctdna.orchestrate.workflow import WorkflowOptions, profile_folder

    profile_folder(profile)
    authority = authority_if_named(user, password_file)
    check_person(load_kit(kit_name), authority)
    flow = WorkflowOptions(cores=threads or len(os.sched_getaffinity(0)), profile=profile)
    output.mkdir(parents=True, exist_ok=True)
    known = {run.name for run in find_runs(folder)}
    for name in rerun:
        if name not in known:
            raise InputError(
                folder, "--rerun", f"no run folder `{name}`", f"found: {', '.join(sorted(known)) or 'none'}"
            )
        aside = release(output, name)
        if aside is not None:
            print(f"{name}: earlier results are kept in {aside.name}", file=sys.stderr)
    watch = Watch(
        folder,
        output,
        lambda run: _attempt(run, kit_name, output, flow, align, authority),
        lambda line: print(line, file=sys.stderr, flush=True),
    )
    watch.look()
    while True:
        time.sleep(interval)
        worked = watch.work(watch.look())
        if once and not worked:
            return 0
