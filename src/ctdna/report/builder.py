"""The result document, put together from what the stages wrote and what the kit says."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from ctdna.model.annotation import Hotspot
from ctdna.model.kit import KitDefinition
from ctdna.model.manifest import RunManifest
from ctdna.model.params.qc import VariantClass
from ctdna.model.qc import ClassVerdict, RunQc, SampleQc, Verdict
from ctdna.model.result import (
    GENOMES_PER_NG,
    Amount,
    Finding,
    Interval,
    KitFacts,
    KnowledgeItem,
    Limits,
    ReadsFile,
    ReferenceFacts,
    ReportableLocus,
    Result,
    RunFacts,
    SampleFacts,
    TargetSummary,
)
from ctdna.model.trace import KitState
from ctdna.report.findings import finding_of
from ctdna.report.notices import notices_for
from ctdna.report.sources import LocusRow, VariantRow

CLASSES: tuple[VariantClass, ...] = ("snv", "indel", "mnv")


class Sources(NamedTuple):
    """Everything that a result is made from."""

    manifest: RunManifest
    kit: KitDefinition
    kit_digest: str
    hotspots: tuple[Hotspot, ...]
    knowledge: dict[str, KnowledgeItem]
    variants: tuple[VariantRow, ...]
    loci: tuple[LocusRow, ...]
    qc: SampleQc
    run_qc: RunQc | None
    software: dict[str, str]
    inputs: dict[str, str]


def class_of(ref: str, alt: str) -> VariantClass:
    """Return the variant class of an allele."""
    if len(ref) != len(alt):
        return "indel"
    return "snv" if len(ref) == 1 else "mnv"


def final_verdict(qc: SampleQc, run_qc: RunQc | None) -> tuple[Verdict, tuple[ClassVerdict, ...]]:
    """Return the sample's verdict and those of its classes: the run's word where it is given, else the sample's own."""
    for item in run_qc.samples if run_qc else ():
        if item.sample_id == qc.sample_id:
            return item.verdict, item.classes
    return qc.verdict, qc.classes


def failed_classes(classes: tuple[ClassVerdict, ...]) -> frozenset[VariantClass]:
    """Return the classes whose findings are withheld; a class without a verdict is one of them."""
    return frozenset(CLASSES) - {item.variant_class for item in classes if item.verdict != "fail"}


def _locus(hotspot: Hotspot, row: LocusRow | None, failed: frozenset[VariantClass]) -> ReportableLocus:
    variant_class = class_of(hotspot.ref, hotspot.alt)
    state, reason = (row.state, row.reason) if row else ("NO_CALL", "not_evaluated")
    if variant_class in failed:
        state, reason = "NO_CALL", "qc_failed"
    return ReportableLocus.model_validate(
        {
            **hotspot._asdict(),
            "target": row.target if row else None,
            "variant_class": variant_class,
            "state": state,
            "depth": row.depth if row else 0,
            "alt_molecules": row.alt_molecules if row else 0,
            "lod95": row.lod95 if row else None,
            "lob": row.lob if row else None,
            "reason": reason,
        }
    )


def reportable_loci(
    hotspots: Sequence[Hotspot], loci: Sequence[LocusRow], failed: frozenset[VariantClass]
) -> tuple[ReportableLocus, ...]:
    """Return the three-state answer for each hotspot, in the kit's order.

    One that the locus table does not hold is a no call (`not_evaluated`); one whose class failed QC too (`qc_failed`).
    """
    rows = {(row.contig, row.pos1, row.ref, row.alt): row for row in loci}
    return tuple(_locus(item, rows.get((item.contig, item.pos1, item.ref, item.alt)), failed) for item in hotspots)


def _runs(positions: list[int]) -> tuple[Interval, ...]:
    runs: list[Interval] = []
    for pos1 in positions:
        if runs and runs[-1].end0 == pos1 - 1:
            runs[-1] = Interval(start0=runs[-1].start0, end0=pos1)
        else:
            runs.append(Interval(start0=pos1 - 1, end0=pos1))
    return tuple(runs)


def _target(target: str, rows: list[LocusRow]) -> TargetSummary:
    positions: dict[int, list[LocusRow]] = {}
    for row in rows:
        positions.setdefault(row.pos1, []).append(row)
    limits: list[float] = []
    missed: list[int] = []
    for pos1, alleles in sorted(positions.items()):
        if any(row.state == "NO_CALL" for row in alleles):
            missed.append(pos1)
            continue
        known = [row.lod95 for row in alleles if row.lod95 is not None]
        limits += [max(known)] if known else []
    depths = [alleles[0].depth for alleles in positions.values()]
    return TargetSummary(
        target=target,
        contig=rows[0].contig,
        start0=min(positions) - 1,
        end0=max(positions),
        n_positions=len(positions),
        n_callable=len(positions) - len(missed),
        depth_mean=sum(depths) / len(depths),
        depth_min=min(depths),
        lod95_median=median(limits) if limits else None,
        lod95_max=max(limits) if limits else None,
        uncovered=_runs(missed),
    )


