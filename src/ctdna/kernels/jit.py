"""The one decorator of compiled kernels and their one cache.

numba's on-disk cache notices an edit of the kernel's own file only. A kernel that inlines a helper or a column type
from another module would be served stale. So each module's kernels are cached in a folder named by a digest of that
module and of every ctdna module it imports, near or far.

The cache lies in `$CTDNA_CACHE`, or else in the user's cache folder. `NUMBA_DISABLE_JIT=1` runs the same functions as
plain Python.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Keep modules that are not loaded yet from being loaded: their import fails as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# numba takes these along where it finds them; they make a third of its start and serve no kernel here: a tool of
# developers, and the products of matrices.
with _absent("coverage", "scipy.linalg.cython_blas"):
    import numba
    import numba.np.arraymath
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


_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(?P<module>ctdna[\w.]*)[ \t]+import[ \t]*(?P<names>\([^)]*\)|[^\n]*)"
    rb"|import[ \t]+(?P<plain>[^\n]*))",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"#[^\n]*|\\\n")
_WORDS = re.compile(rb"[\w.]+")


@cache
def _package_files() -> frozenset[str]:
    """Return the paths of the package's modules, relative to its folder."""
    return frozenset(str(path.relative_to(_PACKAGE)) for path in _PACKAGE.rglob("*.py"))


def _module_file(dotted: str) -> Path | None:
    parts = dotted.split(".")[1:]
    for candidate in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if candidate in _package_files():
            return _PACKAGE / candidate
    return None


@cache
def imports_of(path: Path) -> tuple[Path, ...]:
    """Return the files of the ctdna modules that a module's import statements may name, sorted.

    Read off the text: parsing the source takes fifty times as long. What only looks like an import counts as one.
    """
    names: set[str] = set()
    for found in _IMPORT.finditer(_COMMENT.sub(b" ", path.read_bytes())):
        if found["plain"] is not None:
            names.update(word.decode() for word in _WORDS.findall(found["plain"]))
        else:
            module = found["module"].decode()
            names.update([module, *(f"{module}.{word.decode()}" for word in _WORDS.findall(found["names"]))])
    files = (_module_file(name) for name in names if name.startswith("ctdna."))
    return tuple(sorted({file for file in files if file is not None}))


@cache
def sources_digest(path: Path) -> str:
    """Return the hex digest over a module and all ctdna modules it reaches by imports, and numba's version."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(imports_of(file))
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info[:3]}".encode())
    for file in sorted(seen):
        digest.update(str(file.relative_to(_PACKAGE)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:20]


@cache
def _real_path(name: str) -> Path:
    return Path(name).resolve()


def _compile(function: F, **options: Any) -> F:
    source = _real_path(function.__code__.co_filename)
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
    kernel that returns numbers. An inner kernel that is handed a dozen arrays would spend most of its time on counts.
    """
    return _compile(function, _nrt=False)


def parallel_kernel(function: F) -> F:
    """Return the function compiled with `prange` in threads; iteration i may write slot i only."""
    return _compile(function, _nrt=True, parallel=True)
