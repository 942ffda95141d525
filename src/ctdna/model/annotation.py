"""What annotation reads and says: transcripts, hotspots, evidence, alleles and their annotations."""

from typing import Literal, NamedTuple

Strand = Literal["+", "-"]
Tier = Literal["I", "II", "III", "IV"]


class Transcript(NamedTuple):
    """A pinned transcript; half-open 0-based intervals in genomic order, the stop codon inside the CDS."""

    name: str
    gene: str
    contig: str
    """Chromosome; for a reference of slices, that of the genome."""
    strand: Strand
    exons: tuple[tuple[int, int], ...]
    cds_start0: int
    cds_end0: int
    protein: str
    """Accession of its protein; empty where unknown."""


class Allele(NamedTuple):
    """One alternate allele as a VCF record writes it; bases in upper case."""

    contig: str
    start0: int
    ref: str
    alt: str


class Hotspot(NamedTuple):
    """A reportable allele of the kit."""

    contig: str
    pos1: int
    ref: str
    alt: str
    gene: str
    label: str


class CommonSnp(NamedTuple):
    """A substitution that is common in the population."""

    contig: str
    pos1: int
    ref: str
    alt: str
    frequency: float


class KnowledgeItem(NamedTuple):
    """One curated statement about a variant in a disease, as CIViC writes them."""

    id: str
    gene: str
    variant: str
    """`p.L858R`, `p.G12`, `c.35G>A`, or a class as `exon 19 deletion`."""
    disease: str
    therapy: str
    evidence_type: str
    significance: str
    direction: str
    level: str
    """A validated, B clinical, C case study, D preclinical, E inferential."""
    tier: Tier
    """AMP/ASCO/CAP tier that the statement gives in its own disease."""
    rating: str
    citation: str
    source: str
    date: str


class ContigPlace(NamedTuple):
    """A sequence that the reference must hold, and where it lies in the genome."""

    contig: str
    length: int
    md5: str
    """Of the sequence in upper case."""
    chrom: str
    """Chromosome; the contig's own name where it is no slice."""
    start0: int
    """Where its first base lies in the chromosome."""


class Annotation(NamedTuple):
    """What is said of one allele; empty where it does not apply."""

    gene: str
    transcript: str
    hgvs_g: str
    hgvs_c: str
    hgvs_p: str
    consequence: tuple[str, ...]
    """Sequence Ontology terms, most severe first."""
    exon: str
    """`19/28`, in the transcript's direction."""
    is_hotspot: bool
    tier: Tier
    tier_rule: str
    """The rule that gave the tier, as one word for a program."""
    tier_reason: str
    """The same in words."""
    knowledge: tuple[str, ...]
    """Ids of the evidence items that match."""
    is_chip_gene: bool
    is_germline_alert: bool
    genome_pos: str
    """`chrom:pos1` where the contig is a slice of the genome."""
