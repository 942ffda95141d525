"""Quality control of a sample and of a run against the kit's limits."""

from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from ctdna.model.base import Text
from ctdna.model.kit import KitDefinition
from ctdna.model.manifest import RunManifest
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.qc import Threshold
from ctdna.model.qc import (
    ClassVerdict,
    Contamination,
    Figure,
    IdentityPair,
    NoTemplateCheck,
    RunQc,
    SampleQc,
    SampleVerdict,
    SnpCount,
    Status,
    TargetYield,
    worst,
)
from ctdna.model.sample import Sample
from ctdna.stages.quality.controls import Allele, Seen, no_template, positive_control
from ctdna.stages.quality.coverage import PanelDepth, PanelTarget, fold_80, target_depths
from ctdna.stages.quality.evidence import library_yield, stage_losses
from ctdna.stages.quality.figures import RUN_FIGURES, SAMPLE_FIGURES, check_thresholds, class_verdicts, judge
from ctdna.stages.quality.snps import concordance, contamination

GENOMES_PER_NG = 303.0
"""Haploid human genome equivalents in 1 ng of DNA (3.3 pg each)."""
_ALL_CLASSES: tuple[Literal["snv", "indel", "mnv"], ...] = ("snv", "indel", "mnv")


class SampleEvidence(NamedTuple):
    """What the earlier stages left of one sample."""

    metrics: dict[str, StageMetrics]
    """By stage; `demultiplex` is the whole run's."""
    panel: tuple[PanelTarget, ...]
    depth: PanelDepth
    n_reads: int
    """Grouped reads."""
    n_on_target: int
    """Those that overlap a target."""
    n_molecules_on_target: int
    """Consensus templates that overlap a target."""
    family_sizes: dict[int, int]
    tiers: dict[str, int]
    insert_sizes: dict[int, int]
    alleles: dict[Allele, Seen]
    snps: tuple[SnpCount, ...]
    yields: tuple[TargetYield, ...] = ()
    """By target, of the group stage; empty where it did not tell."""


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _median(histogram: dict[int, int]) -> float | None:
    if not histogram:
        return None
    sizes = np.array(sorted(histogram), dtype=np.int64)
    return float(np.median(np.repeat(sizes, [histogram[int(size)] for size in sizes])))


def _conversion(sample: Sample, median_depth: float | None) -> float | None:
    nanograms = sample.specimen.input_ng
    if nanograms is None or nanograms <= 0 or median_depth is None:
        return None
    return median_depth / (nanograms * GENOMES_PER_NG)


def _sample_values(sample: Sample, evidence: SampleEvidence, dirt: Contamination) -> dict[str, float | None]:
    extract, align = evidence.metrics["extract"], evidence.metrics["align"]
    n_families = sum(evidence.family_sizes.values())
    n_copies = sum(size * n for size, n in evidence.family_sizes.items())
    n_molecules = sum(evidence.tiers.values())
    targets = target_depths(evidence.panel, evidence.depth)
    median = float(np.median(evidence.depth.depth)) if len(evidence.depth.depth) else None
    library = library_yield(evidence.metrics.get("group"))
    damage = evidence.metrics["call"].values if "call" in evidence.metrics else {}
    return {
        "raw_read_pairs": float(extract.n_in),
        "q30_fraction": _fraction(evidence.metrics["demultiplex"], f"sample.{sample.sample_id}.q30_percent"),
        "mapped_fraction": _share(align.counts["mapped"], align.n_in),
        "on_target_fraction": _share(evidence.n_on_target, evidence.n_reads),
        "mean_family_size": _share(n_copies, n_families),
        "duplex_yield_fraction": _share(evidence.tiers.get("duplex", 0), n_molecules),
        "saturation_fraction": library.saturation if library else None,
        "sequencing_saturation_fraction": library.sequencing_saturation if library else None,
        "umi_collision_fraction": library.umi_collision if library else None,
        "conversion_fraction": _conversion(sample, median),
        "median_unique_depth": median,
        "min_target_unique_depth": min((target.mean for target in targets), default=None),
        "uniformity_fold80": fold_80(evidence.depth.depth),
        "insert_size_median": _median(evidence.insert_sizes),
        "oxidation_per_million": damage.get("lesions_per_million_g_to_t"),
        "deamination_per_million": damage.get("lesions_per_million_c_to_t"),
        "contamination_fraction": dirt.fraction,
    }


