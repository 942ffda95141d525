"""Archived runs run again under another kit or build, in a clean place, and held against what they were."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.formats.atomic import make_folder, write_text
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import STATES
from ctdna.model.equivalence import ComparedRun, Equivalence
from ctdna.model.errors import EXIT_DONE, EXIT_QC, DefinitionError, InputError, ProgramError
from ctdna.model.manifest import Alignment
from ctdna.orchestrate.archive import (
    ArchivedRun,
    Proof,
    check_fastq,
    check_inputs,
    check_results,
    found_input,
    kept_fastq,
    proof_of_same_input,
    read_archive,
)
from ctdna.orchestrate.provenance import PROVENANCE
from ctdna.validation.compare import Compared, compare_runs
from ctdna.validation.equivalence import Limits, equivalence_of

Start = Literal["input", "fastq"]
KITS, RUNS, SHEETS = "kits", "runs", "sheets"
_SECTION = "[ctdna_settings]"
_NOT_FOR_A_REPLAY = ("CTDNA_USER", "CTDNA_LEDGER")
"""A replay makes no entry in the ledger: it is no run of a laboratory."""


class ReplayRequest(NamedTuple):
    """What a person asks for."""

    runs: tuple[Path, ...]
    kit: LoadedKit
    output: Path
    program: Path | None
    """Another installation's `ctdna`; None: this one."""
    align: Alignment | None
    """None: as each archived run."""
    archive: Path | None
    """Where run folders lie that are not in their old place."""
    start: Start
    """From what each archived run has read, or from the FASTQ files that it has kept."""
    threads: int


class Replayed(NamedTuple):
    """One run again."""

    run: ArchivedRun
    folder: Path
    start: Start
    inputs: Proof
    failure: str | None


def check_place(output: Path, runs: tuple[Path, ...]) -> None:
    """Check that what is made lies in no archived run.

    Raises:
        InputError: it would.
    """
    for run in runs:
        if output.resolve().is_relative_to(run.resolve()):
            raise InputError(output, "--output", f"lies in the archived run {run}", "choose a place of its own")


def _command(program: Path | None) -> list[str]:
    """Return how the candidate's `ctdna` is started.

    Raises:
        InputError: the program is not there.
    """
    if program is None:
        return [sys.executable, "-m", "ctdna"]
    if not program.is_file() or not os.access(program, os.X_OK):
        raise InputError(program, "--build", "is no program", "give the path of another installation's `ctdna`")
    return [str(program.resolve())]


def copy_kit(kit: LoadedKit, output: Path) -> Path:
    """Copy the candidate into the clean place and return the folder for CTDNA_KITS.

    The copy has the same content and no statements of its state: what a replay makes is of research use.

    Raises:
        DefinitionError: the copy is not the kit that was given: it changed meanwhile, or another lies there.
    """
    root = output / KITS
    target = root / kit.definition.name / kit.definition.version
    if not target.is_dir():
        make_folder(target.parent)
        work = target.with_name(f".{os.getpid()}.{target.name}")
        shutil.copytree(kit.folder, work, ignore=lambda folder, names: {STATES} & set(names))
        work.rename(target)
    if read_kit(target).digest != kit.digest:
        what = f"is not the kit {kit.address} of digest {kit.digest[:16]}..."
        raise DefinitionError(target, "", what, "choose another output folder")
    return root


def sheet_for(run: ArchivedRun, kit: str, output: Path) -> Path | None:
    """Return the archived sample sheet, or a copy that names the candidate where it names another kit.

    Raises:
        InputError: it cannot be read, or the copy cannot be written.
    """
    if run.sheet is None:
        return None
    try:
        lines = run.sheet.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(run.sheet, "", f"cannot be read: {error}", "restore the archived sample sheet") from error
    section, changed = "", list(lines)
    for i, line in enumerate(lines):
        cells = [cell.strip().strip('"') for cell in line.split(",")]
        if cells[0].startswith("["):
            section = cells[0].lower()
        elif section == _SECTION and cells[0] == "Kit":
            changed[i] = f"Kit,{kit}"
    if changed == lines:
        return run.sheet
    make_folder(output / SHEETS)
    path = output / SHEETS / f"{run.run_id}.csv"
    write_text(path, "\n".join(changed) + "\n")
    return path


def _environment(kits: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_A_REPLAY}
    others = kept.get("CTDNA_KITS", "")
    return {**kept, "CTDNA_KITS": os.pathsep.join([str(kits.resolve()), *([others] if others else [])])}


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    return (errors or lines or ["no message"])[-1].removeprefix("ctdna: ")


