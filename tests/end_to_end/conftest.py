"""One small simulated run, run once; every test of whole commands looks at it or at a run like it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.world import World, make_world

REPOSITORY = Path(__file__).resolve().parents[2]
KIT = "ctdna-demo@1.0.0"
VARYING = ("logs", "benchmarks", "provenance.json", "bundle.seal.json", "config.yaml")
"""All that may differ between two runs of the same input."""


def ctdna(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, and return how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "ctdna", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(env or {})},
        timeout=600,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return every result file of a run by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.relative_to(folder).parts[0] not in VARYING
    }


def differing(one: Path, other: Path) -> list[str]:
    """Return the relative paths of files that are not the same in both runs."""
    a, b = contents(one), contents(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small simulated run folder of the demo kit, with its truth."""
    folder = tmp_path_factory.mktemp("sequencer") / "run"
    design = REPOSITORY / "test-data" / "tiny.yaml"
    done = ctdna("simulate", "--design", design, "--kit", KIT, "--output", folder, "--seed", 7)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def finished(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output folder of the small run, done with one thread."""
    output = tmp_path_factory.mktemp("results") / "one"
    done = ctdna("run", run_folder, "--kit", KIT, "--output", output, "--threads", 1)
    assert done.returncode in (0, 4), done.stderr
    return output


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a small sound input of every stage."""
    return make_world(tmp_path_factory.mktemp("world"))
