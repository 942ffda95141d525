"""What quality control says of a sample and of a run: figures, verdicts and their reasons.

`qc/<sample>.json` is a `SampleQc`, `qc/run.json` a `RunQc`. A figure that misses a limit fails only the variant classes
that the kit names for it; the overall verdict is the worst of all.
"""

from typing import Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ctdna.model.base import Frozen, Text
from ctdna.model.params.qc import Role, VariantClass
from ctdna.model.sample import SAMPLE_ID

Status = Literal["pass", "warn", "fail", "not_evaluated"]
Verdict = Literal["pass", "warn", "fail"]
SEVERITY: dict[Status, int] = {"not_evaluated": 0, "pass": 1, "warn": 2, "fail": 3}


def worst(statuses: tuple[Status, ...]) -> Verdict:
    """Return the worst of the statuses; what was not evaluated neither passes nor fails, none at all passes."""
    highest = max((SEVERITY[status] for status in statuses), default=1)
    return "fail" if highest == 3 else "warn" if highest == 2 else "pass"


class Figure(Frozen):
    """One figure, its limits and what follows from it."""

    metric: str
    """Name, as the kit's thresholds use it."""
    title: Text
    """The name that a person reads."""
    value: float | None
    """None: could not be computed; the status is then `not_evaluated`."""
    unit: str
    """`fraction`, `count`, `molecules`, `bases`, `%`, ...; empty for a plain number."""
    min: float | None
    max: float | None
    status: Status
    classes: tuple[VariantClass, ...]
    """Variant classes that fail with this figure; empty: it only informs."""
    reason: Text | None
    """Why it is not a pass."""
    next_step: Text | None
    """What to do then."""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.status in ("warn", "fail") and (self.reason is None or self.next_step is None):
            raise ValueError(f"{self.metric}: a figure that is {self.status} needs a reason and a next step")
        if self.value is None and self.status in ("pass", "warn"):
            raise ValueError(f"{self.metric}: a figure without a value cannot be {self.status}")
        return self


class ClassVerdict(Frozen):
    """Whether findings of one variant class may be reported."""

    variant_class: VariantClass
    verdict: Verdict
    reasons: tuple[Text, ...]
    """In plain words; empty where it passes."""


class ControlFinding(Frozen):
    """One variant that the positive control must show, and what was found."""

    label: str
    contig: str
    pos1: int
    ref: str
    alt: str
    vaf_min: float
    vaf_max: float
    vaf: float | None
    """None: the locus was not looked at."""
    alt_molecules: int | None
    depth: int | None
    status: Status
    reason: Text | None


class NoTemplateCheck(Frozen):
    """What a no-template control holds."""

    sample_id: str
    molecules_on_target: int
    max_molecules: int
    status: Status


class Contamination(Frozen):
    """Share of another person's DNA, from common SNPs."""

    fraction: float | None
    low: float | None
    """95 % interval."""
    high: float | None
    n_snps: int
    """SNPs deep enough to be used."""
    status: Status


class IdentityPair(Frozen):
    """Agreement of two samples in their common SNPs."""

    sample_a: str
    sample_b: str
    n_snps: int
    concordance: float | None
    """Share of equal genotypes; None with too few SNPs."""
    expected: Literal["same", "different", "unknown"]
    """By the subjects' pseudonyms."""
    found: Literal["same", "different", "unclear"]
    status: Status


class TargetDepth(Frozen):
    """Unique molecules over one target of the panel."""

    target: str
    contig: str
    start0: int
    end0: int
    mean: float
    min: int
    duplex_mean: float


class SnpCount(Frozen):
    """Molecules of each allele at one of the kit's common SNPs."""

    contig: str
    pos1: int
    frequency: float
    """Of the alternate allele, in the population."""
    n_ref: int
    n_alt: int
    n_other: int


class StageLoss(Frozen):
    """What one stage kept, lost and counted; `n_in = n_out + sum(rejected)`."""

    stage: str
    unit: str
    """What is counted: `read pairs`, `reads`, `molecules`, ..."""
    n_in: int
    n_out: int
    rejected: dict[str, int]
    """Count by reason; every reason the stage knows, also at 0."""
    counts: dict[str, int]
    """The stage's further counts."""


