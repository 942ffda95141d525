"""The filter and position files of a tile or lane."""

import struct
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.bcl import clocs_positions
from ctdna.model.errors import InputError

COPY = "copy the run folder again"
_CLOCS_COLUMNS = 82


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file of the run folder.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", COPY) from error


def check_size(path: Path, found: int, expected: int, unit: str) -> None:
    """Check the size of a file's content against what its header or its neighbours promise.

    Raises:
        InputError: it differs; the file is truncated or too long.
    """
    if found != expected:
        kind = "truncated" if found < expected else "too long"
        raise InputError(path, "", f"{kind}: found {found} {unit}, expected {expected}", COPY)


def read_filter(path: Path) -> NDArray[np.uint8]:
    """Return 1 for each cluster that passes, else 0, from a filter file (version 3, or the older one without version).

    Raises:
        InputError: missing, of another version, or not as long as it says.
    """
    data = read_bytes(path)
    if len(data) < 4:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 4", COPY)
    n_head, count = 4, int.from_bytes(data[:4], "little")
    if count == 0 and len(data) > 4:
        if len(data) < 12:
            raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 12", COPY)
        _, version, count = struct.unpack_from("<III", data)
        n_head = 12
        if version != 3:
            raise InputError(path, "byte 4", f"found filter version {version}, allowed is 3", COPY)
    check_size(path, len(data) - n_head, count, "clusters")
    flags = np.frombuffer(data, dtype=np.uint8, offset=n_head)
    return flags & np.uint8(1)


def _read_locs(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    data = read_bytes(path)
    if len(data) < 12:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 12", COPY)
    version, _, count = struct.unpack_from("<IfI", data)
    if version != 1:
        raise InputError(path, "", f"found locs version {version}, allowed is 1", COPY)
    check_size(path, len(data) - 12, 8 * count, "bytes of positions")
    places = np.frombuffer(data, dtype="<f4", offset=12).reshape(-1, 2).astype(np.float64)
    if not np.isfinite(places).all() or np.abs(places).max(initial=0) > 1e8:
        raise InputError(path, "", "found a position that is not a number or beyond any flow cell", COPY)
    rounded = np.floor(10 * places + 1000.5).astype(np.int32)
    return np.ascontiguousarray(rounded[:, 0]), np.ascontiguousarray(rounded[:, 1])


def _read_clocs(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    data = read_bytes(path)
    if len(data) < 5:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 5", COPY)
    version, n_blocks = struct.unpack_from("<BI", data)
    if version != 1:
        raise InputError(path, "", f"found clocs version {version}, allowed is 1", COPY)
    x = np.zeros(len(data) // 2, dtype=np.int32)
    y = np.zeros(len(data) // 2, dtype=np.int32)
    blocks = np.frombuffer(data, dtype=np.uint8, offset=5).copy()
    count = clocs_positions(blocks, n_blocks, _CLOCS_COLUMNS, x, y)
    if count < 0:
        raise InputError(path, "", f"truncated: expected {n_blocks} blocks of positions", COPY)
    return x[:count].copy(), y[:count].copy()


def positions_file(intensities: Path, lane: int, tile: int) -> Path | None:
    """Return the file that holds the positions of a tile's clusters, or None where there is none.

    Looked for in this order: the tile's own (.locs, .clocs), its lane's, the one of the whole flow cell (`s.locs`).
    """
    folder = intensities / f"L{lane:03d}"
    names = (
        f"s_{lane}_{tile}.locs",
        f"s_{lane}_{tile}.clocs",
        f"s_{lane}_{tile:04d}.locs",
        f"s_{lane}_{tile:04d}.clocs",
    )
    candidates = [folder / name for name in names] + [folder / f"s_{lane}.locs", intensities / "s.locs"]
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=2)
def read_positions(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return x and y of each cluster, as read names write them: 10 * position + 1000, rounded half up.

    Raises:
        InputError: missing, of another version, truncated.
    """
    return _read_clocs(path) if path.suffix == ".clocs" else _read_locs(path)
