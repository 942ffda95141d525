"""`ctdna annotate`: variants named by HGVS, consequence, knowledge and tier."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ctdna.cli.options import input_path, kit, output_path
from ctdna.model.errors import DefinitionError, InputError

if TYPE_CHECKING:
    from ctdna.formats.annotated_vcf import Sites
    from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot, KnowledgeItem, Transcript
    from ctdna.model.params.annotate import AnnotateParams

_BY_KIT = ("transcripts", "knowledge", "hotspots", "common_snps", "contigs", "splice_region_bases", "promoter_bases")
SPLICE_REGION_BASES = 8


class _Knowledge(NamedTuple):
    """What the annotation stands on besides the sequence."""

    places: "tuple[ContigPlace, ...]"
    hotspots: "tuple[Hotspot, ...]"
    transcripts: "tuple[Transcript, ...]"
    items: "tuple[KnowledgeItem, ...]"
    common_snps: "tuple[CommonSnp, ...]"
    params: "AnnotateParams"


@click.command("annotate")
@input_path("--input", "Called variants: a VCF of `ctdna call`, plain or bgzipped.")
@input_path("--reference", "FASTA that the variants were called on: a genome, or slices of it that the kit knows.")
@output_path("--output", "Annotated VCF, bgzipped; its index is written beside it.")
@output_path("--metrics", "Counts of the stage, as JSON.", required=False)
@kit()
@input_path("--transcripts", "Table of pinned transcripts (without --kit).", required=False)
@input_path("--knowledge", "Table of evidence items (without --kit).", required=False)
@input_path("--hotspots", "Table of reportable alleles (without --kit).", required=False)
@input_path("--common-snps", "Table of common SNPs (without --kit).", required=False)
@input_path("--contigs", "Table of the reference's contigs, where they are slices of a genome.", required=False)
@click.option(
    "--splice-region-bases",
    type=click.IntRange(min=2),
    help=f"Intronic bases beside an exon named splice region.  [default without --kit: {SPLICE_REGION_BASES}]",
)
@click.option(
    "--promoter-bases",
    type=click.IntRange(min=0),
    help="Bases before a transcript that are still named on it.  [default without --kit: 0]",
)
@click.option("--diagnosis", default="", help="The sample's disease, as the knowledge names diseases; weighs the tier.")
@click.option("--sample", default="", help="Sample id for the metrics.  [default: the VCF's sample]")
def command(
    input: Path,
    reference: Path,
    output: Path,
    metrics: Path | None,
    kit_name: str | None,
    diagnosis: str,
    sample: str,
    **by_kit: Path | int | None,
) -> int:
    """Name variants by HGVS, consequence, knowledge and tier.

    Every record gets its HGVS names (g., c., p.) on the pinned transcripts, Sequence Ontology consequences, the exon,
    the kit's evidence, and an AMP/ASCO/CAP tier with its reason. Nothing is looked up online. With --kit everything
    comes from the kit version; without it, at least --transcripts is needed.
    """
    from ctdna.formats.annotated_vcf import read_sites, write_annotated
    from ctdna.formats.documents import write_json
    from ctdna.formats.fasta import Reference
    from ctdna.kit.reference import genome_of
    from ctdna.stages.annotate import Candidate, Sources, annotate

    _check_options(kit_name, by_kit)
    with Reference(reference) as sequences:
        lengths = dict(sequences.contigs)
        known = _from_kit(kit_name, by_kit, lengths) if kit_name else _from_files(by_kit, lengths)
        sites = read_sites(input)
        candidates = [
            Candidate(
                record.allele,
                f"{input}: line {record.line}, {record.fields[0]}:{record.fields[1]}",
                "germline" in record.filters,
            )
            for record in sites.records
        ]
        genome = genome_of(sequences, known.places)
        sources = Sources(genome, known.transcripts, known.hotspots, known.items, known.common_snps)
        done, counts = annotate(candidates, sources, known.params, sample or _sample(sites, input), diagnosis)
    write_annotated(output, sites, done)
    if metrics:
        write_json(metrics, counts)
    return 0


def _check_options(kit_name: str | None, by_kit: dict[str, Path | int | None]) -> None:
    given = [name for name in _BY_KIT if by_kit[name] is not None]
    if kit_name and given:
        option = "--" + given[0].replace("_", "-")
        raise click.UsageError(f"{option} contradicts --kit: the kit decides it; leave one of them out")
    if not kit_name and by_kit["transcripts"] is None:
        raise InputError(None, "", "found neither --kit nor --transcripts", "name the transcripts to annotate on")


def _sample(sites: "Sites", path: Path) -> str:
    columns = sites.header[-1].split("\t")
    return columns[9] if len(columns) > 9 else path.name.split(".")[0]


def _from_kit(address: str, by_kit: dict[str, Path | int | None], lengths: dict[str, int]) -> _Knowledge:
    from ctdna.kit.contents import read_contents
    from ctdna.kit.load import load_kit

    loaded = load_kit(address)
    contents = read_contents(loaded)
    places = _places(address, (contents.contigs, contents.slices), lengths)
    return _Knowledge(
        places,
        contents.hotspots,
        contents.transcripts,
        contents.knowledge,
        contents.common_snps,
        loaded.definition.annotate,
    )


def _places(
    address: str, forms: "tuple[tuple[ContigPlace, ...], ...]", lengths: dict[str, int]
) -> "tuple[ContigPlace, ...]":
    """Return where the reference's contigs lie, by the first form of the kit's reference that it fits."""
    for form in forms:
        named = {name: _kit_name(name, {place.contig for place in form}) for name in lengths}
        by_name = {place.contig: place for place in form}
        held = {named[name]: length for name, length in lengths.items()}
        if form and all(held.get(place.contig) == place.length for place in form):
            return tuple(
                by_name[named[name]]._replace(contig=name) if named[name] in by_name else _itself(name, length)
                for name, length in lengths.items()
            )
    what = f"its contigs are not those of the reference of kit {address}"
    raise DefinitionError(None, "--reference", what, f"add the right one: `ctdna reference add FILE --kit {address}`")


def _kit_name(name: str, known: set[str]) -> str:
    return f"chr{name}" if name not in known and f"chr{name}" in known else name


def _itself(name: str, length: int) -> "ContigPlace":
    from ctdna.model.annotation import ContigPlace

    return ContigPlace(name, length, "", name, 0)


def _from_files(by_kit: dict[str, Path | int | None], lengths: dict[str, int]) -> _Knowledge:
    from ctdna.formats.kit_tables import read_common_snps, read_contigs, read_hotspots
    from ctdna.formats.knowledge import read_knowledge
    from ctdna.formats.transcripts import read_transcripts
    from ctdna.model.params.annotate import AnnotateParams

    def path(name: str) -> Path | None:
        value = by_kit[name]
        return value if isinstance(value, Path) else None

    transcripts = path("transcripts")
    assert transcripts is not None
    contigs, hotspots, knowledge, snps = (path(n) for n in ("contigs", "hotspots", "knowledge", "common_snps"))
    placed = {place.contig: place for place in (read_contigs(contigs) if contigs else ())}
    splice, promoter = by_kit["splice_region_bases"], by_kit["promoter_bases"]
    return _Knowledge(
        tuple(placed.get(name) or _itself(name, length) for name, length in lengths.items()),
        read_hotspots(hotspots) if hotspots else (),
        read_transcripts(transcripts),
        read_knowledge(knowledge) if knowledge else (),
        read_common_snps(snps) if snps else (),
        AnnotateParams(
            splice_region_bases=splice if isinstance(splice, int) else SPLICE_REGION_BASES,
            germline_alert_genes=(),
            chip_genes=(),
            promoter_bases=promoter if isinstance(promoter, int) else None,
        ),
    )
