"""Files that Python would load though no locked distribution holds them: at its start, or in place of a module."""

import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules

from ctdna.build.dependencies import Installed, by_name
from ctdna.build.own import OWN, files_below
from ctdna.formats.digest import sha256_of
from ctdna.model.build import BuildItem

_HOOKS = frozenset(("sitecustomize", "usercustomize"))
_SUFFIXES = (".py", ".pyc", ".so", ".zip")
_OFFERS = ("numba_extensions", "pydantic", "sqlalchemy.dialects")
"""Entry points that numba, pydantic and SQLAlchemy load from whatever is installed."""
_PLUGIN = re.compile(r"snakemake_\w+_plugin_")
"""Modules that Snakemake loads by their names."""
_SITES = ("site-packages", "dist-packages")


def _module(name: str) -> str:
    return name.split(".", 1)[0]


def _entries() -> Iterator[tuple[Path, bool]]:
    """Yield every folder that Python looks for modules in but its own, and whether it comes before its own."""
    library = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    before = True
    for text in dict.fromkeys(sys.path):
        folder = Path(text or ".").absolute()
        if folder in library or (folder.parent in library and folder.name == "lib-dynload"):
            before = False
        elif folder.is_dir():
            yield folder, before


def _own_files() -> Iterator[Path]:
    """Yield the files of ctdna's own distribution; a `.pth` only where it does no more than name a folder."""
    distribution = by_name().get(OWN)
    for named in (distribution.files or ()) if distribution else ():
        path = Path(str(named.locate()))
        lines = path.read_text(errors="replace").strip().split("\n") if path.suffix == ".pth" and path.is_file() else []
        if path.suffix != ".pth" or (len(lines) == 1 and Path(lines[0]).is_dir()):
            yield path


def _loaded(folder: Path, watched: frozenset[str]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        is_hook = path.suffix == ".pth" and folder.name in _SITES
        is_module = _module(path.name) in watched and path.suffix in _SUFFIXES
        if path.is_dir() and path.name in watched and (folder.name in _SITES or any(path.glob("__init__.*"))):
            yield from files_below(path)
        elif path.is_file() and (is_hook or is_module):
            yield path


def _plugins() -> set[str]:
    """Return modules that dependencies would load because a distribution offers them to all who use these."""
    offered = (point for group in _OFFERS for point in entry_points(group=group))
    found = (name for _, name, _ in iter_modules())
    return {_module(point.module) for point in offered} | {name for name in found if _PLUGIN.match(name)}


def foreign_items(locked: Iterable[Installed]) -> tuple[BuildItem, ...]:
    """Return such files, named from their folder of Python's search path.

    Looked at are names that a locked distribution bears, names of Python's own modules in folders that come before
    them, `sitecustomize`, `usercustomize`, `.pth` files, and plug-ins that a dependency loads by itself.

    Raises:
        InputError: a file cannot be read.
    """
    locked = tuple(locked)
    owned = {one.base / name for one in locked for name in one.files} | set(_own_files())
    names = _HOOKS | _plugins() | {_module(name.split("/", 1)[0]) for one in locked for name in one.files}
    names -= {OWN}
    found: dict[str, BuildItem] = {}
    for folder, before in _entries():
        for path in _loaded(folder, frozenset(names | sys.stdlib_module_names if before else names)):
            name = path.relative_to(folder).as_posix()
            if path not in owned and name not in found:
                found[name] = BuildItem(name=name, sha256=sha256_of(path))
    return tuple(found[name] for name in sorted(found))
