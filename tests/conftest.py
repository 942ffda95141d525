"""Fixtures for every test: the folder of real data, where it is there; examples that are the same in every run."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test judges time: machines are shared. `HYPOTHESIS_PROFILE=search` looks for new examples.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPOSITORY = Path(__file__).resolve().parents[1]


def _real_data() -> Path:
    named = os.environ.get("CTDNA_REAL_DATA")
    return Path(named) if named else REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of public real data; the test is skipped where it is absent."""
    folder = _real_data()
    if not (folder / "README.md").is_file():
        pytest.skip(f"real data not found at {folder}: set CTDNA_REAL_DATA to the folder that holds it")
    return folder
