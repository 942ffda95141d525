"""A step that is killed, stopped, out of space, not allowed to write, or whose aligner dies, leaves nothing behind."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctdna.orchestrate.workflow import exclusive
from tests.aligner import false_program
from tests.builders import write_fastq
from tests.end_to_end.conftest import REPOSITORY
from tests.end_to_end.world import (
    KIT,
    World,
    bwa_version,
    check_refusal,
    ctdna,
    done,
    molecules,
    refused,
    sequencer_run,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STAGES = ["extract", "align", "group", "consensus", "realign", "filter", "call", "background"]
NOBODY = 65534
TINY = REPOSITORY / "test-data" / "tiny.yaml"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


# The aligner


DEATHS = {
    "fails": ("exit 3", "bwa mem: failed with code 3: no message"),
    "says why": ("echo '[E::bwa] no memory' >&2; exit 1", "bwa mem: failed with code 1: [E::bwa] no memory"),
    "is killed": ("kill -9 $$", "bwa mem: ended by signal 9: no message; free memory or give fewer threads"),
    "dies in the middle": ("{real} \"$@\" | head -c 9000; exit 1", "bwa mem: failed with code 1"),
    "is killed in the middle": ("{real} \"$@\" | head -c 9000; kill -9 $$", "bwa mem: ended by signal 9"),
    "stops in the middle": ("{real} \"$@\" | head -c 9000; exit 0", "bwa mem: its output ends within a line"),
    "loses reads": ("{real} \"$@\" | grep -v '^m3c'; exit 0", "bwa mem: returned "),
    "writes no SAM": ("echo hello; cat >/dev/null", "bwa mem: wrote no header of contigs"),
    "writes rubbish": ("{real} \"$@\" | head -n 9; echo hello", "bwa mem: wrote a line that is not SAM: hello"),
}  # fmt: skip


@pytest.mark.req("REQ-ALN-003")
@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("stage", ["align", "realign"])
def test_an_aligner_that_dies(
    world: World, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, stage: str, death: str
) -> None:
    script, words = DEATHS[death]
    if stage == "realign":
        script = script.replace("'^m3c'", "':3\t'")
    false = false_program(tmp_path / "bin", script.format(real=shutil.which("bwa")))
    text = (false / "bwa").read_text().replace("0.7.17-r1188", bwa_version())
    (false / "bwa").write_text(text)
    monkeypatch.setenv("PATH", f"{false}:{os.environ['PATH']}")
    refused(out, world.command(stage, out), 5, words)


@pytest.mark.parametrize("stage", ["align", "realign"])
def test_an_aligner_that_is_missing_or_another(
    world: World, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(out, world.command(stage, out), 5, "bwa: not found on the PATH; install bwa ")
    false = false_program(tmp_path / "bin", "exit 0")
    (false / "bwa").write_text("#!/bin/sh\necho 'Version: 0.6.1' >&2\n")
    monkeypatch.setenv("PATH", f"{false}:/usr/bin:/bin")
    refused(out, world.command(stage, out), 5, "bwa: found 0.6.1, allowed ", "install bwa")


# The disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 16 kB of which nothing is free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        with pytest.raises(OSError, match="No space left"):
            (folder / "full").write_bytes(bytes(1 << 16))
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


FULL = "no space is left on the disk; free space there or choose another output folder"


@pytest.mark.req("REQ-ERR-002")
@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(world: World, small_disk: Path, stage: str) -> None:
    refused(small_disk, world.command(stage, small_disk), 2, str(small_disk), FULL)


def test_a_full_disk_for_whole_folders(small_disk: Path, tmp_path: Path) -> None:
    run = sequencer_run(tmp_path / "run")
    refused(small_disk, ("demultiplex", run, "--output", small_disk), 2, FULL)
    design = ("simulate", "--design", TINY, "--kit", KIT, "--seed", 1, "--output", small_disk / "run")
    refused(small_disk, design, 2, FULL)
    check_refusal(ctdna("run", run, "--kit", KIT, "--output", small_disk / "o", "--prepare"), 2, "run.json", FULL)


@pytest.mark.req("REQ-ERR-002")
def test_a_disk_that_fills_up_in_the_middle(world: World, small_disk: Path) -> None:
    (small_disk / "full").write_bytes(bytes(3 << 12))
    refused(small_disk, world.command("filter", small_disk), 2, "filter.bam", FULL)


def _start(words: tuple[object, ...], **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ctdna", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, **more)  # type: ignore[call-overload, no-any-return]


def test_a_limit_on_the_size_of_files(world: World, out: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    process = _start(world.command("consensus", out), preexec_fn=limit, env=os.environ | {"CTDNA_DEBUG": "0"})
    _, words = process.communicate(timeout=120)
    assert process.returncode == 2, words
    assert words.splitlines()[-1].endswith(
        "consensus.bam: the file would be larger than the system allows; raise the limit (ulimit -f)"
    )
    assert list(out.iterdir()) == []


# Rights


@contextmanager
def _as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_world(world: World) -> Iterator[World]:
    """Yield the sound inputs in a folder that every user may read, but only root may write to."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    folder = Path(tempfile.mkdtemp(prefix="ctdna-rights-"))
    try:
        shutil.copytree(world.folder, folder / "world")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield World(folder / "world")
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in ("align", "realign")])
def test_no_right_to_write(open_world: World, out: Path, stage: str) -> None:
    done(*open_world.command(stage, out))
    locked = open_world.folder / "locked"
    locked.mkdir(mode=0o755)
    with _as_nobody():
        refused(locked, open_world.command(stage, locked), 2, f"{locked}/", "no permission to write; choose another")


