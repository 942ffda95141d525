"""The tables of rules: read, and the rule that holds for a change."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, get_args

from ctdna.formats.digest import sha256_of
from ctdna.formats.yaml_files import read_yaml
from ctdna.kit.resources import shipped
from ctdna.model.change import Change, ClaimSummary, ImpactedChange, Tables
from ctdna.model.errors import DefinitionError
from ctdna.model.impact import ACTIONS, Action, Claim, Material, Rule, RuleTable, Scope, StageTable, Study
from ctdna.model.params.qc import VariantClass

_HINT = "correct the table; docs/change-impact.md describes every key"
_CLASSES: tuple[VariantClass, ...] = ("snv", "indel", "mnv")
_MATERIALS: tuple[Material, ...] = ("new", "archived")


class LoadedRules(NamedTuple):
    """The table of rules, and which one it is."""

    table: RuleTable
    source: Tables


class LoadedStages(NamedTuple):
    """The table of stages, and which one it is."""

    table: StageTable
    source: Tables


class _Asked(NamedTuple):
    """What is asked for one claim."""

    action: Action
    material: Material | None
    rules: tuple[str, ...]


def load_rules(path: Path | None = None) -> LoadedRules:
    """Return the table of rules: that of this build, or of a file.

    Raises:
        DefinitionError: it cannot be read or is not consistent.
    """
    path = path or shipped("config") / "impact" / "rules.yaml"
    table = read_yaml(path, RuleTable, DefinitionError, _HINT)
    return LoadedRules(table, Tables(version=table.version, valid_from=table.valid_from, digest=sha256_of(path)))


def load_stages(path: Path | None = None) -> LoadedStages:
    """Return the table of stages: that of this build, or of a file.

    Raises:
        DefinitionError: it cannot be read or is not consistent.
    """
    path = path or shipped("config") / "impact" / "stages.yaml"
    table = read_yaml(path, StageTable, DefinitionError, _HINT)
    return LoadedStages(table, Tables(version=table.version, valid_from=table.valid_from, digest=sha256_of(path)))


def _fits(pattern: str, item: str) -> bool:
    parts, words = pattern.split("."), item.split(".")
    return len(parts) == len(words) and all(fnmatchcase(word, part) for part, word in zip(parts, words, strict=True))


def _holds(rule: Rule, change: Change) -> bool:
    return (
        change.kind in rule.kinds
        and any(_fits(pattern, change.item) for pattern in rule.items)
        and any(fnmatchcase(change.record or "", pattern) for pattern in rule.records)
    )


def rule_for(table: RuleTable, change: Change) -> Rule:
    """Return the first rule that holds for the change; the default where none does."""
    return next((rule for rule in table.rules if _holds(rule, change)), table.default)


def impact_of(table: RuleTable, change: Change) -> ImpactedChange:
    """Return the change with what its rule says."""
    rule = rule_for(table, change)
    return ImpactedChange(
        change=change,
        rule=rule.id,
        stages=rule.stages,
        classes=rule.classes,
        effects=table.effects[rule.effect],
        reason=rule.reason,
    )


def _asked(claim: Claim, scope: Scope, one: VariantClass | None, changes: tuple[ImpactedChange, ...]) -> _Asked | None:
    """Return what the strongest effects on the claim of that class ask for; None where nothing touches it."""
    found = [
        (change.rule, effect)
        for change in changes
        for effect in change.effects
        if claim in effect.claims and effect.scope == scope and one in (change.classes or (None,))
    ]
    if not found:
        return None
    action = ACTIONS[max(ACTIONS.index(effect.action) for _, effect in found)]
    strongest = [(rule, effect) for rule, effect in found if effect.action == action]
    materials = {effect.material for _, effect in strongest}
    return _Asked(
        action,
        next((material for material in _MATERIALS if material in materials), None),
        tuple(dict.fromkeys(rule for rule, _ in strongest)),
    )


def _of_claim(
    claim: Claim, scope: Scope, changes: tuple[ImpactedChange, ...], studies: tuple[Study, ...]
) -> list[ClaimSummary]:
    """Return one summary for each set of classes of which the same is asked."""
    classes_of: dict[_Asked, list[VariantClass | None]] = {}
    for one in (*_CLASSES, None):
        asked = _asked(claim, scope, one, changes)
        if asked is not None:
            classes_of.setdefault(asked, []).append(one)
    return [
        ClaimSummary(
            claim=claim,
            classes=tuple(one for one in classes if one),
            scope=scope,
            studies=studies if asked.action in ("bridging_replay", "repeat_study") else (),
            **asked._asdict(),
        )
        for asked, classes in classes_of.items()
    ]


def claims_of(table: RuleTable, changes: tuple[ImpactedChange, ...]) -> tuple[ClaimSummary, ...]:
    """Return what all changes together ask for each claim that one of them touches, the most work first.

    What is asked for the whole claim, and for single records of it, stands apart.
    """
    summaries = [
        one
        for claim in get_args(Claim)
        for scope in get_args(Scope)
        for one in _of_claim(claim, scope, changes, table.studies[claim])
    ]
    return tuple(sorted(summaries, key=lambda one: -ACTIONS.index(one.action)))
