"""Where a bundle's files are read from: a folder, or an exported archive, which is never unpacked."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ctdna.bundle.canonical import MAX_BYTES
from ctdna.bundle.layout import walk_files
from ctdna.formats.stored_zip import Member, chunks_of, read_members
from ctdna.model.bundle import safe_path
from ctdna.model.errors import DefinitionError, InputError

_HINT = "restore the file from its source"


class Source(Protocol):
    """The files of a bundle."""

    sizes: dict[str, int]
    """By path, in bytes."""

    def place(self, path: str) -> str:
        """Return how errors name the file."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the file's bytes."""


class FolderSource:
    """The files below a folder; links are refused."""

    def __init__(self, root: Path, below: str | None = None) -> None:
        """Look at the folder; with `below`, only at the folder of this name in it, if there is one.

        Raises:
            DefinitionError: there is a link.
            InputError: it cannot be read.
        """
        self.root = root
        folder = root if below is None else root / below
        prefix = "" if below is None else f"{below}/"
        found = walk_files(folder) if folder.is_dir() else {}
        self.sizes = {prefix + path: size for path, size in found.items()}

    def place(self, path: str) -> str:
        """Return the file's path."""
        return str(self.root / path)

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the file's bytes, no more than it had at first.

        Raises:
            DefinitionError: it cannot be read.
        """
        try:
            with (self.root / path).open("rb") as stream:
                yield from chunks_of(stream, self.sizes[path] + 1)
        except OSError as error:
            raise DefinitionError(self.place(path), "", f"cannot be read: {error.strerror}", _HINT) from error


class ZipSource:
    """The members of an exported archive."""

    def __init__(self, archive: Path) -> None:
        """Read the archive's directory.

        Raises:
            DefinitionError: it is no archive as `ctdna bundle export` writes it, or a name in it is not plain.
            InputError: it cannot be read.
        """
        self.archive = archive
        self._members = _by_name(archive, read_members(archive))
        self.sizes = {name: member.size for name, member in self._members.items()}

    def place(self, path: str) -> str:
        """Return the archive and the member."""
        return f"{self.archive}: {path}"

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the member's bytes.

        Raises:
            DefinitionError: they do not fit the member's CRC.
        """
        member, crc = self._members[path], 0
        with self.archive.open("rb") as stream:
            stream.seek(member.start())
            for block in chunks_of(stream, member.size):
                crc = zlib.crc32(block, crc)
                yield block
        if crc != member.crc:
            raise DefinitionError(self.place(path), "", "does not fit its CRC: the archive is damaged", _HINT)


def _by_name(archive: Path, members: list[Member]) -> dict[str, Member]:
    folded: dict[str, str] = {}
    for member in members:
        try:
            safe_path(member.name)
        except ValueError as error:
            raise DefinitionError(archive, "archive", str(error), "do not unpack it") from error
        other = folded.setdefault(member.name.casefold(), member.name)
        if other != member.name:
            what = f"holds {other} and {member.name}, which some file systems cannot tell apart"
            raise DefinitionError(archive, "archive", what, "do not unpack it")
    return {member.name: member for member in members}


def digest_of(source: Source, path: str) -> tuple[int, str]:
    """Return size and SHA-256 of a file; raises as `Source.chunks`."""
    digest, size = hashlib.sha256(), 0
    for block in source.chunks(path):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def read(source: Source, path: str) -> bytes:
    """Return the bytes of a document.

    Raises:
        DefinitionError: it is missing, or larger than any document is.
    """
    size = source.sizes.get(path)
    if size is None:
        raise DefinitionError(source.place(path), "", "is missing", _HINT)
    if size > MAX_BYTES:
        raise DefinitionError(source.place(path), "", f"has {size} bytes, allowed are {MAX_BYTES}", _HINT)
    return b"".join(source.chunks(path))


def open_source(path: Path) -> tuple[Source, str]:
    """Return the files of a bundle and the folder in it where the bundle's documents lie (`""`: the top).

    Taken are a run's output folder, the folder `reports/<sample>` in it, or an exported archive.

    Raises:
        InputError: there is nothing of the kind.
        DefinitionError: there is, but not in a form that can be trusted.
    """
    if path.is_dir():
        resolved = path.resolve()
        is_sample = not (path / "run.json").is_file() and resolved.parent.name == "reports"
        if is_sample:
            return FolderSource(resolved.parents[1]), f"reports/{resolved.name}/"
        return FolderSource(path), ""
    if not path.is_file():
        raise InputError(path, "", "found no file or folder of this name", "give a run's folder or an exported bundle")
    source = ZipSource(path)
    if "bundle.json" in source.sizes:
        return source, ""
    found = [name for name in source.sizes if name.startswith("reports/") and name.endswith("/bundle.json")]
    if len(found) != 1:
        raise InputError(path, "", f"found {len(found)} bundles in it, expected one", "give an exported bundle")
    return source, found[0].removesuffix("bundle.json")
