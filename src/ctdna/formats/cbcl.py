"""Base calls of one cycle, lane and surface: .cbcl."""

import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.bcl import gunzip
from ctdna.formats.cluster_files import COPY, check_size
from ctdna.kernels.bcl import spread_passing, unpack_nibbles
from ctdna.model.errors import InputError

_MAX_TILES = 100_000


class CbclTile(NamedTuple):
    """Where one tile's calls lie."""

    n_clusters: int
    n_content: int
    """Inflated bytes."""
    at: int
    """First byte of the gzip data."""
    n_bytes: int
    """Gzip data."""


class CbclHeader(NamedTuple):
    """What the head of a file says."""

    call_of_nibble: bytes
    """Sixteen calls."""
    tiles: dict[int, CbclTile]
    only_passing: bool
    """Whether clusters that fail the filter are left out."""


def _calls(path: Path, bins: dict[int, int]) -> bytes:
    calls = []
    for nibble in range(16):
        quality = bins.get(nibble >> 2, 0)
        if quality > 63:
            raise InputError(path, "byte 8", f"found a quality bin of {quality}, at most 63 is allowed", COPY)
        calls.append((nibble & 3) | quality << 2 if nibble else 0)
    return bytes(calls)


def _tiles(path: Path, table: NDArray[np.uint32], n_header: int, n_file: int) -> dict[int, CbclTile]:
    sizes = table[:, 3].astype(np.int64)
    excess = n_file - n_header - int(sizes.sum())
    if excess == len(sizes):
        # Some writers give every tile's compressed size one too small.
        sizes += 1
    elif excess != 0:
        kind = "truncated" if excess < 0 else "too long"
        what = f"{kind}: found {n_file - n_header} bytes of calls, the header promises {int(sizes.sum())}"
        raise InputError(path, "", what, COPY)
    starts = n_header + np.concatenate([[0], np.cumsum(sizes)[:-1]])
    found: dict[int, CbclTile] = {}
    for (tile, n_clusters, n_content, _), at, size in zip(table.tolist(), starts.tolist(), sizes.tolist(), strict=True):
        if tile in found:
            raise InputError(path, f"tile {tile}", "found a tile twice", COPY)
        found[tile] = CbclTile(n_clusters, n_content, at, size)
    return found


@lru_cache(maxsize=8192)
def read_cbcl_header(path: Path) -> CbclHeader:
    """Return the head of a .cbcl file.

    Raises:
        InputError: missing, truncated, or of a kind that is not known (version 1, 2 bits a base and 2 a quality).
    """
    try:
        n_file = path.stat().st_size
        with path.open("rb") as stream:
            head = stream.read(12)
            if len(head) < 12:
                raise InputError(path, "", f"truncated: found {len(head)} bytes of header", COPY)
            version, n_header, base_bits, quality_bits, n_bins = struct.unpack("<HIBBI", head)
            if (version, base_bits, quality_bits) != (1, 2, 2) or n_bins > 4 or n_header > n_file:
                kind = f"version {version}, {base_bits}+{quality_bits} bits, {n_bins} bins"
                what = f"found {kind}, {n_header} bytes of header; allowed are version 1, 2+2 bits, up to 4 bins"
                raise InputError(path, "byte 0", what, COPY)
            rest = stream.read(n_header - 12)
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", COPY) from error
    n_tiles = int.from_bytes(rest[8 * n_bins : 8 * n_bins + 4], "little")
    if n_tiles > _MAX_TILES or 12 + 8 * n_bins + 4 + 16 * n_tiles + 1 != n_header:
        raise InputError(path, "byte 2", f"found {n_header} bytes of header for {n_tiles} tiles", COPY)
    bins = dict(struct.iter_unpack("<II", rest[: 8 * n_bins]))
    table = np.frombuffer(rest, dtype="<u4", count=4 * n_tiles, offset=8 * n_bins + 4).reshape(-1, 4)
    calls = _calls(path, bins or {quality: quality for quality in range(4)})
    return CbclHeader(calls, _tiles(path, table, n_header, n_file), rest[-1] == 1)


def find_tile(paths: tuple[Path, ...], tile: int) -> tuple[Path, CbclHeader] | None:
    """Return the surface's file that holds the tile, with its header; None where none does."""
    for path in paths:
        header = read_cbcl_header(path)
        if tile in header.tiles:
            return path, header
    return None


def read_cbcl_calls(
    path: Path, header: CbclHeader, tile: int, is_passing: NDArray[np.uint8], out: NDArray[np.uint8]
) -> None:
    """Write the calls of one tile to `out`; where the file leaves failing clusters out, they become no calls.

    Raises:
        InputError: truncated, damaged, or of another number of clusters than the filter file says.
    """
    record = header.tiles[tile]
    n_passing = int(is_passing.sum())
    leaves_out = header.only_passing and record.n_clusters == n_passing
    if record.n_clusters != len(is_passing) and not leaves_out:
        allowed = f"{len(is_passing)}, of which {n_passing} pass"
        what = f"found {record.n_clusters} clusters, the filter file of the tile has {allowed}"
        raise InputError(path, f"tile {tile}", what, COPY)
    with path.open("rb") as stream:
        stream.seek(record.at)
        content = gunzip(path, stream.read(record.n_bytes), f"tile {tile}")
    check_size(path, len(content), record.n_content, f"bytes of tile {tile}")
    check_size(path, len(content), (record.n_clusters + 1) // 2, f"bytes of tile {tile}")
    packed = np.frombuffer(bytearray(content), dtype=np.uint8)
    calls_of = np.frombuffer(bytearray(header.call_of_nibble), dtype=np.uint8)
    if not leaves_out:
        unpack_nibbles(packed, calls_of, out)
        return
    some = np.empty(n_passing, dtype=np.uint8)
    unpack_nibbles(packed, calls_of, some)
    spread_passing(some, is_passing, out)
