"""The inputs of a run: which files they are, whether they stayed as they were while the run worked, their digests."""

from pathlib import Path

from ctdna.bundle.hashing import digest_of_lines, sha256_of_all
from ctdna.formats.documents import read_json, write_json
from ctdna.formats.fastq_folder import is_fastq_folder, read_fastq_folder
from ctdna.formats.run_folder import open_run_folder
from ctdna.model.base import Frozen
from ctdna.model.bundle import InputFile
from ctdna.model.errors import InputError

NOTE = ".ctdna.inputs.json"
"""In the output folder; hidden, since it belongs to no result."""
_BY_NAME = ("runinfo.xml", "runparameters.xml", "copycomplete.txt", "rtacomplete.txt", "rtacomplete.xml")


class InputNote(Frozen):
    """Size and time of the last change of each input when the run began."""

    files: dict[str, tuple[int, int]]
    """Path -> (bytes, nanoseconds since the epoch)."""


def input_files(run_folder: Path, sample_sheet: Path | None) -> dict[str, Path]:
    """Return the files that the run reads by their path in the run folder, sorted; a sheet from elsewhere by its name.

    Of a run folder: base calls with all that lies beside them, InterOp, the files that name the run. Of a folder of
    FASTQ files: those of its samples.

    Raises:
        InputError: the folder is not complete.
    """
    found: list[Path] = []
    if is_fastq_folder(run_folder):
        for sample in read_fastq_folder(run_folder):
            found += [*sample.r1, *sample.r2]
    else:
        intensities = open_run_folder(run_folder).intensities
        for folder in (intensities, run_folder / "InterOp"):
            found += [path for path in folder.rglob("*") if path.is_file()]
        found += [path for path in run_folder.iterdir() if path.name.lower() in _BY_NAME and path.is_file()]
    files = {path.relative_to(run_folder).as_posix(): path for path in found}
    if sample_sheet is not None:
        inside = sample_sheet.resolve().is_relative_to(run_folder.resolve())
        name = sample_sheet.resolve().relative_to(run_folder.resolve()).as_posix() if inside else sample_sheet.name
        files[name] = sample_sheet
    return dict(sorted(files.items()))


def _state(files: dict[str, Path]) -> InputNote:
    noted = {}
    for name, path in files.items():
        status = path.stat()
        noted[name] = (status.st_size, status.st_mtime_ns)
    return InputNote(files=noted)


def note_inputs(run_folder: Path, sample_sheet: Path | None, output: Path) -> None:
    """Note the state of the inputs in the output folder, unless the run is resumed and they are noted already.

    Raises:
        InputError: the folder is not complete, or the note cannot be written.
    """
    if not (output / NOTE).is_file():
        write_json(output / NOTE, _state(input_files(run_folder, sample_sheet)))


def check_unchanged(run_folder: Path, sample_sheet: Path | None, output: Path) -> dict[str, Path]:
    """Return the inputs, all of them as they were noted when the run began.

    Raises:
        InputError: one was changed, added or removed since.
    """
    files = input_files(run_folder, sample_sheet)
    before, now = read_json(output / NOTE, InputNote).files, _state(files).files
    hint = "its results cannot be traced to one input: run again into a new output folder"
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            change = "removed" if name not in now else "added" if name not in before else "changed"
            raise InputError(run_folder / name, "", f"was {change} while the run worked", hint)
    return files


def digests_of(files: dict[str, Path]) -> tuple[InputFile, ...]:
    """Return size and digest of each input, by path.

    Raises:
        InputError: one cannot be read.
    """
    digests = sha256_of_all(files.values())
    sizes = (path.stat().st_size for path in files.values())
    return tuple(
        InputFile(path=name, size=size, sha256=digest) for name, size, digest in zip(files, sizes, digests, strict=True)
    )


def digest_of_inputs(files: tuple[InputFile, ...]) -> str:
    """Return the one digest of all inputs: SHA-256 over the lines `<sha256>  <size>  <path>`."""
    return digest_of_lines(f"{item.sha256}  {item.size}  {item.path}" for item in files)
