"""`ctdna demultiplex` as a user runs it."""

import gzip
import itertools
import json
import os
import resource
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.demultiplex import command
from ctdna.cli.demultiplex_run import allow_open_files
from ctdna.model.errors import CtdnaError, InputError, ProgramError
from ctdna.model.metrics import StageMetrics
from tests.builders_bcl import Tile, tile_of, write_run_folder, write_sheet

READS = [(5, "T"), (4, "B"), (4, "B"), (3, "T")]
KINDS = ["bcl", "bcl.gz", "bcl.bgzf", "cbcl", "cbcl-passing", "cbcl-short"]
pytestmark = pytest.mark.timeout(60)


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, CtdnaError):
        raise result.exception
    assert result.exception is None, result.output
    return result


def _lanes() -> dict[int, dict[int, Tile]]:
    one = tile_of(["ACGTAAAAACCCCTTG", "CCCCCGGTTTTGGAAA", "GGGGGAAAATTGGCCC"], [37, 12, 23], [1, 1, 1])
    two = tile_of(["TTTTTAAATCCCCACA", "ACACACCCCCCCCGTG"], 37, [1, 0])
    return {1: {1101: one, 1102: two}, 2: {1101: tile_of(["GATTAGGTTTTGGCAT"])}}


def _folder(tmp_path: Path, kind: str = "bcl", **more: str) -> Path:
    path = write_run_folder(tmp_path / "run", READS, _lanes(), kind, **more)
    write_sheet(path / "SampleSheet.csv", ["S1,AAAA,CCCC", "S2,GGTT,TTGG", "S3,CATG,GTAC"])
    return path


def _text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


