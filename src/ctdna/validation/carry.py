"""What of one kit's evidence counts for another kit or stage, by which rule, and what is missing."""

from collections.abc import Iterator
from typing import NamedTuple, get_args

from ctdna.model.change import (
    AddedNeed,
    CarriedItem,
    CarryReport,
    ImpactedChange,
    MissingItem,
    Reuse,
    Version,
)
from ctdna.model.impact import ACTIONS, Effect, Material, Requirement, RuleTable, StageTable
from ctdna.model.ledger import EvidenceAdded, Stage
from ctdna.model.params.qc import VariantClass
from ctdna.validation import words
from ctdna.validation.rules import LoadedRules, LoadedStages

SAME, UNTOUCHED = "IMP-SAME-001", "IMP-UNTOUCHED-001"
CONTENT, OTHER_BUILD = "IMP-CONTENT-001", "IMP-BUILD-001"
EQUIVALENCE_CLAIM = "equivalence"
STAGES: tuple[Stage, ...] = get_args(Stage)


class Evidence(NamedTuple):
    """What the ledger holds of a pair of kits."""

    old: tuple[EvidenceAdded, ...]
    """Made with the kit that evidence is carried from, or carried to it earlier."""
    new: tuple[EvidenceAdded, ...]
    """Made with the kit that it is carried to."""
    carried: frozenset[str]
    """Ids of those that were carried to the old kit earlier, whatever kit they were made with."""


class BuildStep(NamedTuple):
    """A change of the build that goes with the change of the kit, or comes alone."""

    before: str
    """Digest of the build that evidence was made with."""
    after: str
    changes: tuple[ImpactedChange, ...]


class Move(NamedTuple):
    """From which kit, and perhaps build, to which, and everything that differs."""

    before: Version
    after: Version
    changes: tuple[ImpactedChange, ...]
    build: BuildStep | None = None
    """None: builds are not looked at."""

    def changes_for(self, one: EvidenceAdded) -> tuple[ImpactedChange, ...]:
        """Return what lies between a piece of evidence and the new kit and build."""
        kit = () if self.before.digest == self.after.digest else self.changes
        has_build = self.build is None or one.build_digest == self.build.after
        return kit if self.build is None or has_build else (*kit, *self.build.changes)

    @property
    def all_changes(self) -> tuple[ImpactedChange, ...]:
        """Return every difference of kits and builds."""
        return (*self.changes, *(self.build.changes if self.build else ()))


class _Verdict(NamedTuple):
    """What becomes of one piece of evidence."""

    reuse: Reuse
    rules: tuple[str, ...]
    reason: str
    todo: str = ""


def _touches(change: ImpactedChange, effect: Effect, one: EvidenceAdded) -> bool:
    classes = set(change.classes) & set(one.variant_classes)
    is_of_class = bool(classes) or not change.classes or not one.variant_classes
    return effect.scope == "all" and one.claim in effect.claims and is_of_class


def _by_changes(one: EvidenceAdded, changes: tuple[ImpactedChange, ...], replays: tuple[str, ...]) -> _Verdict:
    hits = [(change, effect) for change in changes for effect in change.effects if _touches(change, effect, one)]
    if not hits:
        return _Verdict("reusable", (UNTOUCHED,), "No change touches this claim.")
    action = ACTIONS[max(ACTIONS.index(effect.action) for _, effect in hits)]
    strongest = [(change, effect) for change, effect in hits if effect.action == action]
    rules = tuple(dict.fromkeys(change.rule for change, _ in strongest))
    items = ", ".join(dict.fromkeys(words.place(change.change) for change, _ in strongest))
    reason = f"Changed: {words.short(items, 200)}."
    if action == "repeat_study":
        material: Material = "new" if any(effect.material == "new" for _, effect in strongest) else "archived"
        return _Verdict("not_reusable", rules, reason, f"Repeat {one.study} {words.MATERIALS[material]}.")
    if action == "bridging_replay" and replays:
        return _Verdict("reusable", (*rules, *replays), f"{reason} A replay showed equivalence ({', '.join(replays)}).")
    if action == "bridging_replay":
        return _Verdict("after_replay", rules, reason, f"Replay archived runs; {one.study} again if not equivalent.")
    todo = "Each site checks its own output before use." if action == "local_verification" else ""
    return _Verdict("reusable", rules, reason, todo)


def _by_stage(one: EvidenceAdded, stage: Stage, table: StageTable) -> _Verdict | None:
    """Return that the stage does not accept where the evidence was made; None where it does or asks for none."""
    asking = [
        wanted
        for wanted in table.requirements
        if wanted.stage == stage
        and wanted.claim == one.claim
        and (not wanted.classes or not one.variant_classes or set(wanted.classes) & set(one.variant_classes))
    ]
    if not asking or any(one.stage in wanted.made_in for wanted in asking):
        return None
    wanted = asking[0]
    reason = f"It was made in stage {one.stage}; stage {stage} accepts {', '.join(wanted.made_in)}. {wanted.reason}"
    return _Verdict("not_reusable", (wanted.id,), reason, f"Repeat {one.study} in stage {wanted.made_in[0]}.")


def _item(one: EvidenceAdded, verdict: _Verdict) -> CarriedItem:
    return CarriedItem(
        evidence_id=one.evidence_id,
        study=one.study,
        claim=one.claim,
        classes=one.variant_classes,
        made_in=one.stage,
        site=one.site,
        lot=one.lot,
        instrument=one.instrument,
        **verdict._asdict(),
    )


