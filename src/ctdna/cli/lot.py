"""`ctdna lot`: lots of kits, made by the manufacturer, held by the laboratory."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import output_path
from ctdna.cli.signing import open_key, signing_key
from ctdna.model.errors import EXIT_DEFINITION, EXIT_DONE, InputError

if TYPE_CHECKING:
    from ctdna.kit.lots import HeldLot
    from ctdna.model.lot import LotExpectation

_DAY = click.DateTime(formats=("%Y-%m-%d",))


@click.group("lot")
def command() -> None:
    """Make, add and check lots of kits.

    A lot file says of which kit version the lot is, until when it is used, and what its controls must show. It is
    signed by a manufacturer's key; a lot that serves several kit versions has a file for each. The laboratory adds it;
    a run looks its sample sheet's Kit_Lot up, for its own kit version, among the lots that this machine holds in `lots`
    of CTDNA_HOME.
    """


def _expectation(text: str) -> "LotExpectation":
    """Return the expectation `LABEL=MIN:MAX`, fractions."""
    from pydantic import ValidationError

    from ctdna.model.lot import LotExpectation

    label, _, interval = text.rpartition("=")
    low, _, high = interval.partition(":")
    try:
        return LotExpectation(label=label, vaf_min=float(low), vaf_max=float(high))
    except ValidationError as error:
        raise InputError(None, "--control", f"found `{text}`: {error.errors()[0]['msg']}", "LABEL=MIN:MAX") from error
    except ValueError as error:
        hint = "give LABEL=MIN:MAX, as `EGFR p.(Leu858Arg)=0.03:0.07`"
        raise InputError(None, "--control", f"found `{text}`", hint) from error


@command.command("new")
@click.argument("name", metavar="LOT")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The frozen kit version of the lot.")
@click.option("--expires", type=_DAY, required=True, help="Last day of use, as 2027-01-31.")
@click.option(
    "--control",
    "controls",
    metavar="LABEL=MIN:MAX",
    multiple=True,
    help="VAF, in place of the kit's, of an expected variant in this lot's positive control; may be given again.",
)
@click.option(
    "--ntc-max-molecules",
    type=click.IntRange(min=0),
    help="Most molecules on target in a no-template control, in place of the kit's.",
)
@output_path("--output", "Folder to write LOT.NAME@VERSION.json and its signature into.")
@signing_key("The manufacturer's key that signs the lot.")
def new(
    name: str, kit_name: str, expires: date, controls: tuple[str, ...], ntc_max_molecules: int | None, output: Path,
    key_name: str, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Write the signed file of a lot of a frozen kit."""
    import re

    from ctdna.formats.atomic import make_folder
    from ctdna.kit.load import load_kit
    from ctdna.kit.lots import lot_file, read_lot, write_lot
    from ctdna.model.lot import LOT_NAME, Lot

    if not re.fullmatch(LOT_NAME, name):
        allowed = "use letters, digits, dot, dash and underscore, as `D2501`"
        raise InputError(None, "LOT", f"found `{name[:60]}`", allowed)
    kit, day = load_kit(kit_name), expires.strftime("%Y-%m-%d")
    expected = tuple(_expectation(text) for text in controls)
    labels = [item.label for item in expected]
    if len(set(labels)) < len(labels):
        raise InputError(None, "--control", "an expected variant is named twice", "name each once")
    lot = Lot(
        lot=name,
        kit=kit.address,
        kit_digest=kit.digest,
        expires=day,
        controls=expected,
        ntc_max_molecules=ntc_max_molecules,
    )
    make_folder(output)
    path = output / lot_file(name, kit.address)
    write_lot(lot, kit, path, open_key(key_name, passphrase_file))
    click.echo(f"{_line(read_lot(path))}\t{path}")


def _line(held: "HeldLot") -> str:
    lot = held.lot
    return f"{lot.lot}\t{lot.kit}\texpires {lot.expires}\tsigned by {held.signer.name} ({held.signer.key_id})"


@command.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@identity()
def add(file: Path, user: str, password_file: Path | None) -> None:
    """Take a lot's signed FILE among those that this machine holds, and note it in the ledger."""
    from ctdna.cli.authority import authority_of
    from ctdna.kit.lots import add_lot, read_lot

    authority = authority_of(user, password_file)
    authority.require("lot.added")
    held = read_lot(file)
    click.echo(f"{_line(held)}\t{add_lot(held, authority)}")


@command.command("list")
@click.option("--kit", metavar="NAME@VERSION", default=None, help="Those of one kit version only.")
def list_lots(kit: str | None) -> None:
    """List the lots that this machine holds: lot, kit, expiry, signer."""
    from ctdna.kit.lots import held_lots

    for held in held_lots(kit=kit):
        click.echo(_line(held))


def _not_held(name: str, kit: str | None) -> InputError:
    from ctdna.kit.lots import held_lots

    known = ", ".join(f"{one.lot.lot} of {one.lot.kit}" for one in held_lots()) or "none"
    what = f"lot `{name}` is not held here" + (f" for {kit}" if kit else "")
    return InputError(None, "LOT", what, f"held: {known}; see ctdna lot add")


@command.command("show")
@click.argument("name", metavar="LOT")
@click.option(
    "--kit", metavar="NAME@VERSION", default=None, help="The kit version, where the lot is held for more than one."
)
def show(name: str, kit: str | None) -> None:
    """Print a lot that this machine holds as JSON, with its digest and who signed it."""
    from ctdna.formats.documents import dump_json
    from ctdna.kit.lots import held_lots

    found = held_lots(name, kit)
    if not found:
        raise _not_held(name, kit)
    if len(found) > 1:
        of = ", ".join(one.lot.kit for one in found)
        raise InputError(None, "LOT", f"lot `{name}` is held for {of}", "name one of them by --kit")
    (held,) = found
    document: dict[str, object] = {
        "digest": held.digest,
        "file": str(held.path),
        "signer": held.signer.name,
        "signer_key_id": held.signer.key_id,
        "lot": held.lot.model_dump(mode="json"),
    }
    click.echo(dump_json(document), nl=False)


@command.command("check")
@click.argument("name", metavar="LOT")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version of the run.")
@click.option("--date", "day", type=_DAY, default=None, help="Day of the sequencing run.  [default: today]")
def check(name: str, kit_name: str, day: date | None) -> int:
    """Say whether a run with this lot would pass; leaves with 3 where it would not."""
    from datetime import datetime

    from ctdna.kit.load import load_kit
    from ctdna.kit.lots import lot_faults, lots_for

    chosen = day if day is not None else datetime.now()
    kit = load_kit(kit_name)
    found = lots_for(name, kit.address)
    if not found:
        raise _not_held(name, None)
    faults = lot_faults(found, kit, date(chosen.year, chosen.month, chosen.day))
    for gate, what in faults:
        click.echo(f"{gate}: {what}")
    click.echo(f"{name}: {'not for this run' if faults else 'good'}")
    return EXIT_DEFINITION if faults else EXIT_DONE
