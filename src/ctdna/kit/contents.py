"""The tables of a kit version, read and typed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from ctdna.formats.kit_tables import read_common_snps, read_contigs, read_hotspots
from ctdna.formats.knowledge import read_knowledge
from ctdna.formats.transcripts import read_transcripts
from ctdna.kit.load import LoadedKit
from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot, KnowledgeItem, Transcript
from ctdna.model.errors import DefinitionError, InputError

T = TypeVar("T")


class KitContents(NamedTuple):
    """What the tables of a kit hold."""

    contigs: tuple[ContigPlace, ...]
    slices: tuple[ContigPlace, ...]
    """Slices of the genome that may stand in for it; empty where the kit allows none."""
    hotspots: tuple[Hotspot, ...]
    transcripts: tuple[Transcript, ...]
    knowledge: tuple[KnowledgeItem, ...]
    common_snps: tuple[CommonSnp, ...]


def of_kit(reader: Callable[[Path], T], path: Path) -> T:
    """Return what the reader finds in a kit's file; a fault there is the kit's, not the user's.

    Raises:
        DefinitionError: where the reader raises an `InputError`.
    """
    try:
        return reader(path)
    except InputError as error:
        raise DefinitionError(error.path, error.where, error.what, error.hint) from error


def read_contents(kit: LoadedKit) -> KitContents:
    """Return the kit's tables.

    Raises:
        DefinitionError: a table is missing or not well formed.
    """
    files, reference = kit.definition.files, kit.definition.reference
    return KitContents(
        contigs=of_kit(read_contigs, kit.path(reference.contigs)),
        slices=of_kit(read_contigs, kit.path(reference.slices)) if reference.slices else (),
        hotspots=of_kit(read_hotspots, kit.path(files.hotspots)),
        transcripts=of_kit(read_transcripts, kit.path(files.transcripts)),
        knowledge=of_kit(read_knowledge, kit.path(files.knowledge)),
        common_snps=of_kit(read_common_snps, kit.path(files.common_snps)),
    )
