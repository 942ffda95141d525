"""Watching a folder: run folders are checked as they arrive and run as they complete, first in, first out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ctdna.formats.sample_sheet import read_sample_sheet
from ctdna.model.errors import EXIT_AUTHORITY, EXIT_DEFINITION, EXIT_INPUT, EXIT_QC, CtdnaError
from ctdna.orchestrate.queue import (
    MAX_ATTEMPTS,
    Observation,
    after_failure,
    find_runs,
    is_settled,
    next_in_line,
    observe,
    read_state,
    write_state,
)

SHEET = "SampleSheet.csv"
_LASTING = (EXIT_INPUT, EXIT_DEFINITION, EXIT_AUTHORITY)


@dataclass(frozen=True)
class Attempt:
    """How one attempt at a run ended."""

    exit_code: int
    message: str
    """Empty where it is done."""


@dataclass
class Watch:
    """The watch over one folder; `look` is called again and again."""

    folder: Path
    output: Path
    attempt: Callable[[Path], Attempt]
    """Does the whole job on a run folder."""
    say: Callable[[str], None]
    """Tells the technician one line."""
    seen: dict[Path, Observation] = field(default_factory=dict)
    told: dict[Path, str] = field(default_factory=dict)

    def _tell_once(self, run: Path, line: str) -> None:
        if self.told.get(run) != line:
            self.told[run] = line
            self.say(f"{run.name}: {line}")

    def _check_early(self, run: Path) -> None:
        sheet = run / SHEET
        if not sheet.is_file():
            self._tell_once(run, f"copying; {SHEET} has not arrived yet")
            return
        try:
            read = read_sample_sheet(sheet)
        except CtdnaError as error:
            self._tell_once(run, f"the sample sheet will not work: {error}. Mend it before the run completes")
            return
        self._tell_once(run, f"copying; the sample sheet is fine ({len(read.samples)} samples)")

    def look(self) -> list[Path]:
        """Look once at every run folder; return those that are complete, settled and not yet done, by name."""
        ready: list[Path] = []
        for run in find_runs(self.folder):
            state = read_state(self.output, run.name)
            if state.verdict == "finished":
                self._tell_once(run, "finished earlier; give --rerun to run it again")
                continue
            if state.verdict == "failed":
                self._tell_once(run, f"failed earlier: {state.message}; give --rerun when it is mended")
                continue
            before, now = self.seen.get(run), observe(run)
            self.seen[run] = now
            if not now.is_complete:
                self._check_early(run)
            elif is_settled(before, now):
                ready.append(run)
            else:
                self._tell_once(run, "complete; waiting until nothing changes any more")
        return ready

    def work(self, ready: list[Path]) -> bool:
        """Do the run that completed first; return whether there was one."""
        run = next_in_line({run: self.seen[run] for run in ready})
        if run is None:
            return False
        state = read_state(self.output, run.name)
        n_try = state.attempts + 1
        self._tell_once(run, f"started ({len(ready) - 1} more waiting), attempt {n_try} of {MAX_ATTEMPTS}")
        outcome = self.attempt(run)
        if outcome.exit_code in (0, EXIT_QC):
            failed = " Quality control failed." if outcome.exit_code == EXIT_QC else ""
            self._tell_once(run, f"done.{failed} See `ctdna summary {self.output / run.name}`")
            return True
        state = after_failure(state, outcome.message, outcome.exit_code not in _LASTING)
        write_state(self.output, state)
        again = "will be tried again" if state.verdict == "waiting" else "given up; give --rerun when it is mended"
        self._tell_once(run, f"attempt {n_try} failed: {outcome.message}; {again}")
        return True
