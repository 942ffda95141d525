"""Hooks of the test run that hold the marks `req` against docs/requirements.yaml, and put them into JUnit's file."""

import re
from collections.abc import Generator, Iterable
from functools import cache
from pathlib import Path

import pytest

from ctdna.formats.requirements import MARK, read_requirements
from ctdna.model.errors import CtdnaError
from ctdna.model.requirement import REQUIREMENT_ID

REPOSITORY = Path(__file__).resolve().parents[1]
LIST = REPOSITORY / "docs" / "requirements.yaml"


@cache
def known_ids() -> frozenset[str]:
    """Return the ids of the list."""
    return frozenset(item.id for item in read_requirements(LIST).requirements)


class RequirementError(Exception):
    """The marks of the tests and the list of requirements do not fit together."""


class FaultItem(pytest.Item):
    """A test that fails with what is wrong, so that the run fails, in one process or in many."""

    def __init__(self, *, faults: list[str], **keywords: object) -> None:
        super().__init__(**keywords)  # type: ignore[arg-type]
        self.faults = faults

    def runtest(self) -> None:
        raise RequirementError("\n".join(self.faults))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        return LIST, None, "requirements"


def names_of(item: pytest.Item) -> list[object]:
    """Return what the marks on a test, its class, module and parameters name, in their order, each once."""
    marks = item.iter_markers(MARK)
    return list(dict.fromkeys(name for mark in marks for name in (mark.args or (None,))))


def faults_of(named: dict[str, list[object]], known: Iterable[str], is_whole: bool) -> list[str]:
    """Return what is wrong with the names that tests give; for the whole suite also the requirements without a test."""
    known, faults = frozenset(known), []
    for test, names in named.items():
        for name in names:
            if not (isinstance(name, str) and re.fullmatch(REQUIREMENT_ID, name)):
                faults.append(f"{test}: req({name!r}) is not of the form REQ-ABC-001")
            elif name not in known:
                faults.append(f"{test}: {name} is not in {LIST.name}")
    if is_whole:
        tested = {name for names in named.values() for name in names}
        faults += [
            f"{name} has no test: mark one, or the requirement is not verified" for name in sorted(known - tested)
        ]
    return faults


def is_whole_suite(config: pytest.Config) -> bool:
    """Return whether every test was collected: nothing chosen by path, nothing left out before the collection."""
    arguments = {(config.invocation_params.dir / name).resolve() for name in config.args}
    whole = {REPOSITORY, REPOSITORY / "tests"} & arguments
    options = ("lf", "ignore", "ignore_glob")
    return bool(whole) and not any(config.getoption(name, None) for name in options)


def _looked_at(config: pytest.Config, named: dict[str, list[object]]) -> list[str]:
    try:
        known = known_ids()
    except CtdnaError as error:
        return [str(error)]
    return faults_of(named, known, is_whole_suite(config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Give each test its ids as properties; where they do not fit the list, put a failing test first.

    The look is before tests are left out by marks, the failing test comes after.
    """
    named = {item.nodeid: names for item in items if (names := names_of(item))}
    for item in items:
        item.user_properties += [(MARK, name) for name in named.get(item.nodeid, ())]
    faults = _looked_at(config, named)
    yield
    if faults:
        items.insert(0, FaultItem.from_parent(session, name="requirements", faults=faults))
