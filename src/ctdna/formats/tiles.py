"""Tiles of a run folder, whatever the encoding of their base calls."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.bcl import read_lane_calls, read_lane_index, read_tile_calls, tile_file
from ctdna.formats.cbcl import find_tile, read_cbcl_calls, read_cbcl_header
from ctdna.formats.cluster_files import COPY, positions_file, read_filter, read_positions
from ctdna.formats.run_folder import LaneFolder, RunFolder
from ctdna.model.clusters import TileColumns
from ctdna.model.errors import InputError

_CycleReader = Callable[[int, NDArray[np.uint8]], None]


def lane_tiles(folder: RunFolder, lane: LaneFolder) -> tuple[int, ...]:
    """Return the tiles of a lane in rising order; those that RunInfo.xml lists must be there.

    Raises:
        InputError: no tile, or a listed tile is missing.
    """
    if lane.encoding == "cbcl":
        first = lane.cycles[min(lane.cycles)]
        tiles = tuple(sorted({tile for path in first for tile in read_cbcl_header(path).tiles}))
    elif lane.encoding == "bcl.bgzf":
        tiles = tuple(sorted(tile for tile, _ in read_lane_index(lane.path / f"s_{lane.lane}.bci")))
    else:
        tiles = lane.tiles
    listed = {int(name.split("_")[1]) for name in folder.layout.tiles if int(name.split("_")[0]) == lane.lane}
    missing = sorted(listed.difference(tiles))
    if missing or not tiles:
        what = f"found {len(tiles)} tiles, RunInfo.xml lists {len(listed)}"
        raise InputError(lane.path, f"tile {missing[0]}" if missing else "", what, COPY)
    return tiles


def _bcl_reader(lane: LaneFolder, tile: int, n_clusters: int) -> _CycleReader:
    def read(cycle: int, out: NDArray[np.uint8]) -> None:
        out[:] = read_tile_calls(tile_file(lane.cycles[cycle][0], lane.lane, tile), n_clusters)

    return read


def _cbcl_reader(lane: LaneFolder, tile: int, is_passing: NDArray[np.uint8]) -> _CycleReader:
    def read(cycle: int, out: NDArray[np.uint8]) -> None:
        found = find_tile(lane.cycles[cycle], tile)
        if found is None:
            names = ", ".join(path.name for path in lane.cycles[cycle]) or "no .cbcl file"
            where = lane.path / f"C{cycle}.1"
            raise InputError(where, f"tile {tile}", f"found {names}, the tile is in none", COPY)
        read_cbcl_calls(found[0], found[1], tile, is_passing, out)

    return read


def _lane_reader(lane: LaneFolder, n_before: int, n_clusters: int, n_lane: int) -> _CycleReader:
    def read(cycle: int, out: NDArray[np.uint8]) -> None:
        out[:] = read_lane_calls(lane.cycles[cycle][0], n_before, n_clusters, n_lane)

    return read


def _tile_filter(lane: LaneFolder, tile: int) -> NDArray[np.uint8]:
    for name in (f"s_{lane.lane}_{tile}.filter", f"s_{lane.lane}_{tile:04d}.filter"):
        if (lane.path / name).is_file():
            return read_filter(lane.path / name)
    raise InputError(lane.path / f"s_{lane.lane}_{tile}.filter", "", "found no such file", COPY)


def _positions(
    folder: RunFolder, lane: LaneFolder, tile: int, n_before: int, n_clusters: int, may_miss: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    path = positions_file(folder.intensities, lane.lane, tile)
    if path is None:
        if may_miss:
            return np.arange(n_clusters, dtype=np.int32), np.zeros(n_clusters, dtype=np.int32)
        where = f"lane {lane.lane}, tile {tile}"
        hint = COPY + ", or name clusters by their number: --ignore-missing-positions"
        raise InputError(folder.intensities, where, "found no positions (.locs, .clocs, s.locs)", hint)
    all_x, all_y = read_positions(path)
    is_lane = path.name == f"s_{lane.lane}.locs"
    start = n_before if is_lane else 0
    x, y = all_x[start : start + n_clusters].copy(), all_y[start : start + n_clusters].copy()
    if len(x) != n_clusters or (not is_lane and len(all_x) != n_clusters):
        what = f"found {len(all_x)} positions, the tile has {n_clusters} clusters"
        raise InputError(path, f"lane {lane.lane}, tile {tile}", what, COPY)
    return x, y


def _fill(reader: _CycleReader, planes: NDArray[np.uint8], threads: int) -> None:
    if threads == 1:
        for i_cycle in range(len(planes)):
            reader(i_cycle + 1, planes[i_cycle])
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda i_cycle: reader(i_cycle + 1, planes[i_cycle]), range(len(planes))):
            pass


def read_tile(
    folder: RunFolder, lane: LaneFolder, tile: int, threads: int = 1, may_miss_positions: bool = False
) -> TileColumns:
    """Return all clusters of one tile, over all cycles of the run.

    Memory: one byte a cluster and cycle. Without positions, and if allowed so, x counts the tile's clusters and y is 0.

    Raises:
        InputError: a file is missing, truncated, damaged, or disagrees with the filter file.
    """
    n_before = 0
    if lane.encoding == "bcl.bgzf":
        index = read_lane_index(lane.path / f"s_{lane.lane}.bci")
        i_tile = [name for name, _ in index].index(tile)
        n_before, n_clusters = sum(count for _, count in index[:i_tile]), index[i_tile][1]
        n_lane = sum(count for _, count in index)
        whole = read_filter(lane.path / f"s_{lane.lane}.filter")
        if len(whole) != n_lane:
            what = f"found {len(whole)} clusters, s_{lane.lane}.bci has {n_lane}"
            raise InputError(lane.path / f"s_{lane.lane}.filter", "", what, COPY)
        is_passing = whole[n_before : n_before + n_clusters].copy()
        reader = _lane_reader(lane, n_before, n_clusters, n_lane)
    else:
        is_passing = _tile_filter(lane, tile)
        n_clusters = len(is_passing)
        if lane.encoding == "cbcl":
            reader = _cbcl_reader(lane, tile, is_passing)
        else:
            reader = _bcl_reader(lane, tile, n_clusters)
    x, y = _positions(folder, lane, tile, n_before, n_clusters, may_miss_positions)
    planes = np.empty((folder.layout.n_cycles, n_clusters), dtype=np.uint8)
    _fill(reader, planes, threads)
    return TileColumns(lane.lane, tile, planes, is_passing, x, y)
