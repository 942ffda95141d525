"""The canonical result of one sample: `result.json`, the only source of every rendering."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen, Text
from ctdna.model.kit import KIT_NAME, KIT_VERSION
from ctdna.model.params.qc import Role, VariantClass
from ctdna.model.qc import ClassVerdict, RunQc, SampleQc, Verdict
from ctdna.model.sample import SAMPLE_ID, Specimen
from ctdna.model.trace import KitState, TraceFacts

LocusState = Literal["DETECTED", "NOT_DETECTED", "NO_CALL"]
FindingState = Literal["reported", "possible_germline", "withheld", "filtered"]
Origin = Literal["tumour", "chip", "germline", "unresolved"]
Zygosity = Literal["het", "hom", "unbalanced"]
Tier = Literal["duplex", "simplex3", "pair2", "single"]
TIERS: tuple[Tier, ...] = ("duplex", "simplex3", "pair2", "single")
GENOMES_PER_NG = 303.0
"""Haploid human genomes in 1 ng of DNA, at 3.3 pg each."""
SHA256 = r"^[0-9a-f]{64}$"


class RunFacts(Frozen):
    """The sequencer run that the sample was part of."""

    run_id: str
    instrument: str | None
    flow_cell: str | None


class KitFacts(Frozen):
    """The kit version that decided the result, and the texts its manufacturer answers for."""

    name: str = Field(pattern=KIT_NAME)
    version: str = Field(pattern=KIT_VERSION)
    digest: str
    state: KitState
    """As it was when the run began."""
    title: Text
    intended_use: Text
    report_title: Text
    method: Text
    limitations: tuple[Text, ...]
    languages: tuple[str, ...]

    @property
    def address(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"


class ReferenceFacts(Frozen):
    """The sequence that the coordinates stand on."""

    name: str
    assembly: str


class SampleFacts(Frozen):
    """Whose result this is, by pseudonym."""

    sample_id: str = Field(pattern=SAMPLE_ID)
    role: Role
    specimen: Specimen


class TierCount(Frozen):
    """Molecules of one tier over a locus."""

    tier: Tier
    ref: int
    alt: int


class StrandCount(Frozen):
    """Molecules by the strand of the DNA that was read."""

    ref_top: int
    ref_bottom: int
    alt_top: int
    alt_bottom: int


class KnowledgeItem(Frozen):
    """One item of the kit's knowledge base that speaks of a finding."""

    id: str
    disease: str
    therapy: str
    evidence_type: str
    significance: str
    direction: str
    level: str
    citation: str
    source: str


class WhiteCellCount(Frozen):
    """What the same subject's white cells show of a finding."""

    depth: int
    ref_molecules: int
    alt_molecules: int
    vaf: float
    """Less the background."""
    vaf_low: float
    """95 % interval."""
    vaf_high: float
    p_value: float


class Amount(Frozen):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Finding(Frozen):
    """One variant of the annotated VCF, with all of its evidence."""

    state: FindingState
    """`reported`; `possible_germline`: the only filter is germline; `withheld`: its class failed QC; `filtered`."""
    contig: str
    pos1: int
    ref: str
    alt: str
    genome_pos: str | None
    """`chrom:pos1` where the contig is a slice of a genome."""
    gene: str | None
    transcript: str | None
    exon: str | None
    hgvs_g: str | None
    hgvs_c: str | None
    hgvs_p: str | None
    consequence: str | None
    """Sequence Ontology terms joined by `&`, most severe first."""
    variant_class: VariantClass
    target: str | None
    hotspot: bool
    vaf: float
    """Of greatest likelihood over the classes of molecules, less the background."""
    vaf_low: float
    """95 % interval."""
    vaf_high: float
    depth: int
    ref_molecules: int
    alt_molecules: int
    tiers: tuple[TierCount, ...]
    strands: StrandCount | None
    p_value: float | None
    q_value: float | None
    background: float | None
    """Expected rate of this error, per molecule."""
    lob: float | None
    lod95: float | None
    filters: tuple[str, ...]
    """Empty: all passed."""
    tier: str | None
    """AMP/ASCO/CAP, as `I`."""
    tier_rule: str | None
    """The rule that gave the tier, in one word."""
    tier_reason: str | None
    """The reason in one English sentence."""
    knowledge: tuple[KnowledgeItem, ...]
    chip: bool
    """The gene is one of clonal haematopoiesis."""
    germline_alert: bool
    """Possibly germline, in a gene where that concerns the family."""
    posterior: float | None = None
    """Probability that the variant is present."""
    origin: Origin | None = None
    zygosity: Zygosity | None = None
    """Of a possibly germline variant."""
    white_cells: WhiteCellCount | None = None
    """None: none were given."""
    mutant_per_ml: Amount | None = None
    """Mutant molecules per mL of plasma; None with filters, or where the concentration of cfDNA is not known."""

    @property
    def key(self) -> str:
        """Return `contig:pos1:ref:alt`."""
        return f"{self.contig}:{self.pos1}:{self.ref}:{self.alt}"

    @property
    def is_incidental(self) -> bool:
        """Return whether it is possibly germline and of tier IV: common, or without effect on the protein."""
        return self.filters == ("germline",) and self.tier == "IV"

    @property
    def is_shown(self) -> bool:
        """Return whether it stands in the table of findings, with its evidence."""
        return self.state != "filtered" and not self.is_incidental


