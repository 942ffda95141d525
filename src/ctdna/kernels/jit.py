"""The one decorator of compiled kernels and their one cache.

numba's on-disk cache notices an edit of the kernel's own file only. A kernel that inlines a helper or a column type
from another module would be served stale. So each module's kernels are cached in a folder named by a digest of that
module and of every ctdna module it imports, near or far.

The cache lies in `$CTDNA_CACHE`, or else in the user's cache folder. `NUMBA_DISABLE_JIT=1` runs the same functions as
plain Python.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba import config

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = Path(__file__).resolve().parents[1]


def cache_root() -> Path:
    """Return the folder that holds the compiled kernels of every build on this machine."""
    named = os.environ.get("CTDNA_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ctdna"


def _module_file(dotted: str) -> Path | None:
    parts = dotted.split(".")[1:]
    for candidate in (_PACKAGE.joinpath(*parts).with_suffix(".py"), _PACKAGE.joinpath(*parts, "__init__.py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found = (_module_file(name) for name in names if name.startswith("ctdna."))
    return tuple(sorted({file for file in found if file is not None}))


@cache
def sources_digest(path: Path) -> str:
    """Return the hex digest over a module and all ctdna modules it reaches by imports, and numba's version."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(_imports(file))
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info[:3]}".encode())
    for file in sorted(seen):
        digest.update(str(file.relative_to(_PACKAGE)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:20]


def _compile(function: F, **options: bool) -> F:
    source = Path(function.__code__.co_filename).resolve()
    settings: Any = config
    if settings.DISABLE_JIT or _PACKAGE not in source.parents:
        return cast(F, numba.njit(nogil=True, **options)(function))
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_root() / "kernels" / sources_digest(source))
    try:
        return cast(F, numba.njit(nogil=True, cache=True, **options)(function))
    finally:
        settings.CACHE_DIR = before


def kernel(function: F) -> F:
    """Return the function compiled on first call, cached on disk, running without the interpreter lock."""
    return _compile(function, _nrt=True)


def lean_kernel(function: F) -> F:
    """Return the function compiled as `kernel` does, but without counts of references to its arrays.

    It may make no array, nor call what returns one: it fills those it is given. Others may call it, and it may call any
    kernel that returns numbers. An inner kernel that is handed a dozen arrays spends most of its time on counts otherwise.
    """
    return _compile(function, _nrt=False)


def parallel_kernel(function: F) -> F:
    """Return the function compiled with `prange` in threads; iteration i may write slot i only."""
    return _compile(function, _nrt=True, parallel=True)
