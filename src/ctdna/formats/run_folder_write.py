"""Write a run folder as a NovaSeq 6000 leaves it: CBCL, filter, locs, XML, sample sheet and InterOp files."""

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import escape

import deflate
import numpy as np
from numpy.typing import NDArray

from ctdna.model.params.simulate import SimulateDesign, SimulatedSample
from ctdna.model.simulated import BINS, Clusters

LANE = 1
_LEVEL = 1
_NO_CALL_BIN = 0
_WELLS_IN_ROW = 512
_PITCH = 3.2
_Q_COLUMNS = 50
_AREA_MM2 = 1.0


def tile_numbers(n_tiles: int) -> tuple[int, ...]:
    """Return the tiles of the lane: the first half on surface 1 (1101, ...), the rest on surface 2 (2101, ...)."""
    n_upper = -(-n_tiles // 2)
    upper = tuple(1101 + i for i in range(n_upper))
    return upper + tuple(2101 + i for i in range(n_tiles - n_upper))


def _tile_rows(n_clusters: int, n_tiles: int) -> list[slice]:
    wells = n_clusters // n_tiles
    return [slice(i * wells, (i + 1) * wells) for i in range(n_tiles)]


def _surfaces(n_tiles: int) -> Iterator[tuple[int, list[int]]]:
    numbers = tile_numbers(n_tiles)
    for surface in (1, 2):
        members = [i for i, number in enumerate(numbers) if number // 1000 == surface]
        if members:
            yield surface, members


def pack_nibbles(calls: NDArray[np.uint8]) -> bytes:
    """Return calls packed two a byte, the first in the low half; an odd last one stands with an empty high half."""
    padded = np.concatenate((calls, np.zeros(len(calls) % 2, dtype=np.uint8)))
    packed: NDArray[np.uint8] = padded[0::2] | (padded[1::2] << np.uint8(4))
    return packed.tobytes()


def cbcl_bytes(tiles: list[tuple[int, NDArray[np.uint8]]]) -> bytes:
    """Return a CBCL file of (tile number, calls of its clusters): header version 1, 2 bits a base, 2 bits a quality."""
    blocks, records = [], []
    for number, calls in tiles:
        packed = pack_nibbles(calls)
        block = bytes(deflate.gzip_compress(packed, _LEVEL))
        blocks.append(block)
        records.append(struct.pack("<4I", number, len(calls), len(packed), len(block)))
    bins = b"".join(struct.pack("<2I", i, _NO_CALL_BIN if i == 0 else quality) for i, quality in enumerate(BINS))
    tail = struct.pack("<I", len(BINS)) + bins + struct.pack("<I", len(tiles)) + b"".join(records) + b"\0"
    n_header = 2 + 4 + 2 + len(tail)
    return struct.pack("<HIBB", 1, n_header, 2, 2) + tail + b"".join(blocks)


def _write_cycles(folder: Path, clusters: Clusters, n_tiles: int, threads: int) -> None:
    rows = _tile_rows(len(clusters.calls), n_tiles)
    numbers = tile_numbers(n_tiles)
    lane = folder / "Data" / "Intensities" / "BaseCalls" / f"L{LANE:03d}"

    def write(cycle: int) -> None:
        cycle_folder = lane / f"C{cycle + 1}.1"
        cycle_folder.mkdir(parents=True)
        plane = np.ascontiguousarray(clusters.calls[:, cycle])
        for surface, members in _surfaces(n_tiles):
            tiles = [(numbers[i], plane[rows[i]]) for i in members]
            (cycle_folder / f"L{LANE:03d}_{surface}.cbcl").write_bytes(cbcl_bytes(tiles))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, range(clusters.calls.shape[1])))


def _write_filters(folder: Path, clusters: Clusters, n_tiles: int) -> None:
    lane = folder / "Data" / "Intensities" / "BaseCalls" / f"L{LANE:03d}"
    for number, rows in zip(tile_numbers(n_tiles), _tile_rows(len(clusters.passes), n_tiles), strict=True):
        flags = clusters.passes[rows].astype(np.uint8)
        (lane / f"s_{LANE}_{number}.filter").write_bytes(struct.pack("<III", 0, 3, len(flags)) + flags.tobytes())


