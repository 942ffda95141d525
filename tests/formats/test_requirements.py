"""The list of requirements, and the marks that name them, read from files."""

from pathlib import Path

import pytest

from ctdna.formats.requirements import marks_of, read_requirements
from ctdna.model.errors import InputError

LIST = """
schema_version: 1
hazards:
  - {id: HAZ-001, text: a, sequence: b, harm: c}
  - {id: HAZ-002, text: a, sequence: b, harm: c}
requirements:
  - {id: REQ-ABC-001, text: one, risk: wrong-result, hazards: [HAZ-001, HAZ-002], is_control: true}
  - {id: REQ-ABC-002, text: two, risk: disclosure, hazards: [HAZ-002]}
"""


def test_a_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(LIST)
    listed = read_requirements(path)
    assert [hazard.id for hazard in listed.hazards] == ["HAZ-001", "HAZ-002"]
    assert [(item.id, item.risk, item.is_control) for item in listed.requirements] == [
        ("REQ-ABC-001", "wrong-result", True),
        ("REQ-ABC-002", "disclosure", False),
    ]


@pytest.mark.req("REQ-TRC-004")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("REQ-ABC-002", "REQ-ABC-001", r"r\.yaml: REQ-ABC-001 stands twice: every id must be unique; docs"),
        ("{id: HAZ-002", "{id: HAZ-001", "HAZ-001 stands twice"),
        ("hazards: [HAZ-002]", "hazards: [HAZ-003]", "REQ-ABC-002 names HAZ-003, which is no hazard of the list"),
        ("[HAZ-001, HAZ-002], is_", "[HAZ-001], is_", "HAZ-002 has no requirement with is_control"),
        (", is_control: true", "", "HAZ-001 has no requirement with is_control"),
        ("hazards: [HAZ-002]", "hazards: []", "requirements.1.hazards"),
        ("risk: disclosure", "risk: low", "requirements.1.risk: found \"low\""),
        ("risk: disclosure", "risk: disclosure, planned: true", "requirements.1.planned"),
        ("REQ-ABC-002", "REQ-ABC-2", "requirements.1.id: found \"REQ-ABC-2\""),
        ("text: two", "text: ''", "requirements.1.text"),
        ("schema_version: 1", "schema_version: 2", "schema_version: found 2"),
        ("text: two", "text: !!python/name:os.system ", "is not YAML|could not determine a constructor"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_together_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    assert old in LIST
    path.write_text(LIST.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_requirements(path)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml: cannot be read: No such file or directory; check the path"):
        read_requirements(tmp_path / "no.yaml")


def test_marks_are_read_from_tests_and_not_from_texts(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "test_b.py").write_text(
        'pytestmark = [pytest.mark.req("REQ-B")]\nx = "pytest.mark.req(\'no\')"\n'
    )
    (tmp_path / "test_a.py").write_text(
        '@pytest.mark.req("REQ-B", NAME)\n@pytest.mark.slow\ndef test_a(): ...\n\n'
        'P = pytest.param(1, marks=pytest.mark.req())\nparser.req("REQ-C")\nreq("REQ-D")\n'
    )
    assert marks_of(tmp_path) == {"": ["test_a.py:1", "test_a.py:5"], "REQ-B": ["b/test_b.py:1", "test_a.py:1"]}


def test_folders_without_tests_and_files_that_are_no_python(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no test file; name the folder of the tests"):
        marks_of(tmp_path)
    (tmp_path / "test_a.py").write_text("def (:")
    with pytest.raises(InputError, match=r"test_a\.py: is not Python: "):
        marks_of(tmp_path)
