"""InterOp: the instrument's own figures of the run, in little-endian records.

Absent files and versions that are not known are named, not guessed at; truncated ones are an error.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.cluster_files import COPY, read_bytes
from ctdna.model.errors import InputError

FILES = ("TileMetricsOut", "QMetricsOut", "ExtractionMetricsOut", "ErrorMetricsOut", "IndexMetricsOut")
_SHORT = "<u2"
_LONG = "<u4"


class TileFigures(NamedTuple):
    """Clusters of each tile."""

    lane: NDArray[np.int64]
    tile: NDArray[np.int64]
    n_clusters: NDArray[np.float64]
    n_passing: NDArray[np.float64]
    density: NDArray[np.float64]
    """Clusters per square millimetre; NaN where the file has none."""


class CycleFigures(NamedTuple):
    """One figure of each lane, tile and cycle."""

    lane: NDArray[np.int64]
    tile: NDArray[np.int64]
    cycle: NDArray[np.int64]
    value: NDArray[np.float64]


class QualityCounts(NamedTuple):
    """Base calls by quality, of each lane, tile and cycle."""

    lane: NDArray[np.int64]
    tile: NDArray[np.int64]
    cycle: NDArray[np.int64]
    quality: NDArray[np.int64]
    """The quality of each column of `counts`."""
    counts: NDArray[np.int64]
    """(records, qualities)."""


class IndexCount(NamedTuple):
    """Clusters that the instrument gave to one index on one tile."""

    lane: int
    tile: int
    barcode: str
    sample: str
    n_clusters: int


class InterOp(NamedTuple):
    """What the folder holds; None where a file is absent or of a version that is not known."""

    tiles: TileFigures | None
    qualities: QualityCounts | None
    intensity: CycleFigures | None
    """Mean over the channels of the 90th percentile of intensity."""
    error_percent: CycleFigures | None
    """PhiX error rate."""
    indexes: tuple[IndexCount, ...] | None
    absent: tuple[str, ...]
    warnings: tuple[str, ...]

    def values(self) -> dict[str, float]:
        """Return the run's figures by name; those of absent files are left out."""
        found: dict[str, float] = {}
        if self.tiles is not None and len(self.tiles.tile):
            n_clusters, n_passing = float(self.tiles.n_clusters.sum()), float(self.tiles.n_passing.sum())
            found["interop.clusters"] = n_clusters
            found["interop.clusters_passing"] = n_passing
            if n_clusters:
                found["interop.passing_percent"] = 100 * n_passing / n_clusters
            if np.isfinite(self.tiles.density).any():
                found["interop.density_per_mm2"] = float(np.nanmean(self.tiles.density))
        if self.qualities is not None and self.qualities.counts.sum():
            high = self.qualities.counts[:, self.qualities.quality >= 30].sum()
            found["interop.q30_percent"] = float(100 * high / self.qualities.counts.sum())
        if self.error_percent is not None and np.isfinite(self.error_percent.value).any():
            found["interop.phix_error_percent"] = float(np.nanmean(self.error_percent.value))
        if self.intensity is not None and len(self.intensity.cycle):
            first = self.intensity.value[self.intensity.cycle == self.intensity.cycle.min()]
            found["interop.first_cycle_intensity"] = float(first.mean())
        return found


class _File(NamedTuple):
    path: Path
    version: int
    data: bytes


class _UnknownVersionError(Exception):
    """The file is of a version that is not known."""


def _records(file: _File, n_head: int, fields: list[tuple[str, str] | tuple[str, str, tuple[int]]]) -> NDArray[np.void]:
    layout = np.dtype(fields)
    said = file.data[1]
    if said != layout.itemsize:
        what = f"found records of {said} bytes, version {file.version} has {layout.itemsize}"
        raise InputError(file.path, "byte 1", what, COPY)
    n_body = len(file.data) - n_head
    if n_body < 0 or n_body % layout.itemsize:
        what = f"truncated: found {max(n_body, 0)} bytes of records, expected a multiple of {layout.itemsize}"
        raise InputError(file.path, "", what, COPY)
    return np.frombuffer(file.data, dtype=layout, offset=n_head)


