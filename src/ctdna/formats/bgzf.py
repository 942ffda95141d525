"""BGZF: gzip in blocks of up to 64 KiB, inflated and deflated in threads.

The bytes of a written file depend on the content and the level alone: blocks are cut at fixed places and libdeflate
gives the same bytes for the same block.
"""

import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import deflate
import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import atomic_path, refuse_folder
from ctdna.model.errors import InputError

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends every whole BGZF file."""
BLOCK_BYTES = 0xFF00
"""Content bytes of a written block, as htslib cuts them."""
LEVEL = 1
"""libdeflate's level where none is asked for: files between stages are read once, so that speed outweighs size."""
_MAGIC = b"\x1f\x8b\x08\x04"
_BLOCK_HEAD = EOF_BLOCK[:16]
_BLOCK_MAX = 1 << 16
_TASK_BLOCKS = 16
_READ_BYTES = 4 << 20
_TRUNCATED = "copy or make the file again"
_DAMAGED = "the file is damaged: copy or make it again"


class Block(NamedTuple):
    """Where one block stands in a buffer of compressed bytes."""

    at: int
    """First byte of the deflate data."""
    end: int
    """Past the deflate data; CRC and size follow."""
    n_content: int
    """Inflated bytes."""
    file_at: int
    """Offset of the block in the file, for messages."""


def is_bgzf(path: Path) -> bool:
    """Return whether a file starts with a BGZF block.

    Raises:
        InputError: the file cannot be read.
    """
    with open_input(path) as stream:
        head = stream.read(18)
    return head[:4] == _MAGIC and head[12:16] == b"BC\x02\x00"


def open_input(path: Path) -> BinaryIO:
    """Return the file opened for reading in binary.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error


def _block_size(path: Path, buffer: bytes, at: int, file_at: int) -> tuple[int, int] | None:
    """Return (whole size, header size) of the block at `at`; None where the buffer ends within its header."""
    if len(buffer) - at < 12:
        return None
    if buffer[at : at + 4] != _MAGIC:
        raise InputError(path, f"byte {file_at}", "not a BGZF block (wrong magic)", _DAMAGED)
    n_extra = int.from_bytes(buffer[at + 10 : at + 12], "little")
    if len(buffer) - at < 12 + n_extra:
        return None
    field, end = at + 12, at + 12 + n_extra
    while field + 4 <= end:
        n_field = int.from_bytes(buffer[field + 2 : field + 4], "little")
        if buffer[field : field + 2] == b"BC" and n_field == 2 and field + 6 <= end:
            size = int.from_bytes(buffer[field + 4 : field + 6], "little") + 1
            if size < 12 + n_extra + 8:
                raise InputError(path, f"byte {file_at}", f"a BGZF block of {size} bytes", _DAMAGED)
            return size, 12 + n_extra
        field += 4 + n_field
    raise InputError(path, f"byte {file_at}", "gzip, but not BGZF (no block size)", "compress it with bgzip")


def _split(path: Path, buffer: bytes, file_at: int) -> tuple[list[Block], int]:
    """Return the whole blocks in a buffer that stands at `file_at`, and the bytes they take."""
    blocks: list[Block] = []
    at = 0
    while (found := _block_size(path, buffer, at, file_at + at)) is not None:
        size, n_header = found
        if at + size > len(buffer):
            break
        n_content = int.from_bytes(buffer[at + size - 4 : at + size], "little")
        if n_content > _BLOCK_MAX:
            raise InputError(path, f"byte {file_at + at}", f"a block of {n_content} bytes, at most 65536", _DAMAGED)
        blocks.append(Block(at + n_header, at + size - 8, n_content, file_at + at))
        at += size
    return blocks, at


def _inflate_into(path: Path, buffer: bytes, blocks: list[Block], out: NDArray[np.uint8]) -> None:
    at = 0
    view = memoryview(buffer)
    for block in blocks:
        if block.n_content:
            try:
                content = deflate.deflate_decompress(view[block.at : block.end], block.n_content)
            except deflate.DeflateError as error:
                raise InputError(path, f"byte {block.file_at}", "a BGZF block does not inflate", _DAMAGED) from error
            expected = int.from_bytes(view[block.end : block.end + 4], "little")
            if len(content) != block.n_content or deflate.crc32(content) != expected:
                raise InputError(path, f"byte {block.file_at}", "a BGZF block has a wrong checksum", _DAMAGED)
            out[at : at + block.n_content] = np.frombuffer(content, dtype=np.uint8)
            at += block.n_content


_Group = list[tuple[bytes, list[Block]]]


class _Batch(NamedTuple):
    out: NDArray[np.uint8]
    n_content: int
    jobs: list[Future[None]]

    def result(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the array when it is filled, unless it has no content."""
        for job in self.jobs:
            job.result()
        if self.n_content:
            yield self.out


def _start(path: Path, parts: _Group, pool: ThreadPoolExecutor | None, headroom: int) -> _Batch:
    n_content = sum(block.n_content for _, blocks in parts for block in blocks)
    out = np.empty(headroom + n_content, dtype=np.uint8)
    jobs: list[Future[None]] = []
    at = headroom
    for buffer, blocks in parts:
        for first in range(0, len(blocks), _TASK_BLOCKS):
            some = blocks[first : first + _TASK_BLOCKS]
            size = sum(block.n_content for block in some)
            if pool is None:
                _inflate_into(path, buffer, some, out[at : at + size])
            else:
                jobs.append(pool.submit(_inflate_into, path, buffer, some, out[at : at + size]))
            at += size
    return _Batch(out, n_content, jobs)


