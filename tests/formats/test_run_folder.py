"""Run folders: completeness, RunInfo.xml, RunParameters.xml."""

from pathlib import Path

import pytest

from ctdna.formats.run_folder import layout_of_structure, open_run_folder, read_layout, require_complete
from ctdna.model.errors import InputError
from tests.builders_bcl import run_info, tile_of, write_run_folder


def _run(tmp_path: Path) -> Path:
    return write_run_folder(tmp_path / "run", [(4, "T"), (2, "B")], {1: {1101: tile_of(["ACGTAC"])}})


def test_layout(tmp_path: Path) -> None:
    layout = read_layout(_run(tmp_path))
    assert (layout.run_id, layout.run_number, layout.instrument) == ("260101_M00001_0007_FC1", "7", "M00001")
    assert layout.flow_cell == "FC1"
    assert [(r.n_cycles, r.is_index, r.is_reverse_complement) for r in layout.reads] == [
        (4, False, None),
        (2, True, None),
    ]
    assert layout.n_lanes == 1
    assert layout.instrument_type == "MiSeq"


@pytest.mark.parametrize(
    ("instrument", "parameters", "kind", "version"),
    [
        ("NB501234", None, "NextSeq 500/550", None),
        ("VH00123", None, "NextSeq 1000/2000", None),
        ("LH00123", None, "NovaSeq X", None),
        ("A00123", "<SbsConsumableVersion>3</SbsConsumableVersion>", "NovaSeq 6000", "3"),
        ("X1", "<InstrumentType>NextSeq 2000</InstrumentType>", "NextSeq 1000/2000", None),
        ("X1", "<Setup><ApplicationName>HiSeq X Control Software</ApplicationName></Setup>", "HiSeq X", None),
        ("X1", "<Application>MiSeq Control Software</Application>", "MiSeq", None),
        ("X1", "<Other>1</Other>", None, None),
    ],
)
def test_instruments(
    tmp_path: Path, instrument: str, parameters: str | None, kind: str | None, version: str | None
) -> None:
    (tmp_path / "RunInfo.xml").write_text(run_info([(4, "T")], instrument=instrument))
    if parameters:
        (tmp_path / "runParameters.xml").write_text(f"<RunParameters>{parameters}</RunParameters>")
    layout = read_layout(tmp_path)
    assert (layout.instrument_type, layout.reagent_version) == (kind, version)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("<Date>130401</Date>", "2013-04-01"),
        ("<Date>20230115</Date>", "2023-01-15"),
        ("<Date>2023-01-15T09:41:12Z</Date>", "2023-01-15"),
        ("<Date>11/20/2018 3:37:50 PM</Date>", "2018-11-20"),
        ("<Date> 1/5/2019 11:02:03 AM </Date>", "2019-01-05"),
        ("<Date>20/11/2018</Date>", None),
        ("<Date>yesterday</Date>", None),
        ("<Date></Date>", None),
        ("", None),
    ],
)
def test_the_day_on_which_the_run_began(tmp_path: Path, text: str, day: str | None) -> None:
    written = run_info([(4, "T")]).replace("<Date>260101</Date>", text)
    (tmp_path / "RunInfo.xml").write_text(written)
    assert read_layout(tmp_path).date == day


def test_reverse_complement_flags(tmp_path: Path) -> None:
    (tmp_path / "RunInfo.xml").write_text(run_info([(4, "T"), (2, "B")], flags='IsReverseComplement="Y"'))
    assert read_layout(tmp_path).reads[1].is_reverse_complement is True


@pytest.mark.req("REQ-DMX-006")
def test_incomplete(tmp_path: Path) -> None:
    path = _run(tmp_path)
    (path / "RTAComplete.txt").unlink()
    (path / "RTARead1Complete.txt").touch()
    with pytest.raises(InputError, match=r"found none of CopyComplete\.txt, .* \(1 reads are marked as complete\)"):
        open_run_folder(path)
    with pytest.raises(InputError, match="found no folder of this name"):
        require_complete(tmp_path / "none")
    (path / "CopyComplete.txt").touch()
    assert open_run_folder(path).lanes[0].tiles == (1101,)


@pytest.mark.req("REQ-SEC-004")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-5], "not well-formed XML"),
        (lambda text: text.replace("<RunInfo", "<!DOCTYPE x><RunInfo"), "found a DOCTYPE"),
        (lambda text: text.replace("RunInfo", "Run1"), r"<Run1>: found no <RunInfo> with a <Run>"),
        (lambda text: text.replace('NumCycles="4"', 'NumCycles="four"'), r"<Read>: found NumCycles 'four'"),
        (lambda text: text.replace('IsIndexedRead="N"', 'IsIndexedRead="?"'), r"found IsIndexedRead '\?', allowed"),
        (lambda text: text.replace('Number="2"', 'Number="1"'), r"<Reads>: found reads \[1, 1\]"),
        (lambda text: text.replace("<Flowcell>FC1", "<Flowcell>../x"), r"found Flowcell '\.\./x', allowed"),
        (lambda text: text.replace("<Instrument>M00001", "<Instrument>"), r"found Instrument ''"),
    ],
)
def test_wrong_run_info(tmp_path: Path, change: object, message: str) -> None:
    (tmp_path / "RunInfo.xml").write_text(change(run_info([(4, "T"), (2, "B")])))
    with pytest.raises(InputError, match=message):
        read_layout(tmp_path)


def test_missing_pieces(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found no RunInfo\.xml; .*--read-structure"):
        read_layout(tmp_path)
    path = _run(tmp_path)
    with pytest.raises(InputError, match=r"BaseCalls: lane 3: found no folder L003"):
        open_run_folder(path, lanes=(3,))
    info = path / "RunInfo.xml"
    info.write_text(info.read_text().replace('LaneCount="1"', 'LaneCount="2"'))
    with pytest.raises(InputError, match=r"BaseCalls: lane 2: found no folder L002"):
        open_run_folder(path)
    (path / "Data").rename(path / "Other")
    with pytest.raises(InputError, match="found no Data/Intensities/BaseCalls/L001"):
        open_run_folder(path)


def test_read_structure() -> None:
    layout = layout_of_structure("25T8B25T", "part")
    assert [(read.n_cycles, read.is_index) for read in layout.reads] == [(25, False), (8, True), (25, False)]
    for wrong in ("", "25", "25X", "0T", "T25"):
        with pytest.raises(InputError, match="--read-structure: found '"):
            layout_of_structure(wrong, "part")


def test_published_run_info(real_data: Path) -> None:
    folder = real_data / "run-folders" / "IlluminaLaneMetricsCollectorTest" / "130401_SL-HAC_0022_BH07PBADXX"
    layout = read_layout(folder)
    assert layout.flow_cell == "BH07PBADXX"
    assert [read.n_cycles for read in layout.reads] == [101, 8, 101]
