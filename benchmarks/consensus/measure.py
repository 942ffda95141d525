"""Whole processes measured from outside: wall time, CPU time and peak memory."""

import os
import re
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 0.02


class Cost(NamedTuple):
    """What one run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system, of the process and all it started."""
    peak_mib: float
    """Resident memory of the largest single process; of `alone`, of the process itself."""


class FailedRunError(RuntimeError):
    """A command ended with an error."""

    def __init__(self, command: str, code: int, text: str) -> None:
        lines = text.strip().splitlines() or ["it said nothing"]
        super().__init__(f"{command}: exit {code}: {' | '.join(lines[-3:])}")
        self.reason = re.sub(r"/\S*/", "", f"exit {code}: {lines[-1].strip()}")[:200]
        """The same for a page: the last line, without command and folders."""


def environment(cache: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of measured programs: Python keeps its byte code, as an installed program does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(cache / "pycache")} | dict(more or {})


def _check(command: str, code: int, log: Path) -> None:
    if code:
        raise FailedRunError(command, code, log.read_text(errors="replace"))


def measure(script: str, log: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Return the cost of a bash script; its output goes to `log`.

    Raises:
        FailedRunError: the script ended with an error.
    """
    with log.open("wb") as stream:
        started = time.perf_counter()
        child = subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], stdout=stream, stderr=stream, env=env)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    _check(script, child.returncode, log)
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _high_water_mib(pid: int) -> float:
    """Return the most resident memory that a living process has had; 0 where it has just ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def alone(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Cost:
    """Return the cost of one program; its peak leaves out what it starts, such as the aligner.

    Raises:
        FailedRunError: the program ended with an error.
    """
    peak = 0.0
    with log.open("wb") as stream:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=stream, stderr=stream, env=env)
        ended, status, used = os.wait4(child.pid, os.WNOHANG)
        while not ended:
            peak = max(peak, _high_water_mib(child.pid))
            time.sleep(POLL_SECONDS)
            ended, status, used = os.wait4(child.pid, os.WNOHANG)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    _check(" ".join(command), child.returncode, log)
    return Cost(wall, used.ru_utime + used.ru_stime, peak)


def interleaved(scripts: Mapping[str, str], repeats: int, log: Path, env: Mapping[str, str]) -> dict[str, list[Cost]]:
    """Return the costs of each script, run in turn `repeats` times."""
    costs: dict[str, list[Cost]] = {name: [] for name in scripts}
    for _ in range(repeats):
        for name, script in scripts.items():
            costs[name].append(measure(script, log, env))
    return costs


def middle(costs: list[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