def sample_qc(sample: Sample, evidence: SampleEvidence, kit: KitDefinition, kit_digest: str) -> SampleQc:
    """Return the quality control of one sample; what other samples tell of it (identity) comes with `run_qc`.

    A figure that misses a limit fails the variant classes that the limit names, no others.

    Raises:
        DefinitionError: the kit limits a figure that does not exist.
    """
    address = f"{kit.name}@{kit.version}"
    check_thresholds(kit.qc.sample, SAMPLE_FIGURES, address)
    dirt = contamination(evidence.snps)
    values = _sample_values(sample, evidence, dirt)
    controls = positive_control(kit.controls, evidence.alleles) if sample.role == "positive_control" else ()
    if controls:
        values["expected_variants_found_fraction"] = sum(item.status == "pass" for item in controls) / len(controls)
    blank = None
    if sample.role == "no_template_control":
        blank = no_template(sample.sample_id, kit.controls, evidence.n_molecules_on_target)
        values["ntc_molecules_on_target"] = float(evidence.n_molecules_on_target)
    figures = judge(values, SAMPLE_FIGURES, kit.qc.sample, sample.role)
    by_name = {figure.metric: figure for figure in figures}
    statuses: list[Status] = [figure.status for figure in figures]
    statuses += [blank.status] if blank else []
    return SampleQc(
        schema_version=1,
        sample_id=sample.sample_id,
        role=sample.role,
        kit=address,
        kit_digest=kit_digest,
        verdict=worst(tuple(statuses)),
        classes=class_verdicts(figures),
        figures=figures,
        controls=controls,
        no_template=blank,
        contamination=dirt.model_copy(update={"status": by_name["contamination_fraction"].status}),
        targets=target_depths(evidence.panel, evidence.depth),
        family_sizes=evidence.family_sizes,
        tiers=evidence.tiers,
        insert_sizes=evidence.insert_sizes,
        snps=evidence.snps,
        losses=stage_losses(evidence.metrics),
        library=library_yield(evidence.metrics.get("group"), evidence.yields),
    )


def _expected(one: Sample, other: Sample) -> Literal["same", "different", "unknown"]:
    subjects = (one.specimen.subject_id, other.specimen.subject_id)
    if None in subjects:
        return "unknown"
    return "same" if subjects[0] == subjects[1] else "different"


def _identity_limit(thresholds: tuple[Threshold, ...]) -> float | None:
    limits = [limit.min for limit in thresholds if limit.metric == "identity_concordance" and limit.min is not None]
    return max(limits, default=None)


def identity_pairs(
    samples: tuple[Sample, ...], documents: dict[str, SampleQc], least: float | None
) -> tuple[IdentityPair, ...]:
    """Return the agreement of every two samples in their SNPs; a pair that is not what it should be fails.

    `least` is the kit's limit from which two samples count as of one person; without it nothing is judged.
    """
    pairs = []
    for one, other in combinations(samples, 2):
        n_snps, share = concordance(documents[one.sample_id].snps, documents[other.sample_id].snps)
        expected = _expected(one, other)
        found: Literal["same", "different", "unclear"] = "unclear"
        if share is not None and least is not None:
            found = "same" if share >= least else "different"
        status: Status = "not_evaluated"
        if found != "unclear" and expected != "unknown":
            status = "pass" if found == expected else "fail"
        pairs.append(
            IdentityPair(
                sample_a=one.sample_id,
                sample_b=other.sample_id,
                n_snps=n_snps,
                concordance=share,
                expected=expected,
                found=found,
                status=status,
            )
        )
    return tuple(pairs)


def _fraction(metrics: StageMetrics, name: str) -> float | None:
    percent = metrics.values.get(name)
    return None if percent is None else percent / 100


def run_values(demultiplex: StageMetrics) -> dict[str, float | None]:
    """Return the run's figures by the names of `RUN_FIGURES`; None where the run folder does not tell."""
    return {
        "pf_fraction": _fraction(demultiplex, "passing_percent"),
        "q30_fraction": _fraction(demultiplex, "q30_percent"),
        "undetermined_fraction": _fraction(demultiplex, "undetermined_percent"),
        "index_hopping_fraction": _fraction(demultiplex, "index_hopping_percent"),
        "phix_error_fraction": _fraction(demultiplex, "interop.phix_error_percent"),
    }


