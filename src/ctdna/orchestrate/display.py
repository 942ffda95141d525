"""The progress of a run as a technician sees it: samples by stages, time left, warnings."""

import time
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ctdna.orchestrate.progress import PLAIN_WORDS, Progress, State

_SIGNS: dict[State, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "running": ("▶", "bold yellow"),
    "done": ("✓", "green"),
    "failed": ("✗", "bold red"),
}
_SHOWN_WARNINGS = 5


def plain_duration(seconds: float) -> str:
    """Return a duration in the words of a clock on the wall: `about 3 minutes`."""
    if seconds < 50:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minute{'s' if minutes != 1 else ''}"
    return f"about {minutes / 60:.1f} hours"


def _table(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sample")
    for stage in dict.fromkeys(task.stage for task in progress.tasks if task.sample is not None):
        table.add_column(stage.replace("_", " "), justify="center")
    rows: dict[str, list[Text]] = {}
    for task in progress.tasks:
        if task.sample is not None:
            sign, style = _SIGNS[task.state]
            rows.setdefault(task.sample, []).append(Text(sign, style=style))
    for sample, cells in rows.items():
        table.add_row(sample, *cells)
    return table


def headline(progress: Progress, cores: int) -> str:
    """Return one line: what is being done now, how many steps are done, and the time left."""
    n_all, n_done = len(progress.tasks), progress.n_done
    if n_done == n_all:
        return f"All {n_all} steps are done."
    running = sorted({PLAIN_WORDS[task.stage] for task in progress.tasks if task.state == "running"})
    now = ", ".join(running) if running else "preparing the next step"
    return f"{n_done} of {n_all} steps done, {plain_duration(progress.seconds_left(cores))} left. Now: {now}."


class Display:
    """Shows progress: a living table on a terminal, one line per change elsewhere."""

    def __init__(self, stream: TextIO, cores: int) -> None:
        """Take the stream to write to and the cores that the run may use."""
        self._console = Console(file=stream, soft_wrap=not stream.isatty())
        self._cores = cores
        self._live = Live(console=self._console, auto_refresh=False) if stream.isatty() else None
        self._last = ""
        self._last_at = 0.0

    def __enter__(self) -> "Display":
        """Start the living table."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show this state."""
        line = headline(progress, self._cores)
        if self._live is not None:
            warnings = [Text(f"! {warning}", style="yellow") for warning in progress.warnings[-_SHOWN_WARNINGS:]]
            self._live.update(Group(_table(progress), Text(line), *warnings), refresh=True)
            return
        done = line.partition(",")[0]
        if done != self._last and (time.monotonic() - self._last_at >= 5 or progress.n_done == len(progress.tasks)):
            self._last, self._last_at = done, time.monotonic()
            self._console.print(line, highlight=False, markup=False)
