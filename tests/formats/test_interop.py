"""InterOp records, against values packed by hand and against published summaries of real runs."""

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.interop import FILES, read_interop
from ctdna.model.errors import InputError


def test_absent_folder_is_no_error(tmp_path: Path) -> None:
    found = read_interop(tmp_path / "InterOp")
    assert found.absent == FILES
    assert found.values() == {}


def test_tiles_version_2_and_3(tmp_path: Path) -> None:
    rows = [(1, 1101, 100, 5e5), (1, 1101, 102, 900.0), (1, 1101, 103, 600.0), (2, 1102, 102, 100.0)]
    path = tmp_path / "TileMetricsOut.bin"
    path.write_bytes(b"\2\x0a" + b"".join(struct.pack("<HHHf", *row) for row in rows))
    tiles = read_interop(tmp_path).tiles
    assert (tiles.lane.tolist(), tiles.tile.tolist()) == ([1, 2], [1101, 1102])
    assert tiles.n_clusters.tolist() == [900.0, 100.0]
    assert tiles.n_passing.tolist() == [600.0, 0.0]
    assert read_interop(tmp_path).values()["interop.passing_percent"] == 60.0
    body = struct.pack("<HIBff", 1, 1101, ord("t"), 800.0, 400.0) + struct.pack("<HIBIf", 1, 1101, ord("r"), 1, 0.5)
    path.write_bytes(b"\3\x0f" + struct.pack("<f", 2.0) + body)
    tiles = read_interop(tmp_path).tiles
    assert (tiles.n_clusters.tolist(), tiles.n_passing.tolist(), tiles.density.tolist()) == ([800.0], [400.0], [400.0])


def test_quality_versions(tmp_path: Path) -> None:
    path = tmp_path / "QMetricsOut.bin"
    counts = np.zeros(50, dtype="<u4")
    counts[29], counts[11] = 3, 1
    path.write_bytes(b"\4" + bytes([206]) + struct.pack("<HHH", 1, 1101, 1) + counts.tobytes())
    assert read_interop(tmp_path).values()["interop.q30_percent"] == 75.0
    bins = bytes([1, 3]) + bytes([2, 10, 30]) + bytes([9, 29, 40]) + bytes([2, 12, 37])
    record = struct.pack("<HHH", 1, 1101, 1) + struct.pack("<III", 1, 2, 7)
    path.write_bytes(b"\6" + bytes([18]) + bins + record)
    found = read_interop(tmp_path)
    assert found.qualities.quality.tolist() == [2, 12, 37]
    assert found.values()["interop.q30_percent"] == 70.0
    record = struct.pack("<HIH", 1, 11101, 1) + struct.pack("<III", 1, 2, 7)
    path.write_bytes(b"\7" + bytes([20]) + bins + record)
    assert read_interop(tmp_path).qualities.tile.tolist() == [11101]


def test_extraction_and_error(tmp_path: Path) -> None:
    row = struct.pack("<HHH4f4HQ", 1, 1101, 1, 1, 1, 1, 1, 100, 200, 300, 400, 0)
    (tmp_path / "ExtractionMetricsOut.bin").write_bytes(b"\2" + bytes([38]) + row)
    row = struct.pack("<HHHf5I", 1, 1101, 1, 0.5, 0, 0, 0, 0, 0)
    row += struct.pack("<HHHf5I", 1, 1101, 2, 1.5, 0, 0, 0, 0, 0)
    (tmp_path / "ErrorMetricsOut.bin").write_bytes(b"\3" + bytes([30]) + row)
    values = read_interop(tmp_path).values()
    assert values == {"interop.first_cycle_intensity": 250.0, "interop.phix_error_percent": 1.0}
    row = struct.pack("<HIHf2H", 1, 1101, 1, 1.0, 100, 200)[:-4] + struct.pack("<f2H", 1.0, 100, 200)
    (tmp_path / "ExtractionMetricsOut.bin").write_bytes(b"\3" + bytes([20, 2]) + row)
    assert read_interop(tmp_path).values()["interop.first_cycle_intensity"] == 150.0
    (tmp_path / "ErrorMetricsOut.bin").write_bytes(b"\4" + bytes([12]) + struct.pack("<HIHf", 1, 11101, 1, 0.25))
    assert read_interop(tmp_path).values()["interop.phix_error_percent"] == 0.25


def test_indexes(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value)) + value.encode()

    row = struct.pack("<HHH", 1, 1101, 1) + text("ACGT-TTTT") + struct.pack("<I", 55) + text("S1") + text("P")
    path = tmp_path / "IndexMetricsOut.bin"
    path.write_bytes(b"\1" + row + row)
    found = read_interop(tmp_path).indexes
    assert [(i.barcode, i.sample, i.n_clusters) for i in found] == [("ACGT-TTTT", "S1", 55)] * 2
    path.write_bytes((b"\1" + row + row)[:-3])
    with pytest.raises(InputError, match="record 2: truncated"):
        read_interop(tmp_path)


def test_unknown_version_is_named(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / f"{name}.bin").write_bytes(bytes([99, 10]) + bytes(40))
    found = read_interop(tmp_path)
    assert found.warnings == tuple(f"{name}.bin: version 99 is not known, the file is not used" for name in FILES)
    assert found.values() == {}


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "TileMetricsOut.bin"
    path.write_bytes(b"\2\x0a" + bytes(19))
    with pytest.raises(InputError, match="truncated: found 19 bytes of records, expected a multiple of 10"):
        read_interop(tmp_path)
    path.write_bytes(b"\2\x0b" + bytes(11))
    with pytest.raises(InputError, match="byte 1: found records of 11 bytes, version 2 has 10"):
        read_interop(tmp_path)
    path.write_bytes(b"\2")
    with pytest.raises(InputError, match="truncated: found 1 bytes, expected at least 2"):
        read_interop(tmp_path)
    path.unlink()
    (tmp_path / "QMetricsOut.bin").write_bytes(bytes([6, 18, 1, 3, 2]))
    with pytest.raises(InputError, match="truncated: found 5 bytes, expected 13"):
        read_interop(tmp_path)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FILES),
    st.integers(0, 8),
    st.sampled_from([10, 15, 206, 38, 30, 12, 16, 18, 20]),
    st.binary(max_size=80),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, version: int, size: int, rest: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "InterOp"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.bin").write_bytes(bytes([version, size]) + rest)
    with contextlib.suppress(InputError):
        assert isinstance(read_interop(folder).values(), dict)
    (folder / f"{name}.bin").unlink()


@pytest.mark.parametrize("run", ["C2MFAACXX", "H7H7RADXX", "A7LE0", "H7BATADXX"])
def test_published_lane_densities(real_data: Path, run: str) -> None:
    folder = real_data / "run-folders" / "IlluminaLaneMetricsCollectorTest" / "tileRuns" / run
    lines = (folder / f"{run}.illumina_lane_metrics").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith(("#", "CLUSTER_DENSITY"))]
    tiles = read_interop(folder / "InterOp").tiles
    assert rows
    for density, lane in ((float(row[0]), int(row[1])) for row in rows):
        assert tiles.density[tiles.lane == lane].mean() / 1000 == pytest.approx(density / 1000, rel=1e-4)
