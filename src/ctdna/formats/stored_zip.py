"""ZIP archives of one form only: members stored, in order, one after the other, nothing between, before or behind.

Every byte that is not a member's content follows from the names, sizes and CRCs. So an archive of this form cannot be
read in two ways: it has no second directory, no hidden member, no comment, and unpacks to no more than it is.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ctdna.formats.atomic import atomic_path
from ctdna.model.errors import DefinitionError, InputError

MAX_MEMBERS, MAX_DIRECTORY = 1_000_000, 256 << 20
"""More is refused before it is read into memory."""
_CHUNK = 1 << 20
_LIMIT = 0xFFFFFFFF
"""From here on a size or offset is written in 64 bits, in an extra field."""
_LIMIT_MEMBERS = 0xFFFF
_DATE, _TIME = (1980 - 1980) << 9 | 1 << 5 | 1, 0
_UTF8 = 0x800
_REGULAR = 0o100644 << 16
_LOCAL, _CENTRAL, _END = struct.Struct("<IHHHHHIIIHH"), struct.Struct("<IHHHHHHIIIHHHHHII"), struct.Struct("<IHHHHIIH")
_END64, _LOCATOR = struct.Struct("<IQHHIIQQQQ"), struct.Struct("<IIQI")
_HINT = "export the bundle again; an archive packed by another program is not accepted"


class Member(NamedTuple):
    """One file of an archive."""

    name: str
    size: int
    crc: int
    offset: int
    """Of its local header."""

    def local_header(self, limit: int = _LIMIT) -> bytes:
        """Return the header before the content."""
        name = self.name.encode()
        is_large = self.size >= limit
        extra = struct.pack("<HHQQ", 1, 16, self.size, self.size) if is_large else b""
        size = _LIMIT if is_large else self.size
        fixed = (
            0x04034B50,
            45 if is_large else 20,
            _UTF8,
            0,
            _TIME,
            _DATE,
            self.crc,
            size,
            size,
            len(name),
            len(extra),
        )
        return _LOCAL.pack(*fixed) + name + extra

    def central_header(self, limit: int = _LIMIT) -> bytes:
        """Return the entry of the directory at the end."""
        name = self.name.encode()
        wide = [self.size, self.size] if self.size >= limit else []
        wide += [self.offset] if self.offset >= limit else []
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size = _LIMIT if self.size >= limit else self.size
        offset = _LIMIT if self.offset >= limit else self.offset
        version = 45 if wide else 20
        fixed = (
            0x02014B50,
            3 << 8 | version,
            version,
            _UTF8,
            0,
            _TIME,
            _DATE,
            self.crc,
            size,
            size,
            len(name),
            len(extra),
        )
        return _CENTRAL.pack(*fixed, 0, 0, 0, _REGULAR, offset) + name + extra

    def start(self, limit: int = _LIMIT) -> int:
        """Return where the content begins."""
        return self.offset + len(self.local_header(limit))


def _tail(members: list[Member], start: int, limit: int, limit_members: int = _LIMIT_MEMBERS) -> bytes:
    """Return all that follows the last member: the directory that begins at `start`, and its end."""
    directory = b"".join(member.central_header(limit) for member in members)
    n, size = len(members), len(directory)
    wide = b""
    if n >= limit_members or start >= limit or size >= limit:
        record = _END64.pack(0x06064B50, 44, 3 << 8 | 45, 45, 0, 0, n, n, size, start)
        wide = record + _LOCATOR.pack(0x07064B50, 0, start + size, 1)
    shown = min(n, _LIMIT_MEMBERS) if n < limit_members else _LIMIT_MEMBERS
    sizes = (size if size < limit else _LIMIT, start if start < limit else _LIMIT)
    return directory + wide + _END.pack(0x06054B50, 0, 0, shown, shown, *sizes, 0)


class ZipWriter:
    """Writes members one after the other; `write_zip` makes one."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self._members: list[Member] = []

    def add(self, name: str, chunks: Iterator[bytes], size: int) -> None:
        """Add a member of a size known before; names must come in rising order.

        Raises:
            InputError: the content is not of that size.
        """
        if self._members and name <= self._members[-1].name:
            raise InputError(None, name, "comes out of order or twice", "add the files sorted by name")
        offset = self._stream.tell()
        self._stream.write(Member(name, size, 0, offset).local_header(self._limit))
        crc = n_written = 0
        for chunk in chunks:
            crc, n_written = zlib.crc32(chunk, crc), n_written + len(chunk)
            self._stream.write(chunk)
        if n_written != size:
            raise InputError(None, name, f"has {n_written} bytes, expected {size}", "it changed; try again")
        member = Member(name, size, crc, offset)
        self._stream.seek(offset)
        self._stream.write(member.local_header(self._limit))
        self._stream.seek(0, 2)
        self._members.append(member)

    def finish(self) -> None:
        """Write the directory."""
        self._stream.write(_tail(self._members, self._stream.tell(), self._limit))


