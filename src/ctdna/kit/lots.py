"""Lots of kits: signed files, those that this machine holds, and what a lot's controls must show."""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.atomic import make_folder, write_text
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import read_json
from ctdna.formats.home import home
from ctdna.formats.keys import PrivateKey, PublicKey
from ctdna.formats.signed import read_signature, read_signed, signature_path, write_signed
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.kit import KIT_ADDRESS, Controls
from ctdna.model.ledger import LotAdded
from ctdna.model.lot import LOT_NAME, Lot
from ctdna.model.trace import Gate

LOT = "lot.json"
"""The lot's file in the output folder of a run, with its signature beside."""
_FILE = re.compile(rf"(?P<lot>{LOT_NAME[1:-1]})\.(?P<kit>{KIT_ADDRESS[1:-1]})\.json")
"""A kit's name has no dot, so the last one before `@` parts lot and kit."""


class HeldLot(NamedTuple):
    """A lot of one kit version, as its signed file says."""

    lot: Lot
    digest: str
    """SHA-256 of the file, in hex."""
    signer: PublicKey
    path: Path


def lots_folder() -> Path:
    """Return the folder of the lots that this machine holds."""
    return home() / "lots"


def lot_file(name: str, kit: str) -> str:
    """Return how the file of a lot of a kit version is named: a lot may be signed for several."""
    return f"{name}.{kit}.json"


def read_lot(path: Path) -> HeldLot:
    """Return the lot in a signed file; the manufacturers' keys that this machine trusts count.

    Raises:
        InputError: the file cannot be read, or is no lot.
        DefinitionError: its signature is missing, of a key that is not trusted, or does not hold.
    """
    lot, signer = read_signed(path, Lot, "lot", "manufacturer")
    return HeldLot(lot, sha256_of(path), signer, path)


def find_lot(name: str, kit: str) -> HeldLot | None:
    """Return the lot of a kit version `name@version` that this machine holds; None where it holds none.

    Raises:
        DefinitionError: its file is not what the manufacturer signed, or is of another lot or kit version.
    """
    file = lot_file(name, kit)
    path, parts = lots_folder() / file, _FILE.fullmatch(file)
    if parts is None or (parts["lot"], parts["kit"]) != (name, kit) or not path.is_file():
        return None
    try:
        held = read_lot(path)
    except InputError as error:
        raise DefinitionError(
            path, error.where, error.what, "add the lot again from the manufacturer's file"
        ) from error
    if (held.lot.lot, held.lot.kit) != (name, kit):
        what = f"is of lot {held.lot.lot} of {held.lot.kit}, not of {name} of {kit}"
        raise DefinitionError(path, "lot", what, "add the lot again from the manufacturer's file")
    return held


def held_lots(name: str | None = None, kit: str | None = None) -> tuple[HeldLot, ...]:
    """Return the lots that this machine holds, of one name or kit version if given, by name and kit.

    Raises:
        DefinitionError: as `find_lot`, of one of these.
    """
    files = [parts for path in lots_folder().glob("*.json") if (parts := _FILE.fullmatch(path.name))]
    wanted = {(one["lot"], one["kit"]) for one in files if name in (None, one["lot"]) and kit in (None, one["kit"])}
    return tuple(held for key in sorted(wanted) if (held := find_lot(*key)) is not None)


def lots_for(name: str, kit: str) -> tuple[HeldLot, ...]:
    """Return the lot that a run of a kit version has: that version's own alone, where this machine holds it.

    Else those of other kit versions, the first to expire first; none where no lot of that name is held. Raises as
    `find_lot`.
    """
    own = find_lot(name, kit)
    if own is not None:
        return (own,)
    return tuple(sorted(held_lots(name), key=lambda held: held.lot.last_day))


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


def lot_faults(found: tuple[HeldLot, ...], kit: LoadedKit, day: date) -> tuple[tuple[Gate, str], ...]:
    """Return the gates that a run of that day would not pass, each with what is wrong; `found` is of `lots_for`."""
    faults: list[tuple[Gate, str]] = []
    lot, own = found[0].lot, (kit.address, kit.digest)
    others = [_content(one.lot.kit, one.lot.kit_digest) for one in found if (one.lot.kit, one.lot.kit_digest) != own]
    if others:
        what = f"lot {lot.lot} is of {' and of '.join(others)}, not of {_content(*own)}"
        faults.append(("lot_of_other_kit", what))
    if day > lot.last_day:
        faults.append(("lot_expired", f"lot {lot.lot} expired on {lot.expires}, the run is of {day.isoformat()}"))
    return tuple(faults)


def _content(kit: str, digest: str) -> str:
    return f"{kit} with content {digest[:16]}..."


def add_lot(held: HeldLot, authority: Authority) -> Path:
    """Hold a lot and note it in the ledger, and return its file; what is there already is left as it is.

    Raises:
        AuthorityError: the person may not.
        InputError: it is held and noted already, or cannot be written.
        DefinitionError: another file of this lot and kit version is held, or the ledger has another.
    """
    authority.require("lot.added")
    name, kit = held.lot.lot, held.lot.kit
    known, before = authority.ledger.lot(name, kit), find_lot(name, kit)
    if known is not None and known.digest != held.digest:
        what = f"the ledger has another file of lot {name} of {kit} ({known.digest[:16]}...)"
        raise DefinitionError(held.path, "", what, "a lot is never changed: ask the manufacturer")
    if known is not None and before is not None and before.digest == held.digest:
        what = f"lot {name} of {kit} is held and in the ledger already"
        raise InputError(held.path, "", what, "nothing was changed")
    target = place_lot(held)
    if known is None:
        added = LotAdded(
            lot=name, kit=kit, kit_digest=held.lot.kit_digest, expires=held.lot.expires, digest=held.digest
        )  # fmt: skip
        authority.record(added)
    return target


def place_lot(held: HeldLot) -> Path:
    """Copy a lot's file and its signature among those that this machine holds, and return the copy.

    Raises:
        InputError: it cannot be read or written.
        DefinitionError: another file of this lot and kit version is held already.
    """
    name, kit = held.lot.lot, held.lot.kit
    target, before = lots_folder() / lot_file(name, kit), find_lot(name, kit)
    if before is not None and before.digest != held.digest:
        what = f"lot {name} of {kit} is held already, with another content ({before.digest[:16]}...)"
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


def lot_of_run(folder: Path, digest: str) -> Lot:
    """Return the lot in the output folder of a run; its digest is the one that run.json has.

    Raises:
        InputError: it cannot be read, or is no lot.
        DefinitionError: it has another digest.
    """
    path = folder / LOT
    found = sha256_of(path)
    if found != digest:
        what = f"SHA-256 is {found[:16]}..., run.json has {digest[:16]}..."
        raise DefinitionError(path, "", what, "the file was changed after the run began: run again")
    return read_json(path, Lot)


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
