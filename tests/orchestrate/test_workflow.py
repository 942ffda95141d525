import os
import shlex
import sys
from pathlib import Path

import pytest

from ctdna.orchestrate.workflow import WorkflowOptions, last_words, shell_command, snakemake_command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no message"),
        ("Building DAG of jobs...\n\n", "Building DAG of jobs..."),
        ("WorkflowError:\nFailed to open source file x.smk\n", "WorkflowError: Failed to open source file x.smk"),
        ("MissingInputException in rule align:\nMissing input files\nComplete log: x\n",
         "MissingInputException in rule align: Missing input files"),
        ("OSError: no space left\nShutting down\n", "OSError: no space left"),
        ("some line\nWorkflowError:\n", "WorkflowError:"),
    ],
)  # fmt: skip
def test_the_line_that_tells_of_the_error_is_found(tmp_path: Path, text: str, expected: str) -> None:
    log = tmp_path / "snakemake.log"
    log.write_text(text)
    assert last_words(log) == expected


def test_the_command_for_a_shell_is_quoted_and_finds_ctdna(tmp_path: Path) -> None:
    folder, options = tmp_path / "two words", WorkflowOptions(cores=2, profile="local")
    path, *command = shlex.split(shell_command(folder, options))
    assert path == f"PATH={Path(sys.executable).parent}:$PATH"
    assert command == snakemake_command(folder, options)
    assert os.access(Path(sys.executable).parent / "ctdna", os.X_OK)
