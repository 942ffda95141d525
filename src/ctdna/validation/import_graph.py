"""Which steps of the analysis use which module, from the imports in the sources of the running build."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ctdna.build.own import PACKAGE, files_below
from ctdna.model.errors import DefinitionError

ROOT = "ctdna"
STEPS: dict[str, str] = {
    "demultiplex": "cli/demultiplex",
    "consensus_from_fastq": "cli/consensus_from_fastq",
    "extract": "cli/extract",
    "align": "cli/align",
    "group": "cli/group",
    "consensus": "cli/consensus",
    "realign": "cli/realign",
    "filter": "cli/filter",
    "call": "cli/call",
    "annotate": "cli/annotate",
    "qc": "cli/qc",
    "report": "cli/report",
    "background": "cli/background",
}
"""Each step and the module of its command: what that module imports, at once or later, is what the step can run."""
JOB = ("cli/run", "cli/watch", "cli/main")
"""Modules that order the steps."""


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield every statement, nested ones too, but those for types alone."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.stmt):
            yield node
        is_for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for part in ("orelse",) if is_for_types else ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, ())
            left += inner if isinstance(inner, list) else ()


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield every dotted name that the source imports, at once or later, but for types alone."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _with_packages(name: str) -> Iterator[str]:
    """Yield a module and the packages that importing it runs first."""
    parts = name.split(".")
    yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))


def _dotted(path: Path, package: Path) -> str:
    parts = (ROOT, *path.relative_to(package).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Sources(NamedTuple):
    """What the sources of a package say of each module, by dotted name."""

    imports: dict[str, frozenset[str]]
    """The modules of ctdna that it imports."""
    texts: dict[str, str]
    """Its source."""


@cache
def read_sources(package: Path = PACKAGE) -> Sources:
    """Return what every module of ctdna imports and names; each package is read once.

    Raises:
        DefinitionError: a source is not Python.
    """
    trees: dict[str, ast.Module] = {}
    texts: dict[str, str] = {}
    for path in files_below(package):
        if path.suffix == ".py":
            try:
                texts[_dotted(path, package)] = path.read_text(encoding="utf-8")
                trees[_dotted(path, package)] = ast.parse(texts[_dotted(path, package)])
            except (SyntaxError, ValueError) as error:
                raise DefinitionError(path, "", f"is not Python: {error}", "install ctdna again") from error
    imports = {
        name: frozenset(one for found in _imported(tree) for one in _with_packages(found) if one in trees)
        | frozenset(one for one in _with_packages(name) if one in trees)
        for name, tree in trees.items()
    }
    return Sources(imports, texts)


def reached(graph: Mapping[str, frozenset[str]], start: str) -> frozenset[str]:
    """Return every module that one module imports, directly or through others, with itself; none if it is unknown."""
    found: set[str] = set()
    left = [start] if start in graph else []
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += graph[name]
    return frozenset(found)


class Users:
    """Which steps use a module or a file of the package."""

    def __init__(self, sources: Sources) -> None:
        """Take what the modules import and name."""
        graph = sources.imports
        self._modules, self._texts = frozenset(graph), sources.texts
        self._steps = {step: reached(graph, _name(module)) for step, module in STEPS.items()}
        self._job = frozenset().union(*(reached(graph, _name(module)) for module in JOB))

    def of(self, file: str) -> tuple[str, ...]:
        """Return the steps that use a file as `ctdna/stages/call.py`; else `job` or `outside`.

        A file that is no module counts for the modules of its package that name it or its folder, or for all of them
        where none does; a module that the running build does not have counts for every step.
        """
        modules = self._modules_of(file)
        if not modules:
            return tuple(STEPS)
        steps = tuple(step for step, used in self._steps.items() if modules & used)
        if steps:
            return steps
        return ("job",) if modules & self._job else ("outside",)

    def _modules_of(self, file: str) -> frozenset[str]:
        path = Path(file)
        if path.suffix == ".py":
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            return frozenset({name}) & self._modules
        for folder in path.parents:
            package = ".".join(folder.parts)
            if package in self._modules and package != ROOT:
                inside = {name for name in self._modules if name == package or name.startswith(f"{package}.")}
                named = (f'"{path.name}"', f'"{path.parent.name}"')
                naming = {name for name in inside if any(text in self._texts[name] for text in named)}
                return frozenset(naming or inside)
        return frozenset()


def _name(module: str) -> str:
    return f"{ROOT}.{module.replace('/', '.')}"
