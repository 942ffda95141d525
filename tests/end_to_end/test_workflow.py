"""The workflow is clean, complete, and the same for `ctdna run` and for Snakemake by hand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ctdna.cli.main import COMMANDS
from tests.end_to_end.conftest import KIT, REPOSITORY, ctdna

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
RULES = REPOSITORY / "workflow" / "rules"


@pytest.fixture(scope="module")
def prepared(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prepared") / "out"
    done = ctdna("run", run_folder, "--kit", KIT, "--output", output, "--prepare")
    assert done.returncode == 0, done.stderr
    assert "--snakefile" in done.stdout
    return output


def _snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    workflow = REPOSITORY / "workflow"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workflow / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.yaml"), *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "PATH": path}
    )


def test_lint_finds_nothing(prepared: Path) -> None:
    done = _snakemake(prepared, "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Congratulations" in done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_a_dry_run_plans_every_stage(prepared: Path, profile: str) -> None:
    folder = REPOSITORY / "workflow" / "profiles" / profile
    done = _snakemake(prepared, "--workflow-profile", str(folder), "--dry-run", "--quiet", "reason")
    assert done.returncode == 0, done.stdout + done.stderr
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    assert planned["demultiplex"] == "1"
    for stage in ("consensus_from_fastq", "call", "annotate", "qc", "report"):
        assert planned[stage] == "3", stage
    assert "align" not in planned


def test_the_long_way_has_a_step_for_every_stage(run_folder: Path, tmp_path: Path) -> None:
    given = ("--kit", KIT, "--output", tmp_path / "out", "--prepare", "--align", "all")
    assert ctdna("run", run_folder, *given).returncode == 0
    folder = REPOSITORY / "workflow" / "profiles" / "local"
    done = _snakemake(tmp_path / "out", "--workflow-profile", str(folder), "--dry-run", "--quiet", "reason")
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    for stage in ("extract", "align", "group", "consensus", "realign", "filter", "call", "annotate", "qc", "report"):
        assert planned[stage] == "3", stage
    assert "consensus_from_fastq" not in planned


def test_the_two_ways_do_not_mix(run_folder: Path, tmp_path: Path) -> None:
    given = ("run", run_folder, "--kit", KIT, "--output", tmp_path / "out", "--prepare")
    assert ctdna(*given).returncode == 0
    done = ctdna(*given, "--align", "all")
    assert done.returncode == 2
    assert "run.json" in done.stderr


def test_every_rule_is_thin() -> None:
    wanted = ("input:", "output:", "log:", "benchmark:", "threads:", "conda:", "shell:")
    for path in sorted(RULES.glob("*.smk")):
        text = path.read_text()
        assert re.search(r"^    run:", text, re.MULTILINE) is None
        for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
            name = rule.partition(":")[0]
            assert all(f"    {directive}" in rule for directive in wanted), name
            commands = re.findall(r'"ctdna ([\w-]+)', rule)
            assert len(commands) == 1, name
            assert commands[0] in COMMANDS
    assert len((RULES / "common.smk").read_text().splitlines()) < 80


def test_a_configuration_with_unknown_keys_is_refused(prepared: Path) -> None:
    done = _snakemake(prepared, "--config", "threshold=3", "--dry-run")
    assert done.returncode != 0
    assert "threshold" in done.stdout + done.stderr


def test_without_a_manifest_it_says_what_to_do(prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text((prepared / "config.yaml").read_text())
    done = _snakemake(tmp_path, "--dry-run")
    assert done.returncode != 0
    assert "ctdna run --prepare" in done.stdout + done.stderr


@pytest.mark.req("REQ-RUN-010")
def test_white_cells_of_the_same_subject_go_with_the_call(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    manifest = json.loads((prepared / "run.json").read_text())
    patient = next(sample for sample in manifest["samples"] if sample["role"] == "patient")
    cells = {**patient, "sample_id": "cells", "role": "white_cells"}
    patient["specimen"]["subject_id"] = cells["specimen"]["subject_id"] = "S9"
    manifest["samples"].append(cells)
    (folder / "run.json").write_text(json.dumps(manifest))
    (folder / "config.yaml").write_bytes((prepared / "config.yaml").read_bytes())
    done = _snakemake(folder, "--cores", "1", "--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stderr
    calls = [line for line in (done.stdout + done.stderr).splitlines() if "ctdna call" in line]
    with_cells = [line for line in calls if "--matched-normal samples/cells/filter.bam" in line]
    assert len(calls) == len(manifest["samples"])
    assert [f"--sample {patient['sample_id']} " in line for line in with_cells] == [True]
