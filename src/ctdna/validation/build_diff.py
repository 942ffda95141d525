"""Two build locks, item by item, and what each difference touches."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from ctdna.model.build import BuildItem, BuildLock, BuildPart
from ctdna.model.change import Change, ImpactReport, Version
from ctdna.validation.import_graph import STEPS, Users
from ctdna.validation.records import diff_records, diff_values
from ctdna.validation.rules import LoadedRules, claims_of, impact_of

PACKAGE = "ctdna/"
_PARTS: tuple[tuple[BuildPart, str], ...] = (
    ("workflow", "workflow"),
    ("wrappers", "wrapper"),
    ("dependencies", "dependency"),
    ("foreign", "foreign"),
    ("programs", "program"),
)
_OTHER_FILES = {"config": "settings", "requirements": "dependency_list"}
_DIGITS = 16


def _told(item: BuildItem) -> str:
    """Return what tells one state of an item from another: its version, and the start of its digest."""
    return f"{item.version} ({item.sha256[:_DIGITS]})" if item.version else item.sha256[:_DIGITS]


def _rows(items: tuple[BuildItem, ...]) -> dict[str, dict[str, str]]:
    return {item.name: {"": _told(item)} for item in items}


def _code(lock: BuildLock) -> dict[str, str]:
    return {item.name: item.sha256 for item in lock.code}


def _digest(files: list[str], digests: dict[str, str]) -> str:
    text = "\n".join(f"{digests.get(name, 'absent')}  {name}" for name in files)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _how(name: str, old: dict[str, str], new: dict[str, str]) -> str:
    shown = name.removeprefix(PACKAGE)
    return f"{shown} (added)" if name not in old else f"{shown} (removed)" if name not in new else shown


def _code_changes(old: BuildLock, new: BuildLock, users: Users) -> Iterator[Change]:
    """Yield one change a step: the files it uses that are not the same, and a digest over them."""
    before, after = _code(old), _code(new)
    moved = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    by_item: dict[str, list[str]] = defaultdict(list)
    for name in moved:
        top = name.split("/")[0]
        items = [_OTHER_FILES[top]] if top in _OTHER_FILES else [f"code.{user}" for user in users.of(name)]
        for item in items:
            by_item[item].append(name)
    order = [*(f"code.{step}" for step in STEPS), "code.job", "code.outside", *_OTHER_FILES.values()]
    for item in order:
        if files := by_item.get(item):
            shown = [_how(name, before, after) for name in files]
            note = f"{len(files)} changed file{'s' if len(files) > 1 else ''}: {', '.join(shown)}"
            sides = {"old": _digest(files, before), "new": _digest(files, after)}
            yield Change(item=item, kind="changed", note=note, **sides)


def build_changes(old: BuildLock, new: BuildLock, users: Users) -> list[Change]:
    """Return everything that is not the same in two builds; code by the steps that use it."""
    changes = diff_values(*({"software": one.software, "platform": one.platform} for one in (old, new)))
    changes += _code_changes(old, new, users)
    for part, item in _PARTS:
        changes += diff_records(item, _rows(old.part(part)), _rows(new.part(part)))
    return changes


def build_impact(old: BuildLock, new: BuildLock, users: Users, rules: LoadedRules) -> ImpactReport:
    """Return the differences of two builds and what follows from each by the rules."""
    changes = tuple(impact_of(rules.table, change) for change in build_changes(old, new, users))
    return ImpactReport(
        subject="build",
        before=Version(address=f"ctdna {old.software}", digest=old.digest),
        after=Version(address=f"ctdna {new.software}", digest=new.digest),
        rules=rules.source,
        changes=changes,
        claims=claims_of(rules.table, changes),
    )
