"""`bwa mem` as a stream: FASTQ columns go in, raw records come out."""

import fcntl
import re
import select
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from ctdna.formats.bam import BamHeader
from ctdna.formats.bgzf import open_input
from ctdna.formats.fasta import Reference
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import DefinitionError, InputError, ProgramError

INDEX_SUFFIXES = (".amb", ".ann", ".bwt", ".pac", ".sa")
_STOP_SECONDS = 5
"""Patience with the last words of an aligner that was given up; a child of its own may hold the pipe open."""
CHUNK_BASES = 10_000_000
"""Bases that the aligner takes at once; pairs of one chunk share an estimate of the insert size."""
_READ_BYTES = 4 << 20
"""Most that is taken at once of what the aligner wrote."""
_PAUSE_SECONDS = 0.01
"""When the aligner writes nothing for so long, what it wrote is taken."""
_PIPE_BYTES = 1 << 20
"""Room of a pipe, where the system allows it: the aligner seldom waits for its reader."""
_CHECKED_BASES = 512
_INSTALL = "install bwa {version} (Debian 12: apt-get install bwa)"


class Bwa(NamedTuple):
    """The program and the index it shall use."""

    program: str
    version: str
    reference: Path


def pinned_version(folder: Path) -> str:
    """Return the version of bwa that `versions.yaml` in its folder of `pipeline/` names.

    Raises:
        DefinitionError: the file is missing or does not name it.
    """
    path = folder / "versions.yaml"
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DefinitionError(path, "", f"cannot be read: {error}", "install ctdna again") from error
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, str):
        raise DefinitionError(path, "version", "the version of bwa is not named", "install ctdna again")
    return version


