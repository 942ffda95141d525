"""Requirements, the hazards that they control, and whether tests have verified them."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ctdna.model.base import Frozen

REQUIREMENT_ID = r"^REQ-[A-Z]{3}-\d{3}$"
HAZARD_ID = r"^HAZ-\d{3}$"
RequirementId = Annotated[str, Field(pattern=REQUIREMENT_ID)]
HazardId = Annotated[str, Field(pattern=HAZARD_ID)]
Risk = Literal["wrong-result", "no-result", "no-proof", "disclosure"]
"""The worst that a failure of the requirement can do: a result that is wrong leaves unnoticed; a result is late or
missing; a right result cannot be proven; data of a person reach who may not have them."""
Outcome = Literal["passed", "failed", "skipped"]
Status = Literal["verified", "failed", "skipped", "not run", "unverified"]
"""`skipped`: all its tests were skipped; `not run`: it has tests, the results hold none of them; `unverified`: it has
no test."""


class Hazard(Frozen):
    """A source of harm that the software can contribute to."""

    id: HazardId
    text: str = Field(min_length=1)
    sequence: str = Field(min_length=1)
    """How it comes about, from a first cause to the hazardous situation."""
    harm: str = Field(min_length=1)


class Requirement(Frozen):
    """What the software must do, so that a test can show it."""

    id: RequirementId
    text: str = Field(min_length=1)
    risk: Risk
    hazards: tuple[HazardId, ...] = Field(min_length=1)
    is_control: bool = False
    """Whether it is a risk control measure: it is there to make its hazards less likely or to show them."""


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, n in Counter(names).items() if n > 1]


class Requirements(Frozen):
    """The whole list of one version of the software."""

    schema_version: Literal[1]
    hazards: tuple[Hazard, ...] = Field(min_length=1)
    requirements: tuple[Requirement, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> "Requirements":
        twice = _repeated([*(hazard.id for hazard in self.hazards), *(item.id for item in self.requirements)])
        if twice:
            raise ValueError(f"{twice[0]} stands twice: every id must be unique")
        known = {hazard.id for hazard in self.hazards}
        for requirement in self.requirements:
            unknown = [name for name in requirement.hazards if name not in known]
            if unknown:
                raise ValueError(f"{requirement.id} names {unknown[0]}, which is no hazard of the list")
        controlled = {
            name for requirement in self.requirements if requirement.is_control for name in requirement.hazards
        }
        left = sorted(known - controlled)
        if left:
            raise ValueError(f"{left[0]} has no requirement with is_control: every hazard needs a control")
        return self


class CaseResult(Frozen):
    """What became of one test in one file of results."""

    name: str
    """`tests.cli.test_call::test_x[parameters]`: the module, then the test."""
    file: str
    """Name of the file of results."""
    outcome: Outcome


class MarkedCase(CaseResult):
    """The same, with the requirements that the test verifies."""

    requirements: tuple[str, ...]


class ResultsFile(Frozen):
    """A file of results that the matrix was made of."""

    name: str
    sha256: str
    n_tests: int


class MatrixRow(Frozen):
    """A requirement, its tests and the status that follows."""

    requirement: Requirement
    status: Status
    tests: tuple[CaseResult, ...]


class HazardRow(Frozen):
    """A hazard, the requirements that control it, and those of them that are not verified."""

    hazard: Hazard
    controls: tuple[str, ...]
    not_verified: tuple[str, ...]


class Matrix(Frozen):
    """Requirements against tests against results."""

    schema_version: Literal[1] = 1
    software_version: str
    requirements_sha256: str
    results: tuple[ResultsFile, ...]
    counts: dict[Status, int]
    """Requirements by status."""
    rows: tuple[MatrixRow, ...]
    hazards: tuple[HazardRow, ...]