@pytest.mark.parametrize(
    "stage, option, name",
    [
        ("extract", "r1", "r1.fastq.gz"),
        ("group", "input", "align.bam"),
        ("call", "input", "filter.bam"),
        ("call", "reference", "reference.fa"),
        ("call", "targets", "panel.bed"),
        ("filter", "reference", "reference.fa.fai"),
    ],
)
def test_no_right_to_read(open_world: World, out: Path, stage: str, option: str, name: str) -> None:
    done(*open_world.command(stage, out))
    open_out = open_world.folder / "open"
    open_out.mkdir()
    open_out.chmod(0o777)
    (open_world / name).chmod(0o600)
    with _as_nobody():
        refused(open_out, open_world.command(stage, open_out), 2, f"{name}: cannot be read: Permission denied")


# Signals


@pytest.fixture(scope="module")
def large(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """Return inputs of `extract` and `align` that take seconds, and what comes out of them undisturbed."""
    folder = tmp_path_factory.mktemp("large")
    few = molecules(50)
    pair = {}
    for name, reads in zip(("r1", "r2"), few, strict=True):
        many = ((f"{i}{reads[at][0]}", *reads[at][1:]) for i in range(500) for at in range(len(reads)))
        pair[name] = write_fastq(folder / f"{name}.fastq", many)
    done(*world.command("extract", folder, **pair))
    return {"extract": pair, "align": {name: folder / f"extract_{name}.fastq.gz" for name in ("r1", "r2")}}


def _in_the_middle(process: subprocess.Popen[str], out: Path) -> None:
    """Return once the step has written a part of its output."""
    while process.poll() is None:
        if any(path.name.startswith(f".{process.pid}.") and path.stat().st_size > 0 for path in out.iterdir()):
            return
        time.sleep(0.005)
    raise AssertionError(f"it ended before it could be stopped: {process.communicate()[1]}")


def _has_process(mark: str) -> bool:
    """Return whether any process has the text in its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def _wait(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.req("REQ-ERR-002")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["extract", "align"])
def test_stopped_in_the_middle(
    world: World, large: dict[str, dict[str, Path]], out: Path, stage: str, sign: signal.Signals
) -> None:
    process = _start(world.command(stage, out, **large[stage]))
    _in_the_middle(process, out)
    process.send_signal(sign)
    _, words = process.communicate(timeout=60)
    assert (process.returncode, words.strip()) == (130, "ctdna: stopped")
    assert list(out.iterdir()) == []
    assert _wait(lambda: not _has_process(str(world / "reference.fa")))


@pytest.mark.parametrize("stage", ["extract", "align"])
def test_killed_in_the_middle_and_run_again(
    world: World, large: dict[str, dict[str, Path]], tmp_path: Path, out: Path, stage: str
) -> None:
    command = world.command(stage, out, **large[stage])
    process = _start(command)
    _in_the_middle(process, out)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert all(path.name.startswith(".") for path in out.iterdir())
    assert _wait(lambda: not _has_process(str(world / "reference.fa")))
    done(*command)
    (tmp_path / "whole").mkdir()
    done(*world.command(stage, tmp_path / "whole", **large[stage]))
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in out.iterdir() if not path.name.startswith(".")} == whole


@pytest.mark.req("REQ-RUN-004")
def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    run = sequencer_run(tmp_path / "run")
    words = ("run", run, "--kit", KIT, "--output", tmp_path / "results")
    done(*words, "--prepare")
    with exclusive(tmp_path / "results"):
        check_refusal(ctdna(*words), 2, "results: another ctdna run is working in this folder; wait for it")
    other = sequencer_run(tmp_path / "other")
    (other / "SampleSheet.csv").write_text((other / "SampleSheet.csv").read_text().replace("S2", "S3"))
    ended = ctdna("run", other, "--kit", KIT, "--output", tmp_path / "results", "--prepare")
    told = ("run.json: holds a run of ", "prepared differently (differs in samples", "choose another output folder")
    check_refusal(ended, 2, *told)


def test_a_whole_run_that_is_told_to_end(run_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "told-to-end"
    process = _start(("run", run_folder, "--kit", KIT, "--output", output, "--threads", 2))
    assert _wait(lambda: bool(list(output.glob("samples/*/extract.json"))) or process.poll() is not None, 120)
    process.send_signal(signal.SIGTERM)
    _, words = process.communicate(timeout=90)
    assert (process.returncode, words.splitlines()[-1]) == (130, "ctdna: stopped")
    assert _wait(lambda: not _has_process(str(output)))
    assert [path.name for path in output.rglob(".*") if path.name.split(".")[1].isdigit()] == []
    assert not (output / "provenance.json").exists()
