"""Driving the workflow: one Snakemake process, its progress shown, stopped cleanly, resumed at will."""

import ctypes
import fcntl
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctdna.formats.atomic import writable_error
from ctdna.kit.resources import shipped
from ctdna.model.errors import InputError, ProgramError
from ctdna.orchestrate.display import Display
from ctdna.orchestrate.progress import Progress, Steps, read_progress

CONFIG = "config.yaml"
LOCK = ".ctdna.lock"
LOG = Path("logs") / "snakemake.log"
_POLL_SECONDS = 0.5
_STOP_SECONDS = 20
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class WorkflowOptions:
    """How the workflow is run; none of it changes a result."""

    cores: int
    profile: str
    """A shipped profile's name, or the folder of one's own."""


@contextmanager
def exclusive(folder: Path) -> Iterator[int]:
    """Hold the output folder for this process and its Snakemake; yield the lock's file descriptor.

    The kernel lets go of the lock when the last holder ends, however it ends.

    Raises:
        InputError: another run holds it, or the folder cannot be written.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise writable_error(folder / LOCK, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = "another ctdna run is working in this folder"
            raise InputError(folder, "", what, "wait for it, or choose another output folder") from error
        yield handle
    finally:
        os.close(handle)


def profile_folder(profile: str) -> Path:
    """Return the folder of a workflow profile: a shipped one by name, or a folder of one's own.

    Raises:
        InputError: neither exists.
    """
    profiles = shipped("workflow") / "profiles"
    for candidate in (profiles / profile, Path(profile)):
        if (candidate / "config.yaml").is_file():
            return candidate.resolve()
    known = ", ".join(sorted(path.parent.name for path in profiles.glob("*/config.yaml")))
    raise InputError(None, "--profile", f"no profile `{profile}`", f"known: {known}; or name a folder with config.yaml")


def snakemake_command(folder: Path, options: WorkflowOptions) -> list[str]:
    """Return the command line that runs the workflow in a prepared output folder."""
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(shipped("workflow") / "Snakefile")),
        *("--directory", str(folder)),
        *("--configfile", str(folder / CONFIG)),
        *("--workflow-profile", str(profile_folder(options.profile))),
        *("--cores", str(options.cores)),
        "--nolock",
    ]


def shell_command(folder: Path, options: WorkflowOptions) -> str:
    """Return the same command line for a shell, quoted, with `ctdna` itself on the PATH of the rules."""
    programs = shlex.quote(str(Path(sys.executable).parent))
    return f'PATH={programs}:"$PATH" {shlex.join(snakemake_command(folder, options))}'


def _die_with_parent() -> None:
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=_STOP_SECONDS)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _clear_failed(folder: Path, progress: Progress) -> None:
    """Remove the logs of steps that failed or were cut off, so that they count as waiting again."""
    for task in progress.tasks:
        if task.state in ("failed", "running"):
            (folder / "logs" / task.stage / f"{task.sample or 'run'}.log").unlink(missing_ok=True)


def last_words(log: Path) -> str:
    """Return the last line of a log that tells of an error; with the line behind it where it ends in a colon."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [i for i, line in enumerate(lines) if "Error" in line or "error" in line or "Exception" in line]
    if not lines:
        return "no message"
    last = telling[-1] if telling else len(lines) - 1
    is_head = lines[last].endswith(":") and last + 1 < len(lines)
    return f"{lines[last]} {lines[last + 1]}" if is_head else lines[last]


def run_workflow(folder: Path, steps: Steps, options: WorkflowOptions, display: Display) -> Progress:
    """Run all that is left to do in a prepared output folder and return the last state.

    Raises:
        InputError: another run holds the folder.
        ProgramError: the workflow itself failed, without any stage having failed.
        KeyboardInterrupt: stopped from outside; the workflow's processes have ended.
    """
    with exclusive(folder) as lock:
        _clear_failed(folder, read_progress(folder, steps))
        log = folder / LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream, display:
            process = subprocess.Popen(
                snakemake_command(folder, options),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=_environment(),
                pass_fds=(lock,),
                preexec_fn=_die_with_parent,
            )
            try:
                while True:
                    display.show(read_progress(folder, steps))
                    try:
                        process.wait(timeout=_POLL_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        continue
            except BaseException:
                _stop(process)
                raise
            progress = read_progress(folder, steps)
            display.show(progress)
    if process.returncode != 0 and not progress.failures:
        raise ProgramError(log, "", f"the workflow stopped: {last_words(log)}", "see the log; run again to resume")
    return progress
