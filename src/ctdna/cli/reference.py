"""`ctdna reference`: the reference genomes on this machine."""

from pathlib import Path

import click

_STORE = click.option(
    "--store", type=click.Path(path_type=Path), help="Folder of references.  [default: that of CTDNA_HOME or the user]"
)


@click.group("reference")
def command() -> None:
    """Add and list reference genomes.

    A kit names the genome that its coordinates stand on. The genome is added once on each machine: its sequences are
    compared with the kit's digests, and the indexes are built.
    """


@command.command("add")
@click.argument("fasta", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version that needs it.")
@_STORE
def add(fasta: Path, kit_name: str, store: Path | None) -> None:
    """Check the FASTA FILE against a kit, store it and build its indexes once.

    FILE may be compressed by gzip and may name chromosomes `chr7` or `7`. The index of a whole genome takes about an
    hour. A file that is another genome is refused (exit code 3).
    """
    from ctdna.kit.load import load_kit
    from ctdna.kit.reference import add_reference

    path = add_reference(load_kit(kit_name), fasta, store)
    click.echo(f"reference of {kit_name} is ready: {path}")


@command.command("list")
@_STORE
def list_references(store: Path | None) -> None:
    """List the stored references: name, form, contigs, bases."""
    from ctdna.kit.reference import store_root, stored_references

    found = stored_references(store)
    for item in found:
        bases = sum(contig.length for contig in item.contigs)
        click.echo(f"{item.name}\t{item.form}\t{len(item.contigs)} contigs\t{bases} bases")
    if not found:
        click.echo(f"no reference is stored in {store or store_root()}")


@command.command("path")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version.")
@_STORE
def path_of(kit_name: str, store: Path | None) -> None:
    """Print the path of the FASTA that a kit uses on this machine; one that ships with the kit is added first."""
    from ctdna.kit.load import load_kit
    from ctdna.kit.reference import resolve_reference

    click.echo(str(resolve_reference(load_kit(kit_name), store)))
