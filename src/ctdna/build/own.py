"""The files of ctdna itself, named alike in a clone and in an installed wheel."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.digest import sha256_of
from ctdna.kit.resources import shipped
from ctdna.model.build import BuildItem

PACKAGE = Path(__file__).resolve().parents[1]
OWN, SHIPPED, KITS = "ctdna", "shipped", "kits"
LOCK_FILES = ("runtime.in", "runtime.lock")
"""What ships of `requirements/`."""


class Places(NamedTuple):
    """Where the parts of ctdna lie on this machine."""

    package: Path
    workflow: Path
    pipeline: Path
    config: Path
    requirements: Path

    @property
    def runtime_lock(self) -> Path:
        """Return the lock of dependencies."""
        return self.requirements / "runtime.lock"


def places() -> Places:
    """Return where the parts of the running ctdna lie.

    Raises:
        DefinitionError: a part is absent.
    """
    return Places(PACKAGE, *(shipped(name) for name in ("workflow", "pipeline", "config", "requirements")))


def files_below(folder: Path, leave_out: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield every file below a folder in the order of paths; byte code in `__pycache__` is no file of its own."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and Path(here, name) not in leave_out)
        yield from (Path(here, name) for name in sorted(names))


def _items(folder: Path, prefix: str, *leave_out: Path) -> list[BuildItem]:
    named = ((f"{prefix}/{path.relative_to(folder).as_posix()}", path) for path in files_below(folder, leave_out))
    return [BuildItem(name=name, sha256=sha256_of(path)) for name, path in sorted(named)]


def _sorted(items: list[BuildItem]) -> tuple[BuildItem, ...]:
    return tuple(sorted(items, key=lambda item: item.name))


def code_items(where: Places) -> tuple[BuildItem, ...]:
    """Return the files of the package, of the configuration without kits, and the lock of dependencies.

    Raises:
        InputError: a file cannot be read.
    """
    locks = [where.requirements / name for name in LOCK_FILES]
    return _sorted(
        _items(where.package, OWN, where.package / SHIPPED)
        + _items(where.config, "config", where.config / KITS)
        + [BuildItem(name=f"requirements/{path.name}", sha256=sha256_of(path)) for path in locks]
    )


def workflow_items(where: Places) -> tuple[BuildItem, ...]:
    """Return the files of the workflow.

    Raises:
        InputError: a file cannot be read.
    """
    return _sorted(_items(where.workflow, "workflow"))


def wrapper_items(where: Places) -> tuple[BuildItem, ...]:
    """Return the files of the wrappers of external programs.

    Raises:
        InputError: a file cannot be read.
    """
    return _sorted(_items(where.pipeline, "pipeline"))
