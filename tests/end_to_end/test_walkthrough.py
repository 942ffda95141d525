"""The walk-through is run as it stands, and prints what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "walkthrough.md"
MARK = "=== block"


def blocks(page: str) -> list[tuple[str, list[str]]]:
    """Return each block of commands, with the lines that the page says it prints."""
    found: list[tuple[str, list[str]]] = []
    for kind, text in re.findall(r"^```(sh|text)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            found.append((text, []))
        else:
            found[-1][1].extend(text.splitlines())
    return found


def _clone(folder: Path) -> Path:
    """Make what a clone after its set-up has, as far as the page needs it."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    program = folder / ".venv" / "bin" / "ctdna"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ctdna "$@"\n')
    program.chmod(0o755)
    for name in ("config", "test-data"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


@pytest.mark.req("REQ-RUN-011")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_walk_through_runs_as_it_stands(tmp_path: Path) -> None:
    told = blocks(PAGE.read_text(encoding="utf-8"))
    script = "exec 2>&1\nset -eu\n" + "".join(f"echo '{MARK}'\n{text}" for text, _ in told)
    env = {name: value for name, value in os.environ.items() if not name.startswith("CTDNA_")}
    done = subprocess.run(
        ["sh", "-c", script], cwd=_clone(tmp_path), env=env, capture_output=True, text=True, check=False, timeout=900
    )
    printed = done.stdout.split(f"{MARK}\n")[1:]
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-20:])
    assert len(printed) == len(told) > 10
    missing = [line for (_, lines), text in zip(told, printed, strict=True) for line in lines if line not in text]
    assert missing == []
