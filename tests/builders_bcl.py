"""Encoders of run folders, written from the format descriptions, for tests."""

import gzip
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BINS = (0, 12, 23, 37)


def encode_call(base: str, quality: int) -> int:
    return 0 if base == "N" else "ACGT".index(base) | quality << 2


def encode_bcl(calls: NDArray[np.uint8]) -> bytes:
    return struct.pack("<I", len(calls)) + calls.tobytes()


def encode_bgzf(content: bytes, block: int = 50) -> bytes:
    import zlib

    out = b""
    for at in range(0, len(content), block):
        piece = content[at : at + block]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(piece) + packer.flush()
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(packed) + 25)
        out += head + packed + struct.pack("<II", zlib.crc32(piece), len(piece))
    return out + EOF_BLOCK


def encode_filter(passing: NDArray[np.uint8], version: int = 3) -> bytes:
    if version == 3:
        return struct.pack("<III", 0, 3, len(passing)) + passing.tobytes()
    return struct.pack("<I", len(passing)) + passing.tobytes()


def encode_locs(places: list[tuple[float, float]]) -> bytes:
    return struct.pack("<IfI", 1, 1.0, len(places)) + b"".join(struct.pack("<ff", x, y) for x, y in places)


def encode_clocs(blocks: list[list[tuple[int, int]]]) -> bytes:
    body = b"".join(bytes([len(block)]) + bytes(v for place in block for v in place) for block in blocks)
    return struct.pack("<BI", 1, len(blocks)) + body


def encode_nibbles(calls: NDArray[np.uint8]) -> bytes:
    nibbles = [0 if call == 0 else (int(call) & 3) | BINS.index(int(call) >> 2) << 2 for call in calls]
    if len(nibbles) % 2:
        nibbles.append(0)
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))


def encode_cbcl(tiles: dict[int, NDArray[np.uint8]], *, only_passing: bool = False, size_error: int = 0) -> bytes:
    """Encode tiles of calls (qualities of BINS alone); `size_error` is taken from every compressed size."""
    records, blocks = b"", b""
    for tile, calls in sorted(tiles.items()):
        content = encode_nibbles(calls)
        block = gzip.compress(content, mtime=0)
        records += struct.pack("<IIII", tile, len(calls), len(content), len(block) - size_error)
        blocks += block
    bins = b"".join(struct.pack("<II", i, quality) for i, quality in enumerate(BINS))
    n_header = 12 + len(bins) + 4 + len(records) + 1
    head = struct.pack("<HIBBI", 1, n_header, 2, 2, len(BINS))
    return head + bins + struct.pack("<I", len(tiles)) + records + bytes([only_passing]) + blocks


def run_info(reads: list[tuple[int, str]], *, lanes: int = 1, flags: str = "", instrument: str = "M00001") -> str:
    """Return a RunInfo.xml; reads are (cycles, `T` or `B`), `flags` further attributes of the last index read."""
    rows = []
    last = max((i for i, (_, kind) in enumerate(reads) if kind == "B"), default=-1)
    for i, (cycles, kind) in enumerate(reads):
        index = "Y" if kind == "B" else "N"
        more = f" {flags}" if i == last else ""
        rows.append(f'<Read Number="{i + 1}" NumCycles="{cycles}" IsIndexedRead="{index}"{more} />')
    return (
        '<?xml version="1.0"?><RunInfo Version="2"><Run Id="260101_M00001_0007_FC1" Number="7">'
        f"<Flowcell>FC1</Flowcell><Instrument>{instrument}</Instrument><Date>260101</Date>"
        f'<Reads>{"".join(rows)}</Reads><FlowcellLayout LaneCount="{lanes}" SurfaceCount="1" SwathCount="1" '
        'TileCount="2" /></Run></RunInfo>'
    )


@dataclass
class Tile:
    """Clusters of one tile: template and index reads in the order of sequencing, joined."""

    calls: NDArray[np.uint8]
    """(clusters, cycles)."""
    passing: NDArray[np.uint8]
    places: list[tuple[float, float]] = field(default_factory=list)


