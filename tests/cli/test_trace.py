"""`ctdna trace`: files, exit codes, unknown ids."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.trace import command
from ctdna.model.errors import InputError
from ctdna.model.requirement import Matrix

LIST = """
schema_version: 1
hazards: [{id: HAZ-001, text: t, sequence: s, harm: h}]
requirements:
  - {id: REQ-ABC-001, text: one, risk: no-proof, hazards: [HAZ-001], is_control: true}
  - {id: REQ-ABC-002, text: two, risk: no-proof, hazards: [HAZ-001]}
"""


def junit(path: Path, *cases: tuple[str, str, str]) -> Path:
    """Write a file of results: (test, id, child element) each."""
    texts = [
        f'<testcase classname="t" name="{name}"><properties><property name="req" value="{of}"/></properties>{child}'
        "</testcase>"
        for name, of, child in cases
    ]
    path.write_text(f"<testsuites><testsuite>{''.join(texts)}</testsuite></testsuites>")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list.yaml").write_text(LIST)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text('@pytest.mark.req("REQ-ABC-002")\ndef test_b(): ...\n')
    return tmp_path


def trace(folder: Path, *more: object) -> Result:
    words = ["--requirements", folder / "list.yaml", "--output", folder / "out", *more]
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)


@pytest.mark.req("REQ-TRC-003")
@pytest.mark.parametrize(
    ("results", "code", "statuses"),
    [
        ([("a", "REQ-ABC-001", ""), ("b", "REQ-ABC-002", "")], 0, ["verified", "verified"]),
        ([("a", "REQ-ABC-001", ""), ("b", "REQ-ABC-002", "<skipped/>"), ("c", "REQ-ABC-002", "")], 0, ["verified"] * 2),
        ([("a", "REQ-ABC-001", ""), ("b", "REQ-ABC-002", "<failure/>")], 4, ["verified", "failed"]),
        ([("a", "REQ-ABC-001", "<skipped/>"), ("b", "REQ-ABC-002", "")], 4, ["skipped", "verified"]),
        ([("b", "REQ-ABC-002", "")], 4, ["unverified", "verified"]),
        ([("a", "REQ-ABC-001", "")], 4, ["verified", "not run"]),
    ],
)
def test_exit_codes_tell_what_is_verified(
    folder: Path, results: list[tuple[str, str, str]], code: int, statuses: list[str]
) -> None:
    done = trace(folder, "--tests", folder / "tests", "--junit", junit(folder / "a.xml", *results))
    assert (done.exception, done.return_value) == (None, code)
    matrix = Matrix.model_validate_json((folder / "out" / "matrix.json").read_bytes())
    assert [row.status for row in matrix.rows] == statuses
    told = [line.split("\t")[:2] for line in done.output.splitlines()[:-1]]
    assert told == [[row.requirement.id, row.status] for row in matrix.rows if row.status != "verified"]
    assert done.output.splitlines()[-1].startswith(f"{statuses.count('verified')} of 2 requirements verified: ")


def test_several_files_are_given_as_the_shell_lists_them(folder: Path) -> None:
    one = junit(folder / "a.xml", ("a", "REQ-ABC-001", ""))
    two = junit(folder / "b.xml", ("b", "REQ-ABC-002", ""))
    assert trace(folder, "--junit", one, two).return_value == 0
    first = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    assert sorted(first) == ["matrix.html", "matrix.json", "matrix.tsv"]
    assert json.loads(first["matrix.json"])["counts"]["verified"] == 2
    assert trace(folder, "--junit", two, "--junit", one).return_value == 0
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == first


@pytest.mark.req("REQ-TRC-001")
def test_an_id_that_the_list_lacks_is_refused_with_its_place(folder: Path) -> None:
    good = junit(folder / "a.xml", ("a", "REQ-ABC-001", ""))
    bad = junit(folder / "b.xml", ("b", "REQ-ABC-007", ""))
    done = trace(folder, "--junit", good, bad)
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    assert str(done.exception).startswith("b.xml: t::b: found requirement `REQ-ABC-007`, which ")
    (folder / "tests" / "test_x.py").write_text('@pytest.mark.req("REQ-ABC-009")\ndef test_b(): ...\n')
    done = trace(folder, "--tests", folder / "tests", "--junit", good)
    assert "test_x.py:1: found requirement `REQ-ABC-009`" in str(done.exception)
    assert not (folder / "out").exists()
