"""Sample sheets: what is accepted, and the line of every error."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.sample_sheet import check_collisions, read_sample_sheet
from ctdna.model.errors import InputError

V1 = """[Header]
IEMFileVersion,4
[Reads]
151
151
[Settings]
Adapter,AGATCGG
[Data]
Lane,Sample_ID,Sample_Name,index,index2
1,S1,,ACGTACGT,TTGGCCAA
2,S1,,ACGTACGT,TTGGCCAA
1,S2,,GGGGACGT,AAGGCCTT
"""
V2 = """[Header]
FileFormatVersion,2
[Reads]
Read1Cycles,151
Index1Cycles,8
[BCLConvert_Settings]
BarcodeMismatchesIndex1,0
OverrideCycles,U5Y146;I8;I8;U5Y146
[BCLConvert_Data]
Sample_ID,Index,Index2
NTC,ACGTACGT,TTGGCCAA
P-1,GGGGACGT,AAGGCCTT
[Ctdna_Settings]
Kit,cfdna-demo@1.0.0
[Ctdna_Data]
Sample_ID,Sample_Type,Subject_ID,Sex,Drawn_At,Plasma_mL,Input_ng,Kit_Lot
NTC,no_template_control,,,,,,
P-1,Patient,SUBJ-7,f,2026-01-31,4.5,20,L01
"""


def _read(tmp_path: Path, text: str | bytes) -> object:
    path = tmp_path / "SampleSheet.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_sample_sheet(path)


def test_version_1(tmp_path: Path) -> None:
    sheet = _read(tmp_path, V1)
    assert sheet.version == 1
    assert sheet.cycles == {"Read1": 151, "Read2": 151}
    assert [(s.sample_id, s.index, s.index2, s.lanes) for s in sheet.samples] == [
        ("S1", "ACGTACGT", "TTGGCCAA", (1, 2)),
        ("S2", "GGGGACGT", "AAGGCCTT", (1,)),
    ]
    assert all(s.role == "patient" for s in sheet.samples)
    assert sheet.warnings == ("Sample_Type is not given in [Ctdna_Data], taken as patient: S1, S2",)


def test_version_2_with_specimens(tmp_path: Path) -> None:
    sheet = _read(tmp_path, V2)
    assert sheet.version == 2
    assert sheet.kit == "cfdna-demo@1.0.0"
    assert sheet.warnings == ()
    ntc, patient = sheet.samples
    assert ntc.role == "no_template_control"
    assert patient.role == "patient"
    specimen = patient.specimen
    assert (specimen.subject_id, specimen.sex, specimen.plasma_ml, specimen.input_ng) == ("SUBJ-7", "F", 4.5, 20.0)
    assert specimen.drawn_at == "2026-01-31"
    assert specimen.diagnosis is None
    assert sheet.placements[0].mismatches == (0, None)
    assert sheet.placements[0].override_cycles == "U5Y146;I8;I8;U5Y146"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace(",", " , ").replace("\n", " \n").encode(),
        lambda text: text.replace("\n", ",,,\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: ("# a remark\n" + text).encode(),
    ],
    ids=["byte-order mark", "windows", "spaces", "commas", "blank lines", "remark"],
)
def test_harmless_forms_change_nothing(tmp_path: Path, change: object) -> None:
    plain = _read(tmp_path, V2)
    changed = _read(tmp_path, change(V2))
    assert changed.samples == plain.samples
    assert changed.kit == plain.kit


def test_unknown_columns_of_illumina_warn(tmp_path: Path) -> None:
    sheet = _read(tmp_path, V1.replace("Sample_Name", "Colour"))
    assert "[Data]: column 'Colour' is not known and not used" in sheet.warnings


@pytest.mark.req("REQ-DMX-008")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"found no section"),
        ("id,name\n1,2\n", r"line 1: found 'id' before any section"),
        ("[Header]\n[Reads]\n", r"found sections \[Header\], \[Reads\], but neither \[Data\] nor"),
        (V1 + "[data]\n", r"line 13: found section \[data\] again \(first on line 8\)"),
        ("[Data];;\nSample_ID;index\n", r"line 1: found section title '\[Data\];;'.*separate fields by commas"),
        ("[Data]\n", r"line 1: found an empty section \[Data\]"),
        ("[Data]\nSample_ID\n", r"line 1: found no sample in \[Data\]"),
        ("[Data]\nName\nx\n", r"line 2: found columns Name, but no Sample_ID"),
        ("[Data]\nSample_ID,index,INDEX\nx\n", r"line 2: found column 'index' 2 times"),
        ("[Data]\nSample_ID,,index\nx\n", r"line 2: found a nameless column"),
        ("[Data]\nSample_ID\nx,y\n", r"line 3: found 2 cells, the section has 1 columns"),
        ('[Data]\nSample_ID\n"x\n', r"line 3: not a line of CSV"),
        ("[Data]\nSample_ID\n../x\n", r"line 3: found Sample_ID '../x', allowed are letters, digits, dash"),
        ("[Data]\nSample_ID\nx;rm\n", r"line 3: found Sample_ID 'x;rm', allowed"),
        ("[Data]\nSample_ID\n" + "x" * 101 + "\n", r"line 3: found Sample_ID 'xxx.*at most 100"),
        ("[Data]\nSample_ID,index\nx,ACGT\nundetermined,ACGA\n", r"line 4: found Sample_ID 'Undetermined'"),
        ("[Data]\nSample_ID,index\nx,ACGT\nX,GGGG\n", r"line 4: found Sample_ID 'X', taken by 'x' \(line 3\)"),
        ("[Data]\nSample_ID,index\nx,ACGT\nx,GGGG\n", r"line 4: found Sample_ID 'x' again \(first on line 3\)"),
        ("[Data]\nSample_ID,index\nx,ACGT\ny,ACGT\n", r"line 4: found ACGT for 'y' and for 'x' \(line 3\)"),
        ("[Data]\nSample_ID,index\nx,ACGT\ny,ACGTA\n", r"line 4: found barcodes of 5\+0 bases, but 4\+0 on line 3"),
        ("[Data]\nSample_ID,index\nx,AC-T\n", r"line 3: found index 'AC-T', allowed are the letters A, C, G, T"),
        ("[Data]\nSample_ID,index,index2\nx,,ACGT\n", r"line 3: found index2 but no index"),
        ("[Data]\nLane,Sample_ID\nzero,x\n", r"line 3: found Lane 'zero', allowed is a whole number from 1 to 99"),
        (
            "[Data]\nLane,Sample_ID,index\n1,x,ACGT\n2,x,GGGG\n",
            r"line 4: found other barcodes for 'x' than on line 3",
        ),
        ("[Header]\nFileFormatVersion,3\n[Data]\nSample_ID\nx\n", r"FileFormatVersion '3', allowed are 1 and 2"),
        ("[Reads]\nmany\n[Data]\nSample_ID\nx\n", r"line 2: found 'many', expected a number of cycles"),
        ("[Settings]\na,1\na,2\n[Data]\nSample_ID\nx\n", r"line 3: found a = '2', but '1' before"),
        ("[Data]\nSample_ID,OverrideCycles\nx,Y5Z3\n", r"line 3: OverrideCycles: found read 'Y5Z3', allowed are Y, I"),
        ("[Data]\nSample_ID,BarcodeMismatchesIndex1\nx,3\n", r"found BarcodeMismatchesIndex1 '3', allowed is a whole"),
        (V2.replace("[Ctdna_Data]", "[Ctdna_Sample]"), r"line 15: found section \[Ctdna_Sample\], allowed are"),
        (V2.replace("Kit,", "Kid,"), r"found setting 'Kid' in \[Ctdna_Settings\], allowed is Kit"),
        (V2.replace("@1.0.0", ""), r"found Kit 'cfdna-demo', expected name@version"),
        (V2.replace("Kit_Lot", "Lot"), r"line 16: found column 'Lot' in \[Ctdna_Data\], allowed are Sample_ID, Sam"),
        (V2.replace("NTC,no_", "NTX,no_"), r"line 17: found Sample_ID 'NTX', which is no sample of the data section"),
        (V2.replace("P-1,Pat", "NTC,Pat"), r"line 18: found Sample_ID 'NTC' again \(first on line 17\)"),
        (V2.replace("Patient", "blood"), r"line 18: found Sample_Type 'blood', allowed are patient, positive_control"),
        (V2.replace("2026-01-31", "31.1.26"), r"line 18: found drawn_at '31.1.26'; allowed is a date"),
        (
            V2.replace("Sample_ID,Sample_Type", "Sample_Type,Stage"),
            r"line 16: found no column Sample_ID in \[Ctdna_Data",
        ),
        (V2.replace("L01", "x" * 201), r"line 18: found kit_lot 'xxx.*allowed are up to 200 printable characters"),
        (V2.replace("4.5", "4,5"), r"line 18: found 9 cells, the section has 8 columns"),
        (V2.replace("4.5", "much"), r"line 18: found plasma_ml 'much'; allowed is a number with a decimal point"),
        (V2.replace(",f,", ",w,"), r"line 18: found sex 'w'; allowed are F and M"),
        (V2.replace("SUBJ-7", "Jo Doe"), r"line 18: found subject_id 'Jo Doe'; allowed is a pseudonym"),
    ],
)
def test_every_error_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(tmp_path, text)


def test_other_encodings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found UTF-16 or binary data, expected UTF-8"):
        _read(tmp_path, V1.encode("utf-16"))
    with pytest.raises(InputError, match=r"line 2: found byte 0xe9, expected UTF-8"):
        _read(tmp_path, b"[Header]\nname,Ren\xe9\n")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_sample_sheet(tmp_path / "none.csv")


@pytest.mark.req("REQ-DMX-003")
def test_collisions_within_the_budget(tmp_path: Path) -> None:
    text = "[Data]\nLane,Sample_ID,index,index2\n1,x,AAAA,CCCC\n1,y,AATT,CCCC\n2,z,AATT,CCCC\n"
    sheet = _read(tmp_path, text)
    path = tmp_path / "SampleSheet.csv"
    check_collisions(path, sheet, (0, 0))
    message = r"line 4: barcodes of 'y' and 'x' \(line 3\) differ in 2\+0 bases"
    with pytest.raises(InputError, match=message):
        check_collisions(path, sheet, (1, 1))
    other = _read(tmp_path, text.replace("1,y,AATT,CCCC", "1,y,AATT,CGGG"))
    check_collisions(path, other, (1, 1))


PIECES = st.sampled_from(
    [
        "[Data]",
        "[Header]",
        "[Ctdna_Data]",
        "[Reads]",
        "Sample_ID",
        "index",
        "Lane",
        "S1",
        "ACGT",
        ",",
        "\n",
        '"',
        "\0",
        "1",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=30))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes("".join(pieces).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(InputError):
        assert read_sample_sheet(path).samples


def test_published_sheets(real_data: Path) -> None:
    sheets = sorted((real_data / "samplesheets").rglob("*.csv"))
    parsed = {}
    for path in sheets:
        if path.name == "input_samplesheet.csv":  # a list of sheets, not a sheet
            with pytest.raises(InputError, match="line 1: found 'id' before any section"):
                read_sample_sheet(path)
            continue
        parsed[path.name] = read_sample_sheet(path)
    assert len(parsed) == len(sheets) - 1
    novaseq = parsed["NovaSeqX_samplesheet2.csv"]
    assert [(s.sample_id, s.lanes) for s in novaseq.samples][:2] == [("NA12878_77", (1, 2)), ("cfDNA005_01", (1, 2))]
    assert novaseq.placements[0].override_cycles == "Y151;I8N11;N2I8;Y151"
    assert parsed["illumina_adapters.csv"].version == 1