def _parts(path: Path, stream: BinaryIO, needs_marker: bool) -> Iterator[tuple[bytes, list[Block]]]:
    """Yield buffers with the whole blocks in them; check that the file ends with a whole block, the EOF marker."""
    rest, file_at = b"", 0
    last = b""
    while chunk := stream.read(_READ_BYTES):
        buffer = rest + chunk
        blocks, used = _split(path, buffer, file_at)
        yield buffer, blocks
        last = (last + buffer[max(0, used - len(EOF_BLOCK)) : used])[-len(EOF_BLOCK) :]
        rest, file_at = buffer[used:], file_at + used
    if rest or (needs_marker and last != EOF_BLOCK):
        raise InputError(path, f"byte {file_at}", "the file is truncated (no BGZF end-of-file block)", _TRUNCATED)


def _groups(parts: Iterator[tuple[bytes, list[Block]]], batch_bytes: int) -> Iterator[_Group]:
    """Yield blocks in groups that inflate to `batch_bytes` or a block more; the last group may be smaller or empty."""
    group: _Group = []
    size = 0
    for buffer, blocks in parts:
        first = 0
        for after, block in enumerate(blocks, 1):
            size += block.n_content
            if size >= batch_bytes:
                yield [*group, (buffer, blocks[first:after])]
                group, size, first = [], 0, after
        group.append((buffer, blocks[first:]))
    yield group


def inflate(
    path: Path, threads: int = 1, batch_bytes: int = 32 << 20, needs_marker: bool = True, headroom: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Yield the content of a BGZF file, in order, in arrays of about `batch_bytes` (an empty file content: none).

    With more than one thread the next batch is inflated while the caller works on the present one. A file must end with
    the empty end-of-file block, unless `needs_marker` is False (some sequencers leave it out of FASTQ files). So many
    bytes as `headroom` are left free at the start of each array, for what is left of the array before.

    Raises:
        InputError: the file is missing, is not BGZF, is truncated, or a block is damaged.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(open_input(path))
        pool = stack.enter_context(ThreadPoolExecutor(threads)) if threads > 1 else None
        waiting: deque[_Batch] = deque()
        for group in _groups(_parts(path, stream, needs_marker), batch_bytes):
            waiting.append(_start(path, group, pool, headroom))
            if pool is None or len(waiting) > 1:
                yield from waiting.popleft().result()
        for batch in waiting:
            yield from batch.result()


def _deflate_blocks(content: NDArray[np.uint8], level: int) -> bytes:
    view = content.data
    parts: list[bytes] = []
    for at in range(0, len(view), BLOCK_BYTES):
        piece = view[at : at + BLOCK_BYTES]
        packed = bytes(deflate.deflate_compress(piece, level))
        size = len(packed) + 26
        if size > _BLOCK_MAX:
            packed = b"\x01" + struct.pack("<HH", len(piece), len(piece) ^ 0xFFFF) + bytes(piece)
            size = len(packed) + 26
        parts.append(_BLOCK_HEAD + struct.pack("<H", size - 1))
        parts.append(packed)
        parts.append(struct.pack("<II", deflate.crc32(piece), len(piece)))
    return b"".join(parts)


class BgzfWriter:
    """A BGZF file that appears under its name when the `with` block ends well, and not at all otherwise."""

    def __init__(self, path: Path, threads: int = 1, level: int = LEVEL) -> None:
        """Take the final path; `level` is libdeflate's, 0 to 12."""
        self._path, self._threads, self._level = path, threads, level
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[Future[bytes]] = deque()
        self._pending: list[NDArray[np.uint8]] = []
        self._n_pending = 0

    def __enter__(self) -> Self:
        refuse_folder(self._path)
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self._path))
            self._stream = stack.enter_context(temporary.open("wb"))
            if self._threads > 1:
                self._pool = stack.enter_context(ThreadPoolExecutor(self._threads))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for job in self._jobs:
                job.cancel()
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._flush(everything=True)
            while self._jobs:
                self._stream.write(self._jobs.popleft().result())
            self._stream.write(EOF_BLOCK)

    def write(self, content: bytes | bytearray | NDArray[np.uint8]) -> None:
        """Add content; it may be buffered. An array must not change afterwards."""
        piece = content if isinstance(content, np.ndarray) else np.frombuffer(content, dtype=np.uint8)
        if len(piece):
            self._pending.append(piece)
            self._n_pending += len(piece)
        if self._n_pending >= _TASK_BLOCKS * BLOCK_BYTES:
            self._flush(everything=False)

    def _flush(self, everything: bool) -> None:
        if not self._pending:
            return
        whole = np.concatenate(self._pending) if len(self._pending) > 1 else self._pending[0]
        task = _TASK_BLOCKS * BLOCK_BYTES
        end = len(whole) if everything else len(whole) // task * task
        for at in range(0, end, task):
            self._deflate(whole[at : min(at + task, end)])
        rest = whole[end:].copy()
        self._pending, self._n_pending = ([rest] if len(rest) else []), len(rest)

    def _deflate(self, content: NDArray[np.uint8]) -> None:
        if self._pool is None:
            self._stream.write(_deflate_blocks(content, self._level))
            return
        self._jobs.append(self._pool.submit(_deflate_blocks, content, self._level))
        while len(self._jobs) > 4 * self._threads:
            self._stream.write(self._jobs.popleft().result())
