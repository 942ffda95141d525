"""What a result is traced to besides its kit: site, operator, lot, build, and what was let pass by whom."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen

KitState = Literal["development", "investigational", "released", "retired"]
BuildState = Literal["locked", "unlocked", "differs"]
"""`locked`: as its signed lock says; `unlocked`: there is no lock here; `differs`: not as the lock says."""
Use = Literal["clinical", "investigational", "research"]
"""`clinical`: a released kit on a locked build of its release; `investigational`: the same with a kit of that state;
`research`: all else, marked on every page."""
Gate = Literal["lot_unknown", "lot_expired", "lot_of_other_kit", "instrument_unknown", "kit_retired"]
"""What stops the start of a run unless an authorised override lets it pass."""


class BuildFacts(Frozen):
    """The installed software as one digest."""

    digest: str
    """SHA-256 over code, workflow, wrappers, dependencies, and external programs."""
    state: BuildState
    difference: str | None = None
    """The first item that is not as the lock says."""


class LotFacts(Frozen):
    """The kit lot that the libraries were prepared with."""

    lot: str
    expires: str | None
    """ISO 8601 date; None: the lot's file is not known here."""
    digest: str | None
    """SHA-256 of the lot's file; None: not known here."""


class OverrideFacts(Frozen):
    """A gate that somebody with the right to do so let pass."""

    gate: Gate
    override_id: str
    user: str
    why: str


class TraceFacts(Frozen):
    """Where, by whom, with what a run was made."""

    site: str | None = None
    """Id of the site in the ledger; None: the run has no ledger."""
    operator: str | None = None
    """User of the ledger; None: the run has no ledger."""
    lot: LotFacts | None = None
    build: BuildFacts | None = None
    overrides: tuple[OverrideFacts, ...] = ()
    use: Use = "research"
    use_reasons: tuple[str, ...] = Field(default=())
    """Why the use is no more than it is; empty for a clinical one."""
