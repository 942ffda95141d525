"""The report's files: `result.json`, `reads.json`, and from these two HTML and PDF of each language."""

import hashlib
from pathlib import Path

from ctdna.formats.atomic import atomic_path, writable_error
from ctdna.formats.documents import dump_json, read_json
from ctdna.model.approval import SignOff
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.result import Reads, ReadsFile, Result
from ctdna.report.compose import compose
from ctdna.report.html import render_html
from ctdna.report.pdf import render_pdf
from ctdna.report.texts import LANGUAGES

READS = "reads.json"
RESULT = "result.json"


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def reads_file(reads: Reads) -> ReadsFile:
    """Return the entry by which a result names its molecules."""
    return ReadsFile(file="reads.json", sha256=digest_of(dump_json(reads)))


def renderings(result_text: str, reads_text: str | None, sign_off: SignOff | None = None) -> dict[str, bytes]:
    """Return HTML and PDF of each language of the kit by file name: a function of the documents' text alone.

    Without `sign_off` they say that the report is a draft. No PDF has a digital signature here.
    """
    result = Result.model_validate_json(result_text)
    reads = Reads.model_validate_json(reads_text) if reads_text else None
    made: dict[str, bytes] = {}
    for language in LANGUAGES:
        if language in result.kit.languages:
            view = compose(result, reads, digest_of(result_text), language, sign_off)
            made[f"report.{language}.html"] = render_html(view).encode()
            made[f"report.{language}.pdf"] = render_pdf(view, result_text)
    return made


def write_report(result: Result, reads: Reads | None, folder: Path) -> None:
    """Write the whole report into a folder, which is made where needed; `result.json` comes last.

    Renderings are made from the documents' text, so that they are the same when made again from the files.

    Raises:
        InputError: a file cannot be written.
    """
    text = dump_json(result)
    reads_text = dump_json(reads) if reads else None
    made = renderings(text, reads_text)
    if reads_text:
        made[READS] = reads_text.encode()
    made[RESULT] = text.encode()
    _write(folder, made)


def _write(folder: Path, made: dict[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writable_error(folder, error) from error
    for name, content in made.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


def read_report(path: Path) -> tuple[Result, Reads | None]:
    """Return a result and the molecules beside it.

    Raises:
        InputError: a file is missing or does not fit its model, or its text is not the canonical one.
        DefinitionError: `reads.json` is not the file that the result names.
    """
    result = read_json(path, Result)
    if path.read_bytes() != dump_json(result).encode():
        what = "is not in the form that ctdna writes: it was changed by another program"
        raise InputError(path, "", what, "give the file as `ctdna report` wrote it")
    if result.reads is None:
        return result, None
    beside = path.with_name(result.reads.file)
    reads = read_json(beside, Reads)
    found = hashlib.sha256(beside.read_bytes()).hexdigest()
    if found != result.reads.sha256:
        what = f"found SHA-256 {found[:12]}..., the result names {result.reads.sha256[:12]}..."
        raise DefinitionError(beside, "", what, "restore the file that was written with this result")
    return result, reads
