"""Before the first stage: is the run whole, the sheet sound, the kit itself, the reference there, the output free?"""

import json
from datetime import date
from pathlib import Path
from typing import NamedTuple

from ctdna import __version__
from ctdna.bundle.make import run_key
from ctdna.formats.atomic import writable_error, write_text
from ctdna.formats.bwa import open_bwa, pinned_version
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.fastq_folder import UNDETERMINED, FastqSample, is_fastq_folder, read_fastq_folder
from ctdna.formats.fastq_origin import FastqOrigin, read_origin
from ctdna.formats.run_folder import read_layout, require_complete
from ctdna.formats.sample_sheet import check_collisions, read_sample_sheet
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit, load_kit
from ctdna.kit.lots import LOT, copy_signed
from ctdna.kit.reference import resolve_reference
from ctdna.kit.resources import shipped
from ctdna.model.errors import InputError
from ctdna.model.manifest import Alignment, RunManifest
from ctdna.model.run import RunLayout, SampleSheet
from ctdna.model.sample import Sample, Specimen
from ctdna.orchestrate.gates import pass_gates
from ctdna.orchestrate.provenance import PROVENANCE
from ctdna.orchestrate.start import record_start
from ctdna.orchestrate.workflow import CONFIG
from ctdna.stages.demultiplex_plan import plan_demultiplex

MANIFEST = "run.json"
SHEET = "SampleSheet.csv"


class Prepared(NamedTuple):
    """A run that may start."""

    manifest: RunManifest
    sample_sheet: Path | None
    reference: Path


def _sheet(run_folder: Path, named: Path | None, is_needed: bool) -> tuple[Path | None, SampleSheet | None]:
    path = named or run_folder / SHEET
    if path.is_file() or named is not None:
        return path, read_sample_sheet(path)
    if is_needed:
        raise InputError(run_folder, "", f"found no {SHEET}", "put it there, or name it by --sample-sheet")
    return None, None


def _check_kit(path: Path | None, sheet: SampleSheet | None, kit_name: str) -> None:
    if sheet is not None and sheet.kit is not None and sheet.kit != kit_name:
        what = f"the sample sheet says kit {sheet.kit}, but {kit_name} is given"
        raise InputError(path, "[Ctdna_Settings] Kit", what, "give the kit that the libraries were made with")


def _check_barcodes(path: Path, sheet: SampleSheet, layout: RunLayout, kit: LoadedKit) -> None:
    """Refuse now what demultiplexing would refuse: barcodes that collide, or do not fit the run's cycles."""
    params = kit.definition.demultiplex
    rows = tuple(row.model_copy(update={"mismatches": (None, None)}) for row in sheet.placements)
    by_kit = sheet.model_copy(update={"placements": rows})
    check_collisions(path, by_kit, params.barcode_mismatches)
    try:
        plan_demultiplex(layout, by_kit, params, tuple(range(1, (layout.n_lanes or 1) + 1)))
    except InputError as error:
        raise InputError(path, error.where, error.what, error.hint) from error


def _samples_of_files(found: tuple[FastqSample, ...]) -> tuple[Sample, ...]:
    names = (one.sample_id for one in found)
    return tuple(
        Sample(sample_id=name, role="patient", index="", index2="", lanes=(), specimen=Specimen()) for name in names
    )


def _fastq_samples(folder: Path, sheet: SampleSheet | None) -> tuple[FastqSample, ...]:
    """Return the samples of a folder of FASTQ files: those of the sheet, where there is one."""
    found = tuple(one for one in read_fastq_folder(folder) if one.sample_id != UNDETERMINED)
    if not found:
        raise InputError(folder, "", f"found no sample but {UNDETERMINED}", "give a folder with samples")
    if sheet is None:
        return found
    listed = {sample.sample_id for sample in sheet.samples}
    return tuple(one for one in found if listed & {one.sample_id, *one.aliases})


def check_white_cells(path: Path | None, samples: tuple[Sample, ...]) -> None:
    """Check that white cells belong to a subject, and no subject has them twice.

    Raises:
        InputError: they do not.
    """
    seen: dict[str, str] = {}
    for sample in samples:
        if sample.role != "white_cells":
            continue
        subject = sample.specimen.subject_id
        if subject is None:
            what = "is of white cells, but names no Subject_ID"
            raise InputError(path, f"sample {sample.sample_id}", what, "give the subject that the plasma has")
        if subject in seen:
            what = f"subject {subject} has white cells twice ({seen[subject]}, {sample.sample_id})"
            raise InputError(path, "Subject_ID", what, "leave one of them out")
        seen[subject] = sample.sample_id


