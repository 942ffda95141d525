"""Finished runs as they are found again: what they were made with, and whether input and results are still the same."""

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ctdna.formats.digest import sha256_of
from ctdna.model.equivalence import Side
from ctdna.model.errors import InputError
from ctdna.orchestrate.prepare import MANIFEST
from ctdna.orchestrate.provenance import PROVENANCE
from ctdna.orchestrate.workflow import CONFIG

BUNDLE, FASTQ = "bundle.json", "fastq"


Proof = Literal["bundle", "provenance", "unverified"]
_RESTORE = "restore the archived input: a replay of another one says nothing"


class ArchivedRun(NamedTuple):
    """A finished run."""

    folder: Path
    run_id: str
    side: Side
    samples: tuple[str, ...]
    input_folder: Path
    """As the run recorded it; it may be gone."""
    sheet: Path | None
    inputs: dict[str, str]
    """SHA-256 of each small input that names the run."""
    lot: str | None
    instrument: str | None


def _document(path: Path, hint: str) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", hint) from error
    except ValueError as error:
        raise InputError(path, "", "is not JSON", "restore the run's folder") from error
    if not isinstance(plain, dict):
        raise InputError(path, "", "is no document of ctdna", "restore the run's folder")
    return plain


def _build(manifest: dict[str, Any], provenance: dict[str, Any]) -> str | None:
    trace = manifest.get("trace") or {}
    digest = (trace.get("build") or {}).get("digest") or provenance.get("build")
    return str(digest) if digest else None


def read_archive(folder: Path) -> ArchivedRun:
    """Return a finished run of any version of the program.

    Raises:
        InputError: the folder holds no finished run, or a document of it cannot be read.
    """
    provenance = _document(folder / PROVENANCE, "give the output folder of a finished run")
    manifest = _document(folder / MANIFEST, "give the output folder of a finished run")
    config = _document(folder / CONFIG, "restore the run's folder")
    try:
        side = Side(
            kit=manifest["kit"],
            kit_digest=manifest["kit_digest"],
            software=manifest["software"],
            build=_build(manifest, provenance),
            reference=manifest["reference"],
            align=manifest["align"],
        )
        return ArchivedRun(
            folder=folder,
            run_id=manifest["run_id"],
            side=side,
            samples=tuple(sample["sample_id"] for sample in manifest["samples"]),
            input_folder=Path(provenance["run_folder"]),
            sheet=Path(config["sample_sheet"]) if config["sample_sheet"] else None,
            inputs=provenance["inputs"],
            lot=((manifest.get("trace") or {}).get("lot") or {}).get("lot"),
            instrument=manifest["instrument"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(folder, MANIFEST, f"is no run of ctdna: {error}", "restore the run's folder") from error


def check_results(run: ArchivedRun) -> None:
    """Check that the results are those that the run left.

    Raises:
        InputError: one was changed or removed since.
    """
    noted = _document(run.folder / PROVENANCE, "").get("results", {})
    for name, digest in sorted(noted.items()):
        if name.endswith((".json", ".vcf.gz", ".tsv.gz")):
            _check(run.folder / name, digest, "restore the archived run: it is not what it was when it ended")


def kept_fastq(run: ArchivedRun) -> ArchivedRun:
    """Return the run with the FASTQ files that it has kept as its input.

    Raises:
        InputError: it has kept none, or its sample sheet is gone.
    """
    folder = run.folder / FASTQ
    if not any(folder.glob("*.fastq.gz")):
        raise InputError(folder, "", "holds no FASTQ files", "replay from the archived run folder")
    if run.sheet is not None and not run.sheet.is_file():
        raise InputError(run.sheet, "", "is missing", "restore the archived sample sheet: it names the samples' roles")
    return run._replace(input_folder=folder)


def found_input(run: ArchivedRun, archive: Path | None) -> ArchivedRun:
    """Return the run with the place of its input as it is today: where it was, or by its name below `archive`.

    Raises:
        InputError: it is in neither place.
    """
    if run.input_folder.is_dir():
        return run
    moved = archive / run.input_folder.name if archive is not None else None
    if moved is None or not moved.is_dir():
        hint = "restore it, or name the folder that holds it by --archive"
        raise InputError(run.input_folder, "", f"the input of run {run.run_id} is not there", hint)
    sheet = run.sheet
    if sheet is not None and sheet.is_relative_to(run.input_folder):
        sheet = moved / sheet.relative_to(run.input_folder)
    return run._replace(input_folder=moved, sheet=sheet)


def _check(path: Path, digest: str, hint: str) -> None:
    if not path.is_file():
        raise InputError(path, "", "is missing", hint)
    if sha256_of(path) != digest:
        raise InputError(path, "", "is not what the run has read or written: its digest differs", hint)


def _listed(run: ArchivedRun, part: str) -> dict[str, str]:
    """Return the digests of `inputs` or `files` in the run's bundle; empty without one."""
    bundle = run.folder / BUNDLE
    rows = _document(bundle, "").get(part, ()) if bundle.is_file() else ()
    try:
        return {row["path"]: row["sha256"] for row in rows}
    except (KeyError, TypeError) as error:
        raise InputError(bundle, part, "is no list of files", "restore the run's folder") from error


def proof_of_same_input(one: ArchivedRun, other: ArchivedRun) -> Proof:
    """Return by what two runs were shown to have read the same; the sample sheet may name another kit and is left out.

    Raises:
        InputError: they have not.
    """
    for proof in ("bundle", "provenance"):
        sides = [_read_by(run, proof) for run in (one, other)]
        if sides[0] and sides[1]:
            if sides[0] != sides[1]:
                what = f"was made from another input than {one.folder}"
                raise InputError(other.folder, "", what, "give two results of one run")
            return "bundle" if proof == "bundle" else "provenance"
    return "unverified"


def _read_by(run: ArchivedRun, proof: str) -> dict[str, str]:
    read = _listed(run, "inputs") if proof == "bundle" else run.inputs
    sheet = run.sheet.name if run.sheet is not None else ""
    return {name: digest for name, digest in read.items() if name != sheet}


def check_inputs(run: ArchivedRun) -> Proof:
    """Return by what the inputs were proven: `bundle` (every file), `provenance` (the files that name the run), or
    `unverified`.

    Raises:
        InputError: an input was changed or removed since the run.
    """
    listed = _listed(run, "inputs")
    for name, digest in sorted((listed or run.inputs).items()):
        inside = run.input_folder / name
        _check(run.sheet if run.sheet is not None and run.sheet.name == name else inside, digest, _RESTORE)
    return "bundle" if listed else "provenance" if run.inputs else "unverified"


def check_fastq(run: ArchivedRun) -> Proof:
    """Return by what the kept FASTQ files and the sample sheet were proven: `bundle`, or `unverified` without one.

    Raises:
        InputError: one was changed or removed since the run.
    """
    files = {name: digest for name, digest in _listed(run, "files").items() if name.startswith(f"{FASTQ}/")}
    for name, digest in sorted(files.items()):
        _check(run.folder / name, digest, _RESTORE)
    sheet = {**run.inputs, **_listed(run, "inputs")}.get(run.sheet.name) if run.sheet is not None else None
    if run.sheet is not None and sheet is not None:
        _check(run.sheet, sheet, _RESTORE)
    return "bundle" if files else "unverified"
