"""Requirements, the marks of the tests, the hooks that hold them together, and the drafts that name them."""

import ast
import re
from pathlib import Path

import pytest

from ctdna.formats.junit import read_junit
from ctdna.formats.requirements import marks_of, read_requirements
from ctdna.model.sample import Specimen

from .traceability import LIST, REPOSITORY

REGULATORY = REPOSITORY / "docs" / "regulatory"
CONFTEST = """
from pathlib import Path
from tests import traceability
traceability.REPOSITORY = Path(__file__).parent
traceability.LIST = traceability.REPOSITORY / "requirements.yaml"
pytest_plugins = ["tests.traceability"]
"""
YAML = """
schema_version: 1
hazards: [{id: HAZ-001, text: t, sequence: s, harm: h}]
requirements:
  - {id: REQ-ABC-001, text: t, risk: no-proof, hazards: [HAZ-001], is_control: true}
  - {id: REQ-ABC-002, text: t, risk: no-proof, hazards: [HAZ-001]}
"""
TESTS = """
import pytest

pytestmark = pytest.mark.req("REQ-ABC-001")

@pytest.mark.req("REQ-ABC-002", "REQ-ABC-001")
@pytest.mark.parametrize("n", [1, 2])
def test_both(n):
    assert n == 1

def test_one():
    pytest.skip("no")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}:{REPOSITORY / 'src'}")
    pytester.makeconftest(CONFTEST)
    pytester.makefile(".yaml", requirements=YAML)
    pytester.makeini("[pytest]\nmarkers = req(*ids): ids\n")
    return pytester


@pytest.mark.req("REQ-TRC-001")
@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_a_fault_of_the_marks_fails_the_run(suite: pytest.Pytester, more: tuple[str, ...]) -> None:
    names = ("REQ-ABC-009", "req-abc-001", "REQ-ABC-001 ", "")
    suite.makepyfile(test_x=f"import pytest\n@pytest.mark.req{names!r}\ndef test_x():\n    pass\n")
    done = suite.runpytest_subprocess("test_x.py", *more)
    done.assert_outcomes(passed=1, failed=1)
    assert done.ret == 1
    said = done.stdout.str()
    assert "test_x.py::test_x: REQ-ABC-009 is not in requirements.yaml" in said
    for name in names[1:]:
        assert f"test_x.py::test_x: req({name!r}) is not of the form REQ-ABC-001" in said


@pytest.mark.req("REQ-TRC-002")
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_requirement_without_a_test_fails_a_run_of_the_whole_suite(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_x='import pytest\n@pytest.mark.req("REQ-ABC-001")\ndef test_x():\n    pass\n')
    part = suite.runpytest_subprocess("test_x.py")
    part.assert_outcomes(passed=1)
    whole = suite.runpytest_subprocess("-m", "req")
    whole.assert_outcomes(passed=1, failed=1)
    whole.stdout.fnmatch_lines(["*REQ-ABC-002 has no test: mark one*"])
    again = suite.runpytest_subprocess("--last-failed")
    assert "has no test" not in again.stdout.str()


@pytest.mark.req("REQ-TRC-003")
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_file_of_results_carries_the_ids(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_x=TESTS)
    suite.runpytest_subprocess("--junitxml=r.xml", "-n", "1").assert_outcomes(passed=1, failed=1, skipped=1)
    file, cases = read_junit(suite.path / "r.xml")
    both = ("REQ-ABC-001", "REQ-ABC-002")
    assert file.n_tests == 3
    assert sorted((case.name, case.outcome, case.requirements) for case in cases) == [
        ("test_x::test_both[1]", "passed", both),
        ("test_x::test_both[2]", "failed", both),
        ("test_x::test_one", "skipped", both[:1]),
    ]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_list_that_cannot_be_read_fails_the_run(suite: pytest.Pytester) -> None:
    suite.makefile(".yaml", requirements=YAML.replace("HAZ-001, text", "HAZ-002, text"))
    suite.makepyfile(test_x="def test_x():\n    pass\n")
    done = suite.runpytest_subprocess()
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*requirements.yaml*names HAZ-001, which is no hazard of the list*"])


def test_each_requirement_has_a_test_and_each_mark_a_requirement() -> None:
    """Read, not run: what a part of the suite cannot see."""
    known = {item.id for item in read_requirements(LIST).requirements}
    marked = marks_of(REPOSITORY / "tests")
    assert {name: places for name, places in marked.items() if name not in known} == {}
    assert sorted(known - set(marked)) == []
    assert len(known) > 100


@pytest.mark.req("REQ-SEC-001")
def test_no_module_of_the_program_opens_a_listener() -> None:
    """Nothing that listens is imported; clients of a database reach out by their own library."""
    servers = {"socket", "socketserver", "http.server", "xmlrpc.server", "wsgiref", "asyncio"}
    servers |= {"multiprocessing.managers", "multiprocessing.connection"}
    found = []
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{path.name}: {name}" for name in names for one in servers if f"{name}.".startswith(f"{one}.")]
    assert found == []


@pytest.mark.req("REQ-SEC-002")
def test_a_specimen_has_no_field_for_a_direct_identifier() -> None:
    words = {word for name in Specimen.model_fields for word in name.split("_")}
    direct = {"name", "surname", "birth", "born", "address", "phone", "mail", "email", "national", "insurance", "mrn"}
    assert words & direct == set()
    assert set(Specimen.model_fields) >= {"subject_id", "diagnosis"}


def _ids(path: Path, pattern: str) -> set[str]:
    return set(re.findall(pattern, path.read_text(encoding="utf-8")))


@pytest.mark.req("REQ-TRC-005")
@pytest.mark.parametrize("page", sorted(REGULATORY.glob("*.md")), ids=lambda page: page.name)
def test_the_regulatory_drafts_name_requirements_that_exist(page: Path) -> None:
    listed = read_requirements(LIST)
    known = {item.id for item in listed.requirements} | {item.id for item in listed.hazards}
    groups = {item.id[:7] for item in listed.requirements}
    assert _ids(page, r"\b(?:REQ-[A-Z]{3}-\d{3}|HAZ-\d{3})\b") - known == set()
    assert _ids(page, r"\bREQ-[A-Z]{3}\b") - groups == set()


@pytest.mark.req("REQ-TRC-005")
def test_the_risk_file_covers_every_hazard_and_its_controls() -> None:
    listed = read_requirements(LIST)
    rows = {}
    for line in (REGULATORY / "risk-file.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| (HAZ-\d{3}) \|", line):
            rows[found[1]] = line
    assert sorted(rows) == sorted(hazard.id for hazard in listed.hazards)
    for hazard in listed.hazards:
        controls = {item.id for item in listed.requirements if item.is_control and hazard.id in item.hazards}
        assert set(re.findall(r"REQ-[A-Z]{3}-\d{3}", rows[hazard.id])) == controls, hazard.id


def test_what_a_person_must_decide_stands_as_a_blank() -> None:
    for name in ("risk-file.md", "threat-model.md", "software-description.md"):
        assert "TO BE DECIDED BY:" in (REGULATORY / name).read_text(encoding="utf-8"), name
