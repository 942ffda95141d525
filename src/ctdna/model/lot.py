"""A lot of a kit: which kit version it was made for, until when it is used, what its controls must show."""

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ctdna.model.base import Frozen
from ctdna.model.kit import KIT_ADDRESS
from ctdna.model.kit_state import Digest

LOT_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class LotExpectation(Frozen):
    """The VAF of one expected variant in this lot's positive control, in place of the kit's."""

    label: str
    """As the kit's `controls.positive` names the variant."""
    vaf_min: float = Field(ge=0, le=1)
    vaf_max: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _is_an_interval(self) -> "LotExpectation":
        if self.vaf_min > self.vaf_max:
            raise ValueError(f"{self.label}: vaf_min {self.vaf_min:g} is above vaf_max {self.vaf_max:g}")
        return self


class Lot(Frozen):
    """`LOT.NAME@VERSION.json`, signed by a manufacturer's key for purpose `lot`; a lot has one for each kit version."""

    schema_version: Literal[1] = 1
    lot: str = Field(pattern=LOT_NAME)
    kit: str = Field(pattern=KIT_ADDRESS)
    """`name@version`."""
    kit_digest: Digest
    expires: str
    """ISO 8601 date, the last day of use."""
    controls: tuple[LotExpectation, ...] = ()
    """Where this lot's positive control differs from what the kit says."""
    ntc_max_molecules: int | None = Field(default=None, ge=0)
    """Most molecules on target in a no-template control; None: as the kit says."""

    @field_validator("expires")
    @classmethod
    def _is_a_date(cls, value: str) -> str:
        if date.fromisoformat(value).isoformat() != value:
            raise ValueError(f"found {value}, expected a date as 2027-01-31")
        return value

    @model_validator(mode="after")
    def _names_no_label_twice(self) -> "Lot":
        labels = [item.label for item in self.controls]
        if len(set(labels)) < len(labels):
            raise ValueError("names an expected variant twice")
        return self

    @property
    def last_day(self) -> date:
        """Return the last day of use."""
        return date.fromisoformat(self.expires)
