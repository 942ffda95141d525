"""Tiles of every encoding, whole and damaged, against what was encoded, and against published run folders."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from ctdna.formats import bcl, cbcl
from ctdna.formats.cluster_files import read_filter, read_positions
from ctdna.formats.run_folder import RunFolder, open_run_folder
from ctdna.formats.tiles import lane_tiles, read_tile
from ctdna.kernels import bcl as bcl_kernels
from ctdna.model.errors import InputError
from tests import naive_bcl
from tests.builders_bcl import (
    Tile,
    encode_bcl,
    encode_bgzf,
    encode_cbcl,
    encode_clocs,
    encode_filter,
    encode_locs,
    tile_of,
    write_run_folder,
)

READS = [(4, "T"), (2, "B"), (3, "T")]
KINDS = ["bcl", "bcl.gz", "bcl.bgzf", "cbcl", "cbcl-passing", "cbcl-short"]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    bcl_kernels.warm()


def _tiles() -> dict[int, Tile]:
    one = tile_of(["ACGTACGTA", "NNNNACGTT", "TTTTTTTTT"], [12, 23, 37], [1, 0, 1])
    two = tile_of(["GGGGCCCCA", "ACACACACN", "TGTGTGTGT", "CAGTCAGTC"], [37, 37, 12, 23], [1, 1, 1, 0])
    return {1101: one, 2103: two}


def _folder(tmp_path: Path, kind: str) -> RunFolder:
    return open_run_folder(write_run_folder(tmp_path / "run", READS, {1: _tiles()}, kind))


@pytest.mark.req("REQ-DMX-001")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_encoding_gives_what_was_encoded(tmp_path: Path, kind: str, threads: int) -> None:
    folder = _folder(tmp_path, kind)
    assert lane_tiles(folder, folder.lanes[0]) == (1101, 2103)
    for number, expected in _tiles().items():
        tile = read_tile(folder, folder.lanes[0], number, threads)
        calls = expected.calls.copy()
        if kind == "cbcl-passing":
            calls[expected.passing == 0] = 0
        assert np.array_equal(tile.planes.T, calls)
        assert tile.is_passing.tolist() == expected.passing.tolist()
        assert tile.x.tolist() == [1000 + 10 * i for i in range(len(calls))]
        assert tile.y.tolist() == [1000 + 20 * i for i in range(len(calls))]


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_without_clusters(tmp_path: Path, kind: str) -> None:
    empty = Tile(np.zeros((0, 9), dtype=np.uint8), np.zeros(0, dtype=np.uint8))
    nothing_passes = tile_of(["ACGTACGTA"], passing=[0])
    tiles = {1101: empty, 1102: tile_of(["ACGTACGTA"]), 1103: nothing_passes, 1104: empty}
    folder = open_run_folder(write_run_folder(tmp_path / "run", READS, {1: tiles}, kind))
    counts = [read_tile(folder, folder.lanes[0], number).planes.shape[1] for number in sorted(tiles)]
    assert counts == [0, 1, 1, 0]


def _read_all(folder: RunFolder) -> None:
    for number in lane_tiles(folder, folder.lanes[0]):
        read_tile(folder, folder.lanes[0], number)


def _remove(path: Path) -> None:
    path.unlink()


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


DAMAGES = [
    ("bcl", "L001/C3.1/s_1_1101.bcl", _remove, r"C3\.1: found no s_1_1101\.bcl"),
    ("bcl", "L001/C3.1/s_1_1101.bcl", _shorten, r"s_1_1101\.bcl: truncated: found 2 clusters, expected 3"),
    ("bcl", "L001/C3.1/s_1_1101.bcl", _lengthen, r"s_1_1101\.bcl: too long: found 4 clusters, expected 3"),
    ("bcl", "L001/s_1_1101.filter", _shorten, r"filter: truncated: found 2 clusters, expected 3"),
    ("bcl", "L001/s_1_1101.filter", _remove, r"s_1_1101\.filter: found no such file"),
    ("bcl", "../L001/s_1_1101.locs", _remove, r"lane 1, tile 1101: found no positions"),
    ("bcl", "../L001/s_1_1101.locs", _shorten, r"locs: truncated: found 23 bytes of positions, expected 24"),
    ("bcl.gz", "L001/C3.1/s_1_1101.bcl.gz", _shorten, r"bcl\.gz: truncated gzip data"),
    ("bcl.bgzf", "L001/0003.bcl.bgzf", _shorten, r"0003\.bcl\.bgzf: byte \d+: truncated BGZF block"),
    ("bcl.bgzf", "L001/s_1.bci", _shorten, r"s_1\.bci: truncated: found 15 bytes"),
    ("bcl.bgzf", "L001/s_1.filter", _shorten, r"s_1\.filter: truncated: found 6 clusters, expected 7"),
    ("cbcl", "L001/C3.1/L001_1.cbcl", _remove, r"L001_1\.cbcl: cannot be read: No such file"),
    ("cbcl", "L001/C3.1/L001_1.cbcl", _shorten, r"L001_1\.cbcl: truncated: found \d+ bytes of calls"),
    ("cbcl", "L001/C3.1/L001_1.cbcl", _lengthen, r"L001_1\.cbcl: too long: found \d+ bytes of calls"),
]


@pytest.mark.req("REQ-DMX-007")
@pytest.mark.parametrize(("kind", "name", "damage", "message"), DAMAGES)
def test_damage_is_located(tmp_path: Path, kind: str, name: str, damage: object, message: str) -> None:
    folder = _folder(tmp_path, kind)
    damage(folder.path / "Data" / "Intensities" / "BaseCalls" / name)
    with pytest.raises(InputError, match=message):
        _read_all(folder)


@pytest.mark.req("REQ-DMX-007")
@pytest.mark.parametrize("kind", KINDS)
def test_any_truncation_is_an_input_error(tmp_path: Path, kind: str) -> None:
    folder = _folder(tmp_path, kind)
    lane = folder.lanes[0]
    file = lane.cycles[5][0]
    file = min(file.iterdir()) if file.is_dir() else file
    whole = file.read_bytes()
    n_marker = 28 if kind == "bcl.bgzf" else 0
    for size in range(0, len(whole) - n_marker, max(1, len(whole) // 40)):
        file.write_bytes(whole[:size])
        bcl._blocks.cache_clear()
        cbcl.read_cbcl_header.cache_clear()
        with pytest.raises(InputError):
            _read_all(folder)


def test_missing_surface(tmp_path: Path) -> None:
    path = write_run_folder(tmp_path / "run", READS, {1: _tiles()}, "cbcl")
    cycle = path / "Data" / "Intensities" / "BaseCalls" / "L001" / "C3.1"
    (cycle / "L001_1.cbcl").write_bytes(encode_cbcl({2103: _tiles()[2103].calls[:, 2].copy()}))
    folder = open_run_folder(path)
    with pytest.raises(InputError, match=r"C3\.1: tile 1101: found L001_1\.cbcl, the tile is in none"):
        read_tile(folder, folder.lanes[0], 1101)


def test_missing_cycles(tmp_path: Path) -> None:
    path = write_run_folder(tmp_path / "run", READS, {1: _tiles()})
    cycle = path / "Data" / "Intensities" / "BaseCalls" / "L001" / "C7.1"
    cycle.rename(cycle.with_name("C11.1"))
    with pytest.raises(InputError, match=r"L001: found 9 cycles, expected 9; missing: 7; copy"):
        open_run_folder(path)


def test_tile_names_with_leading_zeros(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "bcl")
    for path in sorted(folder.path.rglob("s_1_1101.*")):
        path.rename(path.with_name(path.name.replace("1101", "0012")))
    folder = open_run_folder(folder.path)
    assert lane_tiles(folder, folder.lanes[0]) == (12, 2103)
    assert np.array_equal(read_tile(folder, folder.lanes[0], 12).planes.T, _tiles()[1101].calls)


def test_missing_positions_may_be_ignored(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "bcl")
    (folder.intensities / "L001" / "s_1_1101.locs").unlink()
    tile = read_tile(folder, folder.lanes[0], 1101, may_miss_positions=True)
    assert (tile.x.tolist(), tile.y.tolist()) == ([0, 1, 2], [0, 0, 0])


def test_tiles_that_run_info_lists(tmp_path: Path) -> None:
    path = write_run_folder(tmp_path / "run", READS, {1: _tiles()})
    info = path / "RunInfo.xml"
    listed = '<TileSet TileNamingConvention="FourDigit"><Tiles><Tile>1_1101</Tile><Tile>1_1102</Tile></Tiles></TileSet>'
    layout = re.sub(r"<FlowcellLayout (.*?) />", rf"<FlowcellLayout \1>{listed}</FlowcellLayout>", info.read_text())
    info.write_text(layout)
    folder = open_run_folder(path)
    with pytest.raises(InputError, match=r"L001: tile 1102: found 2 tiles, RunInfo.xml lists 2"):
        lane_tiles(folder, folder.lanes[0])


def test_wrong_counts_and_headers(tmp_path: Path) -> None:
    path = tmp_path / "s_1_1101.bcl"
    path.write_bytes(encode_bcl(np.zeros(5, dtype=np.uint8)))
    with pytest.raises(InputError, match="found 5 clusters, the filter file of the tile has 4"):
        bcl.read_tile_calls(path, 4)
    path = tmp_path / "a.bcl.bgzf"
    path.write_bytes(encode_bgzf(encode_bcl(np.zeros(5, dtype=np.uint8))))
    with pytest.raises(InputError, match="too long: found 9 bytes of content, expected 8"):
        bcl.read_lane_calls(path, 0, 4, 4)
    path = tmp_path / "a.cbcl"
    whole = encode_cbcl({1101: np.zeros(5, dtype=np.uint8)})
    path.write_bytes(whole)
    header = cbcl.read_cbcl_header(path)
    with pytest.raises(InputError, match=r"tile 1101: found 5 clusters, the filter file of the tile has 4, of which 4"):
        cbcl.read_cbcl_calls(path, header, 1101, np.ones(4, dtype=np.uint8), np.zeros(4, dtype=np.uint8))
    path = tmp_path / "b.cbcl"
    path.write_bytes(b"\2" + whole[1:])
    with pytest.raises(InputError, match=r"byte 0: found version 2, 2\+2 bits, 4 bins"):
        cbcl.read_cbcl_header(path)
    path = tmp_path / "c.cbcl"
    path.write_bytes(encode_cbcl({1101: np.zeros(5, dtype=np.uint8)})[:-6] + b"\0" * 6)
    header = cbcl.read_cbcl_header(path)
    with pytest.raises(InputError, match="tile 1101: "):
        cbcl.read_cbcl_calls(path, header, 1101, np.ones(5, dtype=np.uint8), np.zeros(5, dtype=np.uint8))


def _cbcl(bins: tuple[int, ...], numbers: tuple[int, ...], n_header_error: int = 0) -> bytes:
    records = b"".join(struct.pack("<IIII", number, 0, 0, 0) for number in numbers)
    table = b"".join(struct.pack("<II", i, quality) for i, quality in enumerate(bins))
    n_header = 12 + len(table) + 4 + len(records) + 1 + n_header_error
    head = struct.pack("<HIBBI", 1, n_header, 2, 2, len(bins))
    return head + table + struct.pack("<I", len(numbers)) + records + b"\0" + b"\0" * n_header_error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_cbcl((0, 12, 23, 64), (1101,)), "byte 8: found a quality bin of 64, at most 63"),
        (_cbcl((0, 12), (1101, 1101)), "tile 1101: found a tile twice"),
        (_cbcl((0, 12), (1101,), 3), "byte 2: found 52 bytes of header for 1 tiles"),
        (b"\1\0", "truncated: found 2 bytes of header"),
    ],
)
def test_wrong_cbcl_headers(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.cbcl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        cbcl.read_cbcl_header(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.filter", b"\0\0", "truncated: found 2 bytes, expected at least 4"),
        ("b.filter", bytes(8), "truncated: found 8 bytes, expected at least 12"),
        ("a.locs", bytes(8), "truncated: found 8 bytes, expected at least 12"),
        ("b.locs", struct.pack("<IfI", 2, 1.0, 0), "found locs version 2, allowed is 1"),
        ("a.clocs", b"\1", "truncated: found 1 bytes, expected at least 5"),
        ("b.clocs", b"\2\0\0\0\0", "found clocs version 2, allowed is 1"),
        ("none.filter", None, "cannot be read: No such file"),
    ],
)
def test_small_and_strange_files(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    reader = read_filter if path.suffix == ".filter" else read_positions
    with pytest.raises(InputError, match=message):
        reader(path)


def test_counts_that_disagree(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "bcl.bgzf")
    lane = folder.lanes[0]
    places = folder.intensities / "L001" / "s_1.locs"
    places.write_bytes(encode_locs([(0.0, 0.0)] * 5))
    with pytest.raises(InputError, match="lane 1, tile 2103: found 5 positions, the tile has 4 clusters"):
        read_tile(folder, lane, 2103)
    (lane.path / "s_1.filter").write_bytes(encode_filter(np.ones(6, dtype=np.uint8)))
    with pytest.raises(InputError, match=r"s_1\.filter: found 6 clusters, s_1\.bci has 7"):
        read_tile(folder, lane, 2103)
    (lane.path / "s_1.bci").write_bytes(struct.pack("<IIII", 1101, 3, 1101, 4))
    with pytest.raises(InputError, match=r"s_1\.bci: found a tile twice"):
        lane_tiles(folder, lane)


def test_filters_old_and_new(tmp_path: Path) -> None:
    flags = np.array([1, 0, 1], dtype=np.uint8)
    path = tmp_path / "s.filter"
    for version in (1, 3):
        path.write_bytes(encode_filter(flags, version))
        assert read_filter(path).tolist() == [1, 0, 1]
    path.write_bytes(struct.pack("<III", 0, 4, 1) + b"\1")
    with pytest.raises(InputError, match="byte 4: found filter version 4, allowed is 3"):
        read_filter(path)


def test_positions(tmp_path: Path) -> None:
    path = tmp_path / "a.locs"
    path.write_bytes(encode_locs([(0.04, 0.05), (163.27, 12.75), (-1.0, 2000.0)]))
    x, y = read_positions(path)
    assert x.tolist() == [1000, 2633, 990]
    assert y.tolist() == [1001, 1128, 21000]
    path = tmp_path / "a.clocs"
    path.write_bytes(encode_clocs([[(5, 6)], [], [(1, 2), (3, 4)]]))
    x, y = read_positions(path)
    assert x.tolist() == [1005, 1501, 1503]
    assert y.tolist() == [1006, 1002, 1004]
    path = tmp_path / "b.clocs"
    path.write_bytes(encode_clocs([[(5, 6)]])[:-1])
    with pytest.raises(InputError, match="truncated: expected 1 blocks of positions"):
        read_positions(path)
    path = tmp_path / "b.locs"
    path.write_bytes(encode_locs([(float("nan"), 1.0)]))
    with pytest.raises(InputError, match="found a position that is not a number"):
        read_positions(path)


def _expected_reads(folder: Path) -> dict[tuple[str, str, str, str], list[tuple[str, str]]]:
    """Return the published reads by (lane:tile, x, y, read); several clusters may share a place in none of them."""
    found: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for path in sorted(folder.glob("*.fastq")):
        match = re.fullmatch(r"[ACGTN.]+\.([12])\.fastq", path.name)
        lines = path.read_text().splitlines()
        for at in range(0, len(lines) if match else 0, 4):
            name = lines[at].split()[0].split(":")
            key = (":".join(name[3:5]), name[5], name[6], match.group(1))
            found.setdefault(key, []).append((lines[at + 1], lines[at + 3]))
    return found


def _is_masked(ours: str, theirs: str) -> bool:
    """Tell whether qualities are equal but for a tail that the other tool masks (EAMSS: all `#` from some base on)."""
    kept = theirs.rstrip("#")
    return ours[: len(kept)] == kept and len(ours) == len(theirs)


PUBLISHED = [
    ("25T8B25T", "25T8B25T", 180, False),
    ("25T8B8B25T", "25T8B8B25T", 60, False),
    ("25T8B8B25T_hiseqx", "25T8B8B25T", 120, False),
    ("151T8B8B151T_cbcl", "151T8B8B151T", 50, True),
]


@pytest.mark.parametrize(("name", "structure", "n_expected", "lacks_positions"), PUBLISHED)
def test_published_run_folders(
    real_data: Path, name: str, structure: str, n_expected: int, lacks_positions: bool
) -> None:
    folder = open_run_folder(real_data / "run-folders" / name, structure)
    expected = _expected_reads(folder.path / "fastq")
    by_bases = {(key[0], key[3], bases): quals for key, some in expected.items() for bases, quals in some}
    n_found = n_masked = 0
    for lane in folder.lanes:
        for number in lane_tiles(folder, lane):
            tile = read_tile(folder, lane, number, may_miss_positions=lacks_positions)
            cycle = 0
            i_read = 0
            for read in folder.layout.reads:
                part = tile.planes[cycle : cycle + read.n_cycles].T.tolist()
                cycle += read.n_cycles
                i_read += not read.is_index
                for i_cluster, calls in enumerate(part if not read.is_index else []):
                    bases, quals = naive_bcl.bases_of(calls), naive_bcl.qualities_of(calls)
                    place = f"{lane.lane}:{number}"
                    if lacks_positions:
                        theirs = by_bases.get((place, str(i_read), bases))
                    else:
                        key = (place, str(tile.x[i_cluster]), str(tile.y[i_cluster]), str(i_read))
                        published = expected.get(key, [])
                        assert not published or bases in {one for one, _ in published}
                        theirs = dict(published).get(bases)
                    if theirs is not None:
                        n_found += 1
                        n_masked += theirs != quals
                        assert theirs == quals or (not lacks_positions and _is_masked(quals, theirs))
    assert n_found == 2 * n_expected
    assert n_masked <= n_found // 6


@pytest.mark.parametrize("name", ["bcl_tooShort.bcl", "bcl_tooLong.bcl"])
def test_published_damaged_calls(real_data: Path, name: str) -> None:
    path = real_data / "run-folders" / "readerTests" / name
    with pytest.raises(InputError, match=r"truncated|too long"):
        bcl.read_tile_calls(path, struct.unpack("<I", path.read_bytes()[:4])[0])


@pytest.mark.parametrize("name", ["pf_tooShort", "pf_tooLarge", "pf_badVersionBytes"])
def test_published_damaged_filters(real_data: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"truncated|too long|filter version"):
        read_filter(real_data / "run-folders" / "readerTests" / f"{name}.filter")
