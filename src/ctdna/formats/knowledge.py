"""The kit's table of curated evidence, shaped like CIViC's."""

from pathlib import Path
from typing import get_args

from ctdna.formats.kit_tables import Row, read_rows
from ctdna.model.annotation import KnowledgeItem, Tier

COLUMNS = KnowledgeItem._fields
_LEVELS = ("A", "B", "C", "D", "E")
_DIRECTIONS = ("Supports", "Does Not Support")


def read_knowledge(path: Path) -> tuple[KnowledgeItem, ...]:
    """Return the evidence items, in the table's order; none is allowed.

    Raises:
        InputError: the table is not well formed, a level, tier or direction is not known, or an id stands twice.
    """
    items: dict[str, KnowledgeItem] = {}
    for row in read_rows(path, COLUMNS):
        item = _item(row)
        if item.id in items:
            raise row.wrong("id", "each id once")
        items[item.id] = item
    return tuple(items.values())


def _item(row: Row) -> KnowledgeItem:
    for column in ("id", "gene", "variant", "disease", "evidence_type", "significance"):
        row.text(column)
    if set(row.values["id"]) & set(",; \t"):
        raise row.wrong("id", "an id without commas, semicolons and spaces")
    if row.values["level"] not in _LEVELS:
        raise row.wrong("level", ", ".join(_LEVELS))
    if row.values["direction"] not in _DIRECTIONS:
        raise row.wrong("direction", ", ".join(_DIRECTIONS))
    for tier in get_args(Tier):
        if row.values["tier"] == tier:
            return KnowledgeItem(**{**row.values, "tier": tier})
    raise row.wrong("tier", ", ".join(get_args(Tier)))
