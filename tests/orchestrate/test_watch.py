"""The watch: order, settling, retries, blocked reruns, early checks."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.main import command as ctdna
from ctdna.model.errors import AuthorityError, InputError
from ctdna.orchestrate.display import Display
from ctdna.orchestrate.job import JobRequest
from ctdna.orchestrate.queue import MAX_ATTEMPTS, read_state, release
from ctdna.orchestrate.watch import Attempt, Watch
from tests.kit import states
from tests.ledger.world import World, make_world, password

SHEET_V2 = """[Header]
FileFormatVersion,2
[BCLConvert_Settings]
[BCLConvert_Data]
Sample_ID,Index,Index2
s1,ACGTACGT,TTGGCCAA
[Ctdna_Data]
Sample_ID,Sample_Type
s1,patient
"""


class Bench:
    """A watched folder, a job that ends as told, and what was said."""

    def __init__(self, root: Path) -> None:
        self.folder, self.output = root / "runs", root / "results"
        self.folder.mkdir()
        self.output.mkdir()
        self.said: list[str] = []
        self.tried: list[str] = []
        self.answers: dict[str, list[Attempt]] = {}
        self.watch = Watch(self.folder, self.output, self._attempt, self.said.append)

    def _attempt(self, run: Path) -> Attempt:
        self.tried.append(run.name)
        answers = self.answers.get(run.name, [])
        answer = answers.pop(0) if answers else Attempt(0, "")
        if answer.exit_code in (0, 4):
            results = self.output / run.name
            results.mkdir(exist_ok=True)
            (results / "provenance.json").write_text("{}")
        return answer

    def add(self, name: str, completed_at: int | None, sheet: str | None = SHEET_V2) -> Path:
        run = self.folder / name
        run.mkdir()
        (run / "RunInfo.xml").write_text("<RunInfo/>")
        if sheet is not None:
            (run / "SampleSheet.csv").write_text(sheet)
        if completed_at is not None:
            marker = run / "RTAComplete.txt"
            marker.touch()
            os.utime(marker, (completed_at, completed_at))
        return run

    def turn(self) -> bool:
        return self.watch.work(self.watch.look())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.req("REQ-RUN-006")
def test_first_completed_goes_first(bench: Bench) -> None:
    bench.add("b_early", 100)
    bench.add("a_late", 200)
    assert not bench.turn()
    assert bench.turn()
    assert bench.turn()
    assert not bench.turn()
    assert bench.tried == ["b_early", "a_late"]


@pytest.mark.req("REQ-RUN-006")
def test_a_run_that_still_grows_is_left_alone(bench: Bench) -> None:
    run = bench.add("grows", 100)
    bench.watch.look()
    (run / "late.bcl").write_bytes(b"x")
    assert bench.watch.look() == []
    assert bench.watch.look() == [run]


def test_an_incomplete_run_has_its_sheet_checked_once(bench: Bench) -> None:
    bench.add("copying", None, SHEET_V2.replace("s1,ACGTACGT", "s/1,ACGTACGT"))
    for _ in range(3):
        assert not bench.turn()
    (line,) = bench.said
    assert "the sample sheet will not work" in line
    assert "Mend it before the run completes" in line


@pytest.mark.req("REQ-RUN-007")
def test_a_transient_failure_is_tried_three_times_more(bench: Bench) -> None:
    bench.add("flaky", 100)
    bench.answers["flaky"] = [Attempt(5, "bwa was killed")] * MAX_ATTEMPTS
    for _ in range(MAX_ATTEMPTS + 3):
        bench.turn()
    assert bench.tried == ["flaky"] * 4
    assert read_state(bench.output, "flaky").verdict == "failed"
    assert any("given up" in line for line in bench.said)


def test_a_transient_failure_that_passes_is_done(bench: Bench) -> None:
    bench.add("flaky", 100)
    bench.answers["flaky"] = [Attempt(5, "bwa was killed"), Attempt(4, "")]
    for _ in range(5):
        bench.turn()
    assert bench.tried == ["flaky", "flaky"]
    assert bench.said[-1].startswith("flaky: ")
    assert read_state(bench.output, "flaky").verdict == "finished"


@pytest.mark.req("REQ-RUN-007")
def test_wrong_input_is_not_tried_again(bench: Bench) -> None:
    bench.add("wrong", 100)
    bench.answers["wrong"] = [Attempt(2, "sample sheet: line 3")]
    for _ in range(4):
        bench.turn()
    assert bench.tried == ["wrong"]


@pytest.mark.req("REQ-RUN-008")
def test_reruns_are_blocked_until_asked_for_and_lose_nothing(bench: Bench) -> None:
    bench.add("once", 100)
    for _ in range(3):
        bench.turn()
    fresh = Watch(bench.folder, bench.output, bench.watch.attempt, bench.said.append)
    fresh.look()
    assert fresh.look() == []
    assert "finished earlier" in bench.said[-1]
    aside = release(bench.output, "once")
    assert aside is not None
    assert (aside / "provenance.json").is_file()
    again = Watch(bench.folder, bench.output, bench.watch.attempt, bench.said.append)
    again.look()
    assert again.work(again.look())
    assert bench.tried == ["once", "once"]


def test_the_command_gives_up_on_a_wrong_sheet_and_says_why(bench: Bench) -> None:
    run = bench.add("wrong", 100, SHEET_V2.replace("s1,ACGTACGT", "s 1,ACGTACGT"))
    (run / "RunInfo.xml").write_text(
        '<RunInfo><Run Id="wrong" Number="1"><Flowcell>F</Flowcell><Instrument>A1</Instrument><Reads>'
        '<Read Number="1" NumCycles="20" IsIndexedRead="N"/></Reads></Run></RunInfo>'
    )
    arguments = ["watch", str(bench.folder), "--kit", "ctdna-demo@1.0.0", "--output", str(bench.output)]
    done = CliRunner().invoke(ctdna, [*arguments, "--once", "--interval", "0.1"])
    assert done.exit_code == 0, done.output
    assert "attempt 1 failed" in done.stderr
    assert "given up; give --rerun when it is mended" in done.stderr
    again = CliRunner().invoke(ctdna, [*arguments, "--once", "--interval", "0.1"])
    assert "failed earlier" in again.stderr
    asked = CliRunner().invoke(ctdna, [*arguments, "--once", "--interval", "0.1", "--rerun", "wrong"])
    assert "attempt 1 failed" in asked.stderr


def test_a_rerun_of_no_run_folder_names_those_that_are_there(bench: Bench) -> None:
    bench.add("here", None)
    arguments = ["watch", str(bench.folder), "--kit", "ctdna-demo@1.0.0", "--output", str(bench.output)]
    done = CliRunner().invoke(ctdna, [*arguments, "--once", "--rerun", "there"])
    assert isinstance(done.exception, InputError)
    assert "no run folder `there`; found: here" in str(done.exception)


def test_what_a_gate_stops_is_not_tried_again(bench: Bench) -> None:
    bench.add("stopped", 100)
    bench.answers["stopped"] = [Attempt(6, "gate lot_expired: ...")]
    for _ in range(4):
        bench.turn()
    assert bench.tried == ["stopped"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    states.move(states.copy_demo(tmp_path / "kits", "1.1.0"), states.manufacturer(), "investigational")
    return make_world()


def _watch(bench: Bench, *more: str) -> Result:
    arguments = ["watch", str(bench.folder), "--kit", "ctdna-demo@1.1.0", "--output", str(bench.output), "--once"]
    return CliRunner().invoke(ctdna, [*arguments, "--interval", "0.1", *more])


def test_the_watch_starts_each_run_for_the_person_who_started_it(
    bench: Bench, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[JobRequest] = []

    def refuse(request: JobRequest, display: Display) -> None:
        asked.append(request)
        raise AuthorityError(None, "gate lot_expired", "lot L1 expired", "mend it")

    monkeypatch.setattr("ctdna.orchestrate.job.run_job", refuse)
    (tmp_path / "p").write_text(password("tech"))
    bench.add("one", 100)
    done = _watch(bench, "--user", "tech", "--password-file", str(tmp_path / "p"))
    assert done.exit_code == 0, done.output
    (request,) = asked
    assert request.authority is not None
    assert request.authority.actor.user == "tech"
    assert "gate lot_expired: lot L1 expired; mend it; given up" in done.stderr


def test_the_watch_needs_a_person_from_the_first_moment(bench: Bench, world: World, tmp_path: Path) -> None:
    bench.add("one", 100)
    (tmp_path / "p").write_text(password("rev"))
    for more, message in (
        ((), "kit ctdna-demo@1.1.0 is investigational: its runs are recorded in the ledger, by whom"),
        (("--user", "rev", "--password-file", str(tmp_path / "p")), "entry run.started needs technician or director"),
    ):
        done = _watch(bench, *more)
        assert isinstance(done.exception, AuthorityError)
        assert message in str(done.exception)
