"""Reference sequences of a FASTA file with its `.fai` index."""

import hashlib
import os
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import write_text
from ctdna.formats.bgzf import open_input
from ctdna.model.errors import InputError

_INDEX_AGAIN = "make the index again (samtools faidx, or ctdna reference add)"


class Contig(NamedTuple):
    """One line of the index."""

    name: str
    length: int
    offset: int
    """Byte offset of the first base."""
    line_bases: int
    line_bytes: int


def _index_path(path: Path) -> Path:
    return path.with_name(path.name + ".fai")


def scan_fasta(path: Path) -> tuple[Contig, ...]:
    """Return the index of a FASTA file, read off the file itself.

    Raises:
        InputError: the file cannot be read, is compressed, holds no sequence, a name comes twice, or the lines of a
            sequence differ in length.
    """
    contigs: list[Contig] = []
    names: set[str] = set()
    name, offset, length, width, n_line, is_short, at = "", 0, 0, 0, 0, False, 0
    with open_input(path) as stream:
        if stream.read(2) == b"\x1f\x8b":
            raise InputError(path, "", "a compressed FASTA file", "give it uncompressed")
        stream.seek(0)
        for number, line in enumerate(stream, 1):
            at += len(line)
            bare = line.rstrip(b"\r\n")
            if line.startswith(b">"):
                if name:
                    contigs.append(Contig(name, length, offset, width, n_line))
                name = _new_name(path, number, bare, names)
                offset, length, width, n_line, is_short = at, 0, 0, 0, False
                continue
            if not name or (bare and (is_short or (width and len(bare) > width))):
                what = "lines of a sequence differ in length" if name else "the file does not start with >"
                raise InputError(path, f"line {number}", what, "give a FASTA file with lines of one length")
            width, n_line = width or len(bare), n_line or len(line)
            is_short = len(line) != n_line
            length += len(bare)
    if not name:
        raise InputError(path, "", "no sequence in the file", "give a FASTA file")
    return (*contigs, Contig(name, length, offset, width, n_line))


def _new_name(path: Path, number: int, line: bytes, names: set[str]) -> str:
    words = line[1:].split()
    name = words[0].decode("utf-8", "replace") if words else ""
    if not name or name in names:
        what = f"the name {name} comes twice" if name else "a sequence without a name"
        raise InputError(path, f"line {number}", what, "give every sequence a name of its own")
    names.add(name)
    return name


def index_fasta(path: Path) -> Path:
    """Write the `.fai` index beside a FASTA file, whole or not at all; return its path.

    Raises:
        InputError: as `scan_fasta`, or the index cannot be written.
    """
    write_text(_index_path(path), "".join("\t".join(map(str, contig)) + "\n" for contig in scan_fasta(path)))
    return _index_path(path)


def _read_index(path: Path) -> tuple[Contig, ...]:
    index = _index_path(path)
    if not index.is_file():
        raise InputError(path, "", f"its index {index.name} is missing", _INDEX_AGAIN)
    contigs = []
    with open_input(index) as stream:
        lines = stream.read().decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            name, length, offset, line_bases, line_bytes = line.split("\t")
            contigs.append(Contig(name, int(length), int(offset), int(line_bases), int(line_bytes)))
        except ValueError as error:
            raise InputError(index, f"line {number}", "not a line of a FASTA index", _INDEX_AGAIN) from error
    return tuple(contigs)


class Reference:
    """A FASTA file open for reading, with its contigs; use it in a `with` block."""

    def __init__(self, path: Path) -> None:
        """Open the file and check its index against it.

        Raises:
            InputError: the file or its index is missing, or the index does not fit the file.
        """
        self.path = path
        self._stream = open_input(path)
        self._size = self._stream.seek(0, SEEK_END)
        try:
            self._contigs = {contig.name: contig for contig in _read_index(path)}
            for contig in self._contigs.values():
                self._check(contig)
        except InputError:
            self._stream.close()
            raise

    def _check(self, contig: Contig) -> None:
        is_sound = 0 <= contig.offset <= self._size and contig.length >= 0
        if not is_sound or not 1 <= contig.line_bases <= contig.line_bytes or not self._is_named(contig):
            raise InputError(self.path, f"contig {contig.name}", "the .fai index is not of this file", _INDEX_AGAIN)
        if contig.length and self._byte_of(contig, contig.length - 1) >= self._size:
            what = f"the file ends before the contig's {contig.length} bases"
            raise InputError(self.path, f"contig {contig.name}", what, "copy or make the file again")

    def _is_named(self, contig: Contig) -> bool:
        """Return whether the line before the contig's first base is its header line."""
        start = max(0, contig.offset - 4096)
        self._stream.seek(start)
        head = self._stream.read(contig.offset - start)
        header = head[head.rfind(b">") :].split(None, 1) if b">" in head else []
        return bool(header) and header[0] == b">" + contig.name.encode() and head.endswith(b"\n")

    @staticmethod
    def _byte_of(contig: Contig, pos0: int) -> int:
        """Return the byte of the file at which a base of a contig stands."""
        return contig.offset + pos0 // contig.line_bases * contig.line_bytes + pos0 % contig.line_bases

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def contigs(self) -> tuple[tuple[str, int], ...]:
        """Return (name, length) of every contig, in the file's order."""
        return tuple((contig.name, contig.length) for contig in self._contigs.values())

    def fetch(self, name: str, start0: int, end0: int) -> NDArray[np.uint8]:
        """Return the bases of an interval (0-based, half-open) in upper-case ASCII. Threads may fetch side by side.

        Raises:
            InputError: no such contig, the interval is not within it, or the file ends too early.
        """
        contig = self._contigs.get(name)
        if contig is None:
            raise InputError(self.path, f"contig {name}", "not in the reference", "give the reference of this panel")
        if not 0 <= start0 <= end0 <= contig.length:
            what = f"bases {start0} to {end0} asked for, the contig has {contig.length}"
            raise InputError(self.path, f"contig {name}", what, "give the reference of this panel")
        first, last = self._byte_of(contig, start0), self._byte_of(contig, end0)
        raw = np.frombuffer(os.pread(self._stream.fileno(), last - first, first).upper(), dtype=np.uint8)
        bases = raw[raw > ord(" ")]
        if len(bases) != end0 - start0 or (bases == ord(">")).any():
            raise InputError(self.path, f"contig {name}", "the .fai index is not of this file", _INDEX_AGAIN)
        return bases

    def sequence(self, name: str) -> NDArray[np.uint8]:
        """Return a whole contig in upper-case ASCII.

        Raises:
            InputError: as `fetch`.
        """
        return self.fetch(name, 0, self._contigs[name].length if name in self._contigs else 0)

    def md5(self, name: str) -> str:
        """Return the MD5 digest of a contig's upper-case bases, the `M5` of SAM headers.

        Raises:
            InputError: as `fetch`.
        """
        return hashlib.md5(self.sequence(name).tobytes(), usedforsecurity=False).hexdigest()
