"""The bundle: what a result was made from, with what, and every file of it by digest."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ctdna.model.base import Frozen
from ctdna.model.ledger import Digest, Head
from ctdna.model.trace import BuildState, KitState, Use

Content = Literal["full", "de-identified", "aggregates"]

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=@,-]{0,254}\Z")


def safe_path(path: str) -> str:
    """Return the path, a relative one of plain names joined by `/`.

    Plain: ASCII letters, digits and `_.+=@,-`, beginning with a letter or digit; so never absolute, hidden or `..`.

    Raises:
        ValueError: it is not of that form.
    """
    parts = path.split("/")
    if len(parts) > 8 or not all(_PART.match(part) for part in parts):
        raise ValueError(f"found the path {path[:80]!r}, allowed are plain relative paths")
    return path


def input_path(path: str) -> str:
    """Return the path of an input, relative to its run folder: any printable names but `.` and `..`.

    Raises:
        ValueError: it is not of that form.
    """
    parts = path.split("/")
    if not path.isprintable() or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"found the path {path[:80]!r}, allowed are relative paths")
    return path


class InputFile(Frozen):
    """One input, by its path in the run folder."""

    path: Annotated[str, AfterValidator(input_path)]
    size: int = Field(ge=0)
    sha256: Digest


class BundledFile(Frozen):
    """One file of a run's output folder."""

    path: Annotated[str, AfterValidator(safe_path)]
    size: int = Field(ge=0)
    sha256: Digest


def _check_unique(paths: list[str]) -> None:
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.get(path.casefold())
        if other is not None:
            raise ValueError(f"names {other!r} and {path!r}, which some file systems cannot tell apart")
        seen[path.casefold()] = path


class Bundle(Frozen):
    """`bundle.json` of a run or of one sample; a function of the inputs, the kit, the build and who ran it where."""

    schema_version: Literal[1] = 1
    kind: Literal["run", "sample"]
    content: Content
    origin: Digest | None
    """SHA-256 of the bundle.json that a de-identified bundle or one of aggregates was made from."""
    run: str
    """`<run id>:<first 16 hex digits of the SHA-256 of run.json>`; a pseudonym where de-identified."""
    run_id: str
    sample: str | None
    """None for a whole run."""
    kit: str
    """`name@version`."""
    kit_digest: Digest
    kit_state: KitState
    lot: str | None
    use: Use
    build: str | None
    """Digest of the build."""
    build_state: BuildState | None
    software: str
    reference: str
    reference_digest: Digest | None
    """SHA-256 over the lines `<contig>\\t<length>\\t<MD5>` of the reference that the reads were aligned to."""
    site: str | None
    operator: str | None
    instrument: str | None
    inputs_digest: Digest
    """SHA-256 over the lines `<sha256>  <size>  <path>` of all of the run's inputs."""
    inputs: tuple[InputFile, ...]
    """By path; of a sample: empty."""
    files: tuple[BundledFile, ...]
    """By path."""
    samples: dict[str, Digest]
    """Of a run: SHA-256 of each sample's bundle.json."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        _check_unique([item.path for item in self.files])
        if list(self.files) != sorted(self.files, key=lambda item: item.path):
            raise ValueError("files are not in order")
        if (self.kind == "sample") != (self.sample is not None):
            raise ValueError("a bundle of a sample names it, one of a run does not")
        return self


class SealedFile(Frozen):
    """A file that differs between two runs of the same input."""

    size: int = Field(ge=0)
    sha256: Digest


class Seal(Frozen):
    """`bundle.seal.json`: what binds a bundle to the moment: provenance and the end of the ledger when it was made."""

    schema_version: Literal[1] = 1
    bundle: Digest
    """SHA-256 of bundle.json."""
    provenance: SealedFile | None
    """Of a run: provenance.json."""
    ledger: Head | None
    """None: the run has no ledger."""
