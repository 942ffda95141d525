import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import click
import pysam
import pytest
from click.testing import CliRunner, Result

from ctdna.cli.calibrate import command
from ctdna.formats.calibration import BIN_COLUMNS, TRIAL_COLUMNS
from ctdna.formats.documents import read_json
from ctdna.model.calibration import Calibration
from ctdna.model.errors import InputError
from tests.builders import write_bam, write_fasta
from tests.consensus_molecules import CONTIG, HEADER, REFERENCE, Edit, crowd, flip

pytestmark = pytest.mark.timeout(60)
EDITS = [Edit(pos0, REFERENCE[pos0], flip(REFERENCE[pos0])) for pos0 in (480, 510, 530)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_fasta(tmp_path / "ref.fa", {CONTIG: REFERENCE})
    pysam.faidx(str(tmp_path / "ref.fa"))
    (tmp_path / "panel.bed").write_text(f"{CONTIG}\t400\t700\tGENE:1\n")
    write_bam(tmp_path / "b.bam", crowd(500, 1), HEADER)
    write_bam(tmp_path / "s.bam", crowd(500, 2, [(160, [edit]) for edit in EDITS]), HEADER)
    rows = "".join(f"{CONTIG}\t{edit.pos0 + 1}\t{edit.ref}\t{edit.alt}\n" for edit in EDITS)
    (tmp_path / "truth.tsv").write_text("contig\tpos1\tref\talt\n" + rows)
    return tmp_path


def run(folder: Path, *args: object) -> Result:
    fixed = ["--base", folder / "b.bam", "--reference", folder / "ref.fa", "--targets", folder / "panel.bed"]
    fixed += ["--output", folder / "o.json", "--claimed-lod", 0.02]
    result = CliRunner().invoke(command, [str(arg) for arg in (*fixed, *args)])
    if isinstance(result.exception, (InputError, click.ClickException)):
        raise result.exception
    assert result.exit_code in (0, 2), (result.output, result.exception)
    return result


def spiked(folder: Path) -> list[object]:
    return ["--spike", folder / "s.bam", "--truth", folder / "truth.tsv", "--max-drawn-share", 0.9]


def test_report_tables_chart_and_verdict(folder: Path) -> None:
    files = ["--table", folder / "o.tsv", "--trials", folder / "t.tsv", "--plot", folder / "o.svg"]
    mixes = ["--fractions", "0.05,0.1", "--replicates", 3, "--min-trials", 2, "--ratio-edges", "0.5,1,2"]
    result = run(folder, *spiked(folder), *files, *mixes)
    report = read_json(folder / "o.json", Calibration)
    assert (report.bases, report.spike, report.alleles) == (("sample",), "sample#2", {"sample": 3})
    assert report.trials == 3 * 2 * 3
    assert result.stdout.startswith(f"{report.judgement} | LoD95 {report.limit_judgement}: ")
    bins = [line.split("\t") for line in (folder / "o.tsv").read_text().splitlines()]
    assert tuple(bins[0]) == ("#row", *BIN_COLUMNS[1:])
    assert [row[0] for row in bins[1:]] == ["bin"] * 4 + ["at_limit"]
    assert [int(row[3]) for row in bins[1:5]] == [one.trials for one in report.bins]
    trials = [line.split("\t") for line in (folder / "t.tsv").read_text().splitlines()]
    assert tuple(trials[0]) == ("#base", *TRIAL_COLUMNS[1:])
    assert sum(int(row[-2]) for row in trials[1:]) == report.detected
    root = ElementTree.fromstring((folder / "o.svg").read_text())
    assert len(root.findall("{*}circle")) == 1 + sum(one.trials > 0 for one in report.bins)


def test_same_bytes_for_any_order_and_threads(folder: Path) -> None:
    digests = []
    for threads in (1, 2):
        write_bam(folder / "s.bam", crowd(500, 2, [(160, [edit]) for edit in EDITS])[:: 3 - 2 * threads], HEADER)
        mixes = ["--fractions", 0.1, "--replicates", 2, "--threads", threads, "--trials", folder / "t.tsv"]
        run(folder, *spiked(folder), *mixes)
        digests.append([hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("o.json", "t.tsv")])
    assert digests[0] == digests[1]


def test_alleles_past_the_panels_ground_are_off_it(folder: Path) -> None:
    edge = 700 + 200 - 1
    row = f"{CONTIG}\t{edge + 1}\t{REFERENCE[edge : edge + 5]}\t{REFERENCE[edge]}\n"
    (folder / "truth.tsv").write_text((folder / "truth.tsv").read_text() + row)
    run(folder, *spiked(folder), "--fractions", 0.1, "--replicates", 1)
    report = read_json(folder / "o.json", Calibration)
    assert report.rejected["sample"] == {"in_base": 0, "not_called_in_spike": 0, "off_panel": 1}


def test_bases_alone_and_the_spikes_own_germline(folder: Path) -> None:
    result = run(folder, "--replicates", 4, "--depths", 60)
    plain = json.loads((folder / "o.json").read_text())
    assert plain["limit_judgement"] is None
    assert plain["blanks"]["samples"] == 4
    assert result.stdout.startswith("too few data to say | false positives 0 per Mb")
    write_bam(folder / "s.bam", crowd(400, 2, [(250, EDITS[:1])]), HEADER)
    run(folder, "--spike", folder / "s.bam", "--from-germline", "--fractions", 0.02, "--replicates", 1)
    assert read_json(folder / "o.json", Calibration).alleles == {"sample": 1}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--truth", "truth.tsv"], "--spike: is not given, but its alleles are"),
        (["--spike", "s.bam"], "--spike: its alleles must be known"),
        (["--spike", "s.bam", "--from-germline", "--truth", "truth.tsv"], "--spike: its alleles must be known"),
        (["--spike", "b.bam", "--from-germline"], "--base: a BAM is named twice"),
        (["--ratio-edges", "1,0.5"], r"--ratio-edges: found 1\.0,0\.5; give rising"),
        (["--known", "wrong.tsv"], r"wrong.tsv: line 2, chrT:481: REF is \w, the reference has \w there"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder: Path, args: list[str], message: str) -> None:
    (folder / "wrong.tsv").write_text(f"contig\tpos1\tref\talt\n{CONTIG}\t481\t{EDITS[0].alt}\t{EDITS[0].ref}\n")
    paths = [folder / arg if arg.endswith((".bam", ".tsv")) else arg for arg in args]
    with pytest.raises(InputError, match=message):
        run(folder, *paths)


def test_no_panel_is_refused(folder: Path) -> None:
    args = ["--base", folder / "b.bam", "--reference", folder / "ref.fa", "--output", folder / "o.json"]
    result = CliRunner().invoke(command, [str(arg) for arg in args])
    assert isinstance(result.exception, InputError)
    assert "no panel is given" in str(result.exception)


@pytest.mark.parametrize("value", ["x", "0", "0.1,-1", "0.9"])
def test_numbers_out_of_range_are_refused(folder: Path, value: str) -> None:
    assert "Invalid value for '--fractions'" in run(folder, "--fractions", value).output