@contextmanager
def write_zip(path: Path, limit: int = _LIMIT) -> Iterator[ZipWriter]:
    """Yield a writer of an archive that appears under its name when the block ends well.

    From `limit` on sizes and offsets take 64 bits (4 GiB, as the format demands; less in tests).

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w+b") as stream:
        writer = ZipWriter(stream, limit)
        yield writer
        writer.finish()


def chunks_of(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes of a stream in blocks; fewer where it ends before."""
    while size > 0 and (block := stream.read(min(_CHUNK, size))):
        size -= len(block)
        yield block


def _wrong(path: Path, what: str) -> DefinitionError:
    return DefinitionError(path, "archive", what, _HINT)


def _end_of(path: Path, stream: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return number of members, start and size of the directory, as the archive's end claims them."""
    if size < _END.size:
        raise _wrong(path, "is no ZIP archive: too short")
    stream.seek(size - _END.size)
    magic, _, _, _, n, length, start, comment = _END.unpack(stream.read(_END.size))
    if magic != 0x06054B50 or comment:
        raise _wrong(path, "does not end as a ZIP archive does: cut off, or something stands behind it")
    at = size - _END.size - _LOCATOR.size - _END64.size
    if at >= 0:
        stream.seek(at)
        record = _END64.unpack(stream.read(_END64.size))
        if record[0] == 0x06064B50:
            return record[7], record[9], record[8]
    return n, start, length


def _members_of(path: Path, directory: bytes, n_claimed: int) -> list[Member]:
    members: list[Member] = []
    at = 0
    while at < len(directory):
        if len(directory) - at < _CENTRAL.size or len(members) >= n_claimed:
            raise _wrong(path, "its directory is damaged")
        fields = _CENTRAL.unpack_from(directory, at)
        crc, packed, size, n_name, n_extra, offset = (fields[i] for i in (7, 8, 9, 10, 11, 16))
        if fields[0] != 0x02014B50:
            raise _wrong(path, "its directory is not where its end says, or damaged")
        if fields[3] & 1:
            raise _wrong(path, f"member {len(members) + 1} is encrypted")
        if fields[4] != 0 or packed != size:
            raise _wrong(path, f"member {len(members) + 1} is compressed: bundles are stored")
        name_at = at + _CENTRAL.size
        raw, extra = directory[name_at : name_at + n_name], directory[name_at + n_name : name_at + n_name + n_extra]
        wide = list(struct.unpack_from(f"<{max(len(extra) - 4, 0) // 8}Q", extra, 4)) if len(extra) >= 4 else []
        if size == _LIMIT and len(wide) >= 2:
            size, wide = wide[0], wide[2:]
        if offset == _LIMIT and wide:
            offset = wide[0]
        try:
            members.append(Member(raw.decode(), size, crc, offset))
        except UnicodeDecodeError as error:
            raise _wrong(path, f"the name of member {len(members) + 1} is no UTF-8") from error
        at = name_at + n_name + n_extra + fields[12]
    return members


def read_members(path: Path, limit: int = _LIMIT) -> list[Member]:
    """Return the members of an archive of this module's form; their contents are not read, nor checked by their CRCs.

    Raises:
        InputError: it cannot be read.
        DefinitionError: it is no ZIP archive, or not of this form in every byte of its headers.
    """
    try:
        with path.open("rb") as stream:
            return _checked_members(path, stream, path.stat().st_size, limit)
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error


def _checked_members(path: Path, stream: BinaryIO, size: int, limit: int) -> list[Member]:
    n, start, length = _end_of(path, stream, size)
    if n > MAX_MEMBERS or length > MAX_DIRECTORY or start + length > size:
        raise _wrong(path, "its directory is damaged")
    stream.seek(start)
    members = _members_of(path, stream.read(length), n)
    for before, member in pairwise(members):
        if member.name <= before.name:
            raise _wrong(path, f"member {member.name!r} stands out of order or twice")
    expected = 0
    for member in members:
        if member.offset != expected:
            raise _wrong(path, f"member {member.name!r} does not begin where the one before ends")
        header = member.local_header(limit)
        stream.seek(expected)
        if stream.read(len(header)) != header:
            raise _wrong(path, f"the header of member {member.name!r} is not as the directory says")
        expected += len(header) + member.size
    stream.seek(expected)
    tail = _tail(members, expected, limit)
    if expected != start or stream.read(len(tail) + 1) != tail:
        raise _wrong(path, "its directory is not in the form that ctdna writes")
    return members