def _check_version(program: str, pinned: str) -> None:
    try:
        done = subprocess.run([program], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramError(None, "bwa", f"does not start: {error}", _INSTALL.format(version=pinned)) from error
    found = re.search(rb"^Version: (\S+)", done.stderr, re.MULTILINE)
    version = found[1].decode() if found else "an unknown version"
    if version != pinned:
        what = f"found {version}, allowed {pinned}"
        raise ProgramError(None, "bwa", what, _INSTALL.format(version=pinned))


def open_bwa(reference: Path, pinned: str) -> Bwa:
    """Return the bwa of the PATH, after checks of its version and of the reference's index.

    Raises:
        ProgramError: bwa is not on the PATH, or is another version than the pinned one.
        InputError: the reference or a file of its index is missing.
    """
    if not reference.is_file():
        raise InputError(reference, "", "the reference is not found", "check the path")
    for suffix in INDEX_SUFFIXES:
        if not Path(f"{reference}{suffix}").is_file():
            what = f"the aligner's index {reference.name}{suffix} is missing"
            raise InputError(reference, "", what, "run ctdna reference add, or bwa index on the FASTA")
    program = shutil.which("bwa")
    if program is None:
        raise ProgramError(None, "bwa", "not found on the PATH", _INSTALL.format(version=pinned))
    _check_version(program, pinned)
    return Bwa(program, pinned, reference.resolve())


def check_index(reference: Reference) -> None:
    """Check bases of the middle of every contig against the sequence that the aligner's index holds.

    Raises:
        InputError: the index is of another sequence, or is cut short.
    """
    codes = np.full(256, 4, dtype=np.uint8)
    codes[list(b"ACGT")] = [0, 1, 2, 3]
    first = 0
    with open_input(Path(f"{reference.path}.pac")) as stream:
        for name, length in reference.contigs:
            start0 = max(0, length - _CHECKED_BASES) // 2
            expected = codes[reference.fetch(name, start0, min(length, start0 + _CHECKED_BASES))]
            at = first + start0
            stream.seek(at // 4)
            packed = np.frombuffer(stream.read(len(expected) // 4 + 2), dtype=np.uint8)
            bases = (packed[:, None] >> np.array([6, 4, 2, 0], dtype=np.uint8) & 3).ravel()[at % 4 :][: len(expected)]
            if len(bases) < len(expected) or (bases != expected)[expected < 4].any():
                what = "the aligner's index is of another sequence"
                raise InputError(reference.path, f"contig {name}", what, "run bwa index on this FASTA again")
            first += length


def _command(bwa: Bwa, options: tuple[str, ...], threads: int, chunk_bases: int) -> list[str]:
    fixed = ["mem", "-t", str(threads), "-K", str(chunk_bases), "-v", "1"]
    return [bwa.program, *fixed, *options, str(bwa.reference), "-"]


def _feed(reads: Iterable[FastqColumns], pipe: IO[bytes]) -> None:
    """Write reads to the aligner until they end or it is gone (its exit code then says why)."""
    from ctdna.kernels.fastq import format_fastq

    try:
        for some in reads:
            pipe.write(format_fastq(some).data)
    except BrokenPipeError:
        pass
    finally:
        with suppress(OSError):
            pipe.close()


class _Messages(threading.Thread):
    """Drains the aligner's standard error and keeps its last lines."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._lines: deque[str] = deque(maxlen=20)

    def run(self) -> None:
        """Read to the end, or until the pipe is closed because the aligner was given up."""
        with suppress(ValueError, OSError):
            for line in self._pipe:
                if text := line.decode("utf-8", "replace").strip():
                    self._lines.append(text)

    @property
    def last(self) -> str:
        """Return the last line, once the aligner is done."""
        self.join()
        return self._lines[-1] if self._lines else "no message"


def _check_end(code: int, messages: _Messages) -> None:
    if code < 0:
        what = f"ended by signal {-code}: {messages.last}"
        raise ProgramError(None, "bwa mem", what, "free memory or give fewer threads, then run again")
    if code > 0:
        raise ProgramError(None, "bwa mem", f"failed with code {code}: {messages.last}", "see the program's message")


@contextmanager
def align_stream(
    bwa: Bwa,
    options: tuple[str, ...],
    reads: Iterable[FastqColumns],
    threads: int = 1,
    chunk_bases: int = CHUNK_BASES,
) -> Iterator[tuple[BamHeader, Iterator[RawRecords]]]:
    """Yield the aligner's contigs as a header, and its records in its order, in batches.

    `reads` are written to it from a thread while the records are read. With `-p` among the options, two neighbours of
    one name are a pair. The records do not depend on `threads`; they may on `chunk_bases`.

    Raises:
        ProgramError: the aligner failed, was killed, or wrote what is not SAM.
        InputError: what the source of the reads raises.
    """
    with ExitStack() as stack:
        process = stack.enter_context(_start(bwa, options, threads, chunk_bases))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stdin, stdout, stderr = _pipes(process)
        messages = _Messages(stderr)
        messages.start()
        stack.callback(messages.join, _STOP_SECONDS)
        stack.callback(process.kill)
        feeder = pool.submit(_feed, reads, stdin)
        feeder.add_done_callback(lambda done: process.kill() if done.exception() else None)

        def finish() -> None:
            feeder.result()
            _check_end(process.wait(), messages)

        yield _records(stdout, finish)


def _start(bwa: Bwa, options: tuple[str, ...], threads: int, chunk_bases: int) -> subprocess.Popen[bytes]:
    command = _command(bwa, options, threads, chunk_bases)
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise ProgramError(None, "bwa", f"does not start: {error}", _INSTALL.format(version=bwa.version)) from error


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return process.stdin, process.stdout, process.stderr


def _records(stream: IO[bytes], finish: Callable[[], None]) -> tuple[BamHeader, Iterator[RawRecords]]:
    head, text = b"", b""
    lines: list[bytes] = []
    while True:
        chunk = stream.read1(1 << 16)  # type: ignore[attr-defined]
        text += chunk
        while b"\n" in text and text.startswith(b"@"):
            head, _, text = text.partition(b"\n")
            lines.append(head)
        if not chunk or (text and not text.startswith(b"@")):
            break
    header = _header(lines)
    if not chunk:
        finish()
    return header, _batches(stream, text, header, finish)


def _header(lines: list[bytes]) -> BamHeader:
    contigs: list[tuple[str, int]] = []
    for line in lines:
        if line.startswith(b"@SQ\t"):
            fields = dict(part.split(":", 1) for part in line.decode().split("\t")[1:])
            contigs.append((fields["SN"], int(fields["LN"])))
    return BamHeader.of_contigs(tuple(contigs))


def _batches(stream: IO[bytes], rest: bytes, header: BamHeader, finish: Callable[[], None]) -> Iterator[RawRecords]:
    names = [name.encode() for name, _ in header.contigs]
    text = np.frombuffer(b"".join(names), dtype=np.uint8).copy()
    offsets = np.cumsum([0, *(len(name) for name in names)]).astype(np.int64)
    chunk = b"\n"
    while chunk:
        chunk = _written(stream)
        rest += chunk
        end = rest.rfind(b"\n") + 1
        if end:
            yield _parse(rest[:end], text, offsets, header)
            rest = rest[end:]
    finish()
    if rest:
        raise ProgramError(None, "bwa mem", "its output ends within a line", "run again")


def _written(stream: IO[bytes]) -> bytes:
    """Return what the aligner has written, up to `_READ_BYTES`; nothing at the end."""
    parts, left = [], _READ_BYTES
    while left and (part := stream.read1(left)):  # type: ignore[attr-defined]
        parts.append(part)
        left -= len(part)
        if not select.select([stream], [], [], _PAUSE_SECONDS)[0]:
            break
    return b"".join(parts)


def _parse(content: bytes, names: NDArray[np.uint8], offsets: NDArray[np.int64], header: BamHeader) -> RawRecords:
    from ctdna.kernels.fastq import count_lines
    from ctdna.kernels.record import FLAWS, check_records
    from ctdna.kernels.sam import NIBBLE_OF, parse_sam

    text = np.frombuffer(content, dtype=np.uint8).copy()
    records, used, bad = parse_sam(text, int(count_lines(text)), names, offsets, NIBBLE_OF)
    flaw, why = int(bad), "a line that is not SAM"
    if bad < 0:
        index, code = check_records(records.data, records.offsets, header.lengths)
        flaw, why = int(index), f"a malformed record ({FLAWS[int(code)]})"
    if flaw >= 0:
        lines = content[int(used) :] if bad >= 0 else content.split(b"\n")[flaw]
        line = lines.split(b"\n")[0][:80].decode("ascii", "replace")
        raise ProgramError(None, "bwa mem", f"wrote {why}: {line}", "check that the comments of the reads are SAM tags")
    return records
