"""Samples of a run, and what is known of them."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen
from ctdna.model.params.qc import Role

SAMPLE_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"


class Specimen(Frozen):
    """What the laboratory recorded of a sample; every field may be unknown. Never a name or any direct identifier."""

    subject_id: str | None = None
    """Pseudonym; samples of one subject should agree in their common SNPs."""
    sex: Literal["F", "M"] | None = None
    diagnosis: str | None = None
    stage: str | None = None
    treatment: str | None = None
    tube: str | None = None
    drawn_at: str | None = None
    """ISO 8601."""
    plasma_separated_at: str | None = None
    """ISO 8601."""
    plasma_ml: float | None = None
    input_ng: float | None = None
    kit_lot: str | None = None
    operator: str | None = None
    cfdna_ng_per_ml: float | None = None
    """cfDNA per mL of plasma, as measured after extraction."""


class Sample(Frozen):
    """One library of the run."""

    sample_id: str = Field(pattern=SAMPLE_ID)
    role: Role
    index: str
    """Index 1 as the sheet writes it; empty where there is none."""
    index2: str
    """Index 2 as the sheet writes it; empty where there is none."""
    lanes: tuple[int, ...]
    """Lanes it was loaded on; empty: all."""
    specimen: Specimen
