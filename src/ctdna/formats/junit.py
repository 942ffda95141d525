"""Results of tests in JUnit's XML, with the requirements that each test verifies."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from ctdna.formats.requirements import MARK
from ctdna.model.errors import InputError
from ctdna.model.requirement import MarkedCase, Outcome, ResultsFile

_HINT = "give the file that pytest wrote"
_FAILED = ("failure", "error")


def _root(path: Path, content: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(path, "", "found a DOCTYPE, which no test run writes", _HINT)
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(path, "", f"not well-formed XML: {error}", _HINT) from error
    if root.tag not in ("testsuites", "testsuite"):
        raise InputError(path, "", f"found <{root.tag[:40]}>, expected <testsuites>", _HINT)
    return root


def _outcome(case: ElementTree.Element) -> Outcome:
    kinds = {child.tag for child in case}
    if kinds & set(_FAILED):
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"


def _cases(root: ElementTree.Element, file: str) -> Iterator[MarkedCase]:
    for case in root.iter("testcase"):
        named = [item for item in case.iter("property") if item.get("name") == MARK]
        yield MarkedCase(
            name=f"{case.get('classname', '')}::{case.get('name', '')}",
            file=file,
            outcome=_outcome(case),
            requirements=tuple(sorted({item.get("value", "") for item in named})),
        )


def read_junit(path: Path) -> tuple[ResultsFile, tuple[MarkedCase, ...]]:
    """Return what a file of results is, and each of its tests in the file's order.

    A test with a failure or an error has failed; one that was skipped, or failed as expected, was skipped. pytest
    writes a test that fails and whose clean-up fails too as two cases; each is returned.

    Raises:
        InputError: the file cannot be read or is not a file of results, or holds no test.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    cases = tuple(_cases(_root(path, content), path.name))
    if not cases:
        raise InputError(path, "", "holds no test", _HINT)
    return ResultsFile(name=path.name, sha256=hashlib.sha256(content).hexdigest(), n_tests=len(cases)), cases
