"""Base calls of one cycle: .bcl, .bcl.gz and .bcl.bgzf, a file a tile or a file a lane."""

import mmap
import struct
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ctdna.formats.cluster_files import COPY, check_size, read_bytes
from ctdna.model.errors import InputError

_GZIP_ERROR: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # the stub names an instance
_SUFFIXES = (".bcl", ".bcl.gz", ".bcl.bgzf")


def gunzip(path: Path, data: bytes, where: str = "") -> bytes:
    """Return the content of gzip data (any number of members).

    Raises:
        InputError: truncated or damaged.
    """
    parts = []
    rest = data
    while rest:
        member = isal_zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(rest))
        except _GZIP_ERROR as error:
            raise InputError(path, where, f"damaged gzip data: {error}", COPY) from error
        if not member.eof:
            raise InputError(path, where, "truncated gzip data", COPY)
        rest = member.unused_data
        if not rest.strip(b"\0"):
            break
    return b"".join(parts)


def tile_file(folder: Path, lane: int, tile: int) -> Path:
    """Return the file of a tile's calls in a cycle's folder.

    Raises:
        InputError: there is none.
    """
    for name in dict.fromkeys((f"s_{lane}_{tile}", f"s_{lane}_{tile:04d}")):
        for suffix in _SUFFIXES:
            path = folder / (name + suffix)
            if path.is_file():
                return path
    what = f"found no s_{lane}_{tile}.bcl (nor .gz, .bgzf)"
    raise InputError(folder, "", what, COPY)


def read_tile_calls(path: Path, n_clusters: int) -> NDArray[np.uint8]:
    """Return the calls of one cycle and tile.

    Raises:
        InputError: missing, truncated, damaged, or of another number of clusters than the filter file says.
    """
    data = read_bytes(path)
    if path.suffix != ".bcl":
        data = gunzip(path, data)
    if len(data) < 4:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 4", COPY)
    (count,) = struct.unpack_from("<I", data)
    if count != n_clusters:
        what = f"found {count} clusters, the filter file of the tile has {n_clusters}"
        raise InputError(path, "", what, COPY)
    check_size(path, len(data) - 4, count, "clusters")
    return np.frombuffer(data, dtype=np.uint8, offset=4)


def read_lane_index(path: Path) -> tuple[tuple[int, int], ...]:
    """Return (tile, clusters) in the order of the lane's files, from `s_<lane>.bci`.

    Raises:
        InputError: missing, empty or truncated.
    """
    data = read_bytes(path)
    if not data or len(data) % 8:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected a multiple of 8", COPY)
    pairs = np.frombuffer(data, dtype="<u4").reshape(-1, 2)
    tiles = tuple((int(tile), int(count)) for tile, count in pairs)
    if len({tile for tile, _ in tiles}) != len(tiles):
        raise InputError(path, "", "found a tile twice", COPY)
    return tiles


class _Blocks(NamedTuple):
    """Where each block of a BGZF file starts, in the file and in its content; one more entry for the end."""

    file_at: tuple[int, ...]
    content_at: tuple[int, ...]


@lru_cache(maxsize=4096)
def _blocks(path: Path) -> _Blocks:
    file_at, content_at = [0], [0]
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            while file_at[-1] < len(data):
                start = file_at[-1]
                if data[start : start + 4] != b"\x1f\x8b\x08\x04" or data[start + 12 : start + 14] != b"BC":
                    raise InputError(path, f"byte {start}", "found no BGZF block", COPY)
                end = start + int.from_bytes(data[start + 16 : start + 18], "little") + 1
                if end > len(data):
                    raise InputError(path, f"byte {start}", "truncated BGZF block", COPY)
                file_at.append(end)
                content_at.append(content_at[-1] + int.from_bytes(data[end - 4 : end], "little"))
    except (OSError, ValueError) as error:
        raise InputError(path, "", f"cannot be read: {error}", COPY) from error
    return _Blocks(tuple(file_at), tuple(content_at))


def read_lane_calls(path: Path, n_before: int, n_clusters: int, n_lane: int) -> NDArray[np.uint8]:
    """Return the calls of one cycle for the clusters after the first `n_before` of a lane's file.

    Raises:
        InputError: missing, truncated, damaged, or the lane has another number of clusters.
    """
    blocks = _blocks(path)
    check_size(path, blocks.content_at[-1], n_lane + 4, "bytes of content")
    first = bisect_right(blocks.content_at, 4 + n_before) - 1
    last = bisect_right(blocks.content_at, max(4 + n_before + n_clusters - 1, 4 + n_before))
    with path.open("rb") as stream:
        stream.seek(blocks.file_at[first])
        part = stream.read(blocks.file_at[min(last, len(blocks.file_at) - 1)] - blocks.file_at[first])
    content = gunzip(path, part, f"byte {blocks.file_at[first]}")
    start = 4 + n_before - blocks.content_at[first]
    if n_before == 0 and int.from_bytes(content[:4], "little") != n_lane:
        what = f"found {int.from_bytes(content[:4], 'little')} clusters, the lane's s_*.bci has {n_lane}"
        raise InputError(path, "", what, COPY)
    check_size(path, len(content[start : start + n_clusters]), n_clusters, "clusters of the tile")
    return np.frombuffer(content, dtype=np.uint8, offset=start, count=n_clusters)