def tile_of(reads: list[str], qualities: int | list[int] = 37, passing: list[int] | None = None) -> Tile:
    """Return a tile from joined reads as text, all of one quality or one quality a cluster."""
    per = [qualities] * len(reads) if isinstance(qualities, int) else qualities
    calls = np.array([[encode_call(b, q) for b in read] for read, q in zip(reads, per, strict=True)], dtype=np.uint8)
    flags = np.array(passing if passing is not None else [1] * len(reads), dtype=np.uint8)
    return Tile(calls, flags, [(float(i), float(2 * i)) for i in range(len(reads))])


def _write_cycles(base: Path, lane: int, tiles: dict[int, Tile], kind: str) -> None:
    folder = base / f"L{lane:03d}"
    folder.mkdir(parents=True)
    n_cycles = next(iter(tiles.values())).calls.shape[1]
    for cycle in range(1, n_cycles + 1):
        planes = {number: np.ascontiguousarray(tile.calls[:, cycle - 1]) for number, tile in tiles.items()}
        if kind == "bcl.bgzf":
            whole = np.concatenate([planes[number] for number in sorted(planes)])
            (folder / f"{cycle:04d}.bcl.bgzf").write_bytes(encode_bgzf(encode_bcl(whole)))
            continue
        part = folder / f"C{cycle}.1"
        part.mkdir()
        if kind.startswith("cbcl"):
            only = kind == "cbcl-passing"
            chosen = {n: plane[tiles[n].passing == 1] if only else plane for n, plane in planes.items()}
            error = 1 if kind == "cbcl-short" else 0
            (part / f"L{lane:03d}_1.cbcl").write_bytes(encode_cbcl(chosen, only_passing=only, size_error=error))
            continue
        for number, plane in planes.items():
            data = encode_bcl(plane)
            if kind == "bcl.gz":
                (part / f"s_{lane}_{number}.bcl.gz").write_bytes(gzip.compress(data, mtime=0))
            else:
                (part / f"s_{lane}_{number}.bcl").write_bytes(data)


def write_run_folder(
    path: Path,
    reads: list[tuple[int, str]],
    lanes: dict[int, dict[int, Tile]],
    kind: str = "bcl",
    *,
    flags: str = "",
    instrument: str = "M00001",
) -> Path:
    """Write a complete run folder; `kind` is bcl, bcl.gz, bcl.bgzf, cbcl, cbcl-passing or cbcl-short."""
    base = path / "Data" / "Intensities" / "BaseCalls"
    for lane, tiles in lanes.items():
        _write_cycles(base, lane, tiles, kind)
        places = path / "Data" / "Intensities" / f"L{lane:03d}"
        places.mkdir()
        if kind == "bcl.bgzf":
            ordered = [tiles[number] for number in sorted(tiles)]
            index = b"".join(struct.pack("<II", n, len(tiles[n].passing)) for n in sorted(tiles))
            (base / f"L{lane:03d}" / f"s_{lane}.bci").write_bytes(index)
            passing = np.concatenate([tile.passing for tile in ordered])
            (base / f"L{lane:03d}" / f"s_{lane}.filter").write_bytes(encode_filter(passing))
            (places / f"s_{lane}.locs").write_bytes(encode_locs([p for tile in ordered for p in tile.places]))
            continue
        for number, tile in tiles.items():
            (base / f"L{lane:03d}" / f"s_{lane}_{number}.filter").write_bytes(encode_filter(tile.passing))
            (places / f"s_{lane}_{number}.locs").write_bytes(encode_locs(tile.places))
    (path / "RunInfo.xml").write_text(run_info(reads, lanes=len(lanes), flags=flags, instrument=instrument))
    (path / "RTAComplete.txt").write_text("done\n")
    return path


def write_sheet(path: Path, rows: list[str], columns: str = "Sample_ID,Index,Index2", extra: str = "") -> Path:
    """Write a version 2 sample sheet."""
    text = f"[Header]\nFileFormatVersion,2\n\n[BCLConvert_Data]\n{columns}\n" + "\n".join(rows) + "\n\n" + extra
    path.write_text(text)
    return path
