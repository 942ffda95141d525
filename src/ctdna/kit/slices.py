"""A kit on slices of its genome: the same kit with its coordinates moved to the slices' contigs.

Transcripts stay on the chromosomes, since one may run over several slices; the contigs' table says where each slice
lies, and results are named in genome coordinates.
"""

import json
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.atomic import write_text
from ctdna.formats.bed import read_bed
from ctdna.kit.contents import read_contents
from ctdna.kit.load import LoadedKit
from ctdna.model.annotation import ContigPlace
from ctdna.model.errors import InputError
from ctdna.model.kit import ExpectedVariant

SUFFIX = "-slices"


class SlicedKit(NamedTuple):
    """A kit that was written on slices."""

    address: str
    folder: Path
    left_out: tuple[str, ...]
    """Targets, hotspots, SNPs and expected variants that no slice holds whole."""


class _Slices:
    def __init__(self, places: tuple[ContigPlace, ...]) -> None:
        self._places = places
        self.left_out: list[str] = []

    def locate(self, name: str, chrom: str, start0: int, end0: int) -> tuple[str, int] | None:
        """Return contig and start0 of the slice that holds the interval whole; remember the name where none does."""
        for place in self._places:
            low = start0 - place.start0
            if place.chrom == chrom and low >= 0 and end0 - place.start0 <= place.length:
                return place.contig, low
        self.left_out.append(name)
        return None


def slice_kit(kit: LoadedKit, root: Path) -> SlicedKit:
    """Write the kit on its slices as `<root>/<name>-slices/<version>/` and return it.

    Raises:
        InputError: the kit names no slices, nothing of the panel lies on them, or the folder exists or cannot be made.
        DefinitionError: a table of the kit is not well formed.
    """
    definition = kit.definition
    if definition.reference.slices is None:
        raise InputError(None, kit.address, "the kit names no slices of its genome", "use it with the genome")
    slices = _Slices(read_contents(kit).slices)
    tables = _tables(kit, slices)
    expected = tuple(found for item in definition.controls.positive if (found := _expected(item, slices)) is not None)
    folder = root / f"{definition.name}{SUFFIX}" / definition.version
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        what = f"the folder cannot be made: {error.strerror}"
        raise InputError(folder, "", what, "choose another output folder or remove it") from error
    for name, text in tables.items():
        write_text(folder / name, text)
    files = definition.files
    for copied in (files.transcripts, files.knowledge, *([files.umis] if files.umis else [])):
        write_text(folder / copied, kit.path(copied).read_text("utf-8"))
    write_text(folder / "kit.yaml", _definition(kit, expected))
    return SlicedKit(f"{definition.name}{SUFFIX}@{definition.version}", folder, tuple(slices.left_out))


def _definition(kit: LoadedKit, expected: tuple[ExpectedVariant, ...]) -> str:
    definition = kit.definition
    reference = definition.reference.model_copy(
        update={
            "name": f"{definition.reference.name}{SUFFIX}",
            "contigs": definition.reference.slices,
            "slices": None,
            "fasta": None,
        }
    )
    moved = definition.model_copy(
        update={
            "name": f"{definition.name}{SUFFIX}",
            "reference": reference,
            "files": definition.files.model_copy(update={"background": None}),
            "controls": definition.controls.model_copy(update={"positive": expected}),
        }
    )
    return json.dumps(moved.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _expected(item: ExpectedVariant, slices: _Slices) -> ExpectedVariant | None:
    start0 = item.pos1 - 1
    at = slices.locate(f"expected variant {item.label}", item.contig, start0, start0 + len(item.ref))
    return item.model_copy(update={"contig": at[0], "pos1": at[1] + 1}) if at else None


def _tables(kit: LoadedKit, slices: _Slices) -> dict[str, str]:
    files, reference, contents = kit.definition.files, kit.definition.reference, read_contents(kit)
    contigs = [(place.contig, place.length) for place in contents.contigs]
    targets = read_bed(kit.path(files.panel), contigs)
    panel = []
    for i, name in enumerate(targets.names):
        start0, end0 = int(targets.start0[i]), int(targets.end0[i])
        at = slices.locate(f"target {name}", contigs[int(targets.contig[i])][0], start0, end0)
        panel += [f"{at[0]}\t{at[1]}\t{at[1] + end0 - start0}\t{name}\n"] if at else []
    if not panel:
        raise InputError(None, kit.address, "no target of the panel lies on the slices", "use it with the genome")
    hotspots = ["contig\tpos1\tref\talt\tgene\tlabel\n"]
    for h in contents.hotspots:
        at = slices.locate(f"hotspot {h.label}", h.contig, h.pos1 - 1, h.pos1 - 1 + len(h.ref))
        hotspots += [f"{at[0]}\t{at[1] + 1}\t{h.ref}\t{h.alt}\t{h.gene}\t{h.label}\n"] if at else []
    snps = ["contig\tpos1\tref\talt\tfrequency\n"]
    for snp in contents.common_snps:
        at = slices.locate(f"SNP {snp.contig}:{snp.pos1}", snp.contig, snp.pos1 - 1, snp.pos1)
        snps += [f"{at[0]}\t{at[1] + 1}\t{snp.ref}\t{snp.alt}\t{snp.frequency:g}\n"] if at else []
    return {
        files.panel: "".join(panel),
        files.hotspots: "".join(hotspots),
        files.common_snps: "".join(snps),
        str(reference.slices): kit.path(str(reference.slices)).read_text("utf-8"),
    }
