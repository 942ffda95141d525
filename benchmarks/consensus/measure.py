"""Whole processes measured from outside: wall time, CPU time and peak memory."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What one run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system, of the process and all it started."""
    peak_mib: float
    """Resident memory of the largest single process."""


class FailedRunError(RuntimeError):
    """A measured command ended with an error."""


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of measured programs: Python keeps its byte code, as an installed program does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(cache / "pycache")}


def measure(script: str, log: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Return the cost of a bash script; its stderr goes to `log`.

    Raises:
        FailedRunError: the script ended with an error.
    """
    with log.open("wb") as stream:
        started = time.perf_counter()
        child = subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], stdout=stream, stderr=stream, env=env)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise FailedRunError(f"{script}: exit {child.returncode}: {' | '.join(tail)}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


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