def well_positions(n_wells: int) -> NDArray[np.float32]:
    """Return (n, 2) x and y of the wells of a patterned tile: rows of 512, every other row shifted by half a pitch."""
    well = np.arange(n_wells, dtype=np.int64)
    row, column = well // _WELLS_IN_ROW, well % _WELLS_IN_ROW
    places = np.stack((_PITCH * (column + 0.5 * (row % 2)), _PITCH * row), axis=1)
    return np.ascontiguousarray(places.astype(np.float32))


def _write_positions(folder: Path, n_wells: int) -> None:
    head = struct.pack("<IfI", 1, 1.0, n_wells)
    (folder / "Data" / "Intensities" / "s.locs").write_bytes(head + well_positions(n_wells).tobytes())


def _tile_metrics(clusters: Clusters, n_tiles: int) -> bytes:
    """Return TileMetricsOut.bin, version 2: density and count of clusters, all and passing."""
    out = [struct.pack("<BB", 2, 10)]
    for number, rows in zip(tile_numbers(n_tiles), _tile_rows(len(clusters.passes), n_tiles), strict=True):
        n, n_pass = rows.stop - rows.start, int(clusters.passes[rows].sum())
        for code, value in ((100, n / _AREA_MM2), (101, n_pass / _AREA_MM2), (102, n), (103, n_pass)):
            out.append(struct.pack("<HHHf", LANE, number, code, value))
    return b"".join(out)


def _quality_metrics(clusters: Clusters, n_tiles: int) -> bytes:
    """Return QMetricsOut.bin, version 4: clusters by quality 1 to 50, passing ones, by tile and cycle."""
    out = [struct.pack("<BB", 4, 6 + 4 * _Q_COLUMNS)]
    for number, rows in zip(tile_numbers(n_tiles), _tile_rows(len(clusters.passes), n_tiles), strict=True):
        passing = clusters.calls[rows][clusters.passes[rows]]
        for cycle in range(clusters.calls.shape[1]):
            counts = np.bincount(passing[:, cycle] >> np.uint8(2), minlength=len(BINS))
            histogram = np.zeros(_Q_COLUMNS, dtype="<u4")
            for quality, count in zip(BINS, counts, strict=True):
                histogram[quality - 1] = count
            out.append(struct.pack("<HHH", LANE, number, cycle + 1) + histogram.tobytes())
    return b"".join(out)


def _error_metrics(error_percent: NDArray[np.float64], n_tiles: int) -> bytes:
    """Return ErrorMetricsOut.bin, version 3: the spiked control's error rate by tile and cycle, in per cent."""
    out = [struct.pack("<BB", 3, 30)]
    for number in tile_numbers(n_tiles):
        for cycle, percent in enumerate(error_percent):
            out.append(struct.pack("<HHHf5I", LANE, number, cycle + 1, percent, 0, 0, 0, 0, 0))
    return b"".join(out)


