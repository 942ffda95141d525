"""Parameters of the qc stage: the kit's thresholds."""

from typing import Literal

from ctdna.model.base import Frozen, Text

VariantClass = Literal["snv", "indel", "mnv"]
Role = Literal["patient", "positive_control", "no_template_control", "normal", "white_cells"]


class Threshold(Frozen):
    """One figure's limits, and what to do where it misses them."""

    metric: str
    """Name of the figure, as qc reports it."""
    min: float | None = None
    max: float | None = None
    roles: tuple[Role, ...]
    """The samples it holds for."""
    classes: tuple[VariantClass, ...]
    """The variant classes that fail with it; others stay reportable."""
    severity: Literal["fail", "warn"]
    reason: Text
    """In plain words, why it failed."""
    next_step: Text
    """In plain words, what to do."""


class QcParams(Frozen):
    """The kit's quality gates."""

    sample: tuple[Threshold, ...]
    run: tuple[Threshold, ...]
