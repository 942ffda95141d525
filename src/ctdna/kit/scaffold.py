"""A new kit version begun as a copy of another."""

import shutil
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.atomic import make_folder, work_folder, writable_error
from ctdna.kit.edit import set_value
from ctdna.kit.load import LoadedKit, parse_address, read_kit
from ctdna.kit.lock import file_digests
from ctdna.model.errors import InputError


class NewKit(NamedTuple):
    """A kit version in development."""

    kit: LoadedKit
    left_out: tuple[str, ...]
    """What was not copied, and why."""


def new_kit(source: LoadedKit, address: str, root: Path) -> NewKit:
    """Write a copy of a kit as version `name@version` in development, `<root>/<name>/<version>/`, and return it.

    Name and version are set in the text of kit.yaml; its comments stay. A background is bound to the name of its kit:
    under another name it is left out.

    Raises:
        InputError: the address is malformed, or the folder exists or cannot be made.
        DefinitionError: kit.yaml has no such keys.
    """
    name, version = parse_address(address)
    folder = root / name / version
    if folder.exists():
        raise InputError(folder, "", "exists already", "choose another version or another output folder")
    make_folder(folder.parent)
    background = source.definition.files.background
    leaves = background is not None and name != source.definition.name
    with work_folder(folder) as work:
        _copy(source.folder, work, (background,) if leaves and background else ())
        set_value(work / "kit.yaml", ("name",), name)
        set_value(work / "kit.yaml", ("version",), version)
        if leaves:
            set_value(work / "kit.yaml", ("files", "background"), None)
        work.rename(folder)
    reason = f"{background}: a background is bound to its kit's name; train another by `ctdna kit background`"
    return NewKit(read_kit(folder), (reason,) if leaves else ())


def _copy(source: Path, target: Path, without: tuple[str, ...]) -> None:
    for name in file_digests(source):
        if name in without:
            continue
        path = target / name
        make_folder(path.parent)
        try:
            shutil.copyfile(source / name, path)
        except OSError as error:
            raise writable_error(path, error) from error
