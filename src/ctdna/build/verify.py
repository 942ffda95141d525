"""Whether the installed build is the one that a manufacturer has locked."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ctdna.build.lock import found_build
from ctdna.formats.atomic import atomic_path, make_folder
from ctdna.formats.home import home
from ctdna.formats.keys import PrivateKey, PublicKey
from ctdna.formats.signed import read_signed, signature_path, write_signed
from ctdna.model.build import BUILD_PARTS, BuildItem, BuildLock, BuildPart
from ctdna.model.errors import CtdnaError, DefinitionError
from ctdna.model.trace import BuildFacts

NAME = "build.lock.json"
_SHOWN = 12


class Difference(NamedTuple):
    """One item that is not as the lock says."""

    part: BuildPart | None
    """None: it is of the build as a whole."""
    name: str
    found: BuildItem | None
    """None: it is not there."""
    locked: BuildItem | None
    """None: the lock does not name it."""
    what: str

    def __str__(self) -> str:
        """Return the difference as a line."""
        return ": ".join(part for part in (self.part, self.name, self.what) if part)


def installed_lock() -> Path:
    """Return where this machine keeps the lock of its build; it may not exist."""
    return home() / NAME


def read_lock(path: Path) -> tuple[BuildLock, PublicKey]:
    """Return a lock and the manufacturer's key that signed it.

    Raises:
        InputError: the lock cannot be read, or is no build lock.
        DefinitionError: its signature is missing, of a key that this machine does not trust, or does not hold.
    """
    return read_signed(path, BuildLock, "build", "manufacturer")


def _what(found: BuildItem | None, locked: BuildItem | None) -> str:
    if found is None:
        return "is missing here"
    if locked is None:
        return "is not in the lock"
    if found.version != locked.version:
        return f"found {found.version}, the lock says {locked.version}"
    return f"found sha256 {found.sha256[:_SHOWN]}..., the lock says {locked.sha256[:_SHOWN]}..."


def _by_name(items: tuple[BuildItem, ...]) -> dict[str, BuildItem]:
    return {item.name: item for item in items}


def differences(found: BuildLock, locked: BuildLock) -> Iterator[Difference]:
    """Yield every item in which two builds differ, by part and name."""
    for name in ("software", "platform"):
        here, there = getattr(found, name), getattr(locked, name)
        if here != there:
            yield Difference(None, name, None, None, f"found {here}, the lock says {there}")
    for part in BUILD_PARTS:
        ours, theirs = _by_name(found.part(part)), _by_name(locked.part(part))
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                what = _what(ours.get(name), theirs.get(name))
                yield Difference(part, name, ours.get(name), theirs.get(name), what)


def build_facts() -> BuildFacts:
    """Return the digest of the installed build and whether it is as this machine's signed lock says.

    Everything is read anew at each call. A lock whose signature is missing, of a key that is not trusted, or does not
    hold, locks nothing: the state is `differs`, and the difference says why.

    Raises:
        DefinitionError: a part of ctdna is absent.
        InputError: a file of the build cannot be read.
    """
    found = found_build().lock
    path = installed_lock()
    if not path.exists():
        return BuildFacts(digest=found.digest, state="unlocked")
    try:
        locked, _ = read_lock(path)
    except CtdnaError as error:
        return BuildFacts(digest=found.digest, state="differs", difference=f"{NAME}: {error.what}")
    first = next(differences(found, locked), None)
    if first is None:
        return BuildFacts(digest=found.digest, state="locked")
    return BuildFacts(digest=found.digest, state="differs", difference=str(first))


def write_lock(path: Path, key: PrivateKey) -> BuildLock:
    """Write the signed lock of the running build, and return it; byte code of all dependencies is checked, too.

    Raises:
        DefinitionError: what is installed is not what its own distributions, or the lock of dependencies, say.
        InputError: a file cannot be read or written.
    """
    found = found_build(byte_code="all")
    if found.problems:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        hint = "install ctdna and its dependencies again from requirements/runtime.lock"
        raise DefinitionError(None, "build", found.problems[0] + more, hint)
    write_signed(path, found.lock, "build", key)
    return found.lock


def install_lock(path: Path) -> tuple[BuildLock, PublicKey]:
    """Place a lock and its signature in this machine's folder, and return it; the build must be as it says.

    Raises:
        InputError: the lock cannot be read, or is no build lock.
        DefinitionError: its signature does not hold, or the installed build differs; the first difference is named.
    """
    locked, key = read_lock(path)
    first = next(differences(found_build(byte_code="all").lock, locked), None)
    if first is not None:
        hint = f"see all by `ctdna build verify --lock {path}`; install the build that was locked"
        raise DefinitionError(path, "", str(first), hint)
    make_folder(home())
    for source, target in ((signature_path(path), signature_path(installed_lock())), (path, installed_lock())):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    return locked, key