def replays_of(evidence: Evidence, move: Move) -> tuple[str, ...]:
    """Return the ids of replays that showed the new kit, on the new build, to be equivalent to the old one."""
    return tuple(
        one.evidence_id
        for one in evidence.new
        if one.bridge is not None
        and one.bridge.verdict == "equivalent"
        and one.bridge.kit_digest == move.before.digest
        and one.kit_digest == move.after.digest
        and (move.build is None or one.build_digest == move.build.after)
    )


def _carried(one: EvidenceAdded, move: Move, replays: tuple[str, ...], is_carried: bool) -> _Verdict:
    if one.kit_digest != move.before.digest and not is_carried:
        reason = f"It was made with another content of {move.before.address} (digest {one.kit_digest[:16]}...)."
        return _Verdict("not_reusable", (CONTENT,), reason, f"Repeat {one.study}.")
    changes = move.changes_for(one)
    if not changes:
        return _Verdict("reusable", (SAME,), "The kit is the same, byte by byte.")
    found = _by_changes(one, changes, replays)
    is_other_build = move.build is not None and one.build_digest not in (move.build.before, move.build.after)
    if is_other_build and found.reuse == "reusable" and not replays:
        reason = f"It was made with a third build (digest {one.build_digest[:16]}...)."
        return _Verdict(
            "after_replay", (OTHER_BUILD,), reason, f"Replay archived runs; {one.study} again if not equivalent."
        )
    return found


def _added(changes: tuple[ImpactedChange, ...], table: RuleTable) -> Iterator[AddedNeed]:
    """Yield what single records that were added or changed need, whatever evidence there is for the others."""
    for change in changes:
        for effect in change.effects:
            if effect.scope == "record":
                studies = [study for claim in effect.claims for study in table.studies[claim]]
                yield AddedNeed(
                    record=words.place(change.change),
                    rule=change.rule,
                    claims=effect.claims,
                    studies=tuple(dict.fromkeys(studies)),
                    material=effect.material,
                )


def _counts(wanted: Requirement, one: EvidenceAdded | CarriedItem, variant_class: VariantClass | None) -> bool:
    classes = one.classes if isinstance(one, CarriedItem) else one.variant_classes
    made_in = one.made_in if isinstance(one, CarriedItem) else one.stage
    is_of_class = variant_class is None or variant_class in classes
    return one.claim == wanted.claim and one.study == wanted.study and made_in in wanted.made_in and is_of_class


def _shortfall(wanted: Requirement, found: list[EvidenceAdded | CarriedItem]) -> tuple[str, str] | None:
    """Return what was found and what is needed, where that is more; None where it is enough."""
    if not found:
        return "none", f"{wanted.study} made in {' or '.join(wanted.made_in)}"
    limits = (("site", wanted.min_sites), ("lot", wanted.min_lots), ("instrument", wanted.min_instruments))
    seen = {name: {getattr(one, name) for one in found} - {None} for name, _ in limits}
    short = [(name, n) for name, n in limits if len(seen[name]) < n]
    if not short:
        return None
    have = ", ".join(f"{len(seen[name])} {name}{'s' if len(seen[name]) != 1 else ''}" for name, _ in short)
    need = ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in short)
    return f"{len(found)} pieces of {have}", need


def _missing(
    stage: Stage, table: StageTable, items: tuple[CarriedItem, ...], own: tuple[EvidenceAdded, ...]
) -> Iterator[MissingItem]:
    usable: list[EvidenceAdded | CarriedItem] = [*(item for item in items if item.reuse == "reusable"), *own]
    waiting = [item for item in items if item.reuse == "after_replay"]
    for wanted in table.requirements:
        if wanted.stage != stage:
            continue
        for one in wanted.classes or (None,):
            lack = _shortfall(wanted, [piece for piece in usable if _counts(wanted, piece, one)])
            if lack is None:
                continue
            n_waiting = sum(_counts(wanted, item, one) for item in waiting)
            more = f"; {n_waiting} more after a replay" if n_waiting else ""
            yield MissingItem(
                requirement=wanted.id,
                claim=wanted.claim,
                variant_class=one,
                study=wanted.study,
                found=f"{lack[0]}{more}",
                needed=lack[1],
                reason=wanted.reason,
            )


def default_stage(evidence: Evidence) -> Stage:
    """Return the latest stage that evidence of the old kit was made in; development without any."""
    return STAGES[max((STAGES.index(one.stage) for one in evidence.old), default=0)]


def carry(move: Move, stage: Stage, evidence: Evidence, tables: tuple[LoadedRules, LoadedStages]) -> CarryReport:
    """Return what becomes of every piece of evidence of the old kit, and what the new kit lacks for the stage.

    A replay that showed equivalence is evidence of the new kit; it makes good what waits for one.
    """
    rules, stages = tables
    replays = replays_of(evidence, move)
    items = []
    for one in evidence.old:
        if one.claim == EQUIVALENCE_CLAIM:
            continue
        found = _carried(one, move, replays, one.evidence_id in evidence.carried)
        refused = _by_stage(one, stage, stages.table) if found.reuse != "not_reusable" else None
        items.append(_item(one, refused or found))
    is_same = move.before.digest == move.after.digest
    own = () if is_same else tuple(one for one in evidence.new if one.kit_digest == move.after.digest)
    return CarryReport(
        before=move.before,
        after=move.after,
        builds=(move.build.before, move.build.after) if move.build else None,
        stage=stage,
        rules=rules.source,
        stages=stages.source,
        items=tuple(items),
        added=tuple(_added(move.all_changes, rules.table)),
        missing=tuple(_missing(stage, stages.table, tuple(items), own)),
        equivalence=replays,
    )