@pytest.mark.req("REQ-DMX-001")
@pytest.mark.parametrize("kind", KINDS)
def test_every_encoding_gives_the_same_reads(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "out"
    _run(_folder(tmp_path, kind), "--output", output)
    name = "M00001:7:FC1"
    assert _text(output / "S1_R1.fastq.gz") == (
        f"@{name}:1:1101:1000:1000 1:N:0:AAAA+CCCC\nACGTA\n+\nFFFFF\n"
        f"@{name}:1:1102:1000:1000 1:N:0:AAAT+CCCC\nTTTTT\n+\nFFFFF\n"
    )
    assert _text(output / "S2_R2.fastq.gz") == (
        f"@{name}:1:1101:1010:1020 2:N:0:GGTT+TTGG\nAAA\n+\n---\n"
        f"@{name}:2:1101:1000:1000 2:N:0:GGTT+TTGG\nCAT\n+\nFFF\n"
    )
    assert _text(output / "S3_R1.fastq.gz") == ""
    assert _text(output / "Undetermined_R1.fastq.gz").startswith(f"@{name}:1:1101:1020:1040 1:N:0:AAAA+TTGG\nGGGGG\n")
    metrics = StageMetrics.model_validate_json((output / "demultiplex.json").read_text())
    assert (metrics.sample, metrics.unit) == ("260101_M00001_0007_FC1", "clusters")
    assert (metrics.n_in, metrics.n_out) == (6, 4)
    assert metrics.rejected == {"failed_filter": 1, "undetermined": 1}
    hopping = (output / "index_hopping.tsv").read_text().splitlines()
    assert hopping[1:] == ["1\tAAAA\tTTGG\tS1\tS2\t1"]
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_threads_change_no_byte(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    for threads in (1, 4):
        _run(path, "--output", tmp_path / f"out{threads}", "--threads", threads)
    names = sorted(file.name for file in (tmp_path / "out1").iterdir())
    assert len(names) == 8 + 5
    for name in names:
        assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out4" / name).read_bytes(), name


def test_failed_clusters_on_demand(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    write_sheet(path / "SampleSheet.csv", ["S1,CCCC,CCCC"])
    _run(path, "--output", tmp_path / "out", "--include-failed")
    assert _text(tmp_path / "out" / "S1_R1.fastq.gz").split("\n")[0].endswith(" 1:Y:0:CCCC+CCCC")
    metrics = json.loads((tmp_path / "out" / "demultiplex.json").read_text())
    assert metrics["rejected"] == {"failed_filter": 0, "undetermined": 5}
    assert metrics["counts"]["failed_filter"] == 1


def test_sheet_limits_and_options(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    sheet = path / "SampleSheet.csv"
    sheet.write_text(sheet.read_text() + "[BCLConvert_Settings]\nBarcodeMismatchesIndex1,0\n")
    _run(path, "--output", tmp_path / "strict")
    assert _text(tmp_path / "strict" / "S1_R1.fastq.gz").count("@") == 1
    _run(path, "--output", tmp_path / "loose", "--barcode-mismatches", 1, 1)
    assert _text(tmp_path / "loose" / "S1_R1.fastq.gz").count("@") == 2
    _run(path, "--output", tmp_path / "kit", "--kit", "ctdna-demo@1.0.0")
    assert _text(tmp_path / "kit" / "S1_R1.fastq.gz").count("@") == 2


def test_lane_choice(tmp_path: Path) -> None:
    result = _run(_folder(tmp_path), "--output", tmp_path / "out", "--lane", 2)
    assert _text(tmp_path / "out" / "S2_R1.fastq.gz").count("@") == 1
    assert "warning: SampleSheet.csv: Sample_Type is not given" in result.stderr


def test_kit_refuses_contradiction(tmp_path: Path) -> None:
    arguments = [_folder(tmp_path), "--output", tmp_path / "out", "--kit", "ctdna-demo@1.0.0"]
    with pytest.raises(InputError, match=r"--barcode-mismatches: found \(0, 1\), but kit ctdna-demo@1\.0\.0 sets"):
        _run(*arguments, "--barcode-mismatches", 0, 1)
    _run(*arguments, "--barcode-mismatches", 1, 1)


@pytest.mark.req("REQ-DMX-009")
def test_sheet_of_another_kit(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    sheet = path / "SampleSheet.csv"
    sheet.write_text(sheet.read_text() + "[Ctdna_Settings]\nKit,other@1.0.0\n")
    with pytest.raises(InputError, match=r"found Kit other@1\.0\.0, the command line says ctdna-demo@1\.0\.0"):
        _run(path, "--output", tmp_path / "out", "--kit", "ctdna-demo@1.0.0")


@pytest.mark.req("REQ-DMX-003")
def test_collisions_are_refused(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    write_sheet(path / "SampleSheet.csv", ["S1,AAAA,CCCC", "S2,AATT,CCCC"])
    with pytest.raises(InputError, match=r"line 7: barcodes of 'S2' and 'S1' \(line 6\) differ in 2\+0"):
        _run(path, "--output", tmp_path / "out")
    _run(path, "--output", tmp_path / "out", "--barcode-mismatches", 0, 0)


@pytest.mark.req("REQ-DMX-005")
def test_wrong_orientation_stops_early(tmp_path: Path) -> None:
    tile = tile_of(["ACGTAAAAACCGTTTG"] * 120)
    path = write_run_folder(tmp_path / "run", READS, {1: {1101: tile}}, instrument="NB500001")
    write_sheet(path / "SampleSheet.csv", ["S1,AAAA,CCGT"])
    message = r"lane 1, tile 1101: index 2 of most clusters fits .* run with --index2-orientation forward"
    with pytest.raises(InputError, match=message):
        _run(path, "--output", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    _run(path, "--output", tmp_path / "out", "--index2-orientation", "forward")
    assert _text(tmp_path / "out" / "S1_R1.fastq.gz").count("@") == 120


def test_bad_input(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    output = tmp_path / "out"
    with pytest.raises(InputError, match="found no folder of this name"):
        _run(tmp_path / "none", "--output", output)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        _run(path, "--output", output, "--sample-sheet", tmp_path / "none.csv")
    with pytest.raises(InputError, match="--output: found the input folder itself"):
        _run(path, "--output", path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"found neither a run folder .* nor FASTQ files"):
        _run(tmp_path / "empty", "--output", output)
    (path / "RTAComplete.txt").unlink()
    with pytest.raises(InputError, match="the run is not complete"):
        _run(path, "--output", output)
    (path / "RTAComplete.txt").touch()
    (path / "SampleSheet.csv").unlink()
    with pytest.raises(InputError, match=r"SampleSheet\.csv: found no sample sheet; put it there, or name it"):
        _run(path, "--output", output)
    assert not output.exists()


def test_damage_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    file = path / "Data" / "Intensities" / "BaseCalls" / "L002" / "C9.1" / "s_2_1101.bcl"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"C9\.1/s_2_1101\.bcl: truncated: found 0 clusters, expected 1"):
        _run(path, "--output", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_output_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="found a file, a folder is to be written"):
        _run(_folder(tmp_path), "--output", tmp_path / "out")


def _fastq(path: Path, names: list[str]) -> None:
    text = "".join(f"@{name}\nACGT\n+\nFF5F\n" for name in names).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize(
    ("sample", "lanes"),
    [
        ("S1", ["S1_S1_L001_R{}_001.fastq.gz", "S1_S1_L002_R{}_001.fastq.gz"]),
        ("S1", ["S1_S7_R{}_001.fastq"]),
        ("P-1_x", ["P-1_x_R{}.fq.gz"]),
        ("P-1_x", ["P-1_x_{}.fastq.gz"]),
        ("V350012345_12", ["V350012345_L01_12_{}.fq.gz", "V350012345_L02_12_{}.fq.gz"]),
    ],
)
def test_fastq_of_other_demultiplexers(tmp_path: Path, sample: str, lanes: list[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i_lane, name in enumerate(lanes):
        for read in (1, 2):
            _fastq(folder / name.format(read), [f"r{i_lane}{i}/{read}" for i in range(2)])
    _fastq(folder / "S1_S1_L001_I1_001.fastq.gz", ["r00"])
    result = _run(folder, "--output", tmp_path / "out")
    assert f"samples by file name, taken as patients: {sample}" in result.stderr
    text = _text(tmp_path / "out" / f"{sample}_R2.fastq.gz")
    assert [line[1:4] for line in text.splitlines()[::4]] == [f"r{i}{j}" for i in range(len(lanes)) for j in range(2)]
    metrics = json.loads((tmp_path / "out" / "demultiplex.json").read_text())
    assert metrics["n_in"] == metrics["n_out"] == 2 * len(lanes)
    assert metrics["values"] == {"q30_percent": 75.0, f"sample.{sample}.q30_percent": 75.0}


def test_fastq_with_a_sheet(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for sample in ("12", "13"):
        for read in (1, 2):
            _fastq(folder / f"V350012345_L01_{sample}_{read}.fq.gz", [f"{sample}/{read}"])
    sheet = write_sheet(tmp_path / "sheet.csv", ["12"], "Sample_ID")
    result = _run(folder, "--output", tmp_path / "out", "--sample-sheet", sheet)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.gz")) == ["12_R1.fastq.gz", "12_R2.fastq.gz"]
    assert "V350012345_13: files are here, but not in the sample sheet; left out" in result.stderr
    write_sheet(sheet, ["14"], "Sample_ID")
    with pytest.raises(InputError, match="found no FASTQ file of sample '14' of the sample sheet; samples here: V35"):
        _run(folder, "--output", tmp_path / "out", "--sample-sheet", sheet)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["S1_R1.fastq", "S2_R1.fastq", "S2_R2.fastq", "S2_1.fq"],
            r"S2_R1\.fastq: found R1 of lane 0 of sample S2 also",
        ),
        (["S1_R2.fastq"], r"S1_R2\.fastq: found no R1 beside it"),
        (["S1_L001_R1.fastq", "S1_L002_R1.fastq", "S1_L001_R2.fastq"], r"S1_L002_R1\.fastq: found no R2 beside it"),
        (["reads.fastq"], r"file name: found a FASTQ file of unknown sample or read; use names as"),
        (["a b_R1.fastq"], r"found sample 'a b', allowed are letters"),
        (["Undetermined_S0_L001_R1_001.fastq"], r"found no sample but Undetermined"),
        (["S1_S1_L001_I1_001.fastq"], r"found no FASTQ file of a sample"),
    ],
)
def test_fastq_names(tmp_path: Path, names: list[str], message: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        _fastq(folder / name, ["r"])
    with pytest.raises(InputError, match=message):
        _run(folder, "--output", tmp_path / "out")


@pytest.mark.req("REQ-DMX-010")
def test_fastq_mates_must_fit(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _fastq(folder / "S1_R1.fastq", ["a", "b"])
    _fastq(folder / "S1_R2.fastq", ["a", "c"])
    with pytest.raises(InputError, match="record 2: read b stands beside c"):
        _run(folder, "--output", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


FAKE = """#!/bin/sh
if [ "$1" = "--version" ]; then echo "bcl-convert Version 00.000.000.{version}" >&2; exit 0; fi
while [ $# -gt 0 ]; do
  case "$1" in --output-directory) out="$2"; shift;; --sample-sheet) sheet="$2"; shift;; esac; shift
done
{fail}
mkdir -p "$out/Reports"
cp "$sheet" "{keep}"
for r in 1 2; do for s in S1_S1 S2_S2 Undetermined_S0; do : | gzip > "$out/${{s}}_R${{r}}_001.fastq.gz"; done; done
cat > "$out/Reports/Demultiplex_Stats.csv" <<END
Lane,SampleID,Index,# Reads,# Perfect Index Reads,# One Mismatch Index Reads
1,S1,AAAA-CCCC,10,8,2
2,S1,AAAA-CCCC,5,5,0
1,S2,GGTT-TTGG,3,3,0
1,Undetermined,,7,7,0
END
cat > "$out/Reports/Quality_Metrics.csv" <<END
Lane,SampleID,index,index2,ReadNumber,Yield,YieldQ30
1,S1,AAAA,CCCC,1,50,40
1,S1,AAAA,CCCC,2,50,30
END
"""


def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str = "4.2.7", fail: str = "") -> Path:
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "bcl-convert"
    program.write_text(FAKE.format(version=version, fail=fail, keep=tmp_path / "used.csv"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path / "used.csv"


def test_bcl_convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = _fake(tmp_path, monkeypatch)
    path = _folder(tmp_path, instrument="NB500001")
    write_sheet(path / "SampleSheet.csv", ["S1,AAAA,CCCC", "S2,GGTT,TTGG"])
    _run(path, "--output", tmp_path / "out", "--decoder", "bcl-convert")
    assert used.read_text() == (
        "[Header]\nFileFormatVersion,2\n\n[BCLConvert_Settings]\nBarcodeMismatchesIndex1,1\n"
        "BarcodeMismatchesIndex2,1\n\n[BCLConvert_Data]\nSample_ID,Index,Index2\nS1,AAAA,GGGG\nS2,GGTT,CCAA\n"
    )
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    fastq = [f"{sample}_R{read}.fastq.gz" for sample in ("S1", "S2", "Undetermined") for read in (1, 2)]
    assert names == [*fastq, "demultiplex.json", "samples.tsv"]
    metrics = json.loads((tmp_path / "out" / "demultiplex.json").read_text())
    assert (metrics["n_in"], metrics["n_out"]) == (25, 18)
    assert metrics["values"]["sample.S1.q30_percent"] == 70.0


def test_bcl_convert_missing_or_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _folder(tmp_path)
    arguments = [path, "--output", tmp_path / "out", "--decoder", "bcl-convert"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="bcl-convert: found no such program on the PATH; install") as caught:
        _run(*arguments)
    assert caught.value.exit_code == 5
    _fake(tmp_path, monkeypatch, version="3.9.3")
    with pytest.raises(ProgramError, match=r"bcl-convert: found version '.*3\.9\.3', allowed are 4\.2"):
        _run(*arguments)
    _fake(tmp_path, monkeypatch, fail="echo 'ERROR: no lanes' >&2; exit 1")
    with pytest.raises(ProgramError, match="failed with exit code 1: ERROR: no lanes"):
        _run(*arguments)
    assert list((tmp_path / "out").iterdir()) == []


def _place(name: str) -> str:
    """Return lane, tile, x and y of a read's header line."""
    return ":".join(name.split()[0].split(":")[3:7])


def test_published_dual_index_run(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "run-folders" / "25T8B8B25T"
    lines = (source / "fastq" / "barcode_double.params").read_text().splitlines()[1:]
    rows = [line.split("\t")[:3] for line in lines]
    rows = [[f"S{i}", one, two] for i, (one, two, _) in enumerate(rows) if "N" not in one + two]
    sheet = write_sheet(tmp_path / "sheet.csv", [",".join(row) for row in rows])
    output = tmp_path / "out"
    options = ["--read-structure", "25T8B8B25T", "--lane", 1, "--include-failed", "--barcode-mismatches", 0, 0]
    _run(source, "--output", output, "--sample-sheet", sheet, "--index2-orientation", "forward", *options)
    n_written = n_expected = 0
    for sample_id, one, two in rows:
        expected = (source / "fastq" / f"{one}{two}.1.fastq").read_text().splitlines()
        published = {_place(name): bases for name, bases in zip(expected[::4], expected[1::4], strict=True)}
        ours = _text(output / f"{sample_id}_R1.fastq.gz").splitlines()
        for name, bases in zip(ours[::4], ours[1::4], strict=True):
            assert published[_place(name)] == bases
        n_written += len(ours) // 4
        n_expected += len(published)
    metrics = json.loads((output / "demultiplex.json").read_text())
    assert (metrics["n_in"], metrics["n_out"]) == (60, n_written)
    assert 0 < n_written <= n_expected


def test_published_umi_in_read_2(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "run-folders" / "25T8B25T"
    sheet = write_sheet(tmp_path / "sheet.csv", ["S1,AACAATGG,Y25;I8;U4Y*"], "Sample_ID,Index,OverrideCycles")
    options = ["--read-structure", "25T8B25T", "--include-failed", "--barcode-mismatches", 0, 0]
    _run(source, "--output", tmp_path / "out", "--sample-sheet", sheet, *options)
    published = {}
    for kind in ("1", "2", "index_1"):
        lines = (source / "fastq_with_4M" / f"AACAATGG.{kind}.fastq").read_text().splitlines()
        published[kind] = {_place(name): bases for name, bases in zip(lines[::4], lines[1::4], strict=True)}
    for read in ("1", "2"):
        lines = _text(tmp_path / "out" / f"S1_R{read}.fastq.gz").splitlines()
        ours = {_place(name): bases for name, bases in zip(lines[::4], lines[1::4], strict=True)}
        assert ours == published[read]
        umis = {_place(name): name.split()[0].split(":")[7] for name in lines[::4]}
        assert umis == published["index_1"]


def test_many_samples_are_open_at_once(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    path = write_run_folder(tmp_path / "run", [(2, "T"), (6, "B")], {1: {1101: tile_of(["ACAAAAAA"])}})
    barcodes = ["".join(bases) for bases in itertools.islice(itertools.product("ACGT", repeat=6), 150)]
    write_sheet(path / "SampleSheet.csv", [f"S{i},{bases}" for i, bases in enumerate(barcodes)], "Sample_ID,Index")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        _run(path, "--output", tmp_path / "out", "--barcode-mismatches", 0, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list((tmp_path / "out").glob("*.fastq.gz"))) == 151


def test_more_files_than_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 200))
    with pytest.raises(InputError, match="found 300 FASTQ files to write at once, the system allows 200 open files"):
        allow_open_files(300)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _folder(tmp_path)
    listing = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder.name == "L002":
            raise PermissionError(13, "Permission denied", str(folder))
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"BaseCalls/L002: cannot be read: Permission denied; check the rights"):
        _run(path, "--output", tmp_path / "out")


def test_existing_output_is_replaced_whole(tmp_path: Path) -> None:
    path = _folder(tmp_path)
    _run(path, "--output", tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    _run(path, "--output", tmp_path / "out")
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    shutil.rmtree(tmp_path / "out")
