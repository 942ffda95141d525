"""Kit versions by name: where they lie, reading them, proving them unchanged."""

import difflib
import os
import re
from pathlib import Path
from typing import NamedTuple

from ctdna.kit.document import read_definition
from ctdna.kit.lock import LOCK, STATES, file_digests, kit_digest, verify_lock
from ctdna.kit.resources import shipped
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.kit import KIT_NAME, KIT_VERSION, KitDefinition
from ctdna.model.kit_state import SignedStatement
from ctdna.model.trace import KitState


class LoadedKit(NamedTuple):
    """A kit version as it was read from its folder."""

    definition: KitDefinition
    folder: Path
    """The folder of `kit.yaml`."""
    digest: str
    """SHA-256 over every file of the folder but lock and states, in hex."""
    statements: tuple[SignedStatement, ...] = ()
    """The manufacturer's statements of its state, the first one first; none: it is in development."""

    @property
    def state(self) -> KitState:
        """Return the state that the last statement moved it to."""
        return self.statements[-1].statement.to_state if self.statements else "development"

    @property
    def is_frozen(self) -> bool:
        """Return whether a lock holds its content."""
        return (self.folder / LOCK).is_file()

    @property
    def address(self) -> str:
        """Return `name@version`."""
        return f"{self.definition.name}@{self.definition.version}"

    @property
    def pinned(self) -> str:
        """Return `name@version#digest`, which only these very bytes answer to."""
        return f"{self.address}#{self.digest}"

    def path(self, name: str) -> Path:
        """Return the path of a file that the definition names, relative to the kit's folder.

        Raises:
            DefinitionError: it is not there, or lies outside the folder.
        """
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise DefinitionError(self.folder / "kit.yaml", name, "lies outside the kit's folder", "move it inside")
        if not path.is_file():
            raise DefinitionError(path, "", f"kit {self.address} names this file, but it is missing", "restore the kit")
        return path


def kit_roots() -> list[Path]:
    """Return the folders that hold kits: those of `CTDNA_KITS`, then the shipped ones; earlier ones win."""
    named = [Path(part) for part in os.environ.get("CTDNA_KITS", "").split(os.pathsep) if part]
    return [*named, shipped("config") / "kits"]


def known_kits() -> dict[str, Path]:
    """Return the folder of each known kit version by `name@version`, sorted by name, then version number."""
    found: dict[str, Path] = {}
    for root in kit_roots():
        for path in sorted(root.glob("*/*/kit.yaml")):
            name, version = path.parts[-3:-1]
            if re.match(KIT_NAME, name) and re.match(KIT_VERSION, version):
                found.setdefault(f"{name}@{version}", path.parent)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(address: str) -> tuple[str, list[int]]:
    name, version = address.split("@")
    return name, [int(part) for part in version.split(".")]


def parse_address(address: str) -> tuple[str, str]:
    """Return name and version of `name@version`.

    Raises:
        InputError: it is malformed.
    """
    name, separator, version = address.partition("@")
    if not separator or not re.fullmatch(KIT_NAME, name) or not re.fullmatch(KIT_VERSION, version):
        known = known_kits()
        what = f"found `{address}`, expected NAME@VERSION, as `ctdna-demo@1.0.0`"
        raise InputError(None, "--kit", what, f"known kits: {', '.join(known)}" if known else "no kit is known")
    return name, version


def kit_folder(address: str) -> Path:
    """Return the folder of the kit version `name@version`.

    Raises:
        InputError: the address is malformed, or no such kit is known; lists what is known and the nearest name.
    """
    parse_address(address)
    known = known_kits()
    if address not in known:
        near = difflib.get_close_matches(address, known, n=1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        listing = f"known kits: {', '.join(known)}" if known else "no kit is known"
        hint = f"{listing}; more are searched in the folders of CTDNA_KITS"
        raise InputError(None, "--kit", f"kit `{address}` is not known{guess}", hint)
    return known[address]


def load_kit(address: str) -> LoadedKit:
    """Return the kit version `name@version`, read, checked against the model and against its lock.

    `name@version#digest` also demands the digest: so every stage of a run sees the very kit that the run began with.

    Raises:
        InputError: no such kit is known.
        DefinitionError: the kit is not what it claims: a wrong key or value, another name or version inside, a file
            that differs from the lock, statements of its state that do not hold, or another digest than demanded.
    """
    plain, _, digest = address.partition("#")
    kit = read_kit(kit_folder(plain))
    if digest and digest != kit.digest:
        what = f"found digest {kit.digest[:16]}..., expected {digest[:16]}...: the kit changed since the run began"
        raise DefinitionError(kit.folder, "", what, "restore the kit, or start again in a new output folder")
    return kit


def read_kit(folder: Path) -> LoadedKit:
    """Return the kit version in a folder `.../<name>/<version>`; raises as `load_kit`."""
    digests = file_digests(folder)
    if (folder / LOCK).exists():
        verify_lock(folder, digests)
    definition = read_definition(folder / "kit.yaml")
    claimed, placed = f"{definition.name}@{definition.version}", f"{folder.parent.name}@{folder.name}"
    if claimed != placed:
        what = f"found name and version {claimed}, but the folder says {placed}"
        raise DefinitionError(folder / "kit.yaml", "name, version", what, "make them agree")
    digest = kit_digest(digests)
    return LoadedKit(definition, folder, digest, _statements(folder, claimed, digest))


def _statements(folder: Path, kit: str, digest: str) -> tuple[SignedStatement, ...]:
    path = folder / STATES
    if not path.exists():
        return ()
    if not (folder / LOCK).exists():
        what = f"the kit has {STATES}, but no {LOCK}"
        raise DefinitionError(folder / LOCK, "", what, "restore the kit's folder from its source")
    from ctdna.kit.states import read_states  # a kit in development starts without the libraries of signatures

    return read_states(path, kit, digest)
