"""The counts and figures that a stage reports."""

from typing import Self

from pydantic import model_validator

from ctdna.model.base import Frozen


class StageMetrics(Frozen):
    """What went in, what came out, and why the rest did not; `n_in = n_out + sum(rejected)` always holds.

    Written as `<stage>.json` beside the stage's output; the single source of QC and of MultiQC's tables.
    """

    stage: str
    """The stage's word."""
    sample: str
    """Sample id, or the run's id for a stage that works on a whole run."""
    unit: str
    """What is counted: `read pairs`, `reads`, `molecules`, ..."""
    n_in: int
    n_out: int
    rejected: dict[str, int]
    """Count by reason; every reason the stage knows is present, also at 0."""
    counts: dict[str, int] = {}
    """Further whole numbers by name (they need not balance)."""
    values: dict[str, float] = {}
    """Further figures by name; rounded to 6 significant digits before they are written."""
    histograms: dict[str, dict[int, int]] = {}
    """Histograms by name: value -> count."""

    @model_validator(mode="after")
    def _balance(self) -> Self:
        lost = sum(self.rejected.values())
        if self.n_in != self.n_out + lost:
            raise ValueError(f"{self.stage}: {self.n_in} in, but {self.n_out} out + {lost} rejected")
        return self
