"""Where a result came from: versions, digests, times and host, kept apart from the result itself."""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from ctdna.build.lock import lock_of
from ctdna.build.programs import bwa_version
from ctdna.bundle.layout import is_own
from ctdna.formats.digest import sha256_of
from ctdna.model.base import Frozen
from ctdna.model.errors import DefinitionError
from ctdna.model.manifest import RunManifest

PROVENANCE = "provenance.json"
_LIBRARIES = ("ctdna", "numba", "numpy", "pydantic", "pysam", "scipy", "snakemake", "typst")


class Provenance(Frozen):
    """Written when the last stage is done; its presence marks the run as finished."""

    started_at: str
    """ISO 8601, UTC."""
    finished_at: str
    """ISO 8601, UTC."""
    host: str
    operator: str
    run_folder: str
    kit: str
    kit_digest: str
    build: str
    """Digest of the build when the last stage was done."""
    versions: dict[str, str]
    inputs: dict[str, str]
    """SHA-256 of each small input file that names the run, by its name."""
    results: dict[str, str]
    """SHA-256 of each result, by its path in the output folder."""


def _bwa_version() -> str:
    program = shutil.which("bwa")
    if program is None:
        return "absent"
    return bwa_version(program)


def build_digest(folder: Path, manifest: RunManifest) -> str:
    """Return the digest of the build as it is at this moment.

    Raises:
        DefinitionError: the run started on another build.
    """
    digest = lock_of().digest
    started = manifest.trace.build if manifest.trace else None
    if started is not None and started.digest != digest:
        what = f"the build was {started.digest[:12]}... at the start of the run and is {digest[:12]}... at its end"
        hint = "the software was changed while it ran: restore it, and run again into another folder"
        raise DefinitionError(folder, "", what, hint)
    return digest


def program_versions() -> dict[str, str]:
    """Return the version of Python, of each library that a result passes through, and of bwa."""
    versions = {name: version(name) for name in _LIBRARIES}
    return {**versions, "python": platform.python_version(), "bwa": _bwa_version()}


def input_digests(run_folder: Path, sample_sheet: Path | None) -> dict[str, str]:
    """Return the digests of the files that name a run: RunInfo.xml, RunParameters.xml, the sample sheet."""
    files = [run_folder / "RunInfo.xml", run_folder / "RunParameters.xml", run_folder / "runParameters.xml"]
    files += [sample_sheet] if sample_sheet is not None else []
    return {path.name: sha256_of(path) for path in files if path.is_file()}


def result_digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below `reports` and `qc`, and of every variant file; bundles are left out."""
    patterns = ("reports/**/*", "qc/**/*", "samples/*/*.vcf.gz", "samples/*/*.tsv.gz")
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    named = {path.relative_to(folder).as_posix(): path for path in sorted(found)}
    return {name: sha256_of(path) for name, path in named.items() if not is_own(name)}
