"""The traceability matrix: requirements against tests against results; as TSV and HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping

from markupsafe import Markup

from ctdna.model.requirement import (
    CaseResult,
    HazardRow,
    MarkedCase,
    Matrix,
    MatrixRow,
    Requirement,
    Requirements,
    ResultsFile,
    Status,
)
from ctdna.report.html import TEMPLATES, template

STATUSES: tuple[Status, ...] = ("verified", "failed", "skipped", "not run", "unverified")
COLUMNS = ("requirement", "status", "risk", "control", "hazards", "test", "file", "outcome", "text")


def status_of(cases: Iterable[CaseResult], is_marked: bool) -> Status:
    """Return what the results of a requirement's tests make of it.

    One failure is a failure; else one passed test verifies it, whatever was skipped beside it. `is_marked` says
    whether some test names the requirement though the results hold none.
    """
    outcomes = {case.outcome for case in cases}
    if "failed" in outcomes:
        return "failed"
    if "passed" in outcomes:
        return "verified"
    if outcomes:
        return "skipped"
    return "not run" if is_marked else "unverified"


def _row(requirement: Requirement, cases: Iterable[MarkedCase], marks: Mapping[str, object]) -> MatrixRow:
    mine = sorted(
        (case for case in cases if requirement.id in case.requirements), key=lambda case: (case.name, case.file)
    )
    tests = tuple(CaseResult(name=case.name, file=case.file, outcome=case.outcome) for case in mine)
    return MatrixRow(requirement=requirement, status=status_of(tests, requirement.id in marks), tests=tests)


def unknown_ids(requirements: Requirements, named: Iterable[str]) -> list[str]:
    """Return the ids that are none of the list's, sorted."""
    return sorted(set(named) - {requirement.id for requirement in requirements.requirements})


def matrix_of(
    requirements: Requirements,
    sha256: str,
    results: Iterable[tuple[ResultsFile, tuple[MarkedCase, ...]]],
    marks: Mapping[str, object],
    version: str,
) -> Matrix:
    """Return the matrix; rows in the list's order, tests by name, files by name.

    `sha256` is that of the list's file, `marks` the ids that the tests' marks name, `version` the software's.
    """
    files = sorted(results, key=lambda pair: (pair[0].name, pair[0].sha256))
    cases = [case for _, found in files for case in found]
    rows = tuple(_row(requirement, cases, marks) for requirement in requirements.requirements)
    counted = Counter(row.status for row in rows)
    hazards = []
    for hazard in requirements.hazards:
        controls = [row for row in rows if row.requirement.is_control and hazard.id in row.requirement.hazards]
        open_ones = tuple(row.requirement.id for row in controls if row.status != "verified")
        names = tuple(row.requirement.id for row in controls)
        hazards.append(HazardRow(hazard=hazard, controls=names, not_verified=open_ones))
    return Matrix(
        software_version=version,
        requirements_sha256=sha256,
        results=tuple(file for file, _ in files),
        counts={status: counted[status] for status in STATUSES},
        rows=rows,
        hazards=tuple(hazards),
    )


def _cell(text: str) -> str:
    return " ".join(text.split())


def matrix_tsv(matrix: Matrix) -> str:
    """Return one row a requirement and test, with a header; a requirement without results has one row with `.`."""
    lines = ["\t".join(COLUMNS)]
    for row in matrix.rows:
        of = row.requirement
        head = (of.id, row.status, of.risk, "yes" if of.is_control else "no", ",".join(of.hazards))
        tests: list[tuple[str, str, str]] = [(case.name, case.file, case.outcome) for case in row.tests]
        tests = tests or [(".", ".", ".")]
        lines += ["\t".join(_cell(cell) for cell in (*head, *test, of.text)) for test in tests]
    return "\n".join(lines) + "\n"


def matrix_html(matrix: Matrix) -> str:
    """Return the matrix as one HTML file: styles inside, no script, nothing fetched; every text escaped."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return template("matrix.html.j2").render(m=matrix, statuses=STATUSES, css=Markup(css))
