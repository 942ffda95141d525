from pathlib import Path

import pytest

from ctdna.orchestrate.workflow import last_words


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
