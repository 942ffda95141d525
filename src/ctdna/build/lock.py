"""The lock of the running build."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ctdna import __version__
from ctdna.build.bytecode import altered_byte_code
from ctdna.build.dependencies import Installed, installed, pins
from ctdna.build.foreign import foreign_items
from ctdna.build.own import OWN, Places, code_items, places, workflow_items, wrapper_items
from ctdna.build.programs import platform_name, program_items
from ctdna.model.build import BuildItem, BuildLock

_NEEDED = ("bwa", "python")
ByteCode = Literal["own", "all"]
"""`own`: that of ctdna; `all`: also that of its dependencies."""


class Found(NamedTuple):
    """What is installed here."""

    lock: BuildLock
    problems: tuple[str, ...]
    """What is not even as its own distribution, or the lock of dependencies, says."""


def _in_place_of_sources(
    code: tuple[BuildItem, ...], present: tuple[Installed, ...], where: Places, byte_code: ByteCode
) -> Iterator[BuildItem]:
    prefix = f"{OWN}/"
    own = [item.name.removeprefix(prefix) for item in code if item.name.startswith(prefix)]
    for item in altered_byte_code(where.package, own):
        yield item.model_copy(update={"name": f"{prefix}{item.name}"})
    for one in present if byte_code == "all" else ():
        yield from altered_byte_code(one.base, one.files)


def found_build(where: Places | None = None, byte_code: ByteCode = "own") -> Found:
    """Return the installed software with every item read anew, and no kernel loaded.

    About 2 s of processor time, and 11 s more with the byte code of all dependencies.

    Raises:
        DefinitionError: a part of ctdna is absent.
        InputError: a file cannot be read.
    """
    where = where or places()
    locked = pins(where.runtime_lock)
    present = tuple(installed(locked))
    programs, code = program_items(), code_items(where)
    altered = _in_place_of_sources(code, present, where, byte_code)
    lock = BuildLock(
        software=__version__,
        platform=platform_name(),
        code=code,
        workflow=workflow_items(where),
        wrappers=wrapper_items(where),
        dependencies=tuple(one.item for one in present),
        foreign=tuple(sorted((*foreign_items(present), *altered), key=lambda item: item.name)),
        programs=programs,
    )
    absent = [f"{name}: is not installed" for name in sorted(set(locked) - {one.item.name for one in present})]
    absent += [f"{name}: not found" for name in _NEEDED if name not in {item.name for item in programs}]
    return Found(lock, (*absent, *(problem for one in present for problem in one.problems)))


def lock_of() -> BuildLock:
    """Return the lock of the running build.

    Raises:
        DefinitionError: a part of ctdna is absent.
        InputError: a file cannot be read.
    """
    return found_build().lock