def _key(tile: str, *, has_cycle: bool = True) -> list[tuple[str, str] | tuple[str, str, tuple[int]]]:
    key: list[tuple[str, str] | tuple[str, str, tuple[int]]] = [("lane", _SHORT), ("tile", tile)]
    return [*key, ("cycle", _SHORT)] if has_cycle else key


def _ints(values: NDArray[np.void], name: str) -> NDArray[np.int64]:
    return values[name].astype(np.int64)


def _tile_values(
    keys: NDArray[np.int64], codes: NDArray[np.int64], values: NDArray[np.float64], code: int
) -> NDArray[np.float64]:
    """Return per tile the value under a code, the last one where it stands twice; NaN where it is missing."""
    out = np.full(int(keys.max(initial=-1)) + 1, np.nan)
    chosen = codes == code
    out[keys[chosen]] = values[chosen]
    return out


def _tiles(file: _File) -> TileFigures:
    if file.version == 2:
        rows = _records(file, 2, [*_key(_SHORT, has_cycle=False), ("code", _SHORT), ("value", "<f4")])
        codes, values = _ints(rows, "code"), rows["value"].astype(np.float64)
    elif file.version == 3:
        rows = _records(file, 6, [*_key(_LONG, has_cycle=False), ("code", "u1"), ("a", "<f4"), ("b", "<f4")])
        rows = rows[rows["code"] == ord("t")]
        codes = np.concatenate([np.full(len(rows), 102), np.full(len(rows), 103)])
        values = np.concatenate([rows["a"], rows["b"]]).astype(np.float64)
        rows = np.concatenate([rows, rows])
    else:
        raise _UnknownVersionError
    pairs = np.stack([_ints(rows, "lane"), _ints(rows, "tile")], axis=1)
    unique, keys = np.unique(pairs, axis=0, return_inverse=True)
    keys = keys.reshape(-1)
    n_clusters, n_passing = (_tile_values(keys, codes, values, code) for code in (102, 103))
    if file.version == 2:
        density = _tile_values(keys, codes, values, 100)
    else:
        (area,) = struct.unpack_from("<f", file.data, 2)
        density = n_clusters / area if area > 0 else np.full(len(n_clusters), np.nan)
    return TileFigures(unique[:, 0], unique[:, 1], np.nan_to_num(n_clusters), np.nan_to_num(n_passing), density)


def _qualities(file: _File) -> QualityCounts:
    if file.version not in (4, 5, 6, 7):
        raise _UnknownVersionError
    n_head, quality, n_bins = 2, np.arange(1, 51), 50
    if file.version > 4 and len(file.data) > 2:
        n_head = 3
        if file.data[2]:
            n_bins = file.data[3] if len(file.data) > 3 else 0
            n_head = 4 + 3 * n_bins
            if len(file.data) < n_head:
                raise InputError(file.path, "", f"truncated: found {len(file.data)} bytes, expected {n_head}", COPY)
            quality = np.frombuffer(file.data, dtype=np.uint8, offset=4 + 2 * n_bins, count=n_bins)
    n_columns = 50 if file.version <= 5 else n_bins
    rows = _records(file, n_head, [*_key(_SHORT if file.version < 7 else _LONG), ("counts", _LONG, (n_columns,))])
    if n_columns != n_bins:
        quality = np.arange(1, n_columns + 1)
    counts = rows["counts"].astype(np.int64)
    return QualityCounts(
        _ints(rows, "lane"), _ints(rows, "tile"), _ints(rows, "cycle"), quality.astype(np.int64), counts
    )