def target_summaries(loci: Sequence[LocusRow]) -> tuple[TargetSummary, ...]:
    """Return what could be seen over each target, from its rows of single substitutions; the table's order."""
    by_target: dict[tuple[str, str], list[LocusRow]] = {}
    for row in loci:
        if len(row.ref) == len(row.alt) == 1:
            by_target.setdefault((row.contig, row.target), []).append(row)
    return tuple(_target(target, rows) for (_, target), rows in by_target.items())


def _kit_facts(kit: KitDefinition, digest: str, state: KitState) -> KitFacts:
    return KitFacts(
        name=kit.name,
        version=kit.version,
        digest=digest,
        state=state,
        title=kit.title,
        intended_use=kit.intended_use,
        report_title=kit.report.title,
        method=kit.report.method,
        limitations=kit.report.limitations,
        languages=kit.report.languages,
    )


def findings_of(sources: Sources) -> tuple[Finding, ...]:
    """Return every variant of the annotated VCF as a finding, in its order."""
    failed = failed_classes(final_verdict(sources.qc, sources.run_qc)[1])
    concentration = sources.manifest.sample(sources.qc.sample_id).specimen.cfdna_ng_per_ml
    found = (finding_of(row, failed, sources.knowledge) for row in sources.variants)
    return tuple(item.model_copy(update={"mutant_per_ml": mutant_per_ml(item, concentration)}) for item in found)


def mutant_per_ml(finding: Finding, ng_per_ml: float | None) -> Amount | None:
    """Return the mutant molecules per mL of plasma, None with filters or where the concentration is not known.

    VAF times ng/mL times 303 haploid genomes per ng; the interval is that of the VAF, the concentration taken as exact.
    """
    if ng_per_ml is None or finding.filters:
        return None
    value, low, high = (vaf * ng_per_ml * GENOMES_PER_NG for vaf in (finding.vaf, finding.vaf_low, finding.vaf_high))
    return Amount(value=value, low=low, high=high)


def own_part(run_qc: RunQc | None, sample_id: str) -> RunQc | None:
    """Return the run's quality control without what concerns other samples only."""
    if run_qc is None:
        return None
    samples = tuple(item for item in run_qc.samples if item.sample_id == sample_id)
    identity = tuple(item for item in run_qc.identity if sample_id in (item.sample_a, item.sample_b))
    return run_qc.model_copy(update={"samples": samples, "identity": identity})


def build_result(sources: Sources, findings: tuple[Finding, ...], reads: ReadsFile | None) -> Result:
    """Return the result of one sample.

    Raises:
        KeyError: the run has no sample of the QC document's id.
    """
    qc, kit, manifest = sources.qc, sources.kit, sources.manifest
    sample = manifest.sample(qc.sample_id)
    verdict, classes = final_verdict(qc, sources.run_qc)
    hotspots = reportable_loci(sources.hotspots, sources.loci, failed_classes(classes))
    limits = Limits(
        claimed_lod=kit.call.claimed_lod,
        min_alt_molecules=kit.call.min_alt_molecules,
        low_input_ng=kit.report.low_input_ng,
        low_vaf=kit.report.low_vaf,
    )
    assembly = kit.reference.assembly
    input_ng = sample.specimen.input_ng
    notices = notices_for(findings, hotspots, qc, sources.run_qc, classes, limits, input_ng, assembly)
    return Result(
        schema_version=1,
        state="draft",
        sample=SampleFacts(sample_id=sample.sample_id, role=sample.role, specimen=sample.specimen),
        run=RunFacts(run_id=manifest.run_id, instrument=manifest.instrument, flow_cell=manifest.flow_cell),
        kit=_kit_facts(kit, sources.kit_digest, manifest.kit_state),
        reference=ReferenceFacts(name=kit.reference.name, assembly=assembly),
        software=dict(sorted(sources.software.items())),
        verdict=verdict,
        classes=classes,
        findings=findings,
        hotspots=hotspots,
        targets=target_summaries(sources.loci),
        qc=qc,
        run_qc=own_part(sources.run_qc, qc.sample_id),
        limits=limits,
        notices=notices,
        inputs=dict(sorted(sources.inputs.items())),
        reads=reads,
        trace=manifest.trace,
    )
