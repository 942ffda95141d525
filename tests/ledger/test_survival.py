"""What a ledger survives: kill -9 at any moment, a full disk, two writers, a clock that goes back."""

import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctdna.formats.keys import read_private_key
from ctdna.ledger import writing
from ctdna.ledger.local import anchor_path, read_anchor
from ctdna.ledger.open import open_ledger
from ctdna.model.errors import InputError
from ctdna.model.ledger import SiteAdded
from tests.ledger.world import QUICK, SITE, World, lot, make_world, password

REPOSITORY = Path(__file__).resolve().parents[2]
WRITER = """
import os, signal, sys
from ctdna.ledger import writing
from ctdna.ledger.open import open_ledger
from ctdna.ledger.records import Actor
from tests.ledger.world import SITE, lot

name, n_entries, point = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ledger = open_ledger()

def dies(real, before):
    def call(*args):
        if not before:
            real(*args)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

if point == "before projecting":
    writing.project = dies(writing.project, True)
elif point == "after projecting":
    writing.project = dies(writing.project, False)
elif point == "before the anchor":
    writing.write_anchor = dies(writing.write_anchor, True)
elif point == "after the anchor":
    writing.write_anchor = dies(writing.write_anchor, False)
for number in range(n_entries):
    entry = ledger.record(Actor("tech", ("technician",), SITE), lot(f"{name}{number}"))
    print(entry.sequence, flush=True)
"""


