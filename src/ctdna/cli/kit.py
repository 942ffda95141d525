"""`ctdna kit`: the kit versions on this machine."""

from pathlib import Path

import click

_ADDRESS = click.argument("address", metavar="NAME@VERSION")


@click.group("kit")
def command() -> None:
    """Show and check kit versions.

    Kits are searched in the folders that CTDNA_KITS lists, then among those that ship with ctdna. A kit version lies
    in `<folder>/<name>/<version>/kit.yaml`.
    """


@command.command("list")
def list_kits() -> None:
    """List every known kit version: address, state, title."""
    from ctdna.kit.load import known_kits, read_kit
    from ctdna.model.errors import DefinitionError

    for address, folder in known_kits().items():
        try:
            loaded = read_kit(folder)
        except DefinitionError as error:
            click.echo(f"{address}\tdamaged\t{error}")
        else:
            click.echo(f"{address}\t{loaded.state}\t{loaded.definition.title.en}")


@command.command("show")
@_ADDRESS
def show(address: str) -> None:
    """Print the definition of a kit version as JSON, with its digest, folder, state, and the statements of it."""
    from ctdna.formats.documents import dump_json
    from ctdna.kit.load import load_kit

    loaded = load_kit(address)
    document: dict[str, object] = {
        "digest": loaded.digest,
        "folder": str(loaded.folder),
        "state": loaded.state,
        "is_frozen": loaded.is_frozen,
        "statements": [signed.model_dump(mode="json") for signed in loaded.statements],
        "definition": loaded.definition.model_dump(mode="json"),
    }
    click.echo(dump_json(document), nl=False)


@command.command("validate")
@_ADDRESS
def validate(address: str) -> int:
    """Check a kit version as a whole; leaves with 3 where something is wrong.

    Every file is read and compared: panel and hotspots with the contigs, transcripts with their reading frame, bases
    with the reference where it is at hand, thresholds with the figures that quality control knows, read structures,
    knowledge, controls, lock.
    """
    from ctdna.kit.load import load_kit
    from ctdna.kit.validate import validate_kit
    from ctdna.model.errors import EXIT_DEFINITION, EXIT_DONE

    loaded = load_kit(address)
    found = validate_kit(loaded)
    for problem in found.problems:
        click.echo(f"wrong: {problem}")
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{address}: {'valid' if not found.problems else f'{len(found.problems)} wrong'}; digest {loaded.digest}"
    )
    return EXIT_DEFINITION if found.problems else EXIT_DONE


@command.command("lock")
@_ADDRESS
@click.option("--renew", is_flag=True, help="Replace the lock of a version that is still in development.")
def lock(address: str, renew: bool) -> None:
    """Write `kit.lock` over the kit's files; from then on, any changed byte is refused.

    A locked version is never edited: make the next version. Only while it is in development may the lock be renewed.
    """
    from ctdna.kit.load import kit_folder
    from ctdna.kit.lock import LOCK, STATES, write_lock
    from ctdna.model.errors import DefinitionError

    folder = kit_folder(address)
    has_left = (folder / STATES).exists()
    if (folder / LOCK).exists() and not (renew and not has_left):
        hint = "make the next version" if has_left else "give --renew to lock it anew"
        raise DefinitionError(folder / LOCK, "", f"kit {address} is locked already", hint)
    click.echo(f"{address}: locked, digest {write_lock(folder)}")


@command.command("slice")
@_ADDRESS
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of kits to write it to; list this folder in CTDNA_KITS.",
)
def slice_command(address: str, output: Path) -> None:
    """Write a kit on slices of its genome, as kit NAME-slices@VERSION.

    For use with a reference that holds only the slices that the kit names. Panel, hotspots, SNPs and controls are
    moved to the slices; results are still named in genome coordinates. What no slice holds is left out and listed.
    The background is left out, since it belongs to the kit's own coordinates.
    """
    from ctdna.kit.load import load_kit
    from ctdna.kit.slices import slice_kit

    made = slice_kit(load_kit(address), output)
    for name in made.left_out:
        click.echo(f"left out: {name}")
    click.echo(f"{made.address}: {made.folder}")
