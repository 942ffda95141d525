"""What differs between two kits or two builds, what that touches, and what becomes of the evidence."""

from typing import Literal

from ctdna.model.base import Frozen
from ctdna.model.impact import Action, ChangeKind, Claim, Effect, Material, Scope, StageName, Study
from ctdna.model.ledger import Stage
from ctdna.model.params.qc import VariantClass


class Change(Frozen):
    """One item that is not the same."""

    item: str
    """Dotted path, as `call.hotspot_alpha`, `table.hotspots.label`, `code.call`."""
    record: str | None = None
    """The row, threshold, target or dependency, where the item has several."""
    kind: ChangeKind
    old: str | None
    """None: it was not there."""
    new: str | None
    """None: it is not there any more."""
    note: str = ""
    """How large the change is, where a digest does not tell."""


class ImpactedChange(Frozen):
    """A change and the rule that holds for it."""

    change: Change
    rule: str
    stages: tuple[StageName, ...]
    classes: tuple[VariantClass, ...]
    effects: tuple[Effect, ...]
    """Empty: nothing that was shown is touched."""
    reason: str

    @property
    def action(self) -> Action:
        """Return the most that one of the effects asks for."""
        order: tuple[Action, ...] = ("repeat_study", "bridging_replay", "local_verification")
        asked = {effect.action for effect in self.effects}
        return next((action for action in order if action in asked), "none")


class Version(Frozen):
    """One of the two that are compared."""

    address: str
    """`name@version` of a kit; `ctdna` and its version of a build."""
    digest: str


class Tables(Frozen):
    """Which table of rules decided."""

    version: str
    valid_from: str
    digest: str
    """SHA-256 of the table's file."""


class ClaimSummary(Frozen):
    """What all changes together ask for one claim."""

    claim: Claim
    classes: tuple[VariantClass, ...]
    action: Action
    scope: Scope
    """`record`: only of what was added or changed."""
    studies: tuple[Study, ...]
    """To be repeated; of a bridging replay: to be repeated if it does not show equivalence."""
    material: Material | None
    rules: tuple[str, ...]


class ImpactReport(Frozen):
    """The differences of two kits or builds and what follows from them."""

    schema_version: Literal[1] = 1
    subject: Literal["kit", "build"]
    before: Version
    after: Version
    rules: Tables
    changes: tuple[ImpactedChange, ...]
    """In the order of the kit's definition and tables; empty: the two are the same."""
    claims: tuple[ClaimSummary, ...]
    """Those that any change touches; all other claims, and their evidence, stand."""


Reuse = Literal["reusable", "after_replay", "not_reusable"]


class CarriedItem(Frozen):
    """What becomes of one piece of evidence."""

    evidence_id: str
    study: str
    claim: str
    classes: tuple[str, ...]
    made_in: Stage
    site: str
    lot: str | None
    instrument: str | None
    reuse: Reuse
    rules: tuple[str, ...]
    """Those that decide; `IMP-SAME-001`: the kit is the same, `IMP-UNTOUCHED-001`: no change touches it."""
    reason: str
    todo: str
    """What is to be done before it counts; empty: nothing."""


class MissingItem(Frozen):
    """Evidence that the stage needs and does not have."""

    requirement: str
    claim: Claim
    variant_class: VariantClass | None
    study: Study
    found: str
    needed: str
    reason: str


class AddedNeed(Frozen):
    """Evidence needed for something that the new version adds."""

    record: str
    rule: str
    claims: tuple[Claim, ...]
    studies: tuple[Study, ...]
    material: Material | None


class CarryReport(Frozen):
    """What of one kit's evidence counts for another, and what its stage still lacks."""

    schema_version: Literal[1] = 1
    before: Version
    after: Version
    builds: tuple[str, str] | None
    """Digests of the builds before and after; None: builds were not looked at."""
    stage: Stage
    rules: Tables
    stages: Tables
    items: tuple[CarriedItem, ...]
    added: tuple[AddedNeed, ...]
    missing: tuple[MissingItem, ...]
    equivalence: tuple[str, ...]
    """Ids of the replays of this pair of kits that showed equivalence."""
