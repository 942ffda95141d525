"""How far a run has come, read from the files in its output folder.

Stage outputs appear under their final names only when they are whole, and a rule opens its log when it starts. So the
folder itself tells the state, for a run on this machine as on a cluster, and after any interruption.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.model.manifest import Alignment

State = Literal["waiting", "running", "done", "failed"]

RUN_STAGES = {"demultiplex": "fastq/demultiplex.json", "qc_run": "qc/run.json"}
READ_STAGES: dict[Alignment, dict[str, str]] = {
    "once": {"consensus_from_fastq": "samples/{sample}/filter.json"},
    "all": {
        "extract": "samples/{sample}/extract.json",
        "align": "samples/{sample}/align.json",
        "group": "samples/{sample}/group.json",
        "consensus": "samples/{sample}/consensus.json",
        "realign": "samples/{sample}/realign.json",
        "filter": "samples/{sample}/filter.json",
    },
}
"""The stages from reads to consensus reads, by what is aligned."""
SAMPLE_STAGES = {
    "call": "samples/{sample}/call.json",
    "annotate": "samples/{sample}/annotate.json",
    "qc": "qc/{sample}.json",
    "report": "reports/{sample}/result.json",
}
PLAIN_WORDS = {
    "demultiplex": "sort reads by sample",
    "consensus_from_fastq": "find and combine the copies of each molecule",
    "extract": "read the molecular tags",
    "align": "find each read's place in the genome",
    "group": "find the copies of each molecule",
    "consensus": "combine the copies",
    "realign": "place the combined reads",
    "filter": "drop unsure reads",
    "call": "look for variants",
    "annotate": "name the variants",
    "qc": "check quality",
    "qc_run": "check the run's quality",
    "report": "write the report",
}
# Shares of a sample's time, measured on the demo run; used only until this run's own times are known.
_TYPICAL_SECONDS = {
    "demultiplex": 12.0,
    "consensus_from_fastq": 8.0,
    "extract": 3.0,
    "align": 10.0,
    "group": 3.0,
    "consensus": 3.0,
    "realign": 5.0,
    "filter": 2.0,
    "call": 4.0,
    "annotate": 3.0,
    "qc": 3.0,
    "qc_run": 2.0,
    "report": 4.0,
}
_ERROR = "ctdna: error "
_WARNING = re.compile(r"ctdna(?: \w+)*: warning: (.*)")


class Steps(NamedTuple):
    """What a run consists of."""

    samples: tuple[str, ...]
    align: Alignment

    @property
    def of_sample(self) -> dict[str, str]:
        """Return each stage of a sample, in the order of the work, and the file that shows it done."""
        return {**READ_STAGES[self.align], **SAMPLE_STAGES}


@dataclass(frozen=True)
class Task:
    """One stage of one sample (or of the whole run: `sample` is None)."""

    stage: str
    sample: str | None
    state: State
    seconds: float | None
    """How long it took, where it is done and was timed."""


@dataclass(frozen=True)
class Failure:
    """A stage that stopped with an error."""

    stage: str
    sample: str | None
    message: str
    exit_code: int


@dataclass(frozen=True)
class Progress:
    """All tasks of a run, what failed, and what was warned of."""

    tasks: tuple[Task, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]

    @property
    def n_done(self) -> int:
        """Return the number of finished tasks."""
        return sum(task.state == "done" for task in self.tasks)

    def seconds_left(self, cores: int) -> float:
        """Return the estimated seconds until the last task is done.

        A stage's time is the mean of its finished tasks in this run; a stage not yet seen takes its typical share,
        scaled by how this run compares so far.
        """
        seen: dict[str, list[float]] = {}
        for task in self.tasks:
            if task.seconds is not None:
                seen.setdefault(task.stage, []).append(task.seconds)
        mean = {stage: sum(times) / len(times) for stage, times in seen.items()}
        typical = sum(_TYPICAL_SECONDS[stage] for stage in mean)
        scale = sum(mean.values()) / typical if typical else 1.0
        left = (task.stage for task in self.tasks if task.state not in ("done", "failed"))
        return sum(mean.get(stage, _TYPICAL_SECONDS[stage] * scale) for stage in left) / max(1, cores)


def _log_path(folder: Path, stage: str, sample: str | None) -> Path:
    return folder / "logs" / stage / f"{sample or 'run'}.log"


def _log_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _failure(stage: str, sample: str | None, lines: list[str]) -> Failure | None:
    for line in reversed(lines):
        if line.startswith(_ERROR):
            code, _, message = line.removeprefix(_ERROR).partition(": ")
            return Failure(stage, sample, message, int(code) if code.isdigit() else 1)
    return None


def _seconds(folder: Path, stage: str, sample: str | None) -> float | None:
    try:
        rows = (folder / "benchmarks" / stage / f"{sample or 'run'}.tsv").read_text().splitlines()
        return float(rows[1].split("\t")[0])
    except (OSError, IndexError, ValueError):
        return None


def read_progress(folder: Path, steps: Steps) -> Progress:
    """Return the state of every stage of every sample, in the order of the work."""
    wanted: list[tuple[str, str | None, str]] = [("demultiplex", None, RUN_STAGES["demultiplex"])]
    wanted += [(stage, sample, path) for sample in steps.samples for stage, path in steps.of_sample.items()]
    wanted += [("qc_run", None, RUN_STAGES["qc_run"])]
    tasks, failures, warnings = [], [], []
    for stage, sample, path in wanted:
        log = _log_path(folder, stage, sample)
        lines = _log_lines(log)
        warnings += [
            f"{sample or 'run'}, {PLAIN_WORDS[stage]}: {match.group(1)}"
            for line in lines
            if (match := _WARNING.match(line)) is not None
        ]
        failure = _failure(stage, sample, lines)
        state: State = "waiting"
        if (folder / path.format(sample=sample)).exists():
            state = "done"
        elif failure is not None:
            state = "failed"
            failures.append(failure)
        elif log.exists():
            state = "running"
        tasks.append(Task(stage, sample, state, _seconds(folder, stage, sample) if state == "done" else None))
    return Progress(tuple(tasks), tuple(failures), tuple(warnings))
