"""What may leave a site where sequence may not: figures and counts of a run, without any base, allele or read."""

from typing import Literal

from ctdna.model.base import Frozen
from ctdna.model.params.qc import Role, VariantClass
from ctdna.model.qc import StageLoss, Status, Verdict


class FigureValue(Frozen):
    """One figure of quality control."""

    metric: str
    value: float | None
    unit: str
    min: float | None
    max: float | None
    status: Status


class TargetValue(Frozen):
    """What could be seen over one target of the panel."""

    target: str
    n_positions: int
    n_callable: int
    depth_mean: float
    depth_min: int
    lod95_median: float | None
    lod95_max: float | None


class SampleAggregates(Frozen):
    """The figures of one sample."""

    sample: str
    """A pseudonym."""
    role: Role
    input_ng: float | None
    verdict: Verdict
    classes: dict[VariantClass, Verdict]
    figures: tuple[FigureValue, ...]
    targets: tuple[TargetValue, ...]
    n_findings: dict[str, int]
    """`<variant class> <state>` -> findings."""
    n_loci: dict[str, int]
    """State -> reportable loci of the kit."""
    losses: tuple[StageLoss, ...]


class Aggregates(Frozen):
    """`aggregates.json`."""

    schema_version: Literal[1] = 1
    verdict: Verdict
    """Of the run."""
    figures: tuple[FigureValue, ...]
    """Of the run."""
    samples: tuple[SampleAggregates, ...]
