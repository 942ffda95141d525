"""Distributions of Python that ctdna stands on: which versions, and whether their files are as they were installed."""

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from ctdna.model.build import BuildItem
from ctdna.model.errors import DefinitionError

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"^\s+--hash=sha256:([0-9a-f]{64})")
_BY_THE_INSTALLER = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
"""Files of a `.dist-info` that differ from installer to installer."""


class Pin(NamedTuple):
    """What the lock of dependencies says of one distribution."""

    name: str
    version: str
    sha256: tuple[str, ...]
    """Of each archive that it may be installed from."""


class Record(NamedTuple):
    """One line of a distribution's RECORD."""

    name: str
    sha256: str | None
    """None: RECORD gives none."""


class Installed(NamedTuple):
    """A distribution on this machine, its files read."""

    item: BuildItem
    base: Path
    """The folder that its files are named from."""
    files: tuple[str, ...]
    """As RECORD names them, byte code and what lies outside of `base` left out."""
    problems: tuple[str, ...]
    """How its files differ from its RECORD, the version from the lock's."""


def normal(name: str) -> str:
    """Return a distribution's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, Pin]:
    """Return the lock of dependencies, by normal name.

    Raises:
        DefinitionError: it cannot be read or names nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(path, "", f"cannot be read: {error}", "install ctdna again") from error
    found: dict[str, Pin] = {}
    pin: Pin | None = None
    for line in lines:
        if named := _PINNED.match(line):
            pin = Pin(normal(named[1]), named[2], ())
        elif pin and (digest := _HASH.match(line)):
            pin = pin._replace(sha256=(*pin.sha256, digest[1]))
        if pin:
            found[pin.name] = pin
    if not found:
        raise DefinitionError(path, "", "names no distribution", "install ctdna again")
    return found


def _record(distribution: Distribution) -> list[Record] | None:
    text = distribution.read_text("RECORD")
    if text is None:
        return None
    rows = (row for row in csv.reader(io.StringIO(text)) if row)
    return sorted(Record(row[0], _hex(row[1]) if len(row) > 1 else None) for row in rows if _counts(row[0]))


def _counts(name: str) -> bool:
    parts = name.split("/")
    by_installer = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _BY_THE_INSTALLER
    return not (by_installer or "__pycache__" in parts or parts[0] == ".." or name.startswith("/"))


def _hex(text: str) -> str | None:
    kind, _, value = text.partition("=")
    if kind != "sha256":
        return None
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


def _installed(distribution: Distribution, pin: Pin) -> Installed:
    base, version = Path(str(distribution.locate_file(""))), distribution.version
    record = _record(distribution)
    problems = []
    if version != pin.version:
        problems.append(f"{pin.name}: found {version}, requirements/runtime.lock says {pin.version}")
    if record is None:
        problems.append(f"{pin.name}: has no RECORD, its files cannot be checked")
    whole = hashlib.sha256()
    for line in record or ():
        found = _sha256(base / line.name)
        whole.update(f"{line.name}\0{found or 'absent'}\n".encode())
        if found is None:
            problems.append(f"{pin.name}: {line.name} is missing")
        elif line.sha256 not in (None, found):
            problems.append(f"{pin.name}: {line.name} is not as it was installed")
    item = BuildItem(name=pin.name, version=version, sha256=whole.hexdigest())
    return Installed(item, base, tuple(line.name for line in record or ()), tuple(problems))


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def by_name() -> dict[str, Distribution]:
    """Return the distributions that Python finds, by normal name; of two of one name the one that it would load."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        found.setdefault(normal(distribution.metadata["Name"] or ""), distribution)
    return found


def installed(locked: dict[str, Pin]) -> Iterator[Installed]:
    """Yield every distribution of the lock that is installed, in the order of names; every file is read."""
    present = by_name()
    yield from (_installed(present[name], locked[name]) for name in sorted(locked) if name in present)
