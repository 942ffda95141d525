"""Digests of the sequences in a FASTA, plain or compressed, and a copy under other names."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from isal import igzip

from ctdna.formats.bgzf import open_input
from ctdna.model.errors import InputError

_ALLOWED = frozenset(b"ABCDGHKMNRSTUVWYabcdghkmnrstuvwy")
_HINT = "give a FASTA file, plain or compressed by gzip"


class SequenceDigest(NamedTuple):
    """One sequence of a FASTA."""

    name: str
    length: int
    md5: str
    """Of the sequence in upper case."""


class _Running:
    def __init__(self, name: str) -> None:
        self.name, self.length, self.md5 = name, 0, hashlib.md5(usedforsecurity=False)

    def add(self, bases: bytes) -> None:
        self.length += len(bases)
        self.md5.update(bases.upper())

    def done(self) -> SequenceDigest:
        return SequenceDigest(self.name, self.length, self.md5.hexdigest())


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        stream = stack.enter_context(open_input(path))
        is_gzip = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        try:
            yield stack.enter_context(igzip.IGzipFile(fileobj=stream)) if is_gzip else stream  # type: ignore[misc,no-untyped-call]
        except (EOFError, igzip.BadGzipFile) as error:
            raise InputError(path, "", f"is cut off or damaged: {error}", "copy the file again") from error


def copy_fasta(source: Path, rename: Callable[[str], str], target: BinaryIO | None = None) -> list[SequenceDigest]:
    """Return name (after `rename`), length and MD5 of every sequence; copy the sequences to `target` where given.

    Raises:
        InputError: the file cannot be read, is no FASTA, is cut off, or names a sequence twice.
    """
    done: list[SequenceDigest] = []
    names: set[str] = set()
    running: _Running | None = None
    with _open(source) as stream:
        for number, line in enumerate(stream, 1):
            bare = line.rstrip()
            if bare.startswith(b">"):
                done += [running.done()] if running else []
                running = _Running(_name(source, number, bare, rename, names))
                bare = f">{running.name}".encode()
            elif bare:
                _check_bases(source, number, bare, running)
                running.add(bare)  # type: ignore[union-attr]
            if target and bare:
                target.write(bare + b"\n")
    if not running:
        raise InputError(source, "", "holds no sequence", _HINT)
    return [*done, running.done()]


def _name(source: Path, number: int, line: bytes, rename: Callable[[str], str], names: set[str]) -> str:
    parts = line[1:].split(None, 1)
    if not parts or line[1:2].isspace():
        raise InputError(source, f"line {number}", "a sequence has no name", _HINT)
    name = rename(parts[0].decode("ascii", "replace"))
    if name in names:
        raise InputError(source, f"line {number}", f"sequence {name} stands twice", "keep each sequence once")
    names.add(name)
    return name


def _check_bases(source: Path, number: int, line: bytes, running: _Running | None) -> None:
    if running is None:
        raise InputError(source, f"line {number}", "bases before the first `>` line: is no FASTA", _HINT)
    wrong = set(line) - _ALLOWED
    if wrong:
        what = f"found {chr(min(wrong))!r} among the bases of {running.name}"
        raise InputError(source, f"line {number}", what, _HINT)
