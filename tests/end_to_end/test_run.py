"""The whole job: results, the same bytes for any threads and after a kill, refusals, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.conftest import KIT, contents, ctdna, differing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _samples(output: Path) -> list[str]:
    return [sample["sample_id"] for sample in json.loads((output / "run.json").read_text())["samples"]]


@pytest.mark.req("REQ-RUN-001")
def test_every_sample_has_its_report(finished: Path) -> None:
    for sample in _samples(finished):
        folder = finished / "reports" / sample
        assert json.loads((folder / "result.json").read_text())["sample"]["sample_id"] == sample
        for name in ("report.en.html", "report.zh.html", "report.en.pdf", "report.zh.pdf"):
            assert (folder / name).stat().st_size > 1000


@pytest.mark.req("REQ-BAL-001")
def test_counts_balance_from_stage_to_stage(finished: Path) -> None:
    for sample in _samples(finished):
        stages = {
            stage: json.loads((finished / "samples" / sample / f"{stage}.json").read_text())
            for stage in ("extract", "align", "group", "consensus", "realign", "filter", "call")
        }
        for stage, counts in stages.items():
            assert counts["n_in"] == counts["n_out"] + sum(counts["rejected"].values()), stage
        clusters = json.loads((finished / "fastq" / "demultiplex.json").read_text())["counts"]
        assert stages["extract"]["n_in"] == clusters[f"sample.{sample}.clusters"]
        assert stages["align"]["n_in"] == 2 * stages["extract"]["n_out"]  # reads of read pairs
        assert stages["consensus"]["n_in"] == stages["group"]["n_out"]


@pytest.mark.req("REQ-REP-002")
def test_results_hold_no_path_of_this_machine(finished: Path, run_folder: Path) -> None:
    marks = [str(finished).encode(), str(run_folder).encode(), os.uname().nodename.encode() + b"/"]
    for name, content in contents(finished).items():
        if name.endswith((".json", ".tsv", ".html")):
            assert not any(mark in content for mark in marks), name


@pytest.mark.req("REQ-REP-001")
def test_four_threads_give_the_same_bytes(finished: Path, run_folder: Path, tmp_path: Path) -> None:
    done = ctdna("run", run_folder, "--kit", KIT, "--output", tmp_path / "four", "--threads", 4)
    assert done.returncode in (0, 4), done.stderr
    assert differing(finished, tmp_path / "four") == []


@pytest.mark.req("REQ-REP-001")
def test_the_comparison_can_fail(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert "run.json" in differing(finished, tmp_path)


@pytest.mark.req("REQ-RUN-002")
def test_killed_in_the_middle_it_resumes_to_the_same_bytes(finished: Path, run_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "killed"
    command = [sys.executable, "-m", "ctdna", "run", run_folder, "--kit", KIT, "--output", output, "--threads", "2"]
    for wanted in ("fastq/demultiplex.json", "samples/*/filter.bam"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and not list(output.glob(wanted)):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (output / "provenance.json").exists()
    deadline = time.monotonic() + 60
    done = ctdna(*command[3:])
    while "another ctdna run is working" in done.stderr and time.monotonic() < deadline:
        time.sleep(1)
        done = ctdna(*command[3:])
    assert done.returncode in (0, 4), done.stderr
    assert differing(finished, output) == []


def test_stopped_by_the_user_it_says_so(run_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "stopped"
    command = [sys.executable, "-m", "ctdna", "run", run_folder, "--kit", KIT, "--output", output]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (output / "logs" / "demultiplex").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130
    assert words.splitlines()[-1] == "ctdna: stopped"


@pytest.mark.req("REQ-RUN-003")
def test_finished_results_are_never_overwritten(finished: Path, run_folder: Path) -> None:
    before = contents(finished)
    done = ctdna("run", run_folder, "--kit", KIT, "--output", finished)
    assert done.returncode == 2
    assert "finished results stand here" in done.stderr
    assert contents(finished) == before


@pytest.mark.req("REQ-RUN-003")
def test_an_output_folder_of_something_else_is_left_alone(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    done = ctdna("run", run_folder, "--kit", KIT, "--output", tmp_path)
    assert done.returncode == 2
    assert "is not empty (found thesis.txt)" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]


@pytest.mark.req("REQ-DMX-006")
def test_an_incomplete_run_is_refused(run_folder: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.mkdir()
    for path in run_folder.iterdir():
        if path.name not in ("RTAComplete.txt", "CopyComplete.txt"):
            (part / path.name).symlink_to(path)
    done = ctdna("run", part, "--kit", KIT, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "the run is not complete" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.req("REQ-DMX-009")
def test_another_kit_than_the_sheets_is_refused(run_folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "SampleSheet.csv"
    sheet.write_text((run_folder / "SampleSheet.csv").read_text().replace("ctdna-demo@1.0.0", "ctdna-core@1.0.0"))
    done = ctdna("run", run_folder, "--kit", KIT, "--output", tmp_path / "out", "--sample-sheet", sheet)
    assert done.returncode == 2
    assert "the sample sheet says kit ctdna-core@1.0.0" in done.stderr


def test_an_unknown_kit_names_the_known_ones(run_folder: Path, tmp_path: Path) -> None:
    done = ctdna("run", run_folder, "--kit", "ctdna-demos@1.0.0", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "did you mean ctdna-demo@1.0.0" in done.stderr


@pytest.mark.req("REQ-RUN-005")
def test_a_missing_aligner_is_named(run_folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("sh", "bash", "env"):
        (bare / name).symlink_to(Path("/bin") / name)
    done = ctdna("run", run_folder, "--kit", KIT, "--output", tmp_path / "out", env={"PATH": str(bare)})
    assert done.returncode == 5
    assert "bwa" in done.stderr
    assert "Traceback" not in done.stderr