class TargetYield(Frozen):
    """The molecules that overlap one target; a figure is missing where there is none."""

    target: str
    contig: str
    start0: int
    end0: int
    templates: int
    molecules: int
    duplex_molecules: int
    molecules_estimated: float
    """As for the library: see `LibraryYield`."""
    saturation: float | None
    sequencing_saturation: float | None
    umi_collision: float | None
    umi_collision_highest: float | None
    molecules_lost_to_collisions: float


class LibraryYield(Frozen):
    """How far a library is exhausted: what more or fewer reads would show, and what UMIs cannot tell apart."""

    templates: int
    """Grouped read pairs (or single reads)."""
    molecules: int
    duplex_molecules: int
    """Those with reads of both strands."""
    molecules_estimated: float
    """Least number of molecules in the library (Chao 1984)."""
    saturation: float
    """Molecules seen over those estimated."""
    sequencing_saturation: float
    """1 - molecules over templates."""
    effective_umis: float
    """1 over the chance of two molecules to carry the same UMI."""
    umi_collision: float
    """Chance of a molecule to share place and UMI with another, mean over molecules."""
    umi_collision_p95: float
    umi_collision_highest: float
    umi_collision_within_edits: float
    """The same if every UMI within the allowed mismatches counted as the same: an upper bound."""
    molecules_lost_to_collisions: float
    """Molecules expected to have been counted together with another."""
    molecule_sizes: dict[int, int]
    """Templates of a molecule -> molecules."""
    molecules_at_percent: dict[int, int]
    """Per cent of the templates -> molecules expected."""
    duplex_molecules_at_percent: dict[int, int] = {}
    """Per cent of the templates -> molecules expected on both strands; empty without strands."""
    ideal_duplex_molecules_at_percent: dict[int, int] = {}
    """The same if either strand gave each template with a chance of 1/2."""
    targets: tuple[TargetYield, ...] = ()
    """By target of the panel, in its order."""


class SampleQc(Frozen):
    """The quality control of one sample."""

    schema_version: Literal[1]
    sample_id: str = Field(pattern=SAMPLE_ID)
    role: Role
    kit: str
    """`name@version`."""
    kit_digest: str
    verdict: Verdict
    """Of the sample by itself; with the run's verdict it stands in `RunQc.samples`."""
    classes: tuple[ClassVerdict, ...]
    figures: tuple[Figure, ...]
    controls: tuple[ControlFinding, ...] = ()
    """Of a positive control; else empty."""
    no_template: NoTemplateCheck | None = None
    """Of a no-template control."""
    contamination: Contamination | None = None
    identity: tuple[IdentityPair, ...] = ()
    """Pairs that this sample is part of."""
    targets: tuple[TargetDepth, ...] = ()
    family_sizes: dict[int, int] = {}
    """Read pairs in a family -> families (each strand of a duplex is a family)."""
    tiers: dict[str, int] = {}
    """Molecules by tier: duplex, simplex3, pair2, single."""
    insert_sizes: dict[int, int] = {}
    """Fragment length in bases -> molecules."""
    snps: tuple[SnpCount, ...] = ()
    """From which contamination and identity are told."""
    losses: tuple[StageLoss, ...] = ()
    """In the order of the stages."""
    library: LibraryYield | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out what older documents do not have where it is empty, so that their text stays what it was."""
        plain: dict[str, object] = handler(self)
        return {name: value for name, value in plain.items() if value or name not in ("losses", "library")}

    @model_validator(mode="after")
    def _each_class_once(self) -> Self:
        named = [item.variant_class for item in self.classes]
        if len(set(named)) != len(named):
            raise ValueError("a variant class has two verdicts")
        return self


class SampleVerdict(Frozen):
    """The final verdict of one sample, the run's figures and controls included."""

    sample_id: str
    role: Role
    verdict: Verdict
    classes: tuple[ClassVerdict, ...]


class RunQc(Frozen):
    """The quality control of a run."""

    schema_version: Literal[1]
    run_id: str
    kit: str
    """`name@version`."""
    kit_digest: str
    verdict: Verdict
    figures: tuple[Figure, ...]
    samples: tuple[SampleVerdict, ...]
    controls: tuple[ControlFinding, ...] = ()
    """Of every positive control."""
    no_template: tuple[NoTemplateCheck, ...] = ()
    identity: tuple[IdentityPair, ...] = ()
    """Every pair of samples of the run that was compared."""
