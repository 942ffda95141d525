"""`ctdna trace`: the matrix of requirements, tests and results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.options import input_path, output_path

if TYPE_CHECKING:
    from ctdna.model.requirement import MarkedCase, Requirements


@click.command("trace")
@input_path("--requirements", "The list of requirements (YAML).")
@click.option(
    "--junit",
    "junit",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Results of tests (JUnit XML); give it once for each file.",
)
@click.argument("more", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@input_path(
    "--tests", "Folder of the tests: tells tests that were not run from those that do not exist.", required=False
)
@output_path("--output", "Folder for matrix.tsv, matrix.json and matrix.html.")
def command(
    requirements: Path, junit: tuple[Path, ...], more: tuple[Path, ...], tests: Path | None, output: Path
) -> int:
    """Make the traceability matrix: each requirement, the tests that verify it, and their results.

    A requirement is verified if a test that names it has passed and none has failed. FILEs after the options are
    further results, so that `--junit results/junit/*.xml` works. Leaves with 4 if a requirement is not verified, and
    with 2 if a test names a requirement that the list does not hold.
    """
    import hashlib

    from ctdna import __version__
    from ctdna.formats.atomic import make_folder, write_text
    from ctdna.formats.documents import dump_json
    from ctdna.formats.junit import read_junit
    from ctdna.formats.requirements import marks_of, read_requirements
    from ctdna.model.errors import EXIT_DONE, EXIT_QC
    from ctdna.report.matrix import matrix_html, matrix_of, matrix_tsv

    listed = read_requirements(requirements)
    results = [read_junit(path) for path in (*junit, *more)]
    marks = marks_of(tests) if tests else {}
    _refuse_unknown(listed, requirements, marks, (case for _, cases in results for case in cases))
    sha256 = hashlib.sha256(requirements.read_bytes()).hexdigest()
    matrix = matrix_of(listed, sha256, results, marks, __version__)
    make_folder(output)
    write_text(output / "matrix.tsv", matrix_tsv(matrix))
    write_text(output / "matrix.html", matrix_html(matrix))
    write_text(output / "matrix.json", dump_json(matrix))
    for row in matrix.rows:
        if row.status != "verified":
            click.echo(f"{row.requirement.id}\t{row.status}\t{row.requirement.text}")
    click.echo(f"{matrix.counts['verified']} of {len(matrix.rows)} requirements verified: {output / 'matrix.html'}")
    return EXIT_DONE if matrix.counts["verified"] == len(matrix.rows) else EXIT_QC


def _refuse_unknown(
    listed: Requirements, path: Path, marks: Mapping[str, list[str]], cases: Iterable[MarkedCase]
) -> None:
    """Refuse an id that a test names and the list does not hold.

    Raises:
        InputError: there is such an id; its first place is named.
    """
    from ctdna.model.errors import InputError
    from ctdna.report.matrix import unknown_ids

    places = {name: at[0] for name, at in marks.items()}
    for case in cases:
        for name in case.requirements:
            places.setdefault(name, f"{case.file}: {case.name}")
    unknown = unknown_ids(listed, places)
    if unknown:
        what = f"found requirement `{unknown[0]}`, which {path} does not hold"
        raise InputError(None, places[unknown[0]], what, "correct the id, or add the requirement")
