"""Fixtures for every test: the folder of real data, where it is there; examples that are the same in every run."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import oracle_cases

# No test judges time: machines are shared. `HYPOTHESIS_PROFILE=search` looks for new examples.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

REPOSITORY = Path(__file__).resolve().parents[1]
pytest_plugins = ["pytester", "tests.traceability"]


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


_PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test itself has passed."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def every_expected_key_is_looked_at(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of the acceptance table that leaves out something its case expects (tests/oracle_cases.py)."""
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    is_of_the_table = isinstance(case, dict) and "expect" in case
    if is_of_the_table:
        oracle_cases.forget(case)
    yield
    if is_of_the_table and request.node.stash.get(_PASSED, False):
        left_out = set(oracle_cases.unseen(case)) - oracle_cases.answered_otherwise(case["id"])
        assert not left_out, f"{case['id']}: expected, but no assertion on {', '.join(sorted(left_out))}"
