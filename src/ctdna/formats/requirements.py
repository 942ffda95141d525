"""The list of requirements, and the marks of tests that name them."""

import ast
from pathlib import Path

from ctdna.formats.yaml_files import read_yaml
from ctdna.model.errors import InputError
from ctdna.model.requirement import Requirements

MARK = "req"
"""`@pytest.mark.req("REQ-CAL-001")` stands on the test that verifies the requirement."""
_HINT = "docs/trace.md describes every key"


def read_requirements(path: Path) -> Requirements:
    """Return the list in a YAML file.

    Raises:
        InputError: it cannot be read, does not fit the model, an id stands twice, or a hazard has no control.
    """
    return read_yaml(path, Requirements, InputError, _HINT)


def marks_of(folder: Path) -> dict[str, list[str]]:
    """Return the places (`path:line`) of each requirement id that a mark in a folder of tests names, sorted.

    A mark that names nothing, or anything but texts, has the id `""`. The files are read, not run.

    Raises:
        InputError: the folder holds no test file, or a file is not Python.
    """
    paths = sorted(folder.rglob("*.py"))
    if not paths:
        raise InputError(folder, "", "holds no test file", "name the folder of the tests")
    found: dict[str, list[str]] = {}
    for path in paths:
        for name, line in _marks_in(path):
            found.setdefault(name, []).append(f"{path.relative_to(folder).as_posix()}:{line}")
    return dict(sorted(found.items()))


def _marks_in(path: Path) -> list[tuple[str, int]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise InputError(path, "", f"is not Python: {error}", "mend the file") from error
    return [pair for node in ast.walk(tree) if (call := _mark_call(node)) for pair in _names_of(call)]


def _mark_call(node: ast.AST) -> ast.Call | None:
    """Return the node where it is `pytest.mark.req(...)`."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == MARK):
        return None
    owner = node.func.value
    return node if isinstance(owner, ast.Attribute) and owner.attr == "mark" else None


def _names_of(call: ast.Call) -> list[tuple[str, int]]:
    names = [
        (item.value, item.lineno)
        if isinstance(item, ast.Constant) and isinstance(item.value, str)
        else ("", item.lineno)
        for item in call.args
    ]
    return names or [("", call.lineno)]
