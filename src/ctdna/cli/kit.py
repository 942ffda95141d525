"""`ctdna kit`: the kit versions on this machine."""

from pathlib import Path

import click

from ctdna.cli.kit_diff import kit_diff
from ctdna.cli.kit_moves import freeze, release, retire, sign
from ctdna.cli.options import ManyValues, input_path, output_path, threads

_BACKGROUND = "background.gz"
_ADDRESS = click.argument("address", metavar="NAME@VERSION")


@click.group("kit")
def command() -> None:
    """Make, check and move kit versions.

    Kits are searched in the folders that CTDNA_KITS lists, then among those that ship with ctdna. A kit version lies
    in `<folder>/<name>/<version>/kit.yaml`.
    """


command.add_command(kit_diff)


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


@command.command("new")
@_ADDRESS
@click.option("--from", "source", metavar="NAME@VERSION", required=True, help="The kit version to begin from.")
@output_path("--output", "Folder of kits to write it to; list this folder in CTDNA_KITS.")
def new(address: str, source: str, output: Path) -> None:
    """Begin a kit version as a copy of another: the next version, or a kit of another name.

    It is in development, whatever the other one is. Only name and version differ, in kit.yaml; under another name the
    background is left out, since it is bound to its kit's name.
    """
    from ctdna.kit.load import load_kit
    from ctdna.kit.scaffold import new_kit

    made = new_kit(load_kit(source), address, output)
    for name in made.left_out:
        click.echo(f"left out: {name}")
    click.echo(f"{address}: {made.kit.folder}")


@command.command("background", cls=ManyValues)
@_ADDRESS
@click.option(
    "--normals",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Consensus BAMs of normal samples, one a donor: several in a row, or the option again.",
)
@input_path("--reference", "FASTA that the reads were aligned to.")
@click.option("--instrument", help="Model of sequencer to record. Default: the read groups' PM, which must agree.")
@threads()
def background(address: str, normals: tuple[Path, ...], reference: Path, instrument: str | None, threads: int) -> None:
    """Train the background of a kit in development and name it in kit.yaml.

    What `ctdna background` does with the kit's own settings; the file comes into the kit's folder. Freezing the kit
    binds it by digest.
    """
    from ctdna.cli.background import command as train
    from ctdna.kit.edit import set_value
    from ctdna.kit.load import load_kit
    from ctdna.model.errors import DefinitionError

    kit = load_kit(address)
    if kit.is_frozen:
        raise DefinitionError(kit.folder, "", f"kit {address} is frozen", "make the next version by `ctdna kit new`")
    name = kit.definition.files.background or _BACKGROUND
    output = kit.folder / name
    if not output.resolve().is_relative_to(kit.folder.resolve()):
        raise DefinitionError(kit.folder / "kit.yaml", "files.background", f"found {name}, outside the kit", "move it")
    words = ["--kit", address, "--reference", str(reference), "--output", str(output), "--threads", str(threads)]
    words += ["--instrument", instrument] if instrument is not None else []
    for bam in normals:
        words += ["--normals", str(bam)]
    train.main(words, prog_name="ctdna background", standalone_mode=False)
    if kit.definition.files.background is None:
        set_value(kit.folder / "kit.yaml", ("files", "background"), name)
    click.echo(f"{address}: background {output}; digest {load_kit(address).digest}")


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


for _move in (freeze, sign, release, retire):
    command.add_command(_move)