def run_info_xml(design: SimulateDesign) -> str:
    """Return RunInfo.xml: reads in the order of the run, one lane, index 2 read forward."""
    run, first = design.run, design.samples[0]
    reads = ((run.read_bases, "N"), (len(first.index), "Y"), (len(first.index2), "Y"), (run.read_bases, "N"))
    numbers = tile_numbers(run.n_tiles)
    n_surfaces = len({number // 1000 for number in numbers})
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<RunInfo Version="5">',
        f'  <Run Id="{escape(run.run_id)}" Number="{run.number}">',
        f"    <Flowcell>{escape(run.flow_cell)}</Flowcell>",
        f"    <Instrument>{escape(run.instrument)}</Instrument>",
        f"    <Date>20{run.date[:2]}-{run.date[2:4]}-{run.date[4:]}T00:00:00Z</Date>",
        "    <Reads>",
    ]
    for number, (n, is_index) in enumerate(reads, 1):
        strand = ' IsReverseComplement="N"'
        lines.append(f'      <Read Number="{number}" NumCycles="{n}" IsIndexedRead="{is_index}"{strand} />')
    lines += [
        "    </Reads>",
        f'    <FlowcellLayout LaneCount="1" SurfaceCount="{n_surfaces}" SwathCount="1"'
        f' TileCount="{-(-run.n_tiles // 2)}">',
        '      <TileSet TileNamingConvention="FourDigit">',
        "        <Tiles>",
        *(f"          <Tile>{LANE}_{number}</Tile>" for number in numbers),
        "        </Tiles>",
        "      </TileSet>",
        "    </FlowcellLayout>",
        "  </Run>",
        "</RunInfo>",
    ]
    return "\n".join(lines) + "\n"


def run_parameters_xml(design: SimulateDesign) -> str:
    """Return RunParameters.xml with what identifies the instrument and its reagents."""
    run = design.run
    fields = {
        "RunId": run.run_id,
        "InstrumentName": run.instrument,
        "Application": "NovaSeq Control Software",
        "ApplicationVersion": "simulated",
        "RunNumber": str(run.number),
        "Side": "A",
        "SbsConsumableVersion": "1",
    }
    body = "".join(f"  <{name}>{escape(value)}</{name}>\n" for name, value in fields.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n<RunParameters>\n{body}</RunParameters>\n'


def _specimen_cells(sample: SimulatedSample) -> list[str]:
    specimen = sample.specimen
    values = (
        sample.sample_id,
        sample.role,
        specimen.subject_id,
        specimen.sex,
        specimen.diagnosis,
        specimen.stage,
        specimen.treatment,
        specimen.tube,
        specimen.drawn_at,
        specimen.plasma_separated_at,
        specimen.plasma_ml,
        specimen.input_ng,
        specimen.kit_lot,
        specimen.operator,
        specimen.cfdna_ng_per_ml,
    )
    texts = ("" if value is None else f"{value:g}" if isinstance(value, float) else value for value in values)
    return [f'"{text}"' if "," in text else text for text in texts]


def sample_sheet_csv(design: SimulateDesign, kit: str) -> str:
    """Return the sample sheet, version 2, with the kit and what is known of each sample."""
    first, run = design.samples[0], design.run
    lines = [
        "[Header]",
        "FileFormatVersion,2",
        f"RunName,{run.run_id}",
        "InstrumentPlatform,NovaSeq",
        "IndexOrientation,Forward",
        "",
        "[Reads]",
        f"Read1Cycles,{run.read_bases}",
        f"Read2Cycles,{run.read_bases}",
        f"Index1Cycles,{len(first.index)}",
        f"Index2Cycles,{len(first.index2)}",
        "",
        "[BCLConvert_Settings]",
        "SoftwareVersion,4.0.3",
        "",
        "[BCLConvert_Data]",
        "Lane,Sample_ID,Index,Index2",
        *(f"{LANE},{s.sample_id},{s.index},{s.index2}" for s in design.samples),
        "",
        "[Ctdna_Settings]",
        f"Kit,{kit}",
        "",
        "[Ctdna_Data]",
        "Sample_ID,Sample_Type,Subject_ID,Sex,Diagnosis,Stage,Treatment,Tube,Drawn_At,Plasma_Separated_At,Plasma_mL,"
        "Input_ng,Kit_Lot,Operator,CfDNA_ng_per_mL",
        *(",".join(_specimen_cells(sample)) for sample in design.samples),
    ]
    return "\n".join(lines) + "\n"


def write_run_folder(
    folder: Path,
    clusters: Clusters,
    design: SimulateDesign,
    kit: str,
    error_percent: NDArray[np.float64],
    threads: int = 1,
) -> None:
    """Fill an empty folder with the run; the completion markers come last.

    `error_percent` is the spiked control's error rate by cycle. The tiles must be equally large.
    """
    n_tiles = design.run.n_tiles
    _write_cycles(folder, clusters, n_tiles, threads)
    _write_filters(folder, clusters, n_tiles)
    _write_positions(folder, len(clusters.calls) // n_tiles)
    interop = folder / "InterOp"
    interop.mkdir()
    (interop / "TileMetricsOut.bin").write_bytes(_tile_metrics(clusters, n_tiles))
    (interop / "QMetricsOut.bin").write_bytes(_quality_metrics(clusters, n_tiles))
    (interop / "ErrorMetricsOut.bin").write_bytes(_error_metrics(error_percent, n_tiles))
    (folder / "RunInfo.xml").write_text(run_info_xml(design), "utf-8")
    (folder / "RunParameters.xml").write_text(run_parameters_xml(design), "utf-8")
    (folder / "SampleSheet.csv").write_text(sample_sheet_csv(design, kit), "utf-8")
    for marker in ("RTAComplete.txt", "CopyComplete.txt"):
        (folder / marker).write_text("simulated\n", "utf-8")
