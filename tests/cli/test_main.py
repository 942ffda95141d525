"""The command line's last line of defence: every failure is one line with its code."""

import os
import signal
from collections.abc import Callable

import click
import pytest

from ctdna.cli import main
from ctdna.model.errors import DefinitionError, InputError, ProgramError, QcError


def _run(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], *words: str) -> int:
    @click.command("group")
    def command() -> object:
        return work()

    monkeypatch.setattr(main.Commands, "get_command", lambda *_: command)
    monkeypatch.setattr("sys.argv", ["ctdna", *words, "group"])
    monkeypatch.delenv("CTDNA_DEBUG", raising=False)
    with pytest.raises(SystemExit) as left:
        main.run()
    return int(left.value.code or 0)


def _raiser(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


@pytest.mark.req("REQ-ERR-001")
@pytest.mark.parametrize(
    "error, code, line",
    [
        (InputError("a.bam", "record 3", "found x", "do y"), 2, "ctdna: error 2: a.bam: record 3: found x; do y"),
        (DefinitionError("kit.yaml", "", "found x", ""), 3, "ctdna: error 3: kit.yaml: found x"),
        (QcError(None, "", "failed", "repeat"), 4, "ctdna: error 4: failed; repeat"),
        (ProgramError(None, "bwa", "gone", "install"), 5, "ctdna: error 5: bwa: gone; install"),
        (PermissionError(13, "Permission denied", "/x/y"), 2, "error 2: /x/y: Permission denied; see the system"),
        (OSError("odd"), 2, "ctdna: error 2: odd; see the system's message"),
        (MemoryError(), 2, "ctdna: error 2: not enough memory; free memory"),
        (click.UsageError("No such thing."), 2, "ctdna: error 2: No such thing; see ctdna group --help"),
        (KeyboardInterrupt(), 130, "ctdna: stopped"),
    ],
)
def test_failures_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, line: str
) -> None:
    assert _run(monkeypatch, _raiser(error)) == code
    words = capsys.readouterr().err.strip()
    assert line in words
    assert len(words.splitlines()) == 1


def test_results_are_exit_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(monkeypatch, lambda: 4) == 4
    assert _run(monkeypatch, lambda: None) == 0


@pytest.mark.parametrize("error", [InputError(None, "", "x", ""), FileNotFoundError(2, "none"), MemoryError()])
def test_debug_lets_the_failure_through(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with pytest.raises(type(error)):
        _run(monkeypatch, _raiser(error), "--debug")


@pytest.mark.req("REQ-ERR-005")
def test_a_defect_of_the_program_is_not_told_as_wrong_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        _run(monkeypatch, _raiser(ZeroDivisionError()))


def test_sigterm_is_told_as_stopped_and_the_handler_is_put_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert _run(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert capsys.readouterr().err.strip() == "ctdna: stopped"
    assert signal.getsignal(signal.SIGTERM) is before
