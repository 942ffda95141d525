"""The state of a run is read from its files."""

from pathlib import Path

import pytest

from ctdna.orchestrate.display import headline, plain_duration
from ctdna.orchestrate.progress import Progress, Steps, Task, read_progress


def _touch(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _states(progress: Progress) -> dict[tuple[str, str | None], str]:
    return {(task.stage, task.sample): task.state for task in progress.tasks}


def test_an_untouched_folder_waits(tmp_path: Path) -> None:
    steps = Steps(("a", "b"), "all")
    progress = read_progress(tmp_path, steps)
    assert len(progress.tasks) == 2 + 2 * len(steps.of_sample)
    assert set(_states(progress).values()) == {"waiting"}


def test_one_step_leads_from_reads_to_consensus_reads(tmp_path: Path) -> None:
    assert list(Steps(("a",), "once").of_sample) == ["consensus_from_fastq", "call", "annotate", "qc", "report"]
    _touch(tmp_path / "samples/a/filter.json", "{}")
    _touch(tmp_path / "logs/consensus_from_fastq/b.log", "")
    states = _states(read_progress(tmp_path, Steps(("a", "b"), "once")))
    assert (states["consensus_from_fastq", "a"], states["consensus_from_fastq", "b"]) == ("done", "running")
    assert ("align", "a") not in states


def test_outputs_logs_and_errors_tell_the_state(tmp_path: Path) -> None:
    _touch(tmp_path / "fastq/demultiplex.json", "{}")
    _touch(tmp_path / "benchmarks/demultiplex/run.tsv", "s\th:m:s\n12.5\t0:00:12\n")
    _touch(tmp_path / "logs/extract/a.log", "ctdna: warning: 3 reads were short\n")
    _touch(tmp_path / "logs/extract/b.log", "noise\nctdna: error 2: b_R1.fastq.gz: record 7: truncated\n")
    progress = read_progress(tmp_path, Steps(("a", "b"), "all"))
    states = _states(progress)
    assert states["demultiplex", None] == "done"
    assert states["extract", "a"] == "running"
    assert states["extract", "b"] == "failed"
    assert states["align", "b"] == "waiting"
    (failure,) = progress.failures
    assert (failure.sample, failure.stage, failure.exit_code) == ("b", "extract", 2)
    assert failure.message == "b_R1.fastq.gz: record 7: truncated"
    assert progress.warnings == ("a, read the molecular tags: 3 reads were short",)
    assert progress.tasks[0].seconds == 12.5


def test_a_finished_stage_is_done_whatever_its_log_says(tmp_path: Path) -> None:
    _touch(tmp_path / "samples/a/align.json", "{}")
    _touch(tmp_path / "logs/align/a.log", "ctdna: error 5: bwa: killed\n")
    progress = read_progress(tmp_path, Steps(("a",), "all"))
    assert _states(progress)["align", "a"] == "done"
    assert progress.failures == ()


def test_time_left_uses_this_runs_own_times() -> None:
    tasks = (
        Task("align", "a", "done", 100.0),
        Task("align", "b", "waiting", None),
        Task("align", "c", "running", None),
        Task("align", "d", "failed", None),
    )
    assert Progress(tasks, (), ()).seconds_left(cores=2) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "less than a minute"), (60, "about 1 minute"), (200, "about 3 minutes"), (7200, "about 2.0 hours")],
)
def test_durations_in_plain_words(seconds: float, words: str) -> None:
    assert plain_duration(seconds) == words


def test_the_headline_counts_steps() -> None:
    done = Task("align", "a", "done", 1.0)
    assert headline(Progress((done,), (), ()), 1) == "All 1 steps are done."
    running = Task("call", "a", "running", None)
    line = headline(Progress((done, running), (), ()), 1)
    assert line.startswith("1 of 2 steps done")
    assert line.endswith("Now: look for variants.")
