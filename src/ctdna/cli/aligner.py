"""What `ctdna align` and `ctdna realign` share: the aligner's options, its program and the check of its contigs."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.model.errors import DefinitionError, InputError, ProgramError
from ctdna.model.params.align import AlignParams

if TYPE_CHECKING:
    from ctdna.formats.bam import BamHeader
    from ctdna.formats.bwa import Bwa
    from ctdna.kit.load import LoadedKit

OWN_OPTIONS = ("-t", "-K", "-v", "-C", "-p", "-R", "-o", "-H", "-1")
"""Options of `bwa mem` that the commands set themselves."""

option = click.option(
    "--options",
    default="-Y",
    show_default=True,
    metavar="TEXT",
    help="Options handed to bwa mem, in one text: '-Y -k 19'. Those that the command sets itself are refused.",
)


def settings(ctx: click.Context, kit: "LoadedKit | None") -> AlignParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: an option contradicts the kit or may not be set; the kit names another aligner than bwa.
    """
    given = options.given(ctx, "options")
    written = {name: tuple(shlex.split(str(value))) for name, value in given.items()}
    params = AlignParams(aligner="bwa", options=tuple(shlex.split(str(ctx.params["options"]))))
    if kit is not None:
        params = kit.definition.align
        options.check_against_kit(kit.address, params, dict(written))
    for word in params.options:
        if word.startswith(OWN_OPTIONS):
            what = f"found {word}, which ctdna sets itself"
            raise InputError(None, "--options", what, "leave it out")
    if params.aligner != "bwa":
        raise InputError(None, "aligner", f"found {params.aligner}, allowed bwa", "use a kit that names bwa")
    return params


def load(kit_name: str | None) -> "LoadedKit | None":
    """Return the kit of that address, None without one.

    Raises:
        InputError: no such kit.
        DefinitionError: the kit is not what it claims to be.
    """
    if kit_name is None:
        return None
    from ctdna.kit.load import load_kit

    return load_kit(kit_name)


def find_bwa(reference: Path) -> "Bwa":
    """Return the bwa of the PATH, checked against `pipeline/bwa/versions.yaml`.

    Raises:
        ProgramError: bwa is missing or another version.
        InputError: the reference or its index is missing.
    """
    from ctdna.formats.bwa import open_bwa, pinned_version
    from ctdna.kit.resources import shipped

    return open_bwa(reference, pinned_version(shipped("pipeline") / "bwa"))


def check_contigs(reference: Path, header: "BamHeader", kit: "LoadedKit | None") -> None:
    """Check that the aligner's index holds the contigs of the FASTA's index, where there is one, and of the kit.

    Raises:
        InputError: the aligner's index is of another FASTA, by its contigs or its bases.
        DefinitionError: a contig that the kit needs is missing or has another length.
        ProgramError: the aligner names no contig at all.
    """
    from ctdna.formats.bwa import check_index
    from ctdna.formats.fasta import Reference

    if not header.contigs:
        raise ProgramError(None, "bwa mem", "wrote no header of contigs", "see that the bwa on the PATH is bwa itself")
    if Path(f"{reference}.fai").is_file():
        with Reference(reference) as fasta:
            if fasta.contigs != header.contigs:
                what = "the aligner's index holds other contigs than the FASTA"
                raise InputError(reference, "", what, "run bwa index on this FASTA again")
            check_index(fasta)
    if kit is None:
        return
    from ctdna.kit.reference import kit_references

    known = dict(header.contigs)
    misses = [
        [place for place in form.places if known.get(place.contig) != place.length] for form in kit_references(kit)
    ]
    if all(misses):
        place = misses[-1][0]
        what = f"found {known.get(place.contig, 'no such contig')}, kit {kit.address} needs {place.length} bases"
        raise DefinitionError(reference, f"contig {place.contig}", what, "give the reference of the kit")


def check_sample(sample: str) -> None:
    """Check that a sample id may stand in a header.

    Raises:
        InputError: it holds other characters than letters, digits, `_` and `-`.
    """
    import re

    from ctdna.model.sample import SAMPLE_ID

    if not re.match(SAMPLE_ID, sample):
        what = f"found {sample!r}, allowed letters, digits, _ and -, starting with a letter or digit"
        raise InputError(None, "--sample", what, "rename the sample")