def _intensity(file: _File) -> CycleFigures:
    if file.version == 2:
        fields = [*_key(_SHORT), ("focus", "<f4", (4,)), ("intensity", _SHORT, (4,)), ("time", "<u8")]
        rows = _records(file, 2, fields)
    elif file.version == 3 and len(file.data) > 2:
        n_channels = file.data[2]
        fields = [*_key(_LONG), ("focus", "<f4", (n_channels,)), ("intensity", _SHORT, (n_channels,))]
        rows = _records(file, 3, fields)
    else:
        raise _UnknownVersionError
    mean = rows["intensity"].astype(np.float64).mean(axis=1)
    return CycleFigures(_ints(rows, "lane"), _ints(rows, "tile"), _ints(rows, "cycle"), mean)


def _errors(file: _File) -> CycleFigures:
    if file.version == 3:
        rows = _records(file, 2, [*_key(_SHORT), ("rate", "<f4"), ("counts", _LONG, (5,))])
    elif file.version == 4:
        rows = _records(file, 2, [*_key(_LONG), ("rate", "<f4")])
    elif file.version == 5:
        rows = _records(file, 2, [*_key(_LONG), ("rate", "<f4"), ("adapter", "<f4")])
    else:
        raise _UnknownVersionError
    rate = rows["rate"].astype(np.float64)
    return CycleFigures(_ints(rows, "lane"), _ints(rows, "tile"), _ints(rows, "cycle"), rate)


def _indexes(file: _File) -> tuple[IndexCount, ...]:
    if file.version not in (1, 2):
        raise _UnknownVersionError
    head, count = ("<HHH", "<I") if file.version == 1 else ("<HIH", "<Q")
    found = []
    at = 1
    try:
        while at < len(file.data):
            lane, tile, _ = struct.unpack_from(head, file.data, at)
            at += struct.calcsize(head)
            index, at = _string(file.data, at)
            (n_clusters,) = struct.unpack_from(count, file.data, at)
            sample, at = _string(file.data, at + struct.calcsize(count))
            _, at = _string(file.data, at)
            found.append(IndexCount(lane, tile, index, sample, n_clusters))
    except struct.error as error:
        raise InputError(file.path, f"record {len(found) + 1}", "truncated", COPY) from error
    return tuple(found)


def _string(data: bytes, at: int) -> tuple[str, int]:
    (n_bytes,) = struct.unpack_from("<H", data, at)
    end = at + 2 + n_bytes
    if end > len(data):
        raise struct.error
    return data[at + 2 : end].decode("latin-1"), end


def _open(folder: Path, name: str) -> _File | None:
    path = next((p for p in (folder / f"{name}.bin", folder / f"{name.removesuffix('Out')}.bin") if p.is_file()), None)
    if path is None:
        return None
    data = read_bytes(path)
    if len(data) < 2:
        raise InputError(path, "", f"truncated: found {len(data)} bytes, expected at least 2", COPY)
    return _File(path, data[0], data)


def read_interop(folder: Path) -> InterOp:
    """Return the figures of a run's `InterOp` folder; a missing folder is one in which every file is absent.

    Raises:
        InputError: a file is truncated or contradicts itself.
    """
    readers: dict[str, Callable[[_File], object]] = dict(
        zip(FILES, (_tiles, _qualities, _intensity, _errors, _indexes), strict=True)
    )
    parts: dict[str, object] = {}
    absent, warnings = [], []
    for name, reader in readers.items():
        file = _open(folder, name)
        if file is None:
            absent.append(name)
            continue
        try:
            parts[name] = reader(file)
        except _UnknownVersionError:
            warnings.append(f"{file.path.name}: version {file.version} is not known, the file is not used")
    return InterOp(
        parts.get("TileMetricsOut"),  # type: ignore[arg-type]
        parts.get("QMetricsOut"),  # type: ignore[arg-type]
        parts.get("ExtractionMetricsOut"),  # type: ignore[arg-type]
        parts.get("ErrorMetricsOut"),  # type: ignore[arg-type]
        parts.get("IndexMetricsOut"),  # type: ignore[arg-type]
        tuple(absent),
        tuple(warnings),
    )