def _rerun(run: ArchivedRun, request: ReplayRequest, kits: Path, folder: Path) -> str | None:
    """Run once more, or go on where it stopped; return why it failed, None where it did not.

    Raises:
        ProgramError: the other installation cannot be started.
    """
    sheet = sheet_for(run, request.kit.address, request.output)
    words = [*_command(request.program), "run", str(run.input_folder), "--kit", request.kit.address]
    words += ["--output", str(folder), "--align", request.align or run.side.align, "--threads", str(request.threads)]
    words += ["--sample-sheet", str(sheet)] if sheet is not None else []
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=_environment(kits))
    except OSError as error:
        what = f"cannot be started: {error.strerror}"
        raise ProgramError(words[0], "", what, "give the path of another installation's `ctdna`") from error
    if done.returncode in (EXIT_DONE, EXIT_QC):
        return None
    return _last_words(done.stderr)


def _replay_one(run: ArchivedRun, request: ReplayRequest, kits: Path, folder: Path) -> Replayed:
    """Run one archived run again, unless it stands there finished already.

    Raises:
        InputError: its input is gone or changed, or another replay stands there.
    """
    check_results(run)
    if request.start == "fastq":
        run = kept_fastq(run)
        inputs = check_fastq(run)
    else:
        run = found_input(run, request.archive)
        inputs = check_inputs(run)
    failure = None if (folder / PROVENANCE).is_file() else _rerun(run, request, kits, folder)
    if failure is None and read_archive(folder).side.kit_digest != request.kit.digest:
        raise InputError(folder, "", "holds a replay with another kit", "choose another output folder")
    return Replayed(run, folder, request.start, inputs, failure)


def _names(runs: tuple[ArchivedRun, ...]) -> list[str]:
    """Return a folder's name for each run; a run that is given twice with different results is numbered."""
    seen: dict[str, int] = {}
    names = []
    for run in runs:
        seen[run.run_id] = seen.get(run.run_id, 0) + 1
        names.append(run.run_id if seen[run.run_id] == 1 else f"{run.run_id}.{seen[run.run_id]}")
    return names


def replay(request: ReplayRequest, say: Callable[[str], None]) -> tuple[Replayed, ...]:
    """Run every archived run again into `output/runs`; what stands there finished is kept. `say` gets progress.

    Raises:
        InputError: a run is not finished, its input or results were changed, or the output cannot be written.
        DefinitionError: the kit changed meanwhile.
        ProgramError: the other installation cannot be started.
    """
    runs = tuple(read_archive(folder) for folder in request.runs)
    _command(request.program)
    make_folder(request.output / RUNS)
    kits = copy_kit(request.kit, request.output)
    done = []
    for i, (run, name) in enumerate(zip(runs, _names(runs), strict=True), 1):
        say(f"replay {i} of {len(runs)}: run {run.run_id}")
        place = name if request.start == "input" else f"{name}.{request.start}"
        done.append(_replay_one(run, request, kits, request.output / RUNS / place))
    return tuple(done)


def _nothing() -> Compared:
    return Compared((), (), (), 0, 0, ())


def _of_samples(found: Compared) -> Compared:
    """Return the comparison without what only base calls tell of a run."""
    return found._replace(differences=tuple(one for one in found.differences if one.sample is not None))


def compare(replayed: tuple[Replayed, ...], limits: Limits) -> Equivalence:
    """Return the comparison of archived runs with their replay.

    Raises:
        InputError: a document of a run cannot be read.
    """
    runs, compared = [], []
    for one in replayed:
        side = None if one.failure else read_archive(one.folder).side
        run = ComparedRun(
            run_id=one.run.run_id,
            baseline=one.run.side,
            candidate=side,
            start=one.start,
            inputs=one.inputs,
            failure=one.failure,
            samples=one.run.samples,
        )
        runs.append(run)
        is_comparable = side is not None and side.reference == one.run.side.reference
        found = compare_runs(run.run_id, run.samples, one.run.folder, one.folder) if is_comparable else _nothing()
        compared.append(found if one.start == "input" else _of_samples(found))
    return equivalence_of(tuple(runs), tuple(compared), limits)


def stand_beside(old: Path, new: Path) -> Replayed:
    """Return two existing output folders as an archived run and its replay.

    Raises:
        InputError: one is not finished, their results were changed, or they are of different runs or samples.
    """
    runs = read_archive(old), read_archive(new)
    for run in runs:
        check_results(run)
    if runs[0].run_id != runs[1].run_id:
        what = f"is of run {runs[1].run_id}, but {old} of run {runs[0].run_id}"
        raise InputError(new, "", what, "give two results of one run")
    proof = proof_of_same_input(*runs)
    samples = tuple(dict.fromkeys((*runs[0].samples, *runs[1].samples)))
    return Replayed(runs[0]._replace(samples=samples), new, "input", proof, None)