def start(name: str, n_entries: int, point: str = "never") -> "subprocess.Popen[str]":
    """Start a process that records so many lots; it prints the sequence of each entry when it is durable."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(n_entries), point], stdout=subprocess.PIPE, text=True, env=environment
    )


def _lots() -> set[str]:
    return {one.lot for one in open_ledger().lots()}


@pytest.mark.req("REQ-LED-013")
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("point", "is_there"),
    [
        ("before projecting", False),
        ("after projecting", False),
        ("before the anchor", True),
        ("after the anchor", True),
    ],
)
def test_kill_at_a_chosen_moment_leaves_a_whole_entry_or_none(world: World, point: str, is_there: bool) -> None:
    before = world.ledger.head().sequence
    process = start("K", 1, point)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert world.ledger.head().sequence == before + is_there
    assert ("K0" in _lots()) == is_there
    assert world.ledger.verify() == ()
    anchor = read_anchor()
    assert anchor is not None
    assert anchor.head.sequence == before + (point == "after the anchor")
    world.ledger.record(world.actor("tech"), lot("after"))
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-013")
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_kill_at_any_moment_loses_nothing_that_was_told_as_done(world: World) -> None:
    told = []
    for round_, n_lines in enumerate((1, 3, 4)):
        process = start(f"K{round_}-", 10_000)
        assert process.stdout is not None
        told += [int(process.stdout.readline()) for _ in range(n_lines)]
        time.sleep(0.003 * round_)
        process.kill()
        rest = process.communicate()[0].split("\n")
        told += [int(line) for line in rest[:-1] if line]
        assert world.ledger.verify() == ()
    chain = [entry.sequence for entry in world.ledger.entries()]
    assert chain == list(range(1, len(chain) + 1))
    assert set(told) <= set(chain)


@pytest.mark.req("REQ-LED-014")
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_writers_make_one_chain_without_gaps(world: World) -> None:
    before = world.ledger.head().sequence
    writers = [start(name, 25) for name in ("A", "B")]
    told = [int(line) for writer in writers for line in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(told) == list(range(before + 1, before + 51))
    assert world.ledger.verify() == ()
    assert _lots() == {f"{name}{number}" for name in ("A", "B") for number in range(25)}
    anchor = read_anchor()
    assert anchor is not None
    assert anchor.head.sequence <= before + 50


def _fill_until_refused(world: World) -> InputError:
    tech = world.actor("tech")
    for number in range(3000):
        try:
            world.ledger.record(tech, lot(f"L{number}"))
        except InputError as error:
            return error
    raise AssertionError("the disk was never full")


@pytest.mark.req("REQ-LED-015")
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_full_disk_is_told_in_one_line_and_the_ledger_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=768k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here: needs the rights of root")
    try:
        monkeypatch.setenv("CTDNA_HOME", str(disk / "home"))
        monkeypatch.delenv("CTDNA_LEDGER", raising=False)
        world = make_world()
        error = _fill_until_refused(world)
        assert "no space is left" in str(error)
        assert "\n" not in str(error)
        kept = tmp_path / "kept"
        shutil.copytree(disk / "home", kept)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    monkeypatch.setenv("CTDNA_HOME", str(kept))
    assert open_ledger().verify() == ()
    last = open_ledger().head().sequence
    ledger = open_ledger()
    ledger.record(ledger.authenticate("tech", password("tech")), lot("after"))
    assert ledger.head().sequence == last + 1
    assert ledger.verify() == ()


@pytest.mark.req("REQ-LED-015")
def test_a_file_that_may_not_grow_is_told_in_one_line_and_the_ledger_is_whole(home: Path) -> None:
    world = make_world()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (home / "ledger.sqlite").stat().st_size
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_000, hard))
        error = _fill_until_refused(world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(error)
    assert any(part in str(error) for part in ("no space is left", "cannot be written or read"))
    assert world.ledger.verify() == ()
    world.ledger.record(world.actor("tech"), lot("after"))
    assert world.ledger.verify() == ()


def test_an_anchor_that_cannot_be_written_is_told_and_the_entry_stands(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(checkpoint: object) -> None:
        raise InputError(anchor_path(), "", "no space is left on the disk", "free space there")

    before = world.ledger.head()
    tech = world.actor("tech")
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_anchor", full)
        told = f"entry {before.sequence + 1} is in the ledger, but this file no space is left on the disk; free space"
        with pytest.raises(InputError, match=told):
            world.ledger.record(tech, lot("L1"))
    assert world.ledger.head().sequence == before.sequence + 1
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-016")
def test_the_order_is_by_sequence_whatever_the_clock_says(database: str) -> None:
    start_at = datetime(2026, 3, 29, 2, 0, tzinfo=UTC)
    steps = iter(range(1000))

    def clock() -> str:
        number = next(steps)
        return (start_at - timedelta(minutes=7) * (number % 5)).isoformat(timespec="microseconds")

    world = make_world(QUICK, clock)
    for number in range(10):
        world.ledger.record(world.actor("tech"), lot(f"L{number}"))
    entries = list(world.ledger.entries())
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.at for entry in entries] != sorted(entry.at for entry in entries)
    problems = world.ledger.verify()
    assert {problem.is_fault for problem in problems} == {False}
    back = sum(later.at < earlier.at for earlier, later in itertools.pairwise(entries))
    assert len(problems) == back > 5


def test_a_ledger_whose_making_was_broken_off_is_made_or_joined_after_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ctdna.ledger import open as opening

    def broken(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(opening.Pen, "write", broken)
        with pytest.raises(KeyboardInterrupt):
            make_world()
    assert not opening.has_ledger()
    with pytest.raises(InputError, match="there is no ledger; make one by ctdna ledger init"):
        open_ledger()
    key = read_private_key(home / "keys" / "north-key.key", None)
    site = SiteAdded(site=SITE, name="N", key_id=key.public.key_id)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "write_site", broken)
        with pytest.raises(KeyboardInterrupt):
            opening.init_ledger(site, key, "root", "Rita Root", password("root"), QUICK)
    with pytest.raises(InputError, match="this machine has a ledger already; use it, or join it again"):
        opening.init_ledger(site, key, "root", "Rita Root", password("root"), QUICK)
    ledger = opening.join_ledger(SITE, key)
    assert ledger.verify() == ()
    assert ledger.record(ledger.authenticate("root", password("root")), QUICK, why="x").sequence == 4


def test_an_older_head_never_replaces_a_newer_anchor(world: World) -> None:
    early = world.ledger.checkpoint()
    world.ledger.record(world.actor("tech"), lot("L1"))
    newest = read_anchor()
    writing.write_anchor(early)
    assert read_anchor() == newest
