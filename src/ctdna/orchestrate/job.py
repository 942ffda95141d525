"""The whole job on one run folder: prepare, run the workflow, bundle and sign, leave its provenance."""

import datetime
import getpass
import platform
from dataclasses import dataclass
from pathlib import Path

from ctdna.bundle.finish import Finished, bundle_run
from ctdna.bundle.inputs import note_inputs
from ctdna.formats.atomic import write_text
from ctdna.formats.documents import dump_json, read_json
from ctdna.kit.authority import Authority
from ctdna.model.errors import EXIT_DONE, EXIT_QC
from ctdna.model.manifest import Alignment
from ctdna.model.qc import RunQc
from ctdna.orchestrate.display import Display
from ctdna.orchestrate.prepare import MANIFEST, Prepared, prepare
from ctdna.orchestrate.progress import Progress, Steps
from ctdna.orchestrate.provenance import (
    PROVENANCE,
    Provenance,
    build_digest,
    input_digests,
    program_versions,
    result_digests,
)
from ctdna.orchestrate.start import check_unchanged
from ctdna.orchestrate.workflow import WorkflowOptions, run_workflow


@dataclass(frozen=True)
class JobRequest:
    """What a person asks for: this run, with this kit, into this folder."""

    run_folder: Path
    kit: str
    output: Path
    sample_sheet: Path | None
    options: WorkflowOptions
    align: Alignment
    authority: Authority | None = None
    """Who starts it, before which ledger; None: a kit in development runs without."""


@dataclass(frozen=True)
class JobOutcome:
    """How the job ended."""

    progress: Progress
    exit_code: int
    """0 done; 4 done, but QC failed; else the exit code of the first stage that failed."""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _finish(request: JobRequest, prepared: Prepared, started_at: str) -> None:
    provenance = Provenance(
        started_at=started_at,
        finished_at=_now(),
        host=platform.node(),
        operator=_operator(),
        run_folder=str(request.run_folder.resolve()),
        kit=prepared.manifest.kit,
        kit_digest=prepared.manifest.kit_digest,
        build=build_digest(request.output, prepared.manifest),
        versions=program_versions(),
        inputs=input_digests(request.run_folder, prepared.sample_sheet),
        results=result_digests(request.output),
    )
    text = dump_json(provenance)
    done = Finished(
        request.run_folder, prepared.sample_sheet, prepared.reference, request.output, prepared.manifest, text
    )
    bundle_run(done, request.authority)
    write_text(request.output / PROVENANCE, text)


def run_job(request: JobRequest, display: Display) -> JobOutcome:
    """Do, or resume, the whole job.

    Raises:
        CtdnaError: the run, the kit, the reference or the output folder is not as it must be, or the workflow broke.
        KeyboardInterrupt: stopped; the same request resumes.
    """
    prepared = prepare(
        request.run_folder, request.kit, request.output, request.sample_sheet, request.align, request.authority
    )
    note_inputs(request.run_folder, prepared.sample_sheet, request.output)
    started_at = _now()
    samples = tuple(sample.sample_id for sample in prepared.manifest.samples)
    progress = run_workflow(request.output, Steps(samples, request.align), request.options, display)
    if progress.failures:
        return JobOutcome(progress, progress.failures[0].exit_code)
    check_unchanged(request.output / MANIFEST, prepared.manifest)
    _finish(request, prepared, started_at)
    verdict = read_json(request.output / "qc" / "run.json", RunQc)
    failed = verdict.verdict == "fail" or any(sample.verdict == "fail" for sample in verdict.samples)
    return JobOutcome(progress, EXIT_QC if failed else EXIT_DONE)
