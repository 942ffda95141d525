"""The cache of compiled kernels: what its key covers; kernels without counts of references."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ctdna.kernels import jit

KERNELS = sorted(Path(jit.__file__).parent.glob("*.py"))


def _parsed(path: Path) -> set[str]:
    """Return the ctdna modules that a module imports, by Python's own parser."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("ctdna.")}


def _file(dotted: str) -> Path | None:
    root = Path(jit.__file__).parents[1].joinpath(*dotted.split(".")[1:])
    found = [path for path in (root.with_suffix(".py"), root / "__init__.py") if path.is_file()]
    return found[0] if found else None


@pytest.mark.req("REQ-REP-004")
@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_every_import_is_part_of_the_key(path: Path) -> None:
    assert {_file(name) for name in _parsed(path)} - {None} <= set(jit.imports_of(path))


@pytest.mark.parametrize(
    "text",
    [
        "from ctdna.kernels import family as fam, jit\n",
        "from ctdna.kernels import (\n    family,  # why (not)\n    jit,\n)\n",
        "from ctdna.kernels import family, \\\n    jit\n",
        "import ctdna.kernels.family, ctdna.kernels.jit as j\n",
        "def f():\n    from ctdna.kernels.family import vote\n    import ctdna.kernels.jit\n",
    ],
)
def test_forms_of_imports(tmp_path: Path, text: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    wanted = {_file("ctdna.kernels.family"), _file("ctdna.kernels.jit")}
    assert wanted <= set(jit.imports_of(path))


def test_a_start_loads_neither_linear_algebra_nor_coverage() -> None:
    code = "import sys, ctdna.kernels.record; print([m for m in ('scipy.linalg', 'coverage') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
