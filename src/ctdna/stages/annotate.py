"""Variants named by HGVS on pinned transcripts, with consequence, knowledge and tier. Nothing is looked up online."""

from collections.abc import Sequence
from typing import NamedTuple

from ctdna.model.annotation import Allele, Annotation, CommonSnp, Hotspot, KnowledgeItem, Transcript
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.annotate import AnnotateParams
from ctdna.stages.annotation.change import Change, hgvs_g, shifted, trimmed
from ctdna.stages.annotation.effect import PROTEIN_ALTERING, TRUNCATING, Effect, effect
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.knowledge import KnowledgeIndex
from ctdna.stages.annotation.tier import Findings, TierDecision, tier
from ctdna.stages.annotation.transcripts import MappedTranscript


class Candidate(NamedTuple):
    """One record to annotate."""

    allele: Allele
    where: str
    """The record as an error names it."""
    is_marked_germline: bool
    """Calling marked it as possibly germline."""


class Sources(NamedTuple):
    """What annotation stands on."""

    genome: Genome
    transcripts: tuple[Transcript, ...]
    hotspots: tuple[Hotspot, ...]
    knowledge: tuple[KnowledgeItem, ...]
    common_snps: tuple[CommonSnp, ...]


class Annotator:
    """Annotation of single alleles; holds the indexes over the sources."""

    def __init__(self, sources: Sources, params: AnnotateParams, diagnosis: str) -> None:
        """Take the sources, the kit's parameters and the sample's disease (empty: not known)."""
        self._genome = sources.genome
        self._params = params
        self._diagnosis = diagnosis
        broader = {name.casefold(): names for name, names in (params.broader_diseases or {}).items()}
        same = (diagnosis, *broader.get(diagnosis.casefold(), ()))
        self._same_diseases = frozenset(name.casefold() for name in same if name)
        self._mapped = [MappedTranscript(item, sources.genome) for item in sources.transcripts]
        self._knowledge = KnowledgeIndex(sources.knowledge)
        self._hotspots = {self._key(Allele(h.contig, h.pos1 - 1, h.ref, h.alt)) for h in sources.hotspots}
        self._common = {
            self._key(Allele(snp.contig, snp.pos1 - 1, snp.ref, snp.alt)): snp.frequency for snp in sources.common_snps
        }

    def annotate(self, candidate: Candidate) -> Annotation:
        """Return the annotation of one allele.

        Raises:
            InputError: its contig is not of the reference, or its REF is not the reference's.
        """
        change = self._change(candidate)
        found = self._effect(change)
        key = self._key(candidate.allele)
        terms = set(found.terms) if found else {"intergenic_variant"}
        gene = found.mapped.transcript.gene if found else ""
        items = self._knowledge.about(found) if found else []
        is_altering = not PROTEIN_ALTERING.isdisjoint(terms)
        decision = self._tier(key, items, terms)
        return Annotation(
            gene=gene,
            transcript=found.mapped.transcript.name if found else "",
            hgvs_g=hgvs_g(change, self._genome),
            hgvs_c=found.hgvs_c if found else "",
            hgvs_p=found.hgvs_p if found else "",
            consequence=found.terms if found else ("intergenic_variant",),
            exon=found.exon if found else "",
            is_hotspot=key in self._hotspots,
            tier=decision.tier,
            tier_rule=decision.rule,
            tier_reason=decision.reason,
            knowledge=tuple(item.id for item in items),
            is_chip_gene=is_altering and gene in self._params.chip_genes,
            is_germline_alert=(
                is_altering and candidate.is_marked_germline and gene in self._params.germline_alert_genes
            ),
            genome_pos=self._genome_pos(candidate.allele),
        )

    def _on_genome(self, allele: Allele) -> Allele | None:
        place = self._genome.place(allele.contig)
        if place is None:
            return None
        return Allele(place.chrom, place.start0 + allele.start0, allele.ref, allele.alt)

    def _key(self, allele: Allele) -> Change:
        """Return the allele in a form that is equal for every way of writing it."""
        return shifted(trimmed(self._on_genome(allele) or allele), self._genome, to_right=False)

    def _change(self, candidate: Candidate) -> Change:
        allele = self._on_genome(candidate.allele)
        if allele is None:
            what = f"contig {candidate.allele.contig} is not in the reference"
            raise InputError(None, candidate.where, what, "give the reference that the variants were called on")
        true = self._genome.bases(allele.contig, allele.start0, allele.start0 + len(allele.ref))
        if true != allele.ref:
            what = f"REF is {allele.ref[:30]}, the reference has {true[:30]} there"
            raise InputError(None, candidate.where, what, "give the reference that the variants were called on")
        return trimmed(allele)

    def _effect(self, change: Change) -> Effect | None:
        width, promoter = self._params.splice_region_bases, self._params.promoter_bases or 0
        found = [
            effect(change, mapped, self._genome, width)
            for mapped in self._mapped
            if _is_near(change, mapped.transcript, promoter)
        ]
        return min(found, key=lambda item: (item.severity, item.mapped.transcript.name), default=None)

    def _tier(self, key: Change, items: list[KnowledgeItem], terms: set[str]) -> TierDecision:
        frequency = self._common.get(key)
        limit = self._params.common_frequency
        return tier(
            Findings(
                items=items,
                diagnosis=self._diagnosis,
                same_diseases=self._same_diseases,
                is_altering=not PROTEIN_ALTERING.isdisjoint(terms),
                is_hotspot=key in self._hotspots,
                is_truncating=not TRUNCATING.isdisjoint(terms),
                common_frequency=frequency if frequency is not None and limit and frequency >= limit else None,
            )
        )

    def _genome_pos(self, allele: Allele) -> str:
        place = self._genome.place(allele.contig)
        if place is None or (place.chrom == place.contig and place.start0 == 0):
            return ""
        return f"{place.chrom}:{place.start0 + allele.start0 + 1}"


def _is_near(change: Change, transcript: Transcript, promoter: int) -> bool:
    low, high = transcript.exons[0][0], transcript.exons[-1][1]
    low, high = (low - promoter, high) if transcript.strand == "+" else (low, high + promoter)
    end0 = max(change.end0, change.start0 + 1)
    return change.chrom == transcript.contig and change.start0 < high and end0 > low


def annotate(
    candidates: Sequence[Candidate], sources: Sources, params: AnnotateParams, sample: str, diagnosis: str = ""
) -> tuple[list[Annotation], StageMetrics]:
    """Return one annotation a candidate, in their order, and the counts; nothing is rejected.

    Raises:
        InputError: a record's contig or REF is not the reference's.
    """
    annotator = Annotator(sources, params, diagnosis)
    done = [annotator.annotate(candidate) for candidate in candidates]
    counts = {f"tier_{name}": sum(item.tier == name for item in done) for name in ("I", "II", "III", "IV")}
    counts["hotspots"] = sum(item.is_hotspot for item in done)
    counts["intergenic"] = sum(not item.gene for item in done)
    counts["with_knowledge"] = sum(bool(item.knowledge) for item in done)
    metrics = StageMetrics(
        stage="annotate",
        sample=sample,
        unit="variants",
        n_in=len(candidates),
        n_out=len(done),
        rejected={},
        counts=counts,
    )
    return done, metrics
