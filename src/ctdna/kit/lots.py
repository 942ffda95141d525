"""Lots of kits: signed files, those that this machine holds, and what a lot's controls must show."""

from pathlib import Path
from re import fullmatch
from typing import NamedTuple

from ctdna.formats.atomic import make_folder, write_text
from ctdna.formats.digest import sha256_of
from ctdna.formats.home import home
from ctdna.formats.keys import PrivateKey, PublicKey
from ctdna.formats.signed import read_signature, read_signed, signature_path, write_signed
from ctdna.kit.load import LoadedKit
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.kit import Controls
from ctdna.model.lot import LOT_NAME, Lot


class HeldLot(NamedTuple):
    """A lot as its signed file says."""

    lot: Lot
    digest: str
    """SHA-256 of the file, in hex."""
    signer: PublicKey
    path: Path


def lots_folder() -> Path:
    """Return the folder of the lots that this machine holds."""
    return home() / "lots"


def read_lot(path: Path) -> HeldLot:
    """Return the lot in a signed file; the manufacturers' keys that this machine trusts count.

    Raises:
        InputError: the file cannot be read, or is no lot.
        DefinitionError: its signature is missing, of a key that is not trusted, or does not hold.
    """
    lot, signer = read_signed(path, Lot, "lot", "manufacturer")
    return HeldLot(lot, sha256_of(path), signer, path)


def find_lot(name: str) -> HeldLot | None:
    """Return the lot of that name that this machine holds; None where it holds none.

    Raises:
        DefinitionError: its file is not what the manufacturer signed, or is of another lot.
    """
    path = lots_folder() / f"{name}.json"
    if not fullmatch(LOT_NAME, name) or not path.is_file():
        return None
    try:
        held = read_lot(path)
    except InputError as error:
        raise DefinitionError(
            path, error.where, error.what, "add the lot again from the manufacturer's file"
        ) from error
    if held.lot.lot != name:
        what = f"is of lot {held.lot.lot}, not of {name}"
        raise DefinitionError(path, "lot", what, "add the lot again from the manufacturer's file")
    return held


def held_lots() -> tuple[HeldLot, ...]:
    """Return every lot that this machine holds, by name; raises as `find_lot`."""
    names = sorted(path.stem for path in lots_folder().glob("*.json"))
    return tuple(held for name in names if (held := find_lot(name)) is not None)


def write_lot(lot: Lot, kit: LoadedKit, path: Path, key: PrivateKey) -> None:
    """Write a lot of a kit and its signature.

    Raises:
        DefinitionError: the kit is not frozen.
        InputError: a file of that name exists, a label is none of the kit's, or the file cannot be written.
    """
    if not kit.is_frozen:
        raise DefinitionError(kit.folder, "", f"kit {kit.address} is not frozen", "freeze it, then make lots of it")
    known = [item.label for item in kit.definition.controls.positive]
    for item in lot.controls:
        if item.label not in known:
            what = f"`{item.label}` is no expected variant of kit {kit.address}"
            raise InputError(None, "--control", what, f"known: {', '.join(known) or 'none'}")
    if path.exists():
        raise InputError(path, "", "exists already", "a lot is never changed: choose another name")
    write_signed(path, lot, "lot", key)


def place_lot(held: HeldLot) -> Path:
    """Copy a lot's file and its signature among those that this machine holds, and return the copy.

    Raises:
        InputError: it cannot be read or written.
        DefinitionError: another file of this lot is held already.
    """
    target = lots_folder() / f"{held.lot.lot}.json"
    before = find_lot(held.lot.lot)
    if before is not None and before.digest != held.digest:
        what = f"lot {held.lot.lot} is held already, with another content ({before.digest[:16]}...)"
        raise DefinitionError(held.path, "", what, "a lot is never changed: ask the manufacturer")
    make_folder(lots_folder())
    copy_signed(held.path, target)
    return target


def copy_signed(source: Path, target: Path) -> None:
    """Copy a document and its signature, byte by byte; the signature comes first.

    Raises:
        InputError: it cannot be read or written.
        DefinitionError: the signature is missing or not well formed.
    """
    read_signature(source)
    for old, new in ((signature_path(source), signature_path(target)), (source, target)):
        try:
            text = old.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(old, "", f"cannot be read: {error}", "check the path") from error
        write_text(new, text)


def controls_of(controls: Controls, lot: Lot) -> Controls:
    """Return what the controls of a run with this lot must show: the kit's, where the lot says nothing else."""
    by_label = {item.label: item for item in lot.controls}
    positive = tuple(
        expected.model_copy(update={"vaf_min": own.vaf_min, "vaf_max": own.vaf_max})
        if (own := by_label.get(expected.label))
        else expected
        for expected in controls.positive
    )
    most = controls.ntc_max_molecules if lot.ntc_max_molecules is None else lot.ntc_max_molecules
    return Controls(positive=positive, ntc_max_molecules=most)
