"""Results of tests in JUnit's XML."""

import hashlib
from pathlib import Path

import pytest

from ctdna.formats.junit import read_junit
from ctdna.model.errors import InputError

RESULTS = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="5">
<testcase classname="tests.a" name="test_good"><properties>
<property name="req" value="REQ-B-2"/><property name="req" value="REQ-A-1"/><property name="other" value="x"/>
<property name="req" value="REQ-A-1"/></properties></testcase>
<testcase classname="tests.a" name="test_bad"><failure message="m">text</failure></testcase>
<testcase classname="tests.a" name="test_error"><system-out/><error message="m">text</error></testcase>
<testcase classname="tests.a" name="test_left"><skipped type="pytest.skip" message="m">text</skipped></testcase>
<testcase classname="tests.a" name="test_expected"><skipped type="pytest.xfail" message="m"/></testcase>
</testsuite></testsuites>
"""


def test_outcomes_and_ids(tmp_path: Path) -> None:
    path = tmp_path / "r.xml"
    path.write_text(RESULTS)
    file, cases = read_junit(path)
    assert (file.name, file.n_tests) == ("r.xml", 5)
    assert file.sha256 == hashlib.sha256(RESULTS.encode()).hexdigest()
    assert [case.outcome for case in cases] == ["passed", "failed", "failed", "skipped", "skipped"]
    assert [case.requirements for case in cases] == [("REQ-A-1", "REQ-B-2"), (), (), (), ()]
    assert (cases[0].name, cases[0].file) == ("tests.a::test_good", "r.xml")


@pytest.mark.req("REQ-SEC-004")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not well-formed XML"),
        (RESULTS[:200].encode(), "not well-formed XML"),
        (b"<html/>", "found <html>, expected <testsuites>"),
        (b"<testsuites/>", "holds no test; give the file that"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>', "found a DOCTYPE"),
        (b"\xff\xfe<\x00", "not well-formed XML"),
    ],
)
def test_files_that_are_no_results_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "r.xml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_junit(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.xml: cannot be read: No such file"):
        read_junit(tmp_path / "no.xml")