def _manifest(
    run_folder: Path, named: Path | None, kit: LoadedKit, align: Alignment
) -> tuple[RunManifest, Path | None, str | None]:
    """Return the run without its trace, its sample sheet, and the day on which the sequencer began it."""
    is_fastq = is_fastq_folder(run_folder)
    if not is_fastq:
        require_complete(run_folder)
    path, sheet = _sheet(run_folder, named, is_needed=not is_fastq)
    _check_kit(path, sheet, kit.address)
    layout = None if is_fastq else read_layout(run_folder)
    if path is not None and sheet is not None and layout is not None:
        _check_barcodes(path, sheet, layout, kit)
    check_white_cells(path, sheet.samples if sheet else ())
    files = _fastq_samples(run_folder, sheet) if layout is None else ()
    origin = FastqOrigin(layout.instrument, layout.flow_cell, ()) if layout else read_origin(files)
    warnings: tuple[str, ...] = sheet.warnings if sheet else ("no sample sheet: every sample counts as a patient",)
    manifest = RunManifest(
        run_id=layout.run_id if layout else run_folder.resolve().name,
        instrument=origin.instrument,
        flow_cell=origin.flow_cell,
        kit=kit.address,
        kit_digest=kit.digest,
        kit_state=kit.state,
        reference=kit.definition.reference.name,
        align=align,
        software=__version__,
        samples=sheet.samples if sheet else _samples_of_files(files),
        warnings=warnings + origin.warnings,
    )
    return manifest, path, layout.date if layout else None


def _earlier(output: Path) -> RunManifest | None:
    """Return the run that was begun in the output folder; None where there is none."""
    path = output / MANIFEST
    return read_json(path, RunManifest) if path.is_file() else None


def _claim(output: Path, manifest: RunManifest) -> RunManifest:
    """Make the output folder this run's own, or find it to be so already; return the manifest that stands there.

    The operator who began the run stays its operator, whoever resumes it.

    Raises:
        InputError: it holds finished results, another run, or something else.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        present = sorted(path.name for path in output.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise writable_error(output, error) from error
    found = _earlier(output)
    if found is not None:
        _compare(output / MANIFEST, found, manifest)
        return found
    if present:
        what = f"is not empty (found {present[0]}), but holds no ctdna run"
        raise InputError(output, "", what, "choose a new or empty output folder")
    write_text(output / MANIFEST, dump_json(manifest))
    return manifest


def _compare(path: Path, found: RunManifest, manifest: RunManifest) -> None:
    if found.trace is not None and manifest.trace is not None:
        trace = manifest.trace.model_copy(update={"operator": found.trace.operator})
        manifest = manifest.model_copy(update={"trace": trace})
    if path.read_text() == dump_json(manifest):
        return
    fields = [name for name in RunManifest.model_fields if getattr(found, name) != getattr(manifest, name)]
    what = f"holds a run of {found.run_id} with {found.kit}, prepared differently"
    differing = f" (differs in {', '.join(fields)})" if fields else ""
    raise InputError(path.parent, path.name, what + differing, "choose another output folder for this run")


def _refuse_finished(output: Path) -> None:
    if (output / PROVENANCE).is_file():
        raise InputError(output, "", "finished results stand here", "choose another output folder; nothing was changed")


def prepare(
    run_folder: Path,
    kit_name: str,
    output: Path,
    sample_sheet: Path | None,
    align: Alignment = "once",
    authority: Authority | None = None,
    today: date | None = None,
) -> Prepared:
    """Return a run that may start; its manifest, its lot and the workflow's configuration stand in the output folder.

    With an authority the start stands in the ledger. `today` counts where the run folder tells no date; None: the day.

    Raises:
        InputError: the run is not complete, its sheet is wrong, or the output folder is taken.
        AuthorityError: the person may not start it, or a gate fails and no override lets it pass.
        DefinitionError: the kit, its lot, the reference or the build is not what it claims to be.
        ProgramError: the aligner is missing.
    """
    if not run_folder.is_dir():
        raise InputError(run_folder, "", "found no folder of this name", "check the path of the run folder")
    kit = load_kit(kit_name)
    untraced, sheet, day = _manifest(run_folder, sample_sheet, kit, align)
    reference = resolve_reference(kit)
    open_bwa(reference, pinned_version(shipped("pipeline") / "bwa"))
    _refuse_finished(output)
    earlier = _earlier(output)
    begun = date.fromisoformat(day) if day else today or date.today()
    gated = pass_gates(kit, untraced, begun, authority, run_key(earlier) if earlier else None)
    manifest = _claim(output, untraced.model_copy(update={"trace": gated.trace}))
    if gated.lot is not None:
        copy_signed(gated.lot.path, output / LOT)
    if authority is not None:
        record_start(authority, kit, manifest)
    config = {
        "run_folder": str(run_folder.resolve()),
        "sample_sheet": str(sheet.resolve()) if sheet else "",
        "kit": kit.pinned,
        "reference": str(reference.resolve()),
        "align": align,
    }
    write_text(output / CONFIG, json.dumps(config, indent=2, sort_keys=True) + "\n")
    return Prepared(manifest, sheet, reference)
