"""Each test of kits has a home of its own."""

from pathlib import Path

import pytest

from ctdna.formats.keys import PrivateKey
from tests.kit import states


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home that the test works with."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CTDNA_HOME", str(folder))
    return folder


@pytest.fixture
def key() -> PrivateKey:
    """Return a manufacturer's key that this home trusts."""
    return states.manufacturer()