def _swap_reason(sample_id: str, pairs: tuple[IdentityPair, ...]) -> Text | None:
    for pair in pairs:
        if pair.status == "fail" and sample_id in (pair.sample_a, pair.sample_b):
            other = pair.sample_b if pair.sample_a == sample_id else pair.sample_a
            if pair.expected == "same":
                return Text(
                    en=f"Its common SNPs differ from those of {other}, which should be the same person: samples may "
                    "have been swapped.",
                    zh=f"其常见 SNP 与 {other} 不一致，而两者应为同一人：样本可能被调换。",
                )
            return Text(
                en=f"Its common SNPs agree with those of {other}, which should be another person: samples may have "
                "been swapped or mixed.",
                zh=f"其常见 SNP 与 {other} 一致，而两者应为不同的人：样本可能被调换或混合。",
            )
    return None


def _run_reasons(
    documents: dict[str, SampleQc], blanks: tuple[NoTemplateCheck, ...], figures: tuple[Figure, ...]
) -> tuple[Text, ...]:
    reasons = [
        Text(en=f"The positive control {name} failed.", zh=f"阳性对照 {name} 未通过。")
        for name, document in documents.items()
        if document.role == "positive_control" and document.verdict == "fail"
    ]
    reasons += [
        Text(
            en=f"The no-template control {blank.sample_id} holds {blank.molecules_on_target} molecules on target, at "
            f"most {blank.max_molecules} are allowed.",
            zh=f"无模板对照 {blank.sample_id} 含 {blank.molecules_on_target} 个目标分子，"
            f"最多允许 {blank.max_molecules} 个。",
        )
        for blank in blanks
        if blank.status == "fail"
    ]
    reasons += [figure.reason for figure in figures if figure.status == "fail" and figure.reason is not None]
    return tuple(reasons)


def _sample_verdict(document: SampleQc, swap: Text | None, run_reasons: tuple[Text, ...]) -> SampleVerdict:
    """Return a sample's last verdict: its own, its identity's, and for patients also the run's."""
    extra: tuple[Text, ...] = (swap,) if swap is not None else ()
    if document.role in ("patient", "normal"):
        extra += run_reasons
    classes = document.classes
    if extra:
        classes = tuple(
            ClassVerdict(variant_class=name, verdict="fail", reasons=own.reasons + extra)
            for name, own in zip(_ALL_CLASSES, document.classes, strict=True)
        )
    verdict = "fail" if extra else document.verdict
    return SampleVerdict(sample_id=document.sample_id, role=document.role, verdict=verdict, classes=classes)


def run_qc(
    manifest: RunManifest, documents: dict[str, SampleQc], demultiplex: StageMetrics, kit: KitDefinition, digest: str
) -> RunQc:
    """Return the quality control of the run: its figures, its controls, its samples' last verdicts and identities.

    A failed positive control, a no-template control with too many molecules, or a failed figure of the run fails every
    patient's sample. `documents` holds one document per sample of the manifest, in its order.

    Raises:
        DefinitionError: the kit limits a figure that does not exist.
    """
    check_thresholds(kit.qc.run, RUN_FIGURES, f"{kit.name}@{kit.version}")
    figures = judge(run_values(demultiplex), RUN_FIGURES, kit.qc.run, None)
    blanks = tuple(item.no_template for item in documents.values() if item.no_template is not None)
    pairs = identity_pairs(manifest.samples, documents, _identity_limit(kit.qc.sample))
    reasons = _run_reasons(documents, blanks, figures)
    statuses: tuple[Status, ...] = tuple(figure.status for figure in figures)
    return RunQc(
        schema_version=1,
        run_id=manifest.run_id,
        kit=manifest.kit,
        kit_digest=digest,
        verdict="fail" if reasons else worst(statuses),
        figures=figures,
        samples=tuple(
            _sample_verdict(document, _swap_reason(name, pairs), reasons) for name, document in documents.items()
        ),
        controls=tuple(item for document in documents.values() for item in document.controls),
        no_template=blanks,
        identity=pairs,
    )
