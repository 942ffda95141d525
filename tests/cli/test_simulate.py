"""`ctdna simulate` as a user runs it."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.demultiplex import command as demultiplex
from ctdna.cli.simulate import command
from ctdna.model.errors import InputError
from tests.simulation import TINY

pytestmark = pytest.mark.timeout(60)
KIT = "ctdna-demo@1.0.0"


def _run(output: Path, *more: str, design: Path = TINY, kit: str = KIT) -> None:
    arguments = ["--design", str(design), "--kit", kit, "--output", str(output), "--seed", "5", *more]
    result = CliRunner().invoke(command, arguments)
    if result.exception:
        raise result.exception


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.req("REQ-REP-005")
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads(tmp_path: Path) -> None:
    _run(tmp_path / "one", "--threads", "1")
    _run(tmp_path / "two", "--threads", "2")
    found = _digests(tmp_path / "one")
    assert found == _digests(tmp_path / "two")
    assert {"RunInfo.xml", "SampleSheet.csv", "CopyComplete.txt", "truth/truth.json"} <= set(found)
    assert "Data/Intensities/BaseCalls/L001/C216.1/L001_2.cbcl" in found


def test_demultiplexing_the_run_folder_gives_the_fastqs_that_are_written_directly(tmp_path: Path) -> None:
    _run(tmp_path / "run")
    _run(tmp_path / "fastq", "--fastq-only")
    arguments = [str(tmp_path / "run"), "--kit", KIT, "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(demultiplex, arguments)
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "fastq").glob("*.fastq.gz"))
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "fastq" / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name


@pytest.mark.req("REQ-REP-005")
def test_truth_says_what_was_planted(tmp_path: Path) -> None:
    _run(tmp_path / "fastq", "--fastq-only")
    document = json.loads((tmp_path / "fastq" / "truth" / "truth.json").read_text())
    assert document["seed"] == 5
    assert document["kit"] == KIT
    planted = {row["label"]: row for row in document["alleles"]["TINY-P1"] if row["kind"] == "planted"}
    assert set(planted) == {"EGFR p.(Glu746_Ala750del)", "KRAS p.(Gly12Asp)"}
    lines = (tmp_path / "fastq" / "truth" / "TINY-P1.truth.tsv").read_text().splitlines()
    assert lines[0].split("\t")[:5] == ["contig", "pos1", "ref", "alt", "kind"]
    assert len(lines) == 1 + len(document["alleles"]["TINY-P1"])
    assert any(line.startswith("demo_KRAS\t1389\tC\tT\tplanted\t") for line in lines)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="exists and is not an empty folder; remove it or choose another --output"):
        _run(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_a_missing_parent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder does not exist; make the folder first"):
        _run(tmp_path / "none" / "run")


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "run" / "RunInfo.xml"))

    monkeypatch.setattr("ctdna.formats.run_folder_write.run_info_xml", full)
    with pytest.raises(InputError, match="run: no space is left on the disk; free space there"):
        _run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_allele_that_does_not_fit_names_the_design(tmp_path: Path) -> None:
    path = tmp_path / "design.yaml"
    path.write_text(TINY.read_text().replace("KRAS p.(Gly12Asp)", "demo_KRAS:1389:G>T"))
    message = r"design\.yaml: sample TINY-P1: found allele demo_KRAS:1389:G>T, but the reference has C there"
    with pytest.raises(InputError, match=message):
        _run(tmp_path / "run", design=path)


def test_a_kit_with_other_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctdna.kit import load

    loaded = load.load_kit(KIT)
    extract = loaded.definition.extract.model_copy(update={"read_structures": ("12M16S+T", "+T")})
    other = loaded._replace(definition=loaded.definition.model_copy(update={"extract": extract}))
    monkeypatch.setattr(load, "load_kit", lambda _: other)
    with pytest.raises(InputError, match=r"reads 12M16S\+T, \+T; the simulator makes 5M2S\+T, 5M2S\+T"):
        _run(tmp_path / "run")
