"""The traceability matrix: statuses, rows, TSV and HTML."""

from html.parser import HTMLParser

import pytest

from ctdna.model.requirement import (
    CaseResult,
    Hazard,
    MarkedCase,
    Matrix,
    Outcome,
    Requirement,
    Requirements,
    ResultsFile,
)
from ctdna.report.matrix import COLUMNS, STATUSES, matrix_html, matrix_of, matrix_tsv, status_of, unknown_ids

LISTED = Requirements(
    schema_version=1,
    hazards=tuple(Hazard(id=f"HAZ-00{i}", text=f"hazard {i}", sequence="s", harm="h") for i in (1, 2)),
    requirements=(
        Requirement(id="REQ-ABC-001", text="one", risk="wrong-result", hazards=("HAZ-001",), is_control=True),
        Requirement(id="REQ-ABC-002", text="two <b>\ttabs", risk="no-proof", hazards=("HAZ-001", "HAZ-002")),
        Requirement(id="REQ-ABC-003", text="three", risk="no-proof", hazards=("HAZ-002",), is_control=True),
        Requirement(id="REQ-ABC-004", text="four", risk="no-proof", hazards=("HAZ-002",)),
        Requirement(id="REQ-ABC-005", text="five", risk="disclosure", hazards=("HAZ-002",)),
    ),
)


def case(name: str, file: str, outcome: Outcome, *numbers: int) -> MarkedCase:
    ids = tuple(f"REQ-ABC-00{n}" for n in numbers)
    return MarkedCase(name=name, file=file, outcome=outcome, requirements=ids)


def made() -> Matrix:
    slow = (
        case("t::b", "slow.xml", "passed", 1),
        case("t::c", "slow.xml", "failed", 3),
        case("t::d", "slow.xml", "passed"),
    )
    fast = (case("t::b", "fast.xml", "skipped", 1, 2), case("t::a", "fast.xml", "passed", 3))
    results = [(ResultsFile(name="slow.xml", sha256="5" * 64, n_tests=3), slow)]
    results.append((ResultsFile(name="fast.xml", sha256="6" * 64, n_tests=2), fast))
    marks = dict.fromkeys(("REQ-ABC-001", "REQ-ABC-002", "REQ-ABC-003", "REQ-ABC-004"))
    return matrix_of(LISTED, "7" * 64, results, marks, "1.2.3")


@pytest.mark.req("REQ-TRC-003")
@pytest.mark.parametrize(
    ("outcomes", "is_marked", "status"),
    [
        (("passed",), True, "verified"),
        (("passed", "skipped"), True, "verified"),
        (("passed", "failed", "skipped"), True, "failed"),
        (("skipped", "skipped"), True, "skipped"),
        (("skipped", "failed"), False, "failed"),
        ((), True, "not run"),
        ((), False, "unverified"),
    ],
)
def test_status_follows_from_results(outcomes: tuple[Outcome, ...], is_marked: bool, status: str) -> None:
    cases = [CaseResult(name="t", file="f", outcome=outcome) for outcome in outcomes]
    assert status_of(cases, is_marked) == status
    assert status_of(cases[::-1], is_marked) == status


@pytest.mark.req("REQ-TRC-003")
def test_rows_files_and_hazards() -> None:
    matrix = made()
    assert [row.status for row in matrix.rows] == ["verified", "skipped", "failed", "not run", "unverified"]
    assert matrix.counts == dict.fromkeys(STATUSES, 1)
    assert [(item.name, item.file) for item in matrix.rows[0].tests] == [("t::b", "fast.xml"), ("t::b", "slow.xml")]
    assert [file.name for file in matrix.results] == ["fast.xml", "slow.xml"]
    assert [(row.hazard.id, row.controls, row.not_verified) for row in matrix.hazards] == [
        ("HAZ-001", ("REQ-ABC-001",), ()),
        ("HAZ-002", ("REQ-ABC-003",), ("REQ-ABC-003",)),
    ]


def test_the_table_has_a_row_a_test_and_no_stray_tab() -> None:
    lines = [line.split("\t") for line in matrix_tsv(made()).splitlines()]
    assert tuple(lines[0]) == COLUMNS
    assert {len(line) for line in lines} == {len(COLUMNS)}
    assert [(line[0], line[1], line[5], line[6], line[7]) for line in lines[1:]] == [
        ("REQ-ABC-001", "verified", "t::b", "fast.xml", "skipped"),
        ("REQ-ABC-001", "verified", "t::b", "slow.xml", "passed"),
        ("REQ-ABC-002", "skipped", "t::b", "fast.xml", "skipped"),
        ("REQ-ABC-003", "failed", "t::a", "fast.xml", "passed"),
        ("REQ-ABC-003", "failed", "t::c", "slow.xml", "failed"),
        ("REQ-ABC-004", "not run", ".", ".", "."),
        ("REQ-ABC-005", "unverified", ".", ".", "."),
    ]


def test_the_page_holds_every_row_and_nothing_that_runs_or_is_fetched() -> None:
    page = matrix_html(made())
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert not {"script", "link", "img", "iframe", "b"} & set(tags)
    assert "url(" not in page
    assert "two &lt;b&gt;" in page
    for row in made().rows:
        assert f'id="{row.requirement.id}"' in page
    for text in ("failed: t::c (slow.xml)", "6" * 64, "7" * 64, "1.2.3", "unverified", "hazard 2"):
        assert text in page


def test_ids_that_the_list_lacks() -> None:
    assert unknown_ids(LISTED, ["REQ-ABC-001", "REQ-XYZ-001", "", "REQ-XYZ-001"]) == ["", "REQ-XYZ-001"]
