"""The small installation, and this one, as fixtures."""

from pathlib import Path

import pytest

from ctdna.build.lock import Found, found_build
from tests.build.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def here() -> Found:
    """Return what is installed here."""
    return found_build()
