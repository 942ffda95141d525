"""The definition of a kit version: everything that decides a result, and nothing that does not."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen, Text
from ctdna.model.params.align import AlignParams
from ctdna.model.params.annotate import AnnotateParams
from ctdna.model.params.call import CallParams
from ctdna.model.params.consensus import ConsensusParams, FilterParams
from ctdna.model.params.demultiplex import DemultiplexParams
from ctdna.model.params.extract import ExtractParams
from ctdna.model.params.group import GroupParams
from ctdna.model.params.qc import QcParams
from ctdna.model.params.report import ReportParams

KIT_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
KIT_VERSION = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$"
KIT_ADDRESS = f"{KIT_NAME[:-1]}@{KIT_VERSION[1:]}"


class ReferenceDefinition(Frozen):
    """The sequence that the kit's coordinates stand on."""

    name: str
    """Under this name `ctdna reference` keeps it."""
    assembly: str
    """As `GRCh38`, or `contrived`."""
    fasta: str | None
    """A FASTA inside the kit's folder; None: the user adds the genome by `ctdna reference add`."""
    contigs: str
    """A table inside the kit's folder: contig, length, MD5 of the upper-case sequence, and for a genome slice also
    chrom and start1; the sequences that the reference must hold."""
    slices: str | None = None
    """A second table like `contigs`, of slices of the genome that may stand in for it; None: the genome only."""


class KitFiles(Frozen):
    """Files inside the kit's folder, by what they hold."""

    panel: str
    """BED: contig, start0, end0, target name (`GENE:exon`)."""
    hotspots: str
    """Table of reportable alleles: contig, pos1, ref, alt, gene, label."""
    transcripts: str
    """Table of pinned transcripts with exons and CDS."""
    knowledge: str
    """Table of evidence items, like CIViC's."""
    common_snps: str
    """Table of common SNPs for contamination and identity: contig, pos1, ref, alt, frequency."""
    background: str | None
    """The trained background error model."""
    umis: str | None
    """Fixed UMIs, one a line."""


class ExpectedVariant(Frozen):
    """A variant that a control must show."""

    contig: str
    pos1: int
    ref: str
    alt: str
    vaf_min: float
    vaf_max: float
    label: str


class Controls(Frozen):
    """What the controls must show."""

    positive: tuple[ExpectedVariant, ...]
    ntc_max_molecules: int
    """Most molecules on target in a no-template control."""


class KitDefinition(Frozen):
    """One kit version, read from `kit.yaml`; addressed `name@version`."""

    schema_version: Literal[1]
    name: str = Field(pattern=KIT_NAME)
    version: str = Field(pattern=KIT_VERSION)
    title: Text
    intended_use: Text
    reference: ReferenceDefinition
    files: KitFiles
    controls: Controls
    demultiplex: DemultiplexParams
    extract: ExtractParams
    align: AlignParams
    group: GroupParams
    consensus: ConsensusParams
    filter: FilterParams
    call: CallParams
    annotate: AnnotateParams
    qc: QcParams
    report: ReportParams
