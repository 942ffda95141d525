"""Two kit versions, item by item, and what each difference touches."""

from ctdna.kit.load import LoadedKit
from ctdna.model.change import Change, ImpactReport, Version
from ctdna.validation.background_items import diff_backgrounds
from ctdna.validation.definition_items import diff_definitions
from ctdna.validation.rules import LoadedRules, claims_of, impact_of
from ctdna.validation.table_items import diff_files, diff_tables, kit_tables


def kit_changes(old: LoadedKit, new: LoadedKit) -> list[Change]:
    """Return everything that is not the same in two kits: keys, rows, background, files.

    Raises:
        DefinitionError: a file of a kit is missing or not well formed.
    """
    tables = kit_tables(old), kit_tables(new)
    return [
        *diff_definitions(old.definition, new.definition),
        *diff_tables(*tables),
        *diff_backgrounds(old, new),
        *diff_files((old, new), tables),
    ]


def kit_impact(old: LoadedKit, new: LoadedKit, rules: LoadedRules) -> ImpactReport:
    """Return the differences of two kits and what follows from each by the rules.

    Raises:
        DefinitionError: a file of a kit is missing or not well formed.
    """
    changes = tuple(impact_of(rules.table, change) for change in kit_changes(old, new))
    return ImpactReport(
        subject="kit",
        before=Version(address=old.address, digest=old.digest),
        after=Version(address=new.address, digest=new.digest),
        rules=rules.source,
        changes=changes,
        claims=claims_of(rules.table, changes),
    )
