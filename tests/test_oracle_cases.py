"""Every case of the acceptance table has a runner, and every value it expects an assertion."""

import importlib
import re
from pathlib import Path

from tests.oracle_cases import ANSWERED_OTHERWISE, CASES, HELD, Expected, all_cases, forget, unseen

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "parity.md"


def runners() -> list[str]:
    """Return the names of the modules that take their cases from the table."""
    paths = [
        path for path in TESTS.rglob("test_*.py") if '@pytest.mark.parametrize("case", case_params(' in path.read_text()
    ]
    return [".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in sorted(paths)]


def test_every_case_has_a_runner() -> None:
    for name in runners():
        importlib.import_module(name)
    ids = [case["id"] for case in all_cases()]
    assert len(ids) == len(set(ids)) == 250
    assert sorted(set(ids) - HELD) == []
    assert all(case["expect"] for case in all_cases())


def test_cases_answered_otherwise_are_those_of_the_page() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## The acceptance table")[1].split("\n## ")[0]
    told = re.findall(r"^\| ([a-z-]+-\d+(?:, [a-z-]+-\d+)*) \|", table, flags=re.MULTILINE)
    assert sorted(name for names in told for name in names.split(", ")) == sorted(ANSWERED_OTHERWISE)
    assert f"{len(all_cases()) - len(ANSWERED_OTHERWISE)} of the 250 cases" in table
    assert CASES.name in PAGE.read_text(encoding="utf-8")


def test_a_value_without_an_assertion_is_found() -> None:
    case = {
        "expect": Expected({"bases": "A", "records": [{"tags": {"cD": 1, "cM": 2}}]}),
        "formula": Expected({"q": 1}),
    }
    assert unseen(case) == ["expect.bases", "expect.records", "formula.q"]
    both = case["expect"] | case["formula"]
    assert both["records"][0]["tags"]["cD"] == 1
    assert unseen(case) == ["expect.bases", "expect.records.0.tags.cM", "formula.q"]
    assert both.get("q") == 1
    assert both.get("absent", 7) == 7
    assert both["bases"] == "A"
    assert case["expect"]["records"][0]["tags"] == {"cD": 1, "cM": 2}
    assert unseen(case) == []
    forget(case)
    assert unseen(case) == ["expect.bases", "expect.records", "formula.q"]
