"""The queue of `ctdna watch`: which run folders are ready, what was tried, what is blocked.

The state of each run is a small file in `<output>/.watch/`, so that a restarted watch goes on where it stood.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ctdna.formats.documents import read_json, write_json
from ctdna.model.base import Frozen
from ctdna.orchestrate.provenance import PROVENANCE

MARKERS = ("CopyComplete.txt", "RTAComplete.txt")
MAX_ATTEMPTS = 4
"""One attempt and three retries."""

Verdict = Literal["waiting", "finished", "failed"]


class RunState(Frozen):
    """What the watch knows of one run."""

    run: str
    """Name of the run folder."""
    verdict: Verdict
    attempts: int
    """Attempts that ended in a transient failure."""
    message: str
    """Why the last attempt failed, or what the early check found; empty where all is well."""


@dataclass(frozen=True)
class Observation:
    """One look at a run folder."""

    is_complete: bool
    """A completion marker is there."""
    n_files: int
    n_bytes: int
    newest_ns: int
    """Latest change of any file, nanoseconds since the epoch."""
    completed_ns: int
    """When the completion marker appeared; 0 without one."""


def find_runs(folder: Path) -> list[Path]:
    """Return the run folders below the watched one (those with a RunInfo.xml), by name."""
    return sorted(path.parent for path in folder.glob("*/RunInfo.xml"))


def observe(run: Path) -> Observation:
    """Return what the folder holds now; files that vanish meanwhile are passed over."""
    n_files = n_bytes = newest = completed = 0
    for path in run.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.is_dir():
            continue
        n_files += 1
        n_bytes += status.st_size
        newest = max(newest, status.st_mtime_ns)
        if path.parent == run and path.name in MARKERS:
            completed = max(completed, status.st_mtime_ns)
    return Observation(completed > 0, n_files, n_bytes, newest, completed)


def is_settled(before: Observation | None, now: Observation) -> bool:
    """Return whether the run is complete and did not change between two looks."""
    return now.is_complete and before == now


def next_in_line(ready: dict[Path, Observation]) -> Path | None:
    """Return the run that completed first (then by name); None where none is ready."""
    return min(ready, key=lambda run: (ready[run].completed_ns, run.name), default=None)


def _state_path(output: Path, run: str) -> Path:
    return output / ".watch" / f"{run}.json"


def read_state(output: Path, run: str) -> RunState:
    """Return what is known of a run; a run with finished results is finished, whoever made them."""
    if (output / run / PROVENANCE).is_file():
        return RunState(run=run, verdict="finished", attempts=0, message="")
    path = _state_path(output, run)
    if path.is_file():
        return read_json(path, RunState)
    return RunState(run=run, verdict="waiting", attempts=0, message="")


def write_state(output: Path, state: RunState) -> None:
    """Keep what is known of a run."""
    path = _state_path(output, state.run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, state)


def after_failure(state: RunState, message: str, is_transient: bool) -> RunState:
    """Return the state after a failed attempt: waiting for a retry, or failed for good."""
    attempts = state.attempts + 1
    verdict: Verdict = "waiting" if is_transient and attempts < MAX_ATTEMPTS else "failed"
    return RunState(run=state.run, verdict=verdict, attempts=attempts, message=message)


def release(output: Path, run: str) -> Path | None:
    """Unblock a finished or failed run; its old results are set aside, never lost. Return where, None without any."""
    _state_path(output, run).unlink(missing_ok=True)
    results = output / run
    if not (results / PROVENANCE).is_file():
        return None
    number = 1
    while (aside := output / f"{run}.earlier-{number}").exists():
        number += 1
    return results.rename(aside)
