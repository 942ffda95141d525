"""A kit version checked as a whole: its files, and how they agree with each other and with the sequence."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from ctdna.formats.background_file import read_background
from ctdna.formats.bed import read_bed
from ctdna.formats.fasta import Reference
from ctdna.formats.sequences import copy_fasta
from ctdna.kit.contents import KitContents, of_kit, read_contents
from ctdna.kit.load import LoadedKit
from ctdna.kit.reference import genome_of, kit_references, stored_fasta
from ctdna.kit.resources import shipped
from ctdna.model.annotation import ContigPlace, Transcript
from ctdna.model.errors import CtdnaError, DefinitionError, InputError
from ctdna.model.umi import parse_read_structure
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.knowledge import FORMS, matcher
from ctdna.stages.annotation.sequence import translate
from ctdna.stages.annotation.transcripts import MappedTranscript
from ctdna.stages.background import check_rules
from ctdna.stages.quality.figures import RUN_FIGURES, SAMPLE_FIGURES, check_thresholds


class Validation(NamedTuple):
    """What the checks of a kit found."""

    problems: tuple[str, ...]
    """One sentence each; a kit without any is valid."""
    notes: tuple[str, ...]
    """What could not be checked, and why."""


def validate_kit(kit: LoadedKit) -> Validation:
    """Return every problem of a kit version.

    Raises:
        DefinitionError: a table is missing or not well formed, so that nothing can be compared.
    """
    contents = read_contents(kit)
    with ExitStack() as stack:
        genome = _genome(kit, stack)
        problems = [
            *_files(kit),
            *_parameters(kit),
            *_background(kit),
            *_panel(kit, contents),
            *_alleles(kit, contents, genome),
            *_transcripts(contents, genome),
            *_knowledge(contents),
        ]
    return Validation(tuple(problems), tuple(_notes(contents, genome)))


def _notes(contents: KitContents, genome: Genome | None) -> Iterator[str]:
    if genome is None:
        yield "the reference is not at hand: bases and reading frames were not compared with it"
        return
    for transcript in contents.transcripts:
        if "N" in MappedTranscript(transcript, genome).coding:
            yield f"transcript {transcript.name}: the reference at hand lacks bases of it, which were not compared"


def _genome(kit: LoadedKit, stack: ExitStack) -> Genome | None:
    """Return the sequence of the stored reference; None where it was not added to this machine."""
    for form in kit_references(kit):
        path = stored_fasta(form)
        if path is not None:
            return genome_of(stack.enter_context(Reference(path)), form.places)
    return None


def _files(kit: LoadedKit) -> Iterator[str]:
    definition = kit.definition
    for name in (definition.files.background, definition.files.umis, definition.reference.fasta):
        if name is not None:
            try:
                kit.path(name)
            except DefinitionError as error:
                yield str(error)
    if definition.reference.fasta is not None:
        yield from _shipped_fasta(kit, definition.reference.fasta)


def _shipped_fasta(kit: LoadedKit, name: str) -> Iterator[str]:
    wanted = {place.contig: (place.length, place.md5) for place in kit_references(kit)[0].places}
    found = {item.name: (item.length, item.md5) for item in of_kit(lambda p: copy_fasta(p, str), kit.path(name))}
    for contig in sorted(set(wanted) | set(found)):
        if wanted.get(contig) != found.get(contig):
            yield f"{name}: contig {contig} is {found.get(contig)}, the table of contigs says {wanted.get(contig)}"


def _parameters(kit: LoadedKit) -> Iterator[str]:
    definition = kit.definition
    for structure in definition.extract.read_structures:
        try:
            parse_read_structure(structure)
        except CtdnaError as error:
            yield f"kit.yaml: extract.read_structures: {error}"
    if not (shipped("pipeline") / definition.align.aligner).is_dir():
        yield f"kit.yaml: align.aligner: `{definition.align.aligner}` is no folder of pipeline/"
    for thresholds, figures in ((definition.qc.sample, SAMPLE_FIGURES), (definition.qc.run, RUN_FIGURES)):
        try:
            check_thresholds(thresholds, figures, "kit.yaml")
        except CtdnaError as error:
            yield str(error)


def _background(kit: LoadedKit) -> Iterator[str]:
    name = kit.definition.files.background
    if name is None or not (kit.folder / name).is_file():
        return
    try:
        check_rules(read_background(kit.path(name)), kit.definition.call, kit.definition.name)
    except CtdnaError as error:
        yield f"{name}: {error}"


def _panel(kit: LoadedKit, contents: KitContents) -> Iterator[str]:
    lengths = [(place.contig, place.length) for place in contents.contigs]
    path = kit.path(kit.definition.files.panel)
    try:
        targets = read_bed(path, lengths)
    except InputError as error:
        yield str(error)
        return
    genes = {transcript.gene for transcript in contents.transcripts}
    for name in targets.names:
        if name.split(":")[0] not in genes:
            yield f"{path.name}: target {name}: its gene has no transcript in the kit"


def _named_alleles(kit: LoadedKit, contents: KitContents) -> Iterator[tuple[str, str, int, str]]:
    files = kit.definition.files
    for hotspot in contents.hotspots:
        yield f"{files.hotspots}: {hotspot.label}", hotspot.contig, hotspot.pos1, hotspot.ref
    for snp in contents.common_snps:
        yield f"{files.common_snps}: {snp.contig}:{snp.pos1}", snp.contig, snp.pos1, snp.ref
    for expected in kit.definition.controls.positive:
        yield f"kit.yaml: controls.positive: {expected.label}", expected.contig, expected.pos1, expected.ref


def _alleles(kit: LoadedKit, contents: KitContents, genome: Genome | None) -> Iterator[str]:
    places = {place.contig: place for place in contents.contigs}
    for name, contig, pos1, ref in _named_alleles(kit, contents):
        place = places.get(contig)
        if place is None or pos1 - 1 + len(ref) > place.length:
            yield f"{name}: {contig}:{pos1} is not on the reference"
        elif genome is not None:
            yield from _wrong_bases(name, place, pos1 - 1, ref, genome)


def _wrong_bases(name: str, place: ContigPlace, start0: int, ref: str, genome: Genome) -> Iterator[str]:
    low = place.start0 + start0
    found = genome.bases(place.chrom, low, low + len(ref))
    if found != ref and "N" not in found:
        yield f"{name}: ref is {ref}, the reference has {found} at {place.contig}:{start0 + 1}"


def _transcripts(contents: KitContents, genome: Genome | None) -> Iterator[str]:
    ends = {place.contig: place.length for place in contents.contigs}
    is_sliced = any(place.contig != place.chrom for place in contents.contigs)
    for transcript in contents.transcripts:
        if not is_sliced and ends.get(transcript.contig, 0) < transcript.exons[-1][1]:
            yield f"transcript {transcript.name}: does not lie on the reference"
        elif genome is not None:
            yield from _reading_frame(transcript, genome)


def _reading_frame(transcript: Transcript, genome: Genome) -> Iterator[str]:
    mapped = MappedTranscript(transcript, genome)
    residues = translate(mapped.coding[: mapped.n_coding])
    if residues[0] not in "MX":
        yield f"transcript {transcript.name}: its CDS does not begin with a start codon"
    if residues[-1] not in "*X":
        yield f"transcript {transcript.name}: its CDS does not end with a stop codon"
    if "*" in residues[:-1]:
        yield f"transcript {transcript.name}: a stop codon stands within its CDS, at codon {residues.index('*') + 1}"


def _knowledge(contents: KitContents) -> Iterator[str]:
    genes = {transcript.gene for transcript in contents.transcripts}
    for item in contents.knowledge:
        if matcher(item.variant) is None:
            yield f"knowledge {item.id}: variant `{item.variant}` has no known form; allowed: {FORMS}"
        if item.gene not in genes:
            yield f"knowledge {item.id}: gene {item.gene} has no transcript in the kit"
