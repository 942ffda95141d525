"""The worlds of the ledger's tests."""

from pathlib import Path

import pytest

from tests.ledger.world import World, make_world


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, of this test only."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CTDNA_HOME", str(folder))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    return folder


@pytest.fixture
def world(home: Path) -> World:
    """Return a ledger with a person of each role."""
    return make_world()
