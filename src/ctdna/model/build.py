"""The build lock: every item that the software is made of, and one digest over all."""

import hashlib
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen

BuildPart = Literal["code", "workflow", "wrappers", "dependencies", "foreign", "programs"]
BUILD_PARTS: tuple[BuildPart, ...] = ("code", "workflow", "wrappers", "dependencies", "foreign", "programs")
OWN_PARTS: tuple[BuildPart, ...] = ("code", "workflow", "wrappers")
"""What ships as ctdna itself; the same on every machine, in a clone and in an installed wheel."""


class BuildItem(Frozen):
    """One file, distribution or program."""

    name: str
    version: str | None = None
    """None: it has none of its own, as a file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of a file its bytes; of a distribution its files' names and digests."""


def digest_of_items(items: Iterable[BuildItem]) -> str:
    """Return the SHA-256 over name, version and digest of items, in the order of their names."""
    digest = hashlib.sha256()
    for item in sorted(items, key=lambda item: item.name):
        digest.update("\0".join((item.name, item.version or "", item.sha256, "\n")).encode())
    return digest.hexdigest()


class BuildLock(Frozen):
    """All that the installed software is made of; the items of each part in the order of their names."""

    schema_version: Literal[1] = 1
    software: str
    """ctdna's version."""
    platform: str
    """System and processor that the dependencies were built for, as `linux-x86_64`."""
    code: tuple[BuildItem, ...]
    """Files of the package `ctdna`, of `config/` without kits, and the lock of dependencies."""
    workflow: tuple[BuildItem, ...]
    wrappers: tuple[BuildItem, ...]
    """Files of `pipeline/`: what is known of external programs."""
    dependencies: tuple[BuildItem, ...]
    """Distributions of Python that the lock of dependencies names."""
    foreign: tuple[BuildItem, ...]
    """Files of no such distribution that Python would load in place of its modules, or at its start."""
    programs: tuple[BuildItem, ...]
    """The aligner, and the Python that runs all."""

    def part(self, name: BuildPart) -> tuple[BuildItem, ...]:
        """Return the items of a part."""
        items: tuple[BuildItem, ...] = getattr(self, name)
        return items

    def part_digest(self, name: BuildPart) -> str:
        """Return the SHA-256 over the items of a part."""
        return digest_of_items(self.part(name))

    @property
    def own_digest(self) -> str:
        """Return the SHA-256 over what ships as ctdna itself."""
        return self._digest(OWN_PARTS)

    @property
    def digest(self) -> str:
        """Return the SHA-256 over every item of every part, the version and the platform."""
        return self._digest(BUILD_PARTS)

    def _digest(self, parts: tuple[BuildPart, ...]) -> str:
        named = [self.software, *([self.platform] if parts == BUILD_PARTS else [])]
        named += [f"{name}={self.part_digest(name)}" for name in parts]
        return hashlib.sha256("\n".join(named).encode()).hexdigest()