class ReportableLocus(Frozen):
    """The three-state answer for one reportable allele of the kit."""

    contig: str
    pos1: int
    ref: str
    alt: str
    gene: str
    label: str
    target: str | None
    variant_class: VariantClass
    state: LocusState
    depth: int
    alt_molecules: int
    lod95: float | None
    """As VAF: what would have been found with a chance of 95 %."""
    reason: str | None
    """Code; of a NO_CALL always."""
    lob: float | None = None
    """As VAF: what errors alone may show."""


class Interval(Frozen):
    """Half-open bases of a contig."""

    start0: int
    end0: int


class TargetSummary(Frozen):
    """What could be seen over one target of the panel: any substitution, at each of its positions."""

    target: str
    contig: str
    start0: int
    end0: int
    n_positions: int
    n_callable: int
    """Positions where every substitution is DETECTED or NOT_DETECTED."""
    depth_mean: float
    depth_min: int
    lod95_median: float | None
    """Over callable positions, of each position's highest LoD95."""
    lod95_max: float | None
    uncovered: tuple[Interval, ...]
    """Runs of positions that are not callable."""


class Limits(Frozen):
    """The kit's limits that the report's statements compare with."""

    claimed_lod: float
    """VAF."""
    min_alt_molecules: int
    low_input_ng: float | None
    low_vaf: float | None


class Notice(Frozen):
    """A statement that this result calls for."""

    id: str
    level: Literal["alert", "caution", "note"]
    text: Text


class ReadsFile(Frozen):
    """The sibling document with the molecules behind the findings."""

    file: Literal["reads.json"]
    sha256: str = Field(pattern=SHA256)


class Result(Frozen):
    """The whole result of one sample."""

    schema_version: Literal[1]
    state: Literal["draft"]
    """Not reviewed, not signed."""
    sample: SampleFacts
    run: RunFacts
    kit: KitFacts
    reference: ReferenceFacts
    software: dict[str, str]
    """Program -> version."""
    verdict: Verdict
    """With the run's figures and controls, where `run_qc` is given."""
    classes: tuple[ClassVerdict, ...]
    findings: tuple[Finding, ...]
    """By position of the panel."""
    hotspots: tuple[ReportableLocus, ...]
    """In the kit's order."""
    targets: tuple[TargetSummary, ...]
    """In the panel's order."""
    qc: SampleQc
    run_qc: RunQc | None
    """None: judged without its run."""
    limits: Limits
    notices: tuple[Notice, ...]
    inputs: dict[str, str]
    """File name -> SHA-256 of the file."""
    reads: ReadsFile | None
    """None: no BAM was given."""
    trace: TraceFacts | None = None
    """Where, by whom, with what lot and build; None: not known, so of research use only."""


class MoleculeRow(Frozen):
    """One consensus molecule over the window of a read view."""

    tier: Tier
    is_alt: bool
    bases: str
    """One character a window base: `.` as the reference, letter a mismatch, `-` deleted, `*` mates disagree, blank: not
    covered."""
    insertions: dict[int, str]
    """Window base -> bases inserted after it."""


class ReadView(Frozen):
    """The molecules around one finding."""

    key: str
    """`contig:pos1:ref:alt`."""
    start0: int
    """The window's first base on the contig."""
    reference: str
    n_alt: int
    """Molecules that show the variant as they are aligned."""
    n_other: int
    rows: tuple[MoleculeRow, ...]
    """Those shown; the variant's first, then by tier."""


class Reads(Frozen):
    """`reads.json`: the molecules behind the findings."""

    schema_version: Literal[1]
    sample_id: str
    views: tuple[ReadView, ...]
